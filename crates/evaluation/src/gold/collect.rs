//! Documents as a format gives them, checked and gathered.

use super::file::At;
use super::{GoldDocument, GoldLabels, GoldSource};
use crate::error::{GoldProblem, InputProblem};
use serde_json::{Map, Value};
use standpoint_core::label::{Attribution, Target};
use standpoint_core::text::{Document, Span};
use std::collections::HashMap;

/// A document as a format gives it: spans lie within the text, nothing else is sure yet.
pub(super) struct Draft {
    pub id: String,
    pub target: Option<String>,
    pub text: String,
    pub sentences: Vec<(Span, GoldLabels)>,
    pub attributions: Option<Vec<Attribution>>,
    pub fields: Map<String, Value>,
}

impl Draft {
    /// A text that is one sentence to the corpus it comes from, however many it has.
    pub fn whole(id: String, target: Option<String>, text: String, labels: GoldLabels) -> Self {
        let sentences = vec![(Span::new(0, text.len()), labels)];
        Self { id, target, text, sentences, attributions: None, fields: Map::new() }
    }

    /// Sentences, put on lines of their own. Labels must have no holder yet.
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

/// The documents read so far.
pub(super) struct Collector<'s> {
    source: &'s GoldSource,
    documents: Vec<GoldDocument>,
    ids: HashMap<String, At>,
}

impl<'s> Collector<'s> {
    pub fn new(source: &'s GoldSource) -> Self {
        Self { source, documents: Vec::new(), ids: HashMap::new() }
    }

    /// Whether a row of this split is to be read.
    pub fn wants(&self, split: Option<&str>) -> bool {
        match (split, self.source.split.as_deref()) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => true,
        }
    }

    /// Takes a document whose id no other one may have.
    pub fn add(&mut self, at: At, draft: Draft) -> Result<(), InputProblem> {
        if let Some(first) = self.ids.insert(draft.id.clone(), at) {
            return Err(GoldProblem::DuplicateId { id: draft.id, first: first.to_string() }.into());
        }
        // By the text, so that one which stands twice in the data is in one part only.
        let wanted = self.in_part(&draft.text);
        self.push(draft, wanted)
    }

    /// Takes a piece of a document of which there may be others with the same id.
    pub fn add_part(&mut self, draft: Draft) -> Result<(), InputProblem> {
        // By the id, so that a document is in one part only.
        let wanted = self.in_part(&draft.id);
        self.push(draft, wanted)
    }

    fn in_part(&self, key: &str) -> bool {
        self.source.part.is_none_or(|part| part.holds(key))
    }

    /// What is not wanted is checked nevertheless.
    fn push(&mut self, draft: Draft, wanted: bool) -> Result<(), InputProblem> {
        let document = draft.check(self.source.target.as_deref())?;
        self.documents.extend(wanted.then_some(document));
        Ok(())
    }

    /// If attributions were marked in any document, then a document without one was found to have none.
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
