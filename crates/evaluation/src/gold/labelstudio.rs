//! Label Studio's JSON export: labelled regions of a text, choices for a region or for the whole text, and relations.

use super::annotated::{AnnotatedText, Id, LabelledSpan};
use super::collector::Collector;
use super::offsets::{Offsets, Unit};
use super::{GoldDocument, GoldSource, file};
use crate::error::{GoldProblem, InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::text::Span;
use std::collections::{BTreeMap, HashMap};

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
    /// Who made it: a number, or an object with more.
    #[serde(default)]
    completed_by: Value,
}

/// A labelled region, a choice, or a relation between regions, by `kind`.
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

const EXPECTED: &str = "a task of Label Studio (id, data.text, annotations with result)";

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    file::json_array(&source.path, digest, EXPECTED, |at, task: Task| {
        let wanted = collector.wants(task.data.split.as_deref());
        let finished = |annotation: &&Annotation| !annotation.was_cancelled;
        let finished: Vec<&Annotation> = task.annotations.iter().filter(finished).collect();
        let truth = finished.iter().find(|annotation| annotation.ground_truth).or(finished.first());
        match truth {
            Some(annotation) if wanted => collector.add(
                at,
                annotated_text(task.id.clone().into_string(), &task.data, &annotation.result)?
                    .into_document()?,
            ),
            _ => Ok(()),
        }
    })?;
    collector.complete_attributions();
    Ok(())
}

/// The documents of each annotator, in the order of their names. Of several annotations of a text by one, the last counts.
pub(super) fn read_annotators(source: &GoldSource) -> Result<Vec<Vec<GoldDocument>>> {
    let mut collectors: BTreeMap<String, Collector<'_>> = BTreeMap::new();
    file::json_array(&source.path, &mut Digest::default(), EXPECTED, |at, task: Task| {
        let finished = task.annotations.iter().filter(|annotation| !annotation.was_cancelled);
        let by_annotator = finished.map(|annotation| (annotator(&annotation.completed_by), annotation));
        for (annotator, annotation) in by_annotator.collect::<BTreeMap<_, _>>() {
            let id = task.id.clone().into_string();
            let document = annotated_text(id, &task.data, &annotation.result)?.into_document()?;
            collectors.entry(annotator).or_insert_with(|| Collector::new(source)).add(at, document)?;
        }
        Ok(())
    })?;
    let finished = |mut collector: Collector<'_>| {
        collector.complete_attributions();
        collector.finish()
    };
    Ok(collectors.into_values().map(finished).collect())
}

/// The name of an annotator.
fn annotator(completed_by: &Value) -> String {
    let named = ["email", "id"].iter().find_map(|key| completed_by.get(key));
    named.unwrap_or(completed_by).to_string()
}

fn annotated_text(id: String, data: &Data, items: &[Item]) -> Result<AnnotatedText, InputProblem> {
    let places = Places::new(&data.text);
    let (mut labels, mut spans, mut relations) = (Vec::new(), Vec::new(), Vec::new());
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
            numbers.entry(id).or_insert(spans.len());
        }
        spans.extend(said.map(|label| LabelledSpan::new(span, label)));
    }
    for item in items.iter().filter(|item| item.kind == "relation") {
        // A relation may also join regions that hold no label, such as notes.
        let number = |id: &Option<String>| {
            let id = id.as_deref().unwrap_or_default();
            let is_there = items.iter().any(|item| item.id.as_deref() == Some(id));
            let missing = || GoldProblem::Dangling { what: "the region", id: id.to_owned() };
            is_there.then(|| numbers.get(id).copied()).ok_or_else(missing)
        };
        relations.extend(number(&item.from_id)?.zip(number(&item.to_id)?));
    }
    let (target, text, fields) = (data.target.clone(), data.text.clone(), data.fields.clone());
    Ok(AnnotatedText { id, target, text, labels, spans, relations, fields })
}

/// Offsets in both units that Label Studio has used: characters since version 1.5, UTF-16 units before. The export repeats
/// the text of a region, which shows the unit.
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
        let Some(words) = words else {
            let span = self.characters.span(WHAT, start, end)?;
            let is_certain = self.utf16.span(WHAT, start, end).is_ok_and(|other| other == span);
            return is_certain.then_some(span).ok_or(GoldProblem::UnknownRegion { start, end }.into());
        };
        let counted = self.characters.span_of(WHAT, [start, end], words);
        counted.or_else(|problem| self.utf16.span_of(WHAT, [start, end], words).map_err(|_| problem))
    }
}
