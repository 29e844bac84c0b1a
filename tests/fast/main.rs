//! Fast integration tests: they use the library as a stranger would, or run the program with a tiny model of random weights.
//! No test here needs a committed model. Those that do are in `tests/slow`.

#![allow(clippy::print_stderr, reason = "a test says that it is skipped")]

mod agreement;
mod formats;
mod layers;
mod metrics;
mod model;
mod mpnet;
mod pipeline;
mod predictions;
#[path = "../../crates/core/src/random_tests.rs"]
mod random_tests;
mod render;
mod segment;
#[path = "../fixtures/report.rs"]
mod report;
#[path = "../fixtures/tiny.rs"]
#[allow(dead_code, reason = "tests/slow uses more of it")]
mod tiny;
