//! Lets a model label the documents of a set, and pairs its annotations with gold, as samples.

use crate::error::Result;
use crate::gold::{GoldDocument, GoldLabels};
use crate::{
    AllowedLabels, AnnotatedSpan, Annotations, EvalSet, Sample, Sentences, SetData, Task, UNMATCHED,
};
use standpoint_core::label::{Attribution, Label, Prediction, Role, Target};
use standpoint_core::pipeline::Pipeline;
use standpoint_core::record::{Record, attributions};
use standpoint_core::segment;
use standpoint_core::text::{Document, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The number of documents that the model reads between two calls of `progress`.
const BATCH: usize = 64;

/// The samples of a set.
#[derive(Default)]
pub struct Predictions {
    /// For the tasks that the set asks for.
    pub samples: Vec<Sample>,
    /// All tasks that the model answered anywhere, whether the set asks for them or not.
    pub answered: BTreeSet<Task>,
}

/// Labels the documents of one data file and adds the samples to `predictions`. Calls `progress` with the number of
/// documents just done.
///
/// # Errors
/// If a target is too long for the model, or the model fails.
pub fn predict(
    pipeline: &Pipeline,
    set: &EvalSet,
    data: &SetData,
    predictions: &mut Predictions,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    let mut by_target: BTreeMap<&str, Vec<&GoldDocument>> = BTreeMap::new();
    for document in &data.documents {
        by_target.entry(&document.target).or_default().push(document);
    }
    for (target, gold) in by_target {
        let targets = [Target::new(target)?];
        for gold in gold.chunks(BATCH) {
            let documents: Vec<Arc<Document>> = gold
                .iter()
                .map(|gold| match set.sentences {
                    Sentences::Gold => gold.document.clone(),
                    Sentences::Predicted => {
                        let text = gold.document.text();
                        Document::new(gold.document.id(), text, segment::sentences(text))
                    }
                })
                .map(Arc::new)
                .collect();
            let analyses = pipeline.analyze(documents.iter().map(Arc::clone), &targets)?;
            for ((gold, document), records) in gold.iter().zip(&documents).zip(&analyses) {
                predictions.answered.extend(answered(records));
                let predicted = PredictedDocument { file: &data.name, gold, document, records };
                for &task in &set.tasks {
                    predictions.samples.extend(predicted.samples(task, &set.labels));
                }
            }
            progress(gold.len());
        }
    }
    Ok(())
}

/// The tasks that a model has answered in a document. A model that never names a holder cannot be told from one without that
/// head.
fn answered(records: &[Record]) -> impl Iterator<Item = Task> {
    let any = |has: fn(&Record) -> bool| records.iter().any(has);
    let stance = any(|record| !record.stances.is_empty());
    let holder = any(|record| record.stances.iter().any(|stance| stance.holder.is_some()));
    let tasks = [
        (Task::Role, true),
        (Task::Stance, stance),
        (Task::Attributed, true),
        (Task::Checkworthy, any(|record| record.checkworthiness.is_some())),
        (Task::Spans, any(|record| record.attributions.is_some())),
        (Task::Holder, holder),
    ];
    tasks.into_iter().filter_map(|(task, answered)| answered.then_some(task))
}

/// The gold labels of a file as samples without a prediction, to train baselines on.
pub fn gold_samples(task: Task, data: &SetData) -> Vec<Sample> {
    let mut samples = Vec::new();
    for gold in &data.documents {
        for (index, labels) in gold.labels.iter().enumerate() {
            let Some(label) = gold_label(task, labels) else { continue };
            let annotations = Annotations::Label {
                gold: label.to_owned(),
                predicted: UNMATCHED.to_owned(),
                probs: Vec::new(),
            };
            samples.push(sample(task, &data.name, gold, &gold.document, index, annotations));
        }
    }
    samples
}

/// A gold document and the model's records of its text. `document` has the sentences that the model read, which differ from
/// gold's if they were predicted.
struct PredictedDocument<'a> {
    file: &'a str,
    gold: &'a GoldDocument,
    document: &'a Document,
    /// One for each sentence of `document`, in order.
    records: &'a [Record],
}

