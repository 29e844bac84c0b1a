//! Records: one owned value for each sentence, with everything that a model found in it. The only thing that leaves the
//! pipeline. Outputs, positions and figures are made from records.

use crate::label::{Attribution, Prediction, Role, TargetStance};
use crate::text::{Document, Span};
use std::sync::Arc;

/// A sentence of a document, and what a model says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The document, shared by the records of its sentences.
    pub document: Arc<Document>,
    /// The sentence's index in its document, from 0.
    pub index: usize,
    pub role: Prediction<Role>,
    /// One for each target, in the order in which the targets were given.
    pub stances: Vec<TargetStance>,
    /// From 0 to 1; `None` if the model has no such head.
    pub checkworthiness: Option<f32>,
    /// The attributions of which any part lies in this sentence, in the order of their first bytes; `None` if the model
    /// has no such heads. Records share an attribution that spans their sentences.
    pub attributions: Option<Vec<Arc<LocatedAttribution>>>,
    /// Who speaks in an attributed sentence; `None` if the document does not tell, in a transcript, whose turns do, and if the
    /// model has no such head.
    pub speaker: Option<Speaker>,
    /// The sentence was longer than a window: the model read only its beginning.
    pub truncated: bool,
}

/// Somebody who speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// The fullest name that the document gives.
    pub name: String,
    pub probability: f32,
}

/// An attribution, and the sentences that its parts lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedAttribution {
    pub attribution: Attribution,
    /// Indices of sentences in the document, ascending, each once.
    pub sentences: Vec<usize>,
}

impl Record {
    /// Where the sentence stands in its document's text.
    pub fn span(&self) -> Span {
        self.document.sentences()[self.index]
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        self.document.sentence(self.index)
    }

    /// Whether this is the last sentence of its document.
    pub fn is_last(&self) -> bool {
        self.index + 1 == self.document.sentences().len()
    }

    /// The attributions that begin in this sentence. Over all records of a document, each attribution comes up once.
    pub fn attributions_from_here(&self) -> impl Iterator<Item = &Attribution> {
        let all = self.attributions.iter().flatten();
        all.filter(|located| located.sentences.first() == Some(&self.index))
            .map(|located| &located.attribution)
    }
}

impl LocatedAttribution {
    /// Looks up the sentences of an attribution's parts.
    pub fn new(attribution: Attribution, document: &Document) -> Self {
        let all = document.sentences();
        let touched = |span: &Span| {
            let first = all.partition_point(|sentence| sentence.end() <= span.start());
            let end = all.partition_point(|sentence| sentence.start() < span.end());
            first..end
        };
        let Attribution { source, cue, content } = &attribution;
        let mut sentences: Vec<usize> = source.iter().chain(cue).chain(content).flat_map(touched).collect();
        sentences.sort_unstable();
        sentences.dedup();
        Self { attribution, sentences }
    }
}

/// All attributions of a document, each once, in the order of their first bytes; `None` if the model has no such heads.
/// `records` are those of one document.
pub fn attributions(records: &[Record]) -> Option<Vec<&Attribution>> {
    records
        .iter()
        .all(|record| record.attributions.is_some())
        .then(|| records.iter().flat_map(Record::attributions_from_here).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(document: &Arc<Document>, index: usize) -> Record {
        Record {
            document: Arc::clone(document),
            index,
            role: Prediction::new([1.0, 0.0, 0.0]),
            stances: Vec::new(),
            checkworthiness: None,
            attributions: None,
            speaker: None,
            truncated: false,
        }
    }

    #[test]
    fn an_attribution_over_sentences_comes_up_once() {
        let document = Arc::new(Document::from_sentences("d", &["He said:", "“Go.", "Now.”", "They left."]));
        let span = |words: &str| {
            let start = document.text().find(words).unwrap();
            Span::new(start, start + words.len())
        };
        let quote = LocatedAttribution::new(
            Attribution {
                source: vec![span("He")],
                cue: vec![span("said")],
                content: vec![Span::new(span("“Go.").start(), span("Now.”").end())],
            },
            &document,
        );
        assert_eq!(quote.sentences, [0, 1, 2]);
        let quote = Arc::new(quote);
        let mut records: Vec<Record> = (0..4).map(|index| record(&document, index)).collect();
        assert_eq!(attributions(&records), None);
        for record in &mut records {
            let touches = quote.sentences.contains(&record.index);
            record.attributions = Some(touches.then(|| Arc::clone(&quote)).into_iter().collect());
        }
        assert_eq!(attributions(&records), Some(vec![&quote.attribution]));
        assert!(records[3].is_last() && !records[2].is_last());
        assert_eq!(records[2].text(), "Now.”");
    }

    #[test]
    fn a_document_without_sentences_has_no_attributions() {
        assert_eq!(attributions(&[]), Some(Vec::new()));
    }
}
