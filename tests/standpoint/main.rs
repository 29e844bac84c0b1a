//! The integration tests: one binary, a module a subject. They run `standpoint` as a process, use the
//! library, or read its source.

mod bad_input;
mod layers;
mod pipeline;
mod tiny;
