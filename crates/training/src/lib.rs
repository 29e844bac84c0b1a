//! Training: makes a model folder from a base model and labelled files. The whole encoder and the heads learn together.
//!
//! [`Trainer`] runs a [`TrainConfig`]. It prints nothing: whoever starts a run watches it through [`Observer`].

#![forbid(unsafe_code)]

mod average;
mod card;
mod checkpoint;
mod config;
mod data;
mod dev;
pub mod differentiable;
pub mod error;
mod identity;
mod labels;
mod objective;
mod optimizer;
mod plan;
mod run;
mod start;
mod targets;
mod teacher;

pub use config::TrainConfig;
pub use dev::DevScore;
pub use run::{Observer, RunEnd, StepReport, Trainer};
