//! A model's answers to the sentences of a set, as samples.

use super::sample::{Answer, Sample, Task};
use super::set::{EvalSet, SetData};
use super::{Sentences, UNMATCHED};
use crate::error::Result;
use crate::gold::{GoldDocument, GoldLabels};
use crate::label::{Analysis, Label, Prediction, Role, SentenceAnalysis, Target};
use crate::pipeline::Pipeline;
use crate::segment;
use crate::text::{Document, Span};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How many documents the model reads between two calls of the progress.
const BATCH: usize = 64;

/// Labels the sentences of one file. `progress` is told how many documents are done.
///
/// # Errors
/// If a target is too long for the model, or the model fails.
pub fn answer(
    pipeline: &Pipeline,
    set: &EvalSet,
    data: &SetData,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Sample>> {
    let mut by_target: BTreeMap<&str, Vec<&GoldDocument>> = BTreeMap::new();
    for document in &data.documents {
        by_target.entry(&document.target).or_default().push(document);
    }
    let mut samples = Vec::new();
    for (target, gold) in by_target {
        let targets = [Target::new(target)?];
        for gold in gold.chunks(BATCH) {
            let documents: Vec<Document> = gold
                .iter()
                .map(|gold| match set.sentences {
                    Sentences::Gold => gold.document.clone(),
                    Sentences::Predicted => {
                        let text = gold.document.text();
                        Document::new(gold.document.id(), text, segment::sentences(text))
                    }
                })
                .collect();
            let analyses = pipeline.analyze(&documents, &targets)?;
            for ((gold, document), analysis) in gold.iter().zip(&documents).zip(&analyses) {
                for &task in &set.tasks {
                    judge(task, &data.name, gold, document, analysis, &mut samples);
                }
            }
            progress(gold.len());
        }
    }
    Ok(samples)
}

/// Whether today's models answer a task at all.
pub fn is_answered(task: Task) -> bool {
    matches!(task, Task::Role | Task::Stance | Task::Attributed)
}

/// The labelled sentences of a file as samples without an answer: what baselines are trained on.
pub fn unanswered(task: Task, data: &SetData) -> Vec<Sample> {
    let mut samples = Vec::new();
    for gold in &data.documents {
        for (index, labels) in gold.labels.iter().enumerate() {
            let Some(label) = gold_label(task, labels) else { continue };
            let answer =
                Answer::Label { gold: label.to_owned(), predicted: UNMATCHED.to_owned(), probs: Vec::new() };
            samples.push(sample(task, &data.name, gold, &gold.document, index, answer));
        }
    }
    samples
}

/// Puts the answers to one document beside its gold labels.
fn judge(
    task: Task,
    file: &str,
    gold: &GoldDocument,
    document: &Document,
    analysis: &Analysis,
    samples: &mut Vec<Sample>,
) {
    if gold.labels.iter().all(|labels| gold_label(task, labels).is_none()) {
        return;
    }
    let predicted: HashMap<Span, usize> =
        document.sentences().iter().enumerate().map(|(index, &span)| (span, index)).collect();
    for (index, (span, labels)) in gold.document.sentences().iter().zip(&gold.labels).enumerate() {
        let Some(label) = gold_label(task, labels) else { continue };
        let given = predicted.get(span).and_then(|&at| given(task, &analysis.sentences[at]));
        let (given, probs) = given.unwrap_or_else(|| (UNMATCHED.to_owned(), Vec::new()));
        let answer = Answer::Label { gold: label.to_owned(), predicted: given, probs };
        samples.push(sample(task, file, gold, &gold.document, index, answer));
    }
    let known: HashSet<Span> = gold.document.sentences().iter().copied().collect();
    for (index, span) in document.sentences().iter().enumerate() {
        let Some((given, probs)) = given(task, &analysis.sentences[index]) else { continue };
        if !known.contains(span) {
            let answer = Answer::Label { gold: UNMATCHED.to_owned(), predicted: given, probs };
            samples.push(sample(task, file, gold, document, index, answer));
        }
    }
}

fn sample(
    task: Task,
    file: &str,
    gold: &GoldDocument,
    document: &Document,
    index: usize,
    answer: Answer,
) -> Sample {
    let span = document.sentences()[index];
    let neighbour = |at: Option<usize>| {
        let at = at.filter(|&at| at < document.sentences().len());
        at.map(|at| document.sentence(at).to_owned())
    };
    Sample {
        task,
        file: file.to_owned(),
        doc: document.id().to_owned(),
        index,
        of: document.sentences().len(),
        start: span.start(),
        end: span.end(),
        text: document.sentence(index).to_owned(),
        before: neighbour(index.checked_sub(1)),
        after: neighbour(Some(index + 1)),
        target: (task == Task::Stance).then(|| gold.target.clone()),
        fields: gold.document.fields().clone(),
        answer,
    }
}

/// What the data say, if they say it.
fn gold_label(task: Task, labels: &GoldLabels) -> Option<&'static str> {
    let yes_or_no = |yes: bool| task.labels()[usize::from(!yes)];
    match task {
        Task::Role => labels.role.map(Label::as_str),
        Task::Stance => labels.stance.map(Label::as_str),
        Task::Attributed => {
            labels.attributed.or(labels.role.map(|role| role == Role::Attributed)).map(yes_or_no)
        }
        Task::Checkworthy => labels.checkworthy.map(yes_or_no),
        Task::Spans | Task::Holder => None,
    }
}

/// What the model says: the label, and the probability of each in the order of the task's labels.
fn given(task: Task, sentence: &SentenceAnalysis) -> Option<(String, Vec<f64>)> {
    match task {
        Task::Role => Some(labelled(sentence.role)),
        Task::Stance => sentence.stances.first().map(|stance| labelled(stance.prediction)),
        Task::Attributed => {
            // The likeliest of three roles, not the likelier of two sides: as `classify` answers.
            let [_, attributed, _] = sentence.role.probabilities().map(f64::from);
            let label = task.labels()[usize::from(sentence.role.label() != Role::Attributed)];
            Some((label.to_owned(), vec![rounded(attributed), rounded(1.0 - attributed)]))
        }
        Task::Checkworthy => sentence.checkworthiness.map(|score| {
            let score = f64::from(score);
            (task.labels()[usize::from(score < 0.5)].to_owned(), vec![rounded(score), rounded(1.0 - score)])
        }),
        Task::Spans | Task::Holder => None,
    }
}

fn labelled<L: Label>(prediction: Prediction<L>) -> (String, Vec<f64>) {
    (
        prediction.label().as_str().to_owned(),
        prediction.probabilities().map(|p| rounded(f64::from(p))).to_vec(),
    )
}

/// To six places: what a log holds is what was scored.
fn rounded(probability: f64) -> f64 {
    (probability * 1e6).round() / 1e6
}
