//! PolNeAR, the attributions of political news: a folder of brat files as it is published, or JSON Lines with the
//! same spans and the bounds of sentences.
//!
//! A sentence counts as attributed if the content of some attribution covers a letter or digit of it: a quotation
//! mark alone that strays over the bound does not make the neighbour attributed, nor does a source or a cue.

use super::collect::{Collector, Draft};
use super::offsets::{self, Offsets, Parts, Unit};
use super::{GoldLabels, GoldSource, brat, file};
use crate::error::Result;
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::Attribution;
use standpoint_core::text::Span;

/// A document with offsets in characters.
#[derive(Deserialize)]
struct Article {
    doc_id: String,
    text: String,
    split: Option<String>,
    target: Option<String>,
    sentences: Vec<[usize; 2]>,
    attributions: Vec<Parts>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    if source.path.is_dir() {
        return brat::read(&source.path, digest, collector);
    }
    let expected = "a document of PolNeAR (doc_id, text, sentences, attributions)";
    file::json_lines(&source.path, digest, expected, |at, article: Article| {
        if !collector.wants(article.split.as_deref()) {
            return Ok(());
        }
        let Article { doc_id: id, text, target, sentences, attributions, fields, .. } = article;
        let offsets = Offsets::new(&text, Unit::Characters);
        let sentences = sentences.iter().map(|&[start, end]| offsets.span("sentence", start, end));
        let sentences = sentences.collect::<Result<Vec<_>, _>>()?;
        let attributions = offsets::attributions(&attributions, &offsets, 0)?;
        let sentences = attributed_or_not(&text, sentences, &attributions);
        collector.add(at, Draft { id, target, text, sentences, attributions: Some(attributions), fields })
    })
}

/// Says of each sentence whether it is attributed.
pub(super) fn attributed_or_not(
    text: &str,
    sentences: Vec<Span>,
    attributions: &[Attribution],
) -> Vec<(Span, GoldLabels)> {
    let label = |sentence: Span| {
        let shared = |content: &Span| {
            let (start, end) = (content.start().max(sentence.start()), content.end().min(sentence.end()));
            start < end && text[start..end].chars().any(char::is_alphanumeric)
        };
        let attributed = attributions.iter().flat_map(|attribution| &attribution.content).any(shared);
        (sentence, GoldLabels { attributed: Some(attributed), ..GoldLabels::default() })
    };
    sentences.into_iter().map(label).collect()
}
