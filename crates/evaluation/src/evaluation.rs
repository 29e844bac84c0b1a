//! Evaluation: a model's answers on labelled sentences, scored.
//!
//! A [`set`](EvalSet) is data. A model turns it into [`samples`](Sample), each an answer beside gold, and everything
//! else follows from the samples: [`Evaluation::report`] needs no model.

use crate::answer::Answers;
use crate::baseline::{Baseline, LabelledText};
use crate::error::Result;
use crate::log::Header;
use crate::metrics::{RESAMPLES, SEED};
use crate::report::{AnswerRow, ErrorSample, ModelIdentity, Rival, RunIdentity, SCHEMA, SetIdentity, Slice};
use crate::score::{self, Item, Items};
use crate::{Answer, EvalSet, Report, Sample, Sentences, SetData, Task, answer, floor, rival, slice};
use standpoint_core::encoder::Engine;
use standpoint_core::hash::sha256;
use standpoint_core::machine;
use standpoint_core::model::Model;
use standpoint_core::pipeline::Pipeline;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Instant;

/// The label of a sentence that the other side does not have: gold and prediction cut the text differently.
pub const UNMATCHED: &str = "unmatched";

/// How many of the most confident errors a report shows.
const ERRORS: usize = 20;

/// The most values of a property that figures are sliced by; the commonest ones.
const SLICE_VALUES: usize = 30;

/// Answers to a set, and what is needed to score them.
pub struct Evaluation {
    header: Header,
    samples: Vec<Sample>,
    /// What the baselines that learn are trained on; they are left out where it is empty.
    train: Vec<SetData>,
}

