//! standpoint's input and output: files to documents, and what a model says of them to files. Knows no model and no
//! terminal.

#![forbid(unsafe_code)]

#[cfg(test)]
#[path = "../../core/src/random_tests.rs"]
mod random_tests;

pub mod error;
pub mod input;
pub mod output;
