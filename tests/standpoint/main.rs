//! All integration tests, in one binary: they run `standpoint` as a process, or read its source.

mod bad_input;
mod layers;
