//! The integration tests: one binary, a module a subject.

mod model;
mod pipeline;
mod tiny;
