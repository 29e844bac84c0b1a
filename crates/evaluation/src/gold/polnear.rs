//! PolNeAR, the attributions of political news: a folder of brat files as published, or JSON Lines with the same spans and
//! the bounds of sentences.
//!
//! A sentence is attributed if the content of an attribution covers at least one of its letters or digits. A stray
//! quotation mark that crosses the boundary does not make the neighbour attributed, nor does a source or a cue.

use super::collector::{Collector, UncheckedDocument};
use super::file::{self, Location};
use super::offsets::{self, AttributionOffsets, Offsets, Unit};
use super::standoff::Annotations;
use super::{GoldLabels, GoldSource, standoff};
use crate::error::{GoldProblem, InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::Attribution;
use standpoint_core::segment;
use standpoint_core::text::Span;
use std::collections::HashSet;
use std::path::Path;

/// A line of JSON. Offsets count characters.
#[derive(Deserialize)]
struct Article {
    doc_id: String,
    text: String,
    split: Option<String>,
    target: Option<String>,
    sentences: Vec<[usize; 2]>,
    attributions: Vec<AttributionOffsets>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    if source.path.is_dir() {
        return read_folder(&source.path, digest, collector);
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
        let attributions = Some(attributions);
        collector.add(at, UncheckedDocument { id, target, text, sentences, attributions, fields })
    })
}

/// Reads brat files, which have no sentences: the text is segmented here.
fn read_folder(folder: &Path, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    for (number, files) in standoff::documents(folder)?.into_iter().enumerate() {
        let (text, annotations) = files.read(digest)?;
        let attributions = attributions(&annotations)?;
        let sentences = attributed_or_not(&text, segment::sentences(&text), &attributions);
        let mut fields = Map::new();
        fields.extend(files.annotator.map(|annotator| ("annotator".to_owned(), annotator.into())));
        let (id, attributions) = (files.name, Some(attributions));
        let document = UncheckedDocument { id, target: None, text, sentences, attributions, fields };
        let at = Location::Record(number + 1);
        collector.add(at, document).map_err(|problem| at.error(folder, problem))?;
    }
    Ok(())
}

/// The events of an annotation file: `E1<tab>Attribution:T4 Content:T3 Cue:T2 Source:T1`. A role that occurs twice has a
/// number after its name, as in `Source2`.
fn attributions(annotations: &Annotations) -> Result<Vec<Attribution>> {
    let mut attributions = Vec::with_capacity(annotations.events.len());
    let mut used = HashSet::new();
    annotations.each(&annotations.events, |event| {
        let mut attribution = Attribution::default();
        for role in event.roles() {
            let (name, id) = role?;
            let part = match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "Source" => &mut attribution.source,
                "Cue" => &mut attribution.cue,
                "Content" => &mut attribution.content,
                _ => continue,
            };
            let number = annotations.number(id)?;
            used.insert(number);
            part.extend(&annotations.bounds[number].pieces);
        }
        for part in [&mut attribution.source, &mut attribution.cue, &mut attribution.content] {
            part.sort();
        }
        // PolNeAR has a few events without any span.
        if attribution != Attribution::default() {
            attributions.push(attribution);
        }
        Ok(())
    })?;
    // Parts that only relations join, as in other projects, would be lost without a word.
    annotations.each(&annotations.relations, |relation| {
        let is_lost = |role: Result<(&str, &str), InputProblem>| {
            let number = role.and_then(|(_, id)| annotations.number(id));
            number.is_ok_and(|number| {
                let label = annotations.bounds[number].label.to_lowercase();
                !used.contains(&number) && ["source", "cue", "content"].contains(&label.as_str())
            })
        };
        match relation.roles().any(is_lost) {
            true => Err(GoldProblem::Relation.into()),
            false => Ok(()),
        }
    })?;
    Ok(attributions)
}

/// Labels each sentence as attributed or not.
fn attributed_or_not(
    text: &str,
    sentences: Vec<Span>,
    attributions: &[Attribution],
) -> Vec<(Span, GoldLabels)> {
    let label = |sentence: Span| {
        let covers = |content: &Span| {
            let (start, end) = (content.start().max(sentence.start()), content.end().min(sentence.end()));
            start < end && text[start..end].chars().any(char::is_alphanumeric)
        };
        let attributed = attributions.iter().flat_map(|attribution| &attribution.content).any(covers);
        (sentence, GoldLabels { attributed: Some(attributed), ..GoldLabels::default() })
    };
    sentences.into_iter().map(label).collect()
}
