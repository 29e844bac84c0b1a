//! standpoint reads news text and says of every sentence whether it is a claim, an attributed statement
//! or background, and which stance it takes toward a target.
//!
//! The modules, from the bottom up; each uses only those before it (held by a test):

pub mod error;
pub mod hash;
pub mod text;
pub mod label;
pub mod random;
pub mod metrics;
pub mod segment;
pub mod window;
pub mod input;
pub mod gold;
pub mod output;
pub mod model;
pub mod encoder;
pub mod heads;
pub mod pipeline;
pub mod train;
pub mod eval;
pub mod cli;