impl Evaluation {
    /// Labels the sentences of a set with a model. `progress` is told of documents that are done, and how many
    /// there are.
    ///
    /// # Errors
    /// If a file of the set cannot be read or is not the one that the set means, or the model fails.
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
        let mut answers = Answers::default();
        for data in &data {
            answer::answer(&pipeline, set, data, &mut answers, &mut |done| progress(done, total))?;
        }
        let mut notes = notes_on(set, &answers);
        let Answers { mut samples, answered } = answers;
        samples.retain(|sample| answered.contains(&sample.task));
        if set.sentences == Sentences::Predicted {
            notes.push("Sentences were predicted: missed and made-up ones count as errors.".to_owned());
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
            model: identity,
            run: RunIdentity::now(engine, started.elapsed().as_secs_f64()),
            slices: set.slices.clone(),
            pairs: set.pairs.clone(),
            labels: set.labels.clone(),
            floors: set.floors.clone(),
            notes,
        };
        Ok(Self { header, samples, train })
    }

    /// An evaluation from its log.
    pub fn of_log(header: Header, samples: Vec<Sample>) -> Self {
        Self { header, samples, train: Vec::new() }
    }

    /// Names the program that ran it: its name and version, and the commit it was built from.
    pub fn set_program(&mut self, program: &str, commit: Option<&str>) {
        self.header.run.program = program.to_owned();
        self.header.run.commit = commit.map(str::to_owned);
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// All figures; with `other`, also how they differ from that run's.
    pub fn report(&self, other: Option<&Report>) -> Report {
        let mut notes = self.header.notes.clone();
        let mut tasks = Vec::new();
        for task in Task::ALL {
            let items = Items::new(task, &self.samples);
            let mut report = items.report();
            let samples: Vec<&Sample> = self.samples.iter().filter(|sample| sample.task == task).collect();
            if !task.parts().is_empty() {
                report = score::span_report(task, &samples);
            }
            // What has a floor is reported even so: there is no figure that could reach it.
            if samples.is_empty() && !self.header.floors.contains_key(&task) {
                continue;
            }
            report.slices = self.slices(&items);
            report.pairs = self.header.pairs.iter().flat_map(|field| items.pairs(field)).collect();
            report.baselines = self.baselines(&items, &mut notes);
            report.comparison = other.and_then(|other| comparison(&items, other, &mut notes));
            report.errors = errors(&items);
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

    fn slices(&self, items: &Items) -> Vec<Slice> {
        let mut properties: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (index, item) in items.items.iter().enumerate() {
            for (by, value) in slice::properties(item.sample, &self.header.slices) {
                properties.entry(by).or_default().entry(value).or_default().push(index);
            }
        }
        let mut slices = Vec::new();
        for (by, values) in properties {
            // A property that all sentences share tells nothing.
            if values.len() < 2 {
                continue;
            }
            let mut values: Vec<(String, Vec<usize>)> = values.into_iter().collect();
            values.sort_by_key(|(_, members)| Reverse(members.len()));
            values.truncate(SLICE_VALUES);
            for (value, members) in values {
                let (sentences, [macro_f1, accuracy]) =
                    items.figures_of(members.iter().map(|&index| &items.items[index]));
                slices.push(Slice { by: by.clone(), value, sentences, macro_f1, accuracy });
            }
        }
        slices
    }

    fn baselines(&self, items: &Items, notes: &mut Vec<String>) -> Vec<Rival> {
        let train: Vec<Sample> =
            self.train.iter().flat_map(|data| answer::unanswered(items.task, data)).collect();
        let choice = self.header.labels.get(&items.task);
        let allowed = |label: usize| {
            choice.is_none_or(|choice| choice.iter().any(|name| name == items.task.labels()[label]))
        };
        let own = || items.items.iter().filter(|item| item.gold < items.task.labels().len());
        let rows: Vec<LabelledText> = match train.is_empty() {
            true => own().filter_map(|item| LabelledText::of(item.sample)).collect(),
            false => train.iter().filter_map(LabelledText::of).collect(),
        };
        if train.is_empty() && !items.items.is_empty() {
            notes.push(
                "The set names no training data: the majority and the random baseline have seen how common the true \
                 labels are, and TF-IDF is left out."
                    .to_owned(),
            );
        }
        Baseline::ALL
            .into_iter()
            .filter(|baseline| !(baseline.learns() && train.is_empty()))
            .filter_map(|baseline| {
                let fitted = baseline.fit(items.task, &rows, SEED)?;
                let samples: Vec<&Sample> = items.items.iter().map(|item| item.sample).collect();
                let answers: Vec<Option<usize>> = fitted
                    .answer(&samples)
                    .iter()
                    .zip(&items.items)
                    // A sentence that gold does not have is no question.
                    .map(|(probs, item)| (item.gold < probs.len()).then(|| likeliest(probs, allowed)))
                    .collect();
                Some(rival::compare(baseline.as_str(), items, &answers))
            })
            .collect()
    }
}

/// The likeliest of the labels that are allowed, of equals the first.
pub(crate) fn likeliest(probs: &[f64], allowed: impl Fn(usize) -> bool) -> usize {
    let labels = (0..probs.len()).rev().filter(|&label| allowed(label));
    labels.max_by(|&one, &other| probs[one].total_cmp(&probs[other])).unwrap_or(0)
}

/// What a reader should know of how the tasks of a set were answered.
fn notes_on(set: &EvalSet, answers: &Answers) -> Vec<String> {
    let mut notes = Vec::new();
    for &task in &set.tasks {
        if !answers.answered.contains(&task) {
            notes.push(match task {
                Task::Holder => "The set asks for holder, but this model names none.".to_owned(),
                task => format!("The set asks for {task}, which this model does not answer."),
            });
        } else if !answers.samples.iter().any(|sample| sample.task == task) {
            notes.push(format!("The set asks for {task}, of which its data say nothing."));
        }
    }
    for (task, labels) in &set.labels {
        let labels = labels.join(" and ");
        notes.push(format!(
            "Of {task} only {labels} were allowed as answers: their probabilities are shares of their sum."
        ));
    }
    notes
}

fn comparison(items: &Items, other: &Report, notes: &mut Vec<String>) -> Option<Rival> {
    let (answers, missing) = rival::answers_of_run(items, &other.answers);
    let name = format!("{} {}", other.model.name, other.model.version);
    if missing > 0 && !items.items.is_empty() {
        notes.push(format!(
            "{} of {} answers to {} are not in the run compared with, or had another gold label there: they are left \
             out of the comparison.",
            missing,
            items.items.len(),
            items.task
        ));
    }
    answers.iter().any(Option::is_some).then(|| rival::compare(name, items, &answers))
}

/// The most confident errors, the surest first.
fn errors(items: &Items) -> Vec<ErrorSample> {
    let labels = items.task.labels();
    let mut wrong: Vec<(&Item, f64)> = items
        .items
        .iter()
        .filter(|item| !item.is_right() && item.gold < labels.len())
        .filter_map(|item| Some((item, *item.probs.get(item.predicted)?)))
        .collect();
    wrong.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    wrong
        .into_iter()
        .take(ERRORS)
        .map(|(item, confidence)| ErrorSample {
            doc: item.sample.doc.clone(),
            index: item.sample.index,
            target: item.sample.target.clone(),
            before: item.sample.before.clone(),
            text: item.sample.text.clone(),
            after: item.sample.after.clone(),
            gold: labels[item.gold].to_owned(),
            predicted: labels[item.predicted].to_owned(),
            confidence,
        })
        .collect()
}

fn answer_row(sample: &Sample) -> Option<AnswerRow> {
    let Answer::Label { gold, predicted, .. } = &sample.answer else { return None };
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

impl ModelIdentity {
    /// # Errors
    /// If the files can no longer be read.
    pub fn of(model: &Model) -> Result<Self> {
        let settings = model.settings();
        Ok(Self {
            name: settings.name.clone(),
            version: settings.version.clone(),
            sha256: model.fingerprint()?,
            settings_sha256: sha256([format!("{settings:?}").as_bytes()]),
        })
    }
}

impl RunIdentity {
    fn now(engine: Engine, seconds: f64) -> Self {
        Self {
            program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
            commit: None,
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine::description(),
            encoder: engine.to_string(),
            threads: rayon::current_num_threads(),
            seconds: (seconds * 10.0).round() / 10.0,
            seed: SEED,
            resamples: RESAMPLES,
        }
    }
}
