//! Calibration: what is fitted on labelled text after training, so that a probability of 0.9 is right nine times in ten, and
//! so that most spans are found exactly. The weights of the encoder stay as they are.
//!
//! Heads that give one label are calibrated by [`TemperatureScaling`], heads that tag tokens by [`fit_begin_bias`]. How well
//! calibrated probabilities are is for evaluation to say.

mod begin;
mod temperature;

pub use begin::{TaggedTokens, fit_begin_bias};
pub use temperature::{LabelledLogits, TemperatureScaling, argmax};