impl PredictedDocument<'_> {
    fn samples(&self, task: Task, allowed: &AllowedLabels) -> Vec<Sample> {
        match task {
            Task::Spans => self.spans().into_iter().collect(),
            Task::Holder => self.holders(),
            _ => self.labels(task, allowed.get(&task).map(Vec::as_slice)),
        }
    }

    /// For each gold sentence, the index of the predicted sentence with the same span, if there is one.
    fn predicted_indices(&self) -> impl Iterator<Item = Option<usize>> {
        let predicted: HashMap<Span, usize> =
            self.document.sentences().iter().enumerate().map(|(index, &span)| (span, index)).collect();
        self.gold.document.sentences().iter().map(move |span| predicted.get(span).copied())
    }

    /// One label for each sentence, restricted to `allowed` if it is given. Then sentences with another gold label are left
    /// out. No samples if gold has no label for the task.
    fn labels(&self, task: Task, allowed: Option<&[String]>) -> Vec<Sample> {
        let Self { file, gold, document, records } = *self;
        let is_allowed =
            |label: &str| allowed.is_none_or(|allowed| allowed.iter().any(|known| known == label));
        let gold_label = |labels| gold_label(task, labels).filter(|label| is_allowed(label));
        if gold.labels.iter().all(|labels| gold_label(labels).is_none()) {
            return Vec::new();
        }
        let predict = |record| {
            let (label, probs) = predicted_label(task, record)?;
            Some(match allowed {
                None => (label, probs),
                Some(allowed) => restricted(task, probs, allowed),
            })
        };
        let mut samples = Vec::new();
        for (index, (predicted, labels)) in self.predicted_indices().zip(&gold.labels).enumerate() {
            let Some(label) = gold_label(labels) else { continue };
            let prediction = predicted.and_then(|predicted| predict(&records[predicted]));
            let (predicted, probs) = prediction.unwrap_or_else(|| (UNMATCHED.to_owned(), Vec::new()));
            let annotations = Annotations::Label { gold: label.to_owned(), predicted, probs };
            samples.push(sample(task, file, gold, &gold.document, index, annotations));
        }
        let known: HashSet<Span> = gold.document.sentences().iter().copied().collect();
        for (index, span) in document.sentences().iter().enumerate() {
            let Some((predicted, probs)) = predict(&records[index]) else { continue };
            if !known.contains(span) {
                let annotations = Annotations::Label { gold: UNMATCHED.to_owned(), predicted, probs };
                samples.push(sample(task, file, gold, document, index, annotations));
            }
        }
        samples
    }

    /// One sample with all attributions of the document, so that a content that runs over several sentences counts once.
    /// `None` if gold or the model has no attributions at all.
    fn spans(&self) -> Option<Sample> {
        let Self { file, gold, document, records } = *self;
        let gold_spans = annotated_spans(gold.attributions.as_ref()?);
        let predicted_spans = annotated_spans(attributions(records)?);
        Some(Sample {
            task: Task::Spans,
            file: file.to_owned(),
            doc: document.id().to_owned(),
            index: 0,
            of: gold.document.sentences().len(),
            start: 0,
            end: document.text().len(),
            text: document.text().to_owned(),
            before: None,
            after: None,
            target: None,
            fields: gold.document.fields().values(),
            annotations: Annotations::Spans { gold_spans, predicted_spans },
        })
    }

    /// The holder of each sentence with a gold stance: as [`Task::HOLDER`] if gold names a holder, and always as
    /// [`Task::HOLDER_ANYWHERE`].
    fn holders(&self) -> Vec<Sample> {
        let Self { file, gold, records, .. } = *self;
        let mut samples = Vec::new();
        for (index, (predicted, labels)) in self.predicted_indices().zip(&gold.labels).enumerate() {
            if labels.stance.is_none() && labels.holder.is_none() {
                continue;
            }
            let predicted = predicted.and_then(|index| records[index].stances.first()?.holder);
            let kinds: &[&str] = match labels.holder {
                Some(_) => &[Task::HOLDER, Task::HOLDER_ANYWHERE],
                None => &[Task::HOLDER_ANYWHERE],
            };
            let spans = |holder: Option<Span>| {
                let span = |kind: &&str| holder.map(|span| AnnotatedSpan::new(kind, 0, span));
                kinds.iter().filter_map(span).collect()
            };
            let (gold_spans, predicted_spans) = (spans(labels.holder), spans(predicted));
            let annotations = Annotations::Spans { gold_spans, predicted_spans };
            samples.push(sample(Task::Holder, file, gold, &gold.document, index, annotations));
        }
        samples
    }
}

/// The sources, cues and contents of attributions, numbered by attribution.
fn annotated_spans<'a>(attributions: impl IntoIterator<Item = &'a Attribution>) -> Vec<AnnotatedSpan> {
    let mut spans = Vec::new();
    for (number, attribution) in attributions.into_iter().enumerate() {
        let Attribution { source, cue, content } = attribution;
        for (kind, pieces) in Task::Spans.span_kinds().iter().zip([source, cue, content]) {
            spans.extend(pieces.iter().map(|&piece| AnnotatedSpan::new(kind, number, piece)));
        }
    }
    spans
}

