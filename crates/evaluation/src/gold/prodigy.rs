//! Prodigy's JSON Lines export: spans with labels, choices, relations, and the annotator's answer.

use super::collect::Collector;
use super::file::At;
use super::marked::{Id, Mark, Marked};
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
    spans: Vec<Marking>,
    #[serde(default)]
    relations: Vec<Relation>,
    /// The one label of which the annotator was asked whether it fits.
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
struct Marking {
    start: usize,
    end: usize,
    label: String,
}

#[derive(Deserialize)]
struct Relation {
    head_span: Marking,
    child_span: Marking,
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
        collector.add(at, marked(task, &name, at)?.draft()?)
    })?;
    collector.complete_attributions();
    Ok(())
}

fn marked(task: Task, file: &str, at: At) -> Result<Marked, InputProblem> {
    let offsets = Offsets::new(&task.text, Unit::Characters);
    let mark = |Marking { start, end, label }: Marking| -> Result<Mark, InputProblem> {
        Ok(Mark { span: offsets.span("span", start, end)?, label })
    };
    let mut marks = task.spans.into_iter().map(mark).collect::<Result<Vec<_>, _>>()?;
    let mut links = Vec::with_capacity(task.relations.len());
    for Relation { head_span, child_span } in task.relations {
        let mut number = |span: Marking| -> Result<usize, InputProblem> {
            let wanted = mark(span)?;
            let known = marks.iter().position(|mark| mark.span == wanted.span && mark.label == wanted.label);
            Ok(known.unwrap_or_else(|| {
                marks.push(wanted);
                marks.len() - 1
            }))
        };
        links.push((number(head_span)?, number(child_span)?));
    }
    let chosen = |id: Id| {
        let id = id.into_string();
        let option = task.options.iter().find(|option| option.id.clone().into_string() == id);
        option.and_then(|option| option.text.clone()).unwrap_or(id)
    };
    let labels = task.label.into_iter().chain(task.accept.into_iter().map(chosen)).collect();
    let own = task.target.or_else(|| task.meta.get("target")?.as_str().map(str::to_owned));
    let id = task.id.map_or_else(|| format!("{file}, {at}"), Id::into_string);
    Ok(Marked { id, target: own, text: task.text, labels, marks, links, fields: task.meta })
}
