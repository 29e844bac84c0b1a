//! Encoders: windows of tokens in, one state vector for each token out. Windows may be encoded together, but nothing
//! that is encoded beside a window can change its states.

#[cfg(feature = "reference")]
mod mpnet;
mod packed;
#[cfg(feature = "reference")]
mod reference;

pub use packed::PackedEncoder;
#[cfg(feature = "reference")]
pub use reference::ReferenceEncoder;
pub use standpoint_kernels::{Dtype, Isa};

use crate::error::Result;
use crate::model::{BertConfig, Weights};
use crate::window::Window;
use std::fmt;
use std::ops::Range;

/// Which encoder runs a model, and how it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// [`PackedEncoder`].
    Packed { dtype: Dtype, isa: Isa },
    /// [`ReferenceEncoder`].
    #[cfg(feature = "reference")]
    Reference,
}

impl Engine {
    /// Makes the encoder, which takes the weights over.
    ///
    /// # Errors
    /// If candle cannot build its encoder.
    pub fn build(self, config: &BertConfig, weights: Weights) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Packed { dtype, isa } => Box::new(PackedEncoder::new(config, weights, dtype, isa)),
            #[cfg(feature = "reference")]
            Self::Reference => Box::new(ReferenceEncoder::new(config, weights)?),
        })
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::Packed { dtype: Dtype::default(), isa: Isa::detect() }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packed { dtype, isa } => write!(formatter, "packed {} on {isa}", dtype.name()),
            #[cfg(feature = "reference")]
            Self::Reference => write!(formatter, "reference f32"),
        }
    }
}

/// The transformer of a model.
pub trait Encoder: Send + Sync {
    /// The length of a state vector.
    fn hidden_size(&self) -> usize;

    /// The last hidden state of each token, window by window. The same window always has the same states, bit for
    /// bit, whatever it is encoded with.
    ///
    /// # Errors
    /// If a window is empty, longer than the model has positions for, or holds ids beyond its vocabulary.
    fn encode(&self, windows: &[&Window]) -> Result<Vec<States>>;
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

    /// Whether every value is a finite number.
    pub fn is_finite(&self) -> bool {
        self.values.iter().fold(true, |finite, value| finite & value.is_finite())
    }

    /// All values, `[tokens, hidden]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
