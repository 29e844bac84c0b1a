//! From documents to records. The only place that joins tokenizer, windows, encoder and heads.
//!
//! ```text
//! documents ─ pieces ─► units of pieces ─ windows ─► windows ─ answers ─► answers ─ assemble ─► records
//! ```
//!
//! Each step is a file. [`Records`] runs them: it keeps all threads busy a few units ahead of the record that it gives out.
//! Pieces and units do not show outside of this module: a document has one answer however long it is.

mod answers;
mod assemble;
mod pieces;
mod records;
mod source;
mod speakers;
mod windows;

pub use records::Records;
pub use source::{AtHand, Source, Supply};

use crate::encoder::{Encoder, Engine};
use crate::error::{Result, TargetError};
use crate::heads::Heads;
use crate::label::Target;
use crate::model::{Model, Settings, Tokenizer};
use crate::record::Record;
use crate::text::Document;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A model that is ready to label documents. Immutable, and cheap to clone: share it between threads as you like.
#[derive(Clone)]
pub struct Pipeline {
    stages: Arc<Stages>,
}

/// What documents go through.
struct Stages {
    tokenizer: Arc<Tokenizer>,
    encoder: Box<dyn Encoder>,
    heads: Heads,
    settings: Settings,
    /// Nanoseconds that threads have spent in the encoder.
    encoder_time: AtomicU64,
}

/// The targets of one run, and their tokens.
struct Targets {
    phrases: Vec<Target>,
    /// Empty without targets, unless the model cannot read a text alone: then it is read with the model's default target.
    tokens: Arc<[Vec<u32>]>,
}

impl Pipeline {
    /// Readies a model to be run by the default [`Engine`]. Takes over its weights.
    ///
    /// # Errors
    /// If the encoder cannot be built.
    pub fn new(model: Model) -> Result<Self> {
        Self::with_engine(model, Engine::default())
    }

    /// Readies a model. Takes over its weights.
    ///
    /// # Errors
    /// If the encoder cannot be built.
    pub fn with_engine(model: Model, engine: Engine) -> Result<Self> {
        let tokenizer = Arc::clone(model.tokenizer());
        let settings = model.settings().clone();
        let heads = Heads::new(&settings, model.weights());
        let config = model.config().clone();
        let encoder = engine.build(&config, model.into_weights(), settings.text_layers.unwrap_or(0))?;
        let stages = Stages { tokenizer, encoder, heads, settings, encoder_time: AtomicU64::default() };
        Ok(Self { stages: Arc::new(stages) })
    }

    /// The settings of the model.
    pub fn settings(&self) -> &Settings {
        &self.stages.settings
    }

    /// How long threads have been in the encoder so far, all of them together.
    pub fn encoder_time(&self) -> Duration {
        Duration::from_nanos(self.stages.encoder_time.load(Ordering::Relaxed))
    }

    /// Labels documents as they come. The iterator gives a [`Record`] for each sentence, in the order of the input.
    ///
    /// Stances follow the order of `targets`, or of the document's own if it has any. Roles are read with the first target in front, or with the model's default
    /// target if there is none. What is said of a document depends neither on the other documents nor on the number of
    /// threads. Documents are drawn on the calling thread, a few ahead of the records; their memory is bounded.
    ///
    /// # Errors
    /// If a target has more tokens than a quarter of a window. The iterator ends with an error if the encoder fails, or for
    /// such a target of a document: [`Pipeline::check_targets`] finds it before.
    pub fn records<I>(&self, documents: I, targets: &[Target]) -> Result<Records<AtHand<I::IntoIter>>>
    where
        I: IntoIterator<Item: Into<Arc<Document>>>,
    {
        self.stream(AtHand(documents.into_iter()), targets)
    }

    /// Labels documents of a source that may keep us waiting. A document is labelled as soon as no further one is at
    /// hand. As [`Pipeline::records`] otherwise.
    ///
    /// # Errors
    /// As for [`Pipeline::records`].
    pub fn stream<S: Source>(&self, source: S, targets: &[Target]) -> Result<Records<S>> {
        let targets = Targets::new(&self.stages, targets)?;
        Ok(Records::new(Arc::clone(&self.stages), Arc::new(targets), source))
    }

    /// Whether all targets are short enough for this model.
    ///
    /// # Errors
    /// If one has more tokens than a quarter of a window.
    pub fn check_targets(&self, targets: &[Target]) -> Result<()> {
        match targets {
            [] => Ok(()),
            _ => self.stages.target_tokens(targets).map(drop),
        }
    }

    /// Labels documents that are at hand: the records of each, in order. As [`Pipeline::records`] otherwise.
    ///
    /// # Errors
    /// As for [`Pipeline::records`], and if the encoder fails.
    pub fn analyze<I>(&self, documents: I, targets: &[Target]) -> Result<Vec<Vec<Record>>>
    where
        I: IntoIterator<Item: Into<Arc<Document>>>,
    {
        let documents: Vec<Arc<Document>> = documents.into_iter().map(Into::into).collect();
        let mut records = self.records(documents.iter().map(Arc::clone), targets)?;
        documents.iter().map(|document| records.by_ref().take(document.sentences().len()).collect()).collect()
    }
}

impl Stages {
    /// The tokens of some targets. If there are none, those of the model's default one where it cannot read a text alone.
    fn target_tokens(&self, targets: &[Target]) -> Result<Vec<Vec<u32>>> {
        let limit = self.settings.max_tokens / 4;
        let tokens = |target: &str| {
            let tokens = self.tokenizer.encode(target)?;
            if tokens.len() > limit {
                let target = target.to_owned();
                return Err(TargetError::TooManyTokens { target, tokens: tokens.len(), limit }.into());
            }
            Ok(tokens)
        };
        match targets {
            [] if self.settings.text_layers.is_some() => Ok(Vec::new()),
            [] => Ok(vec![tokens(&self.settings.default_target)?]),
            _ => targets.iter().map(|target| tokens(target.as_str())).collect(),
        }
    }
}

impl Targets {
    fn new(stages: &Stages, targets: &[Target]) -> Result<Self> {
        Ok(Self { phrases: targets.to_vec(), tokens: stages.target_tokens(targets)?.into() })
    }

    /// The targets that are asked of a document: its own, or else those of the run.
    fn phrases<'a>(&'a self, document: &'a Document) -> &'a [Target] {
        match document.targets() {
            [] => &self.phrases,
            own => own,
        }
    }

    /// The tokens of the targets that are asked of a document.
    fn tokens(&self, document: &Document, stages: &Stages) -> Result<Arc<[Vec<u32>]>> {
        match document.targets() {
            [] => Ok(Arc::clone(&self.tokens)),
            own => stages.target_tokens(own).map(Arc::from),
        }
    }
}
