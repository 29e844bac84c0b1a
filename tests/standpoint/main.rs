//! All integration tests, in one binary: they run `standpoint` as a process, use the library as a stranger
//! would, or read its source.

mod bad_input;
mod baselines;
mod bench;
mod classify;
mod layers;
mod model;
mod pipeline;
mod results;
mod tiny;
mod training;
