//! standpoint reads news text and says of every sentence whether it is a claim, an attributed statement
//! or background, and which stance it takes toward a target.
//!
//! ```
//! use standpoint::label::{Role, Target};
//! use standpoint::model::{Model, ModelSource};
//! use standpoint::pipeline::Pipeline;
//! use standpoint::segment;
//! use standpoint::text::Document;
//!
//! let pipeline = Pipeline::new(Model::load(&ModelSource::Bundled)?)?;
//! let text = "\"Our soldiers must come home,\" the senator said. The base was built in 1987.";
//! let document = Document::new("note", text, segment::sentences(text));
//! let analyses = pipeline.analyze(&[document.clone()], &[Target::default()])?;
//!
//! for (index, sentence) in analyses[0].sentences.iter().enumerate() {
//!     let stance = sentence.stances[0].prediction.label();
//!     println!("{} {stance}: {}", sentence.role.label(), document.sentence(index));
//! }
//! assert_eq!(analyses[0].sentences[0].role.label(), Role::Attributed);
//! # Ok::<(), standpoint::error::Error>(())
//! ```
//!
//! The modules, from the bottom up; each uses only those before it (held by a test):

pub mod error;
pub mod hash;
pub mod machine;
pub mod text;
pub mod label;
pub mod positions;
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
pub mod bench;
pub mod cli;
