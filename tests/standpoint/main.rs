//! All integration tests, in one binary: they run `standpoint` as a process, use the library as a stranger
//! would, or read its source.

mod bad_input;
mod baselines;
mod bench;
mod classify;
mod encoders;
mod eval;
mod formats;
mod layers;
mod memory;
mod metrics;
mod model;
mod mpnet;
mod pipeline;
mod render;
mod results;
mod tiny;
mod training;
