//! Training: gold files and a base model in, a model folder out. The whole encoder and the heads learn
//! together. Knows nothing of terminals: whoever starts a run watches it through [`Observer`].

mod average;
mod card;
mod checkpoint;
mod config;
mod data;
mod dev;
pub mod differentiable;
mod labels;
mod objective;
mod optimizer;
mod plan;
mod rename;
mod run;
mod start;
mod teacher;

pub use config::TrainConfig;
pub use dev::DevScore;
pub use run::{Observer, Outcome, StepReport, Trainer};