/// A sample of one sentence of `document`, with the metadata of `gold`.
fn sample(
    task: Task,
    file: &str,
    gold: &GoldDocument,
    document: &Document,
    index: usize,
    annotations: Annotations,
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
        target: task.head().has_target.then(|| gold.target.clone()),
        fields: gold.document.fields().values(),
        annotations,
    }
}

/// The gold label of a sentence, if the data have one for the task.
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

/// The predicted label of a sentence, and the probability of each of the task's labels, in order.
fn predicted_label(task: Task, record: &Record) -> Option<(String, Vec<f64>)> {
    match task {
        Task::Role => Some(labelled(record.role)),
        Task::Stance => record.stances.first().map(|stance| labelled(stance.prediction)),
        Task::Attributed => {
            // "Attributed" is the answer if it is the most probable of the three roles, as in `classify`, which can be
            // with less than 0.5.
            let [_, attributed, _] = record.role.probabilities().map(f64::from);
            let label = task.labels()[usize::from(record.role.label() != Role::Attributed)];
            Some((label.to_owned(), vec![rounded(attributed), rounded(1.0 - attributed)]))
        }
        Task::Checkworthy => record.checkworthiness.map(|score| {
            let score = f64::from(score);
            (task.labels()[usize::from(score < 0.5)].to_owned(), vec![rounded(score), rounded(1.0 - score)])
        }),
        Task::Spans | Task::Holder => None,
    }
}

/// The prediction if only some labels are allowed: the most probable of them. Their probabilities are renormalized to sum to
/// 1, and those of the other labels become 0.
fn restricted(task: Task, mut probs: Vec<f64>, allowed: &[String]) -> (String, Vec<f64>) {
    let allowed: Vec<bool> =
        task.labels().iter().map(|label| allowed.iter().any(|known| known == label)).collect();
    let count = allowed.iter().filter(|&&allowed| allowed).count().max(1);
    let sum: f64 = probs.iter().zip(&allowed).filter(|(_, allowed)| **allowed).map(|(prob, _)| prob).sum();
    for (prob, allowed) in probs.iter_mut().zip(&allowed) {
        *prob = match (allowed, sum > 0.0) {
            (false, _) => 0.0,
            (true, true) => rounded(*prob / sum),
            (true, false) => rounded(1.0 / count as f64),
        };
    }
    let best = crate::evaluation::likeliest(&probs, |label| allowed[label]);
    (task.labels()[best].to_owned(), probs)
}

fn labelled<L: Label>(prediction: Prediction<L>) -> (String, Vec<f64>) {
    (
        prediction.label().as_str().to_owned(),
        prediction.probabilities().map(|p| rounded(f64::from(p))).to_vec(),
    )
}

