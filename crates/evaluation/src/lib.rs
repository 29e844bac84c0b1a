//! Evaluation: reads labelled text in the public formats ([`gold`]), lets a model answer the sentences of an evaluation set
//! ([`EvalSet`], [`Evaluation`]), computes figures ([`metrics`]) and presents them ([`render`]). Prints nothing.
//!
//! The way of an evaluation: a set names data files; `predict` asks the model, or `predictions` reads what
//! somebody else answered; `pairing` pairs each answer with gold, as [`Sample`]s; `score` turns samples into a [`Report`]. Samples can be logged, and a report made from a log needs no
//! model.

#![forbid(unsafe_code)]

pub mod agreement;
mod answers;
pub mod baseline;
mod comparison;
pub mod error;
mod evaluation;
mod floor;
pub mod gold;
mod identity;
mod json;
pub mod log;
pub mod metrics;
mod pairing;
mod predict;
mod predictions;
pub mod recalibrate;
pub mod render;
pub mod report;
mod sample;
mod score;
mod set;
mod slices;

pub use evaluation::{Evaluation, UNMATCHED};
pub use report::Report;
pub use sample::{AnnotatedSpan, Annotations, Sample, Task};
pub use set::{AllowedLabels, EvalSet, Sentences, SetData};
