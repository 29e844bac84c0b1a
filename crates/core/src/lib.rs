//! standpoint's library: from a text to what a model says of its sentences. Reads no input and writes no output but a
//! model's own files; prints nothing.
//!
//! The modules, from the bottom up; each uses only those before it (held by a test).

#![forbid(unsafe_code)]

#[cfg(test)]
mod random_tests;
pub mod error;
pub mod atomic;
pub mod hash;
pub mod machine;
pub mod target;
pub mod fields;
pub mod text;
pub mod label;
pub mod record;
mod name;
pub mod positions;
pub mod segment;
pub mod transcript;
pub mod reading;
pub mod window;
pub mod tags;
pub mod calibration;
pub mod model;
pub mod encoder;
pub mod heads;
pub mod pipeline;
