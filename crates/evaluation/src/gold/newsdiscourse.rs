//! NewsDiscourse: every sentence's part in the discourse of a news text, as JSON Lines in which it is mapped to
//! our roles.

use super::collect::{Collector, Draft};
use super::{GoldLabels, GoldSource, file};
use crate::error::Result;
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::Role;

#[derive(Deserialize)]
struct Article {
    doc_id: String,
    split: Option<String>,
    target: Option<String>,
    sentences: Vec<Sentence>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// `role_aug`, which guesses more attributions from cue words, is not read: it is not what people annotated.
#[derive(Deserialize)]
struct Sentence {
    text: String,
    role: Option<Role>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "a document of NewsDiscourse (doc_id, sentences with text, role)";
    file::json_lines(&source.path, digest, expected, |at, article: Article| {
        if !collector.wants(article.split.as_deref()) {
            return Ok(());
        }
        let label = |Sentence { text, role }| (text, GoldLabels { role, ..GoldLabels::default() });
        let sentences = article.sentences.into_iter().map(label).collect();
        let draft = Draft::of_sentences(article.doc_id, article.target, sentences);
        collector.add(at, draft.with_fields(article.fields))
    })
}
