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
//! let pipeline = Pipeline::new(Model::load(&standpoint::bundled().expect("this crate was built with a model"))?)?;
//! let text = "\"Our soldiers must come home,\" the senator said. The base was built in 1987.";
//! let document = Document::new("note", text, segment::sentences(text));
//!
//! for record in pipeline.records([document], &[Target::default()])? {
//!     let record = record?;
//!     let stance = record.stances[0].prediction.label();
//!     println!("{} {stance}: {}", record.role.label(), record.text());
//!     assert_ne!(record.role.label(), Role::Claim);
//! }
//! # Ok::<(), standpoint::error::Error>(())
//! ```
//!
//! This crate holds the bundled model and the command line. The library is in the crates it re-exports, from the
//! bottom up.

#![forbid(unsafe_code)]

pub use standpoint_core::{
    atomic, calibration, encoder, fields, hash, heads, label, machine, model, pipeline, positions, reading,
    record, segment, tags, text, transcript, window,
};
pub use standpoint_evaluation as evaluation;
pub use standpoint_evaluation::{gold, metrics};
pub use standpoint_io::{input, output};
pub use standpoint_kernels as kernels;
pub use standpoint_training as training;

#[cfg(bundled_model)]
use standpoint_core::model::EmbeddedModel;
use standpoint_core::model::ModelSource;

/// What can go wrong in the library; `evaluation` and `training` have errors of their own beside these.
pub mod error {
    pub use standpoint_core::error::*;
    pub use standpoint_io::error::*;
}

/// The model in this crate: `models/small` at the time of building, if the feature `bundled` was on.
#[cfg(bundled_model)]
pub fn bundled() -> Option<ModelSource> {
    macro_rules! bytes {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/small/", $name))
        };
    }
    Some(ModelSource::Embedded(EmbeddedModel {
        config: bytes!("config.json"),
        tokenizer: bytes!("tokenizer.json"),
        weights: bytes!("model.safetensors"),
        settings: bytes!("standpoint.toml"),
    }))
}

/// The model in this crate: this one was built without.
#[cfg(not(bundled_model))]
pub fn bundled() -> Option<ModelSource> {
    None
}
