//! Runs an evaluation: a model and a set give samples, samples give a report.

use crate::baseline::{Baseline, LabelledText};
use crate::error::Result;
use crate::log::Header;
use crate::metrics::SEED;
use crate::pairing::Predictions;
use crate::report::{
    AnswerRow, Comparison, ErrorSample, ModelIdentity, RunIdentity, SCHEMA, SetIdentity, Slice,
};
use crate::score::{self, LabelSample, LabelSamples};
use crate::{
    Annotations, EvalSet, Report, Sample, Sentences, SetData, Task, comparison, floor, pairing, predict,
    predictions, slices,
};
use standpoint_core::encoder::Engine;
use standpoint_core::model::Model;
use standpoint_core::pipeline::Pipeline;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// The label of a sentence that only the other side has, gold or prediction, because they segment the text differently.
pub const UNMATCHED: &str = "unmatched";

/// The number of errors in a report, the most confident ones.
const ERRORS: usize = 20;

/// The most slices by one property; the largest ones.
const SLICE_VALUES: usize = 30;

/// The samples of a set, and what is needed to score them.
pub struct Evaluation {
    header: Header,
    samples: Vec<Sample>,
    /// Training data for the baseline that learns. If it is empty, that baseline is left out.
    train: Vec<SetData>,
}

impl Evaluation {
    /// Lets a model answer a set. Calls `progress` with the number of documents just done and the number of all documents.
    ///
    /// # Errors
    /// If a file of the set cannot be read or has another hash than the set says, or if the model fails.
    pub fn run(
        set: &EvalSet,
        model: Model,
        engine: Engine,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let started = Instant::now();
        let (data, train) = (set.data()?, set.train()?);
        let identity = ModelIdentity::of(&model)?;
        let pipeline = Pipeline::with_engine(model, engine)?;
        let total = data.iter().map(|data| data.documents.len()).sum();
        let mut predictions = Predictions::default();
        for data in &data {
            predict::predict(&pipeline, set, data, &mut predictions, &mut |done| progress(done, total))?;
        }
        let run = RunIdentity::now(engine.to_string(), started.elapsed().as_secs_f64());
        Ok(Self::of(set, predictions, identity, run, train))
    }

    /// Scores the answers in a file of JSON Lines, whoever gave them: see `docs/evaluation.md`.
    ///
    /// # Errors
    /// If a file cannot be read, or the answers are not those of the set: one is missing, given twice, or of a sentence that
    /// the set does not have.
    pub fn of_predictions(set: &EvalSet, path: &Path) -> Result<Self> {
        let started = Instant::now();
        let (data, train) = (set.data()?, set.train()?);
        let (predictions, identity) = predictions::read(set, &data, path)?;
        let run = RunIdentity::now(String::new(), started.elapsed().as_secs_f64());
        Ok(Self::of(set, predictions, identity, run, train))
    }

    fn of(
        set: &EvalSet,
        predictions: Predictions,
        model: ModelIdentity,
        run: RunIdentity,
        train: Vec<SetData>,
    ) -> Self {
        let mut notes = notes_on(set, &predictions);
        let Predictions { mut samples, answered } = predictions;
        samples.retain(|sample| answered.contains(&sample.task));
        if set.sentences == Sentences::Predicted {
            notes.push(
                "Sentences were predicted. Missed gold sentences and invented sentences count as errors."
                    .to_owned(),
            );
        }
        let header = Header {
            schema: SCHEMA,
            set: SetIdentity {
                name: set.name.clone(),
                version: set.version,
                description: set.description.clone(),
                sha256: set.sha256.clone(),
                data_sha256: set.hashes(),
            },
            model,
            run,
            slices: set.slices.clone(),
            pairs: set.pairs.clone(),
            labels: set.labels.clone(),
            floors: set.floors.clone(),
            notes,
        };
        Self { header, samples, train }
    }

