//! Agreement between annotators ("readers") who labelled the same sentences, or marked attributions in the same texts.

mod reading;

use crate::Task;
use crate::error::Result;
use crate::gold::{GoldFormat, GoldLabels};
use crate::metrics::{Coincidences, Confusion, Mergeable, SEED, SpanCounts, estimates};
use crate::report::Figure;
use reading::Reading;
use serde::Serialize;
use standpoint_core::label::{Attribution, Label};
use standpoint_core::text::Span;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The agreement on one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    pub task: Task,
    /// The number of sentences that at least two readers labelled.
    pub sentences: usize,
    pub documents: usize,
    pub readers: usize,
    /// The share of pairs of labels of a sentence that are equal.
    pub observed: Figure,
    /// Cohen's kappa. Without a value unless there are two readers.
    pub kappa: Figure,
    /// Krippendorff's alpha for nominal labels.
    pub alpha: Figure,
    /// One entry for each label.
    pub labels: Vec<LabelAgreement>,
}

/// The agreement on one label against the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelAgreement {
    pub label: String,
    pub kappa: Figure,
    pub alpha: Figure,
}

/// The agreement on the spans of attributions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpanAgreement {
    pub task: Task,
    /// The number of documents in which at least two readers marked attributions.
    pub documents: usize,
    pub readers: usize,
    /// One entry for each of source, cue and content.
    pub kinds: Vec<KindAgreement>,
}

/// The agreement on one kind of span. With more than two readers, over all pairs of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindAgreement {
    pub kind: String,
    /// How many spans the readers marked, once for each reader they are compared with.
    pub spans: u64,
    pub exact_f1: Figure,
    pub overlap_f1: Figure,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub labels: Vec<Agreement>,
    pub spans: Option<SpanAgreement>,
}

/// The label of each reader, by document and sentence.
type Table = BTreeMap<String, BTreeMap<(usize, usize), Vec<Option<usize>>>>;

/// Measures the agreement on each task that at least two readers labelled. Each file or folder is a reader; a single export
/// is parted by its annotators. Without a format, that of each file is looked for.
///
/// # Errors
/// If a file cannot be read, has a sentence twice, or the readings have nothing in common.
pub fn agreement(files: &[PathBuf], format: Option<GoldFormat>) -> Result<Found> {
    let readings = match files {
        [file] => Reading::load_all(file, format)?,
        files => files.iter().map(|file| Reading::load(file, format)).collect::<Result<_>>()?,
    };
    let paired = reading::paired(&readings);
    let labels = [
        (Task::Role, labels(&readings, &paired, |labels| labels.role.map(Label::index))),
        (Task::Stance, labels(&readings, &paired, |labels| labels.stance.map(Label::index))),
        (
            Task::Checkworthy,
            labels(&readings, &paired, |labels| labels.checkworthy.map(|yes| usize::from(!yes))),
        ),
    ];
    let labels: Vec<Agreement> =
        labels.iter().filter_map(|(task, table)| measure(*task, table, readings.len())).collect();
    let spans = spans(&readings, &paired);
    match (files.first(), labels.is_empty() && spans.is_none()) {
        (Some(first), true) => Err(reading::nothing(first).into()),
        _ => Ok(Found { labels, spans }),
    }
}

/// The labels of one task. Sentences are told by their place if it is known of all of a document, and by number otherwise.
fn labels(
    readings: &[Reading],
    paired: &BTreeMap<String, Vec<Option<usize>>>,
    label: impl Fn(&GoldLabels) -> Option<usize>,
) -> Table {
    let mut table = Table::new();
    for (key, numbers) in paired {
        let documents = || {
            let numbered = readings.iter().zip(numbers).enumerate();
            numbered.filter_map(|(reader, (reading, number))| Some((reader, &reading.documents[(*number)?])))
        };
        let are_placed = documents()
            .all(|(_, document)| document.sentences.iter().all(|sentence| sentence.span.is_some()));
        let sentences = table.entry(key.clone()).or_default();
        for (reader, document) in documents() {
            for sentence in &document.sentences {
                let place = sentence.span.filter(|_| are_placed);
                let place = place.map_or((sentence.index, 0), |span| (span.start(), span.end()));
                let given = sentences.entry(place).or_insert_with(|| vec![None; readings.len()]);
                given[reader] = label(&sentence.labels);
            }
        }
    }
    table
}

