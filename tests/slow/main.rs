//! Slow integration tests: they need a committed model, a browser, or data outside of this repository, they
//! train, or they label megabytes of text.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says that it is skipped, and what it measured"
)]

mod bad_input;
mod baselines;
mod bench;
mod browser;
mod classify;
mod encoders;
mod eval;
mod formats;
mod memory;
#[path = "../fixtures/report.rs"]
#[allow(dead_code, reason = "tests/fast uses more of it")]
mod report;
mod results;
mod resume;
mod streams;
#[path = "../fixtures/tiny.rs"]
#[allow(dead_code, reason = "tests/fast uses more of it")]
mod tiny;
mod training;
