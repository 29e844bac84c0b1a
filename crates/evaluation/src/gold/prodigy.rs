//! Prodigy's JSON Lines export: labelled spans, choices, relations, and the annotator's answer.

use super::annotated::{AnnotatedText, Id, LabelledSpan};
use super::collector::Collector;
use super::file::Location;
use super::offsets::{Offsets, Unit};
use super::{GoldSource, file};
use crate::error::{InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;

#[derive(Deserialize)]
struct Task {
    id: Option<Id>,
    text: String,
    target: Option<String>,
    #[serde(default)]
    spans: Vec<TaskSpan>,
    #[serde(default)]
    relations: Vec<Relation>,
    /// The label of a binary task: the annotator was asked whether it fits.
    label: Option<String>,
    /// The ids of the chosen options.
    #[serde(default)]
    accept: Vec<Id>,
    #[serde(default)]
    options: Vec<Choice>,
    answer: Option<String>,
    #[serde(default)]
    meta: Map<String, Value>,
}

#[derive(Deserialize)]
struct TaskSpan {
    start: usize,
    end: usize,
    label: String,
}

#[derive(Deserialize)]
struct Relation {
    head_span: TaskSpan,
    child_span: TaskSpan,
}

#[derive(Deserialize)]
struct Choice {
    id: Id,
    text: Option<String>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "a task of Prodigy (text, spans with start, end, label, or accept)";
    let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    file::json_lines(&source.path, digest, expected, |at, task: Task| {
        let answered = task.answer.as_deref().is_none_or(|answer| answer == "accept");
        if !answered || !collector.wants(task.meta.get("split").and_then(Value::as_str)) {
            return Ok(());
        }
        collector.add(at, annotated_text(task, &name, at)?.into_document()?)
    })?;
    collector.complete_attributions();
    Ok(())
}

fn annotated_text(task: Task, file: &str, at: Location) -> Result<AnnotatedText, InputProblem> {
    let offsets = Offsets::new(&task.text, Unit::Characters);
    let labelled = |TaskSpan { start, end, label }: TaskSpan| -> Result<LabelledSpan, InputProblem> {
        Ok(LabelledSpan::new(offsets.span("span", start, end)?, label))
    };
    let mut spans = task.spans.into_iter().map(labelled).collect::<Result<Vec<_>, _>>()?;
    let mut relations = Vec::with_capacity(task.relations.len());
    for Relation { head_span, child_span } in task.relations {
        let mut number = |span: TaskSpan| -> Result<usize, InputProblem> {
            let wanted = labelled(span)?;
            let known = spans.iter().position(|span| span.span == wanted.span && span.label == wanted.label);
            Ok(known.unwrap_or_else(|| {
                spans.push(wanted);
                spans.len() - 1
            }))
        };
        relations.push((number(head_span)?, number(child_span)?));
    }
    let chosen = |id: Id| {
        let id = id.into_string();
        let option = task.options.iter().find(|option| option.id.clone().into_string() == id);
        option.and_then(|option| option.text.clone()).unwrap_or(id)
    };
    let labels = task.label.into_iter().chain(task.accept.into_iter().map(chosen)).collect();
    let own = task.target.or_else(|| task.meta.get("target")?.as_str().map(str::to_owned));
    let id = task.id.map_or_else(|| format!("{file}, {at}"), Id::into_string);
    Ok(AnnotatedText { id, target: own, text: task.text, labels, spans, relations, fields: task.meta })
}