    /// The evaluation that wrote a log.
    pub fn from_log(header: Header, samples: Vec<Sample>) -> Self {
        Self { header, samples, train: Vec::new() }
    }

    /// Sets the program that ran the evaluation: name and version, and the commit it was built from.
    pub fn set_program(&mut self, program: &str, commit: Option<&str>) {
        self.header.run.program = program.to_owned();
        self.header.run.commit = commit.map(str::to_owned);
    }

    /// What the samples belong to: set, model and run.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// One sample for each task and sentence.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Computes all figures, and compares them with those of `other`.
    pub fn report(&self, other: Option<&Report>) -> Report {
        let mut notes = self.header.notes.clone();
        let mut tasks = Vec::new();
        for task in Task::ALL {
            let labelled = LabelSamples::new(task, &self.samples);
            let mut report = labelled.report();
            let samples: Vec<&Sample> = self.samples.iter().filter(|sample| sample.task == task).collect();
            if !task.span_kinds().is_empty() {
                report = score::span_report(task, &samples);
            }
            // A task with a floor is reported even without samples: its floor then fails.
            if samples.is_empty() && !self.header.floors.contains_key(&task) {
                continue;
            }
            report.slices = self.slices(&labelled);
            report.pairs = self.header.pairs.iter().flat_map(|field| labelled.pairs(field)).collect();
            report.baselines = self.baselines(&labelled, &mut notes);
            report.comparison = other.and_then(|other| comparison(&labelled, other, &mut notes));
            report.errors = errors(&labelled);
            if let Some(floors) = self.header.floors.get(&task) {
                report.floors = floor::judge(&report, floors);
            }
            tasks.push(report);
        }
        let Header { set, model, run, .. } = self.header.clone();
        let answers = self.samples.iter().filter_map(answer_row).collect();
        notes.dedup();
        Report { schema: SCHEMA, set, model, run, tasks, notes, answers }
    }

    fn slices(&self, labelled: &LabelSamples) -> Vec<Slice> {
        let mut properties: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (index, sample) in labelled.samples.iter().enumerate() {
            for (by, value) in slices::properties(sample.sample, &self.header.slices) {
                properties.entry(by).or_default().entry(value).or_default().push(index);
            }
        }
        let mut slices = Vec::new();
        for (by, values) in properties {
            // A property with one value would only repeat the task's figures.
            if values.len() < 2 {
                continue;
            }
            let mut values: Vec<(String, Vec<usize>)> = values.into_iter().collect();
            values.sort_by_key(|(_, members)| Reverse(members.len()));
            values.truncate(SLICE_VALUES);
            for (value, members) in values {
                let (sentences, [macro_f1, accuracy]) =
                    labelled.figures_of(members.iter().map(|&index| &labelled.samples[index]));
                slices.push(Slice { by: by.clone(), value, sentences, macro_f1, accuracy });
            }
        }
        slices
    }

    fn baselines(&self, labelled: &LabelSamples, notes: &mut Vec<String>) -> Vec<Comparison> {
        let train: Vec<Sample> =
            self.train.iter().flat_map(|data| pairing::gold_samples(labelled.task, data)).collect();
        let choice = self.header.labels.get(&labelled.task);
        let allowed = |label: usize| {
            choice.is_none_or(|choice| choice.iter().any(|name| name == labelled.task.labels()[label]))
        };
        let own = || labelled.samples.iter().filter(|sample| sample.gold < labelled.task.labels().len());
        let rows: Vec<LabelledText> = match train.is_empty() {
            true => own().filter_map(|sample| LabelledText::of(sample.sample)).collect(),
            false => train.iter().filter_map(LabelledText::of).collect(),
        };
        if train.is_empty() && !labelled.samples.is_empty() {
            notes.push(
                "The set names no training data. The majority and random baselines therefore use the label frequencies of \
                 the set itself, and TF-IDF is left out."
                    .to_owned(),
            );
        }
        Baseline::ALL
            .into_iter()
            .filter(|baseline| !(baseline.learns() && train.is_empty()))
            .filter_map(|baseline| {
                let fitted = baseline.fit(labelled.task, &rows, SEED)?;
                let samples: Vec<&Sample> = labelled.samples.iter().map(|sample| sample.sample).collect();
                let answers: Vec<Option<usize>> = fitted
                    .answer(&samples)
                    .iter()
                    .zip(&labelled.samples)
                    // Baselines are not asked about a sentence that gold does not have.
                    .map(|(probs, sample)| (sample.gold < probs.len()).then(|| likeliest(probs, allowed)))
                    .collect();
                Some(comparison::compare(baseline.as_str(), labelled, &answers))
            })
            .collect()
    }
}