/// Rounds to six decimals, as logs have them, so that a rescored log gives the same figures.
fn rounded(probability: f64) -> f64 {
    (probability * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::{Stance, TargetStance};
    use standpoint_core::record::LocatedAttribution;

    const TEXT: &str = "The mayor said no. The pier was built in 1931.";

    fn span(words: &str) -> Span {
        let start = TEXT.find(words).unwrap();
        Span::new(start, start + words.len())
    }

    fn document() -> Document {
        Document::new("d", TEXT, vec![span("The mayor said no."), span("The pier was built in 1931.")])
    }

    /// Two sentences. The first is against, and its holder is the mayor.
    fn gold() -> GoldDocument {
        let stance = |stance, holder| GoldLabels { stance: Some(stance), holder, ..GoldLabels::default() };
        GoldDocument {
            document: document(),
            target: "a new pier".to_owned(),
            labels: vec![stance(Stance::Against, Some(span("The mayor"))), stance(Stance::None, None)],
            attributions: Some(vec![Attribution {
                source: vec![span("The mayor")],
                cue: vec![span("said")],
                content: vec![span("no")],
            }]),
        }
    }

    fn record(document: &Arc<Document>, index: usize, stance: [f32; 3], holder: Option<Span>) -> Record {
        Record {
            document: Arc::clone(document),
            index,
            role: Prediction::new([0.2, 0.7, 0.1]),
            stances: vec![TargetStance {
                target: Target::default(),
                prediction: Prediction::new(stance),
                holder,
            }],
            checkworthiness: None,
            attributions: None,
            truncated: false,
        }
    }

    /// Records of the two sentences, by their stances and holders.
    fn records(answers: [([f32; 3], Option<Span>); 2]) -> Vec<Record> {
        let document = Arc::new(document());
        let numbered = answers.into_iter().enumerate();
        numbered.map(|(index, (stance, holder))| record(&document, index, stance, holder)).collect()
    }

    fn samples(task: Task, gold: &GoldDocument, records: &[Record], allowed: &AllowedLabels) -> Vec<Sample> {
        let document = document();
        PredictedDocument { file: "f", gold, document: &document, records }.samples(task, allowed)
    }

    fn counts(samples: &[Sample], kind: &str) -> (u64, u64, Option<f64>, Option<f64>) {
        let samples: Vec<&Sample> = samples.iter().collect();
        let report = crate::score::span_report(samples[0].task, &samples);
        let spans = report.spans.iter().find(|spans| spans.kind == kind).unwrap();
        (spans.gold, spans.predicted, spans.exact_f1.value, spans.overlap_f1.value)
    }

    #[test]
    fn a_task_is_answered_by_what_the_records_hold() {
        let mut records = records([([0.1, 0.8, 0.1], None), ([0.1, 0.1, 0.8], None)]);
        let tasks = |records: &[Record]| answered(records).collect::<Vec<_>>();
        assert_eq!(tasks(&records), [Task::Role, Task::Stance, Task::Attributed]);
        for record in &mut records {
            record.attributions = Some(Vec::new());
        }
        records[0].checkworthiness = Some(0.1);
        records[0].stances[0].holder = Some(Span::new(0, 3));
        assert_eq!(tasks(&records).len(), Task::ALL.len());
        let without = GoldDocument { attributions: None, ..gold() };
        assert!(samples(Task::Spans, &without, &records, &AllowedLabels::new()).is_empty());
    }

    #[test]
    fn attributions_are_compared_over_the_whole_document() {
        // A content in two pieces. The second is in the next sentence.
        let mut gold = gold();
        gold.attributions.as_mut().unwrap()[0].content.push(span("1931"));
        let predicted = Attribution {
            source: vec![span("The mayor")],
            cue: vec![span("mayor said")],
            content: vec![span("1931"), span("no")],
        };
        let mut records = records([([0.1, 0.8, 0.1], None), ([0.1, 0.1, 0.8], None)]);
        let located = [predicted.clone(), Attribution { source: Vec::new(), ..predicted }]
            .map(|attribution| Arc::new(LocatedAttribution::new(attribution, &document())));
        for record in &mut records {
            record.attributions = Some(located.to_vec());
        }
        let samples = samples(Task::Spans, &gold, &records, &AllowedLabels::new());
        assert_eq!((samples.len(), samples[0].of), (1, 2));
        assert_eq!(counts(&samples, "source"), (1, 1, Some(1.0), Some(1.0)));
        let (gold, predicted, exact, _) = counts(&samples, "content");
        assert_eq!(
            (gold, predicted, exact),
            (1, 2, Some(2.0 / 3.0)),
            "a content that is predicted twice is wrong once"
        );
        let (_, _, exact, overlap) = counts(&samples, "cue");
        assert!(exact == Some(0.0) && overlap.unwrap() > 0.5);
    }

    #[test]
    fn a_missing_holder_counts_as_missed_and_an_invented_one_in_any_sentence() {
        let sentences = |first, second| records([([0.1, 0.8, 0.1], first), ([0.1, 0.1, 0.8], second)]);
        let holders = |records: &[Record]| {
            let samples = samples(Task::Holder, &gold(), records, &AllowedLabels::new());
            assert_eq!(samples.len(), 2);
            [Task::HOLDER, Task::HOLDER_ANYWHERE].map(|kind| counts(&samples, kind))
        };
        let [named, anywhere] = holders(&sentences(Some(span("mayor")), Some(span("The pier"))));
        assert_eq!((named.0, named.1, named.2), (1, 1, Some(0.0)));
        assert_eq!((anywhere.0, anywhere.1), (1, 2));
        assert!(named.3 > anywhere.3);
        let [named, _] = holders(&sentences(None, None));
        assert_eq!(named, (1, 0, Some(0.0), Some(0.0)));
    }

    #[test]
    fn a_restricted_prediction_is_among_the_allowed_labels() {
        let records = records([([0.1, 0.3, 0.6], None), ([0.1, 0.1, 0.8], None)]);
        let allowed = AllowedLabels::from([(Task::Stance, vec!["favor".to_owned(), "against".to_owned()])]);
        let samples = samples(Task::Stance, &gold(), &records, &allowed);
        let annotations: Vec<&Annotations> = samples.iter().map(|sample| &sample.annotations).collect();
        let expected = Annotations::Label {
            gold: "against".to_owned(),
            predicted: "against".to_owned(),
            probs: vec![0.25, 0.75, 0.0],
        };
        assert_eq!(annotations, [&expected], "a sentence whose gold label is none is left out");
        let (label, probs) = restricted(Task::Stance, vec![0.0, 0.0, 1.0], &allowed[&Task::Stance]);
        assert_eq!((label.as_str(), probs), ("favor", vec![0.5, 0.5, 0.0]));
    }
}
