//! The common end of all readers: checks each document and collects those of the requested split and fold.

use super::file::Location;
use super::{GoldDocument, GoldLabels, GoldSource};
use crate::error::{GoldProblem, InputProblem};
use serde_json::{Map, Value};
use standpoint_core::label::{Attribution, Target};
use standpoint_core::text::{Document, Span};
use std::collections::HashMap;

/// A document as a reader made it. Its spans lie within the text; nothing else has been checked.
pub(super) struct UncheckedDocument {
    pub id: String,
    /// `None` if the record names none.
    pub target: Option<String>,
    pub text: String,
    pub sentences: Vec<(Span, GoldLabels)>,
    /// `None` if nobody annotated them.
    pub attributions: Option<Vec<Attribution>>,
    pub fields: Map<String, Value>,
}

impl UncheckedDocument {
    /// A text that its corpus labels as a whole: one sentence, however many it really has.
    pub fn whole(id: String, target: Option<String>, text: String, labels: GoldLabels) -> Self {
        let sentences = vec![(Span::new(0, text.len()), labels)];
        Self { id, target, text, sentences, attributions: None, fields: Map::new() }
    }

    /// A document made of separate sentences, joined by line breaks. The labels must not have a holder yet, because a
    /// holder is a span of the joined text.
    pub fn of_sentences(id: String, target: Option<String>, sentences: Vec<(String, GoldLabels)>) -> Self {
        let (texts, labels): (Vec<String>, Vec<GoldLabels>) = sentences.into_iter().unzip();
        let document = Document::from_sentences(String::new(), &texts);
        let sentences = document.sentences().iter().copied().zip(labels).collect();
        Self {
            id,
            target,
            text: document.text().to_owned(),
            sentences,
            attributions: None,
            fields: Map::new(),
        }
    }

    pub fn with_fields(self, fields: Map<String, Value>) -> Self {
        Self { fields, ..self }
    }

    /// Checks that sentences are in order and that a stance has a target.
    fn check(self, default_target: Option<&str>) -> Result<GoldDocument, InputProblem> {
        let mut reached = 0;
        for (index, (span, _)) in self.sentences.iter().enumerate() {
            if span.start() < reached {
                return Err(GoldProblem::Overlap { index }.into());
            }
            reached = span.end();
        }
        let (spans, labels): (Vec<Span>, Vec<GoldLabels>) = self.sentences.into_iter().unzip();
        let own = self.target.filter(|target| !target.trim().is_empty());
        let target = match own.as_deref().or(default_target) {
            Some(target) => target.to_owned(),
            None if labels.iter().any(|labels| labels.stance.is_some()) => {
                return Err(GoldProblem::NoTarget.into());
            }
            None => Target::DEFAULT.to_owned(),
        };
        let document = Document::new(self.id, self.text, spans).with_fields(self.fields);
        Ok(GoldDocument { document, target, labels, attributions: self.attributions })
    }
}

/// Collects the documents of one source.
pub(super) struct Collector<'s> {
    source: &'s GoldSource,
    documents: Vec<GoldDocument>,
    /// Where each id was first seen.
    ids: HashMap<String, Location>,
}

impl<'s> Collector<'s> {
    pub fn new(source: &'s GoldSource) -> Self {
        Self { source, documents: Vec::new(), ids: HashMap::new() }
    }

    /// Whether to read a row of this split; `None` for rows that name no split.
    pub fn wants(&self, split: Option<&str>) -> bool {
        match (split, self.source.split.as_deref()) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => true,
        }
    }

    /// Adds a document. Its id must be new.
    pub fn add(&mut self, at: Location, document: UncheckedDocument) -> Result<(), InputProblem> {
        if let Some(first) = self.ids.insert(document.id.clone(), at) {
            return Err(GoldProblem::DuplicateId { id: document.id, first: first.to_string() }.into());
        }
        // Duplicates of a text all belong to the same fold.
        let wanted = self.in_fold(&document.text);
        self.push(document, wanted)
    }

    /// Adds one of several rows of a document. They share its id.
    pub fn add_piece(&mut self, document: UncheckedDocument) -> Result<(), InputProblem> {
        // The rows of a document all belong to the same fold.
        let wanted = self.in_fold(&document.id);
        self.push(document, wanted)
    }

    fn in_fold(&self, key: &str) -> bool {
        self.source.fold.is_none_or(|fold| fold.contains(key))
    }

    /// Checks a document, and keeps it if it is wanted.
    fn push(&mut self, document: UncheckedDocument, wanted: bool) -> Result<(), InputProblem> {
        let document = document.check(self.source.target.as_deref())?;
        self.documents.extend(wanted.then_some(document));
        Ok(())
    }

    /// For exports of annotation tools: if any document has attributions, a document without any was read and has none.
    pub fn complete_attributions(&mut self) {
        if self.documents.iter().any(|gold| gold.attributions.is_some()) {
            for gold in &mut self.documents {
                gold.attributions.get_or_insert_default();
            }
        }
    }

    pub fn finish(self) -> Vec<GoldDocument> {
        self.documents
    }
}
