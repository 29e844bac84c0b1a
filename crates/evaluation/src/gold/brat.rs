//! A project of brat with labels of its own: a folder of texts and standoff annotations. Text bounds are labelled spans;
//! relations and events join them, and attributes label them further.

use super::annotated::{AnnotatedText, LabelledSpan};
use super::collector::Collector;
use super::file::Location;
use super::standoff::{self, Annotations, Bound, Line};
use super::{GoldSource, file};
use crate::error::{GoldProblem, InputProblem, Result};
use serde_json::Map;
use standpoint_core::hash::Digest;
use std::collections::HashMap;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    if !source.path.is_dir() {
        let expected = "a folder of texts (.txt) with annotations (.ann)";
        let found = source.path.display().to_string();
        return Err(file::at(&source.path, GoldProblem::Line { expected, found }).into());
    }
    for (number, files) in standoff::documents(&source.path)?.into_iter().enumerate() {
        let (text, annotations) = files.read(digest)?;
        let (spans, relations) = joined(&annotations)?;
        let mut fields = Map::new();
        fields.extend(files.annotator.map(|annotator| ("annotator".to_owned(), annotator.into())));
        let (id, labels) = (files.name, Vec::new());
        let document =
            AnnotatedText { id, target: None, text, labels, spans, relations, fields }.into_document();
        let at = Location::Record(number + 1);
        document
            .and_then(|document| collector.add(at, document))
            .map_err(|problem| at.error(&source.path, problem))?;
    }
    collector.complete_attributions();
    Ok(())
}

/// Labelled spans, and pairs of their numbers.
type Joined = (Vec<LabelledSpan>, Vec<(usize, usize)>);

/// The labelled spans of a text, and which of them belong together.
fn joined(annotations: &Annotations) -> Result<Joined> {
    // A bound's own label is the span of its number; those of attributes follow.
    let mut spans: Vec<LabelledSpan> = Vec::with_capacity(annotations.bounds.len());
    let labelled = |bound: &Bound, label: &str| {
        let (first, more) = bound.pieces.split_first().expect("a text bound has a place");
        LabelledSpan { span: *first, more: more.to_vec(), label: label.to_owned() }
    };
    spans.extend(annotations.bounds.iter().map(|bound| labelled(bound, &bound.label)));
    // An event stands for the text bound that triggers it, the first of its roles.
    let mut triggers = HashMap::new();
    annotations.each(&annotations.events, |event| {
        if let Some(trigger) = event.roles().next() {
            triggers.insert(event.id().to_owned(), annotations.number(trigger?.1)?);
        }
        Ok(())
    })?;
    let number = |id: &str| triggers.get(id).copied().map_or_else(|| annotations.number(id), Ok);
    let mut relations = Vec::new();
    let mut join = |line: &Line| -> Result<(), InputProblem> {
        let numbers = line.roles().map(|role| number(role?.1)).collect::<Result<Vec<usize>, _>>()?;
        relations.extend(numbers.iter().skip(1).map(|&other| (numbers[0], other)));
        Ok(())
    };
    annotations.each(&annotations.events, &mut join)?;
    annotations.each(&annotations.relations, &mut join)?;
    annotations.each(&annotations.attributes, |attribute| {
        let words: Vec<&str> = attribute.words().collect();
        let (label, of) = match words[..] {
            // One that is there or not, and one with a value, as in `Role T1 claim`.
            [label, of] => (label, of),
            [_, of, label] => (label, of),
            _ => {
                return Err(
                    attribute.malformed("a name, a tab, an attribute, what it is of, and perhaps a value")
                );
            }
        };
        spans.push(labelled(&annotations.bounds[number(of)?], label));
        Ok(())
    })?;
    Ok((spans, relations))
}
