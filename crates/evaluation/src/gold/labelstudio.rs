//! Label Studio's JSON export: regions of a text with labels, choices for them or for the whole text, relations.

use super::collect::Collector;
use super::marked::{Id, Mark, Marked};
use super::offsets::{Offsets, Unit};
use super::{GoldSource, file};
use crate::error::{InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::text::Span;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Task {
    id: Id,
    data: Data,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Data {
    text: String,
    target: Option<String>,
    split: Option<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
struct Annotation {
    result: Vec<Item>,
    #[serde(default)]
    was_cancelled: bool,
    #[serde(default)]
    ground_truth: bool,
}

/// A label of a region, a choice, or a relation between regions.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(default)]
    value: Values,
    from_id: Option<String>,
    to_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values {
    start: Option<usize>,
    end: Option<usize>,
    text: Option<Value>,
    labels: Vec<String>,
    choices: Vec<String>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "a task of Label Studio (id, data.text, annotations with result)";
    file::json_array(&source.path, digest, expected, |at, task: Task| {
        let wanted = collector.wants(task.data.split.as_deref());
        let finished = |annotation: &&Annotation| !annotation.was_cancelled;
        let finished: Vec<&Annotation> = task.annotations.iter().filter(finished).collect();
        let truth = finished.iter().find(|annotation| annotation.ground_truth).or(finished.first());
        match truth {
            Some(annotation) if wanted => collector
                .add(at, marked(task.id.clone().into_string(), &task.data, &annotation.result)?.draft()?),
            _ => Ok(()),
        }
    })?;
    collector.complete_attributions();
    Ok(())
}

fn marked(id: String, data: &Data, items: &[Item]) -> Result<Marked, InputProblem> {
    let places = Places::new(&data.text);
    let (mut labels, mut marks, mut links) = (Vec::new(), Vec::new(), Vec::new());
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for item in items.iter().filter(|item| ["labels", "choices"].contains(&item.kind.as_str())) {
        let Values { start, end, text, labels: of_region, choices } = &item.value;
        let said = of_region.iter().chain(choices).cloned();
        let Some((start, end)) = start.zip(*end) else {
            labels.extend(said);
            continue;
        };
        let span = places.span(start, end, text.as_ref().and_then(Value::as_str))?;
        if let Some(id) = &item.id {
            numbers.entry(id).or_insert(marks.len());
        }
        marks.extend(said.map(|label| Mark { span, label }));
    }
    for item in items.iter().filter(|item| item.kind == "relation") {
        let number = |id: &Option<String>| id.as_deref().and_then(|id| numbers.get(id).copied());
        links.extend(number(&item.from_id).zip(number(&item.to_id)));
    }
    let (target, text, fields) = (data.target.clone(), data.text.clone(), data.fields.clone());
    Ok(Marked { id, target, text, labels, marks, links, fields })
}

/// Label Studio counts characters since version 1.5, and UTF-16 units before; the words of a region, which it
/// writes beside the offsets, tell which.
struct Places<'t> {
    characters: Offsets<'t>,
    utf16: Offsets<'t>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self { characters: Offsets::new(text, Unit::Characters), utf16: Offsets::new(text, Unit::Utf16) }
    }

    fn span(&self, start: usize, end: usize, words: Option<&str>) -> Result<Span, InputProblem> {
        const WHAT: &str = "region";
        let Some(words) = words else { return self.characters.span(WHAT, start, end) };
        let counted = self.characters.span_of(WHAT, [start, end], words);
        counted.or_else(|problem| self.utf16.span_of(WHAT, [start, end], words).map_err(|_| problem))
    }
}