/// The agreement on spans. `None` if no document has those of two readers.
fn spans(readings: &[Reading], paired: &BTreeMap<String, Vec<Option<usize>>>) -> Option<SpanAgreement> {
    let kinds = Task::Spans.span_kinds();
    let mut documents: Vec<Vec<SpanCounts>> = Vec::new();
    for numbers in paired.values() {
        let numbered = readings.iter().zip(numbers);
        let marked: Vec<&Vec<Attribution>> = numbered
            .filter_map(|(reading, number)| reading.documents[(*number)?].attributions.as_ref())
            .collect();
        let mut counts = vec![SpanCounts::default(); kinds.len()];
        for (number, one) in marked.iter().enumerate() {
            for other in &marked[number + 1..] {
                for (kind, counts) in counts.iter_mut().enumerate() {
                    counts.merge(&SpanCounts::of(&parts(one, kind), &parts(other, kind)));
                }
            }
        }
        if marked.len() > 1 {
            documents.push(counts);
        }
    }
    if documents.is_empty() {
        return None;
    }
    let measured = kinds.iter().enumerate().map(|(number, kind)| {
        let counts: Vec<SpanCounts> = documents.iter().map(|counts| counts[number]).collect();
        let figures = |sum: &SpanCounts| vec![sum.exact_f1(), sum.overlap_f1()];
        let found = estimates(&counts, &SpanCounts::default(), SEED, figures);
        KindAgreement {
            kind: (*kind).to_owned(),
            spans: counts.iter().map(|counts| counts.gold() + counts.predicted()).sum(),
            exact_f1: found[0].into(),
            overlap_f1: found[1].into(),
        }
    });
    let kinds = measured.collect();
    Some(SpanAgreement { task: Task::Spans, documents: documents.len(), readers: readings.len(), kinds })
}

/// The sources, cues or contents of some attributions, each with its pieces.
fn parts(attributions: &[Attribution], kind: usize) -> Vec<Vec<Span>> {
    attributions
        .iter()
        .map(|Attribution { source, cue, content }| [source, cue, content][kind].clone())
        .collect()
}

/// The agreement on one task. `None` if no sentence has two labels.
fn measure(task: Task, table: &Table, readers: usize) -> Option<Agreement> {
    let labels = task.labels().len();
    let nothing = (Coincidences::new(labels), Confusion::new(labels));
    let mut sentences = 0;
    let documents: Vec<(Coincidences, Confusion)> = table
        .values()
        .map(|document| {
            let mut counts = nothing.clone();
            for readings in document.values() {
                if readings.iter().flatten().count() < 2 {
                    continue;
                }
                sentences += 1;
                counts.0.add(readings);
                if let [Some(one), Some(other)] = readings[..] {
                    counts.1.add(one, other);
                }
            }
            counts
        })
        .collect();
    if sentences == 0 {
        return None;
    }
    let figures = |(coincidences, confusion): &(Coincidences, Confusion)| {
        let mut figures = vec![coincidences.observed_agreement(), coincidences.alpha(), confusion.kappa()];
        for label in 0..labels {
            figures.extend([confusion.label_kappa(label), coincidences.label_alpha(label)]);
        }
        figures
    };
    let found: Vec<Figure> =
        estimates(&documents, &nothing, SEED, figures).into_iter().map(Figure::from).collect();
    let labelled = task.labels().iter().zip(found[3..].chunks(2));
    Some(Agreement {
        task,
        sentences,
        documents: table.len(),
        readers,
        observed: found[0],
        alpha: found[1],
        kappa: found[2],
        labels: labelled
            .map(|(label, figures)| LabelAgreement {
                label: (*label).to_owned(),
                kappa: figures[0],
                alpha: figures[1],
            })
            .collect(),
    })
}
