//! What somebody or something answered about the sentences of a document, whatever it was: a model's records, or the rows of
//! a file.

use crate::Task;
use standpoint_core::label::{Attribution, Label, Prediction, Role};
use standpoint_core::record::{Record, attributions};
use standpoint_core::text::Span;
use std::collections::{BTreeMap, BTreeSet};

/// A label, and the probability of each of the task's labels, in order. Without probabilities, if only the label is known.
pub(crate) type LabelAnswer = (String, Vec<f64>);

/// The answers about one sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SentenceAnswer {
    /// By task, for tasks that give labels and that were answered.
    pub labels: BTreeMap<Task, LabelAnswer>,
    /// Whose stance it is.
    pub holder: Option<Span>,
    /// Who speaks, by name.
    pub speaker: Option<String>,
}

/// The answers about one document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DocumentAnswers {
    /// One for each sentence, in order.
    pub sentences: Vec<SentenceAnswer>,
    /// `None` if attributions were not looked for.
    pub attributions: Option<Vec<Attribution>>,
}

impl DocumentAnswers {
    /// The tasks that are answered anywhere in the document. Whoever never names a holder or a speaker cannot be told from one who
    /// does not look for them.
    pub fn tasks(&self) -> BTreeSet<Task> {
        let mut tasks: BTreeSet<Task> =
            self.sentences.iter().flat_map(|sentence| sentence.labels.keys().copied()).collect();
        tasks.extend(self.attributions.as_ref().map(|_| Task::Spans));
        let any = |has: fn(&SentenceAnswer) -> bool| self.sentences.iter().any(has);
        tasks.extend(any(|sentence| sentence.holder.is_some()).then_some(Task::Holder));
        tasks.extend(any(|sentence| sentence.speaker.is_some()).then_some(Task::Speaker));
        tasks
    }

    /// What a model's records of one document say.
    pub fn of_records(records: &[Record]) -> Self {
        let sentences = records.iter().map(SentenceAnswer::of_record).collect();
        let attributions = attributions(records).map(|found| found.into_iter().cloned().collect());
        Self { sentences, attributions }
    }
}

impl SentenceAnswer {
    fn of_record(record: &Record) -> Self {
        let mut answer = Self::default();
        answer.set_role(labelled(record.role));
        if let Some(stance) = record.stances.first() {
            answer.labels.insert(Task::Stance, labelled(stance.prediction));
            answer.holder = stance.holder;
        }
        answer.speaker = record.speaker.as_ref().map(|speaker| speaker.name.clone());
        if let Some(score) = record.checkworthiness {
            answer.set_checkworthiness(f64::from(score));
        }
        answer
    }

    /// Sets the role, and with it whether the sentence is attributed: if that is the most probable of the three roles, as in
    /// `classify`, which it can be with less than 0.5.
    pub fn set_role(&mut self, (label, probs): LabelAnswer) {
        let attributed = Task::Attributed.labels()[usize::from(label != Role::Attributed.as_str())];
        let of_two = probs.get(Role::Attributed.index()).map(|&attributed| of_yes(attributed));
        self.labels.insert(Task::Attributed, (attributed.to_owned(), of_two.unwrap_or_default()));
        self.labels.insert(Task::Role, (label, probs));
    }

    /// Sets whether the sentence is worth checking: from a score of 0.5 on.
    pub fn set_checkworthiness(&mut self, score: f64) {
        let label = Task::Checkworthy.labels()[usize::from(score < 0.5)];
        self.labels.insert(Task::Checkworthy, (label.to_owned(), of_yes(score)));
    }
}

/// The probabilities of the two labels of a question whose answer is yes with this probability.
fn of_yes(probability: f64) -> Vec<f64> {
    vec![rounded(probability), rounded(1.0 - probability)]
}

fn labelled<L: Label>(prediction: Prediction<L>) -> LabelAnswer {
    let probs = prediction.probabilities().map(|p| rounded(f64::from(p)));
    (prediction.label().as_str().to_owned(), probs.to_vec())
}

/// Rounds to six decimals, as logs have them, so that a rescored log gives the same figures.
pub(crate) fn rounded(probability: f64) -> f64 {
    (probability * 1e6).round() / 1e6
}
