//! Encoders: a window's tokens in, one state vector for each token out. Each window is encoded on its own,
//! without padding, so that nothing that is encoded beside it can change its states.

pub mod differentiable;
mod reference;

pub use reference::ReferenceEncoder;

use crate::error::Result;
use crate::window::Window;
use std::ops::Range;

/// The transformer of a model.
pub trait Encoder: Send + Sync {
    /// The length of a state vector.
    fn hidden_size(&self) -> usize;

    /// The last hidden state of each of the window's tokens. The same window always has the same states,
    /// bit for bit.
    ///
    /// # Errors
    /// If the window is empty, longer than the model has positions for, or holds ids beyond its vocabulary.
    fn encode(&self, window: &Window) -> Result<States>;
}

/// The states of a window: `[tokens, hidden]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    values: Vec<f32>,
    hidden: usize,
}

impl States {
    /// # Panics
    /// If `values` is not a whole number of rows of `hidden` values.
    pub fn new(values: Vec<f32>, hidden: usize) -> Self {
        assert!(hidden > 0 && values.len().is_multiple_of(hidden), "states must be whole rows");
        Self { values, hidden }
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.hidden
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn hidden_size(&self) -> usize {
        self.hidden
    }

    /// The states of some tokens, one after the other.
    ///
    /// # Panics
    /// If there are no such tokens.
    pub fn rows(&self, tokens: Range<usize>) -> impl Iterator<Item = &[f32]> {
        self.values[tokens.start * self.hidden..tokens.end * self.hidden].chunks_exact(self.hidden)
    }

    /// All values, `[tokens, hidden]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