/// The most probable allowed label; the first of equals.
pub(crate) fn likeliest(probs: &[f64], allowed: impl Fn(usize) -> bool) -> usize {
    let labels = (0..probs.len()).rev().filter(|&label| allowed(label));
    labels.max_by(|&one, &other| probs[one].total_cmp(&probs[other])).unwrap_or(0)
}

/// Remarks on tasks that the model or the data do not support, and on restricted labels.
fn notes_on(set: &EvalSet, predictions: &Predictions) -> Vec<String> {
    let mut notes = Vec::new();
    for &task in &set.tasks {
        if !predictions.answered.contains(&task) {
            notes.push(match task {
                Task::Holder | Task::Speaker => {
                    format!("The set asks for {task}, but this model names no {task}.")
                }
                task => format!("The set asks for {task}, which this model does not answer."),
            });
        } else if !predictions.samples.iter().any(|sample| sample.task == task) {
            notes.push(format!("The set asks for {task}, but its data have no labels for it."));
        }
    }
    for (task, labels) in &set.labels {
        let labels = labels.join(" and ");
        notes.push(format!(
            "Only {labels} were allowed as answers for {task}. Their probabilities were renormalized to sum to 1."
        ));
    }
    notes
}

fn comparison(labelled: &LabelSamples, other: &Report, notes: &mut Vec<String>) -> Option<Comparison> {
    let (answers, missing) = comparison::answers_of_run(labelled, &other.answers);
    let name = format!("{} {}", other.model.name, other.model.version);
    if missing > 0 && !labelled.samples.is_empty() {
        notes.push(format!(
            "The comparison leaves out {} of {} answers for {}: the other run lacks them, or has another gold label for \
             them.",
            missing,
            labelled.samples.len(),
            labelled.task
        ));
    }
    answers.iter().any(Option::is_some).then(|| comparison::compare(name, labelled, &answers))
}

/// The most confident errors, the most confident first.
fn errors(labelled: &LabelSamples) -> Vec<ErrorSample> {
    let labels = labelled.task.labels();
    let mut wrong: Vec<(&LabelSample, f64)> = labelled
        .samples
        .iter()
        .filter(|sample| !sample.is_right() && sample.gold < labels.len())
        .filter_map(|sample| Some((sample, *sample.probs.get(sample.predicted)?)))
        .collect();
    wrong.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    wrong
        .into_iter()
        .take(ERRORS)
        .map(|(sample, confidence)| ErrorSample {
            doc: sample.sample.doc.clone(),
            index: sample.sample.index,
            target: sample.sample.target.clone(),
            before: sample.sample.before.clone(),
            text: sample.sample.text.clone(),
            after: sample.sample.after.clone(),
            gold: labels[sample.gold].to_owned(),
            predicted: labels[sample.predicted].to_owned(),
            confidence,
        })
        .collect()
}

fn answer_row(sample: &Sample) -> Option<AnswerRow> {
    let Annotations::Label { gold, predicted, .. } = &sample.annotations else { return None };
    Some(AnswerRow {
        task: sample.task,
        file: sample.file.clone(),
        doc: sample.doc.clone(),
        start: sample.start,
        end: sample.end,
        target: sample.target.clone(),
        gold: gold.clone(),
        predicted: predicted.clone(),
    })
}
