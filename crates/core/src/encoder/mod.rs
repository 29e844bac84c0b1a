//! Encoders: from tokens of texts and targets to one state vector for each token. They may be encoded together, but the states
//! of a [`Reading`] never depend on what it is encoded with.

mod batch;
#[cfg(feature = "reference")]
mod mpnet;
mod packed;
#[cfg(feature = "reference")]
mod reference;

pub use batch::{Batch, Reading, Sequence};
pub use packed::PackedEncoder;
#[cfg(feature = "reference")]
pub use reference::ReferenceEncoder;
pub use standpoint_kernels::{Dtype, Isa};

use crate::error::Result;
use crate::model::{BertConfig, Weights};
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
    /// Makes the encoder, which consumes the weights. The first `text_layers` of its layers read texts and targets each alone.
    ///
    /// # Errors
    /// If candle cannot build its encoder.
    ///
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing, or this processor lacks the instruction set.
    pub fn build(
        self,
        config: &BertConfig,
        weights: Weights,
        text_layers: usize,
    ) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Packed { dtype, isa } => {
                Box::new(PackedEncoder::new(config, weights, dtype, isa).with_text_layers(text_layers))
            }
            #[cfg(feature = "reference")]
            Self::Reference => Box::new(ReferenceEncoder::new(config, weights, text_layers)?),
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

    /// The last hidden states of each reading's tokens that are asked for. A reading always has the same states, bit for bit,
    /// whatever it is encoded with.
    ///
    /// # Errors
    /// If a sequence is empty, or longer than the model has positions for, a reading is longer than twice that, or there is an
    /// id beyond the vocabulary.
    fn encode(&self, batch: &Batch) -> Result<Vec<States>>;
}

/// The states of some tokens: `[tokens, hidden]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    values: Vec<f32>,
    hidden: usize,
}

impl States {
    /// States from their values, `[tokens, hidden]`.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows.
    pub fn new(values: Vec<f32>, hidden: usize) -> Self {
        assert!(hidden > 0 && values.len().is_multiple_of(hidden), "states must be whole rows");
        Self { values, hidden }
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.values.len() / self.hidden
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn hidden_size(&self) -> usize {
        self.hidden
    }

    /// The states of some tokens, in order.
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
