//! doccano's JSON Lines export: spans with labels, labels of whole texts, relations.

use super::collect::Collector;
use super::file::At;
use super::marked::{Id, Mark, Marked};
use super::offsets::{Offsets, Unit};
use super::{GoldSource, file};
use crate::error::{InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Example {
    id: Option<Id>,
    text: String,
    target: Option<String>,
    split: Option<String>,
    /// Of sequence labelling and of text classification; which of both it is, each label tells.
    #[serde(default, alias = "labels")]
    label: Vec<Label>,
    #[serde(default)]
    cats: Vec<String>,
    #[serde(default)]
    entities: Vec<Entity>,
    #[serde(default)]
    relations: Vec<Relation>,
    /// What annotators wrote to each other.
    #[serde(rename = "Comments", alias = "comments")]
    _comments: Option<Value>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    OfText(String),
    OfSpan(usize, usize, String),
}

/// A span of a project with relations, or of one with categories.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entity {
    Named { id: i64, label: String, start_offset: usize, end_offset: usize },
    Bare(usize, usize, String),
}

#[derive(Deserialize)]
struct Relation {
    from_id: i64,
    to_id: i64,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "an example of doccano (text, label or entities)";
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    file::json_lines(&source.path, digest, expected, |at, example: Example| {
        if !collector.wants(example.split.as_deref()) {
            return Ok(());
        }
        collector.add(at, marked(example, &name, at)?.draft()?)
    })?;
    collector.complete_attributions();
    Ok(())
}

fn marked(example: Example, file: &str, at: At) -> Result<Marked, InputProblem> {
    let offsets = Offsets::new(&example.text, Unit::Characters);
    let mut labels = example.cats;
    let mut spans = Vec::new();
    for label in example.label {
        match label {
            Label::OfText(label) => labels.push(label),
            Label::OfSpan(start, end, label) => spans.push((None, start, end, label)),
        }
    }
    spans.extend(example.entities.into_iter().map(|entity| match entity {
        Entity::Named { id, label, start_offset, end_offset } => (Some(id), start_offset, end_offset, label),
        Entity::Bare(start, end, label) => (None, start, end, label),
    }));
    let mut marks = Vec::with_capacity(spans.len());
    let mut numbers = HashMap::new();
    for (id, start, end, label) in spans {
        numbers.extend(id.map(|id| (id, marks.len())));
        marks.push(Mark { span: offsets.span("span", start, end)?, label });
    }
    let number = |id: i64| numbers.get(&id).copied();
    let links =
        example.relations.iter().filter_map(|link| number(link.from_id).zip(number(link.to_id))).collect();
    let id = example.id.map_or_else(|| format!("{file}, {at}"), Id::into_string);
    let (target, fields) = (example.target, example.fields);
    Ok(Marked { id, target, text: example.text, labels, marks, links, fields })
}
