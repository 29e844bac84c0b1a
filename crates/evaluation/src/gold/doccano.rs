//! doccano's JSON Lines export: labelled spans, labels of whole texts, and relations.

use super::annotated::{AnnotatedText, Id, LabelledSpan};
use super::collector::Collector;
use super::counting::Evidence;
use super::file::Location;
use super::offsets::{Offsets, Unit};
use super::{GoldSource, file};
use crate::error::{GoldProblem, InputProblem, Result};
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
    /// The labels of a sequence labelling or a text classification project. Each label's form shows which.
    #[serde(default, alias = "labels")]
    label: Vec<Label>,
    #[serde(default)]
    cats: Vec<String>,
    #[serde(default)]
    entities: Vec<Entity>,
    #[serde(default)]
    relations: Vec<Relation>,
    /// Notes of the annotators. Named so that they do not become metadata.
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

/// A labelled span: with an id in projects with relations, without one in others.
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
    let unit = match source.offsets {
        Some(unit) => unit,
        None => unit(source, expected)?,
    };
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    file::json_lines(&source.path, digest, expected, |at, example: Example| {
        if !collector.wants(example.split.as_deref()) {
            return Ok(());
        }
        collector.add(at, annotated_text(example, unit, &name, at)?.into_document()?)
    })?;
    collector.complete_attributions();
    Ok(())
}

/// What the offsets of a file count. Its API counts characters and its browser UTF-16 units, unless a project says otherwise.
fn unit(source: &GoldSource, expected: &'static str) -> Result<Unit> {
    let mut evidence = Evidence::default();
    file::json_lines(&source.path, &mut Digest::default(), expected, |_, example: Example| {
        let labels = example.label.iter().filter_map(|label| match label {
            Label::OfText(_) => None,
            Label::OfSpan(start, end, _) => Some((*start, *end)),
        });
        let entities = example.entities.iter().map(|entity| match entity {
            Entity::Named { start_offset: start, end_offset: end, .. } | Entity::Bare(start, end, _) => {
                (*start, *end)
            }
        });
        evidence.add(&example.text, labels.chain(entities));
        Ok(())
    })?;
    Ok(evidence.unit().map_err(|problem| file::at(&source.path, problem))?)
}

fn annotated_text(
    example: Example,
    unit: Unit,
    file: &str,
    at: Location,
) -> Result<AnnotatedText, InputProblem> {
    let offsets = Offsets::new(&example.text, unit);
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
    let mut labelled = Vec::with_capacity(spans.len());
    let mut numbers = HashMap::new();
    for (id, start, end, label) in spans {
        numbers.extend(id.map(|id| (id, labelled.len())));
        labelled.push(LabelledSpan::new(offsets.span("span", start, end)?, label));
    }
    let number = |id: i64| {
        let number = numbers.get(&id).copied();
        number.ok_or_else(|| GoldProblem::Dangling { what: "the entity", id: id.to_string() })
    };
    let related = |relation: &Relation| Ok((number(relation.from_id)?, number(relation.to_id)?));
    let relations = example.relations.iter().map(related).collect::<Result<Vec<_>, GoldProblem>>()?;
    let id = example.id.map_or_else(|| format!("{file}, {at}"), Id::into_string);
    let (target, fields) = (example.target, example.fields);
    Ok(AnnotatedText { id, target, text: example.text, labels, spans: labelled, relations, fields })
}
