//! standpoint's evaluation: labelled data in the public formats ([`gold`]), figures ([`metrics`]), and a model's answers
//! on evaluation sets, scored and reported. Prints nothing.

#![forbid(unsafe_code)]

pub mod agreement;
mod answer;
pub mod baseline;
pub mod error;
mod evaluation;
mod floor;
pub mod gold;
pub mod log;
pub mod metrics;
pub mod recalibrate;
pub mod render;
pub mod report;
mod rival;
mod sample;
mod score;
mod set;
mod slice;

pub use evaluation::{Evaluation, UNMATCHED};
pub use report::Report;
pub use sample::{Answer, MarkedSpan, Sample, Task};
pub use set::{Choices, EvalSet, Sentences, SetData};
