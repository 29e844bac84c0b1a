//! Pairs the answers about the documents of a set with gold, as samples.

use crate::answers::{DocumentAnswers, LabelAnswer, rounded};
use crate::gold::{GoldDocument, GoldLabels};
use crate::{AllowedLabels, AnnotatedSpan, Annotations, EvalSet, Sample, SetData, Task, UNMATCHED};
use standpoint_core::label::{Attribution, Label, Role};
use standpoint_core::text::{Document, Span};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The samples of a set.
#[derive(Default)]
pub struct Predictions {
    /// For the tasks that the set asks for.
    pub samples: Vec<Sample>,
    /// All tasks that were answered anywhere, whether the set asks for them or not.
    pub answered: BTreeSet<Task>,
}

impl Predictions {
    /// Adds the samples of a document.
    pub(crate) fn add(&mut self, set: &EvalSet, document: &AnsweredDocument) {
        self.answered.extend(document.answers.tasks());
        for &task in &set.tasks {
            self.samples.extend(document.samples(task, &set.labels));
        }
    }
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

/// A gold document and the answers about its text. `document` has the sentences that were answered, which differ from
/// gold's if they were predicted.
pub(crate) struct AnsweredDocument<'a> {
    pub file: &'a str,
    pub gold: &'a GoldDocument,
    pub document: &'a Document,
    /// With a sentence for each of `document`, in order.
    pub answers: &'a DocumentAnswers,
}

impl AnsweredDocument<'_> {
    fn samples(&self, task: Task, allowed: &AllowedLabels) -> Vec<Sample> {
        match task {
            Task::Spans => self.spans().into_iter().collect(),
            Task::Holder => self.holders(),
            Task::Speaker => self.speakers(),
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
        let Self { file, gold, document, answers } = *self;
        let is_allowed =
            |label: &str| allowed.is_none_or(|allowed| allowed.iter().any(|known| known == label));
        let gold_label = |labels| gold_label(task, labels).filter(|label| is_allowed(label));
        if gold.labels.iter().all(|labels| gold_label(labels).is_none()) {
            return Vec::new();
        }
        let predict = |index: usize| {
            let (label, probs) = answers.sentences[index].labels.get(&task)?.clone();
            Some(match allowed {
                // A label without probabilities stands as it was given.
                Some(allowed) if !probs.is_empty() => restricted(task, probs, allowed),
                _ => (label, probs),
            })
        };
        let mut samples = Vec::new();
        for (index, (predicted, labels)) in self.predicted_indices().zip(&gold.labels).enumerate() {
            let Some(label) = gold_label(labels) else { continue };
            let prediction = predicted.and_then(predict);
            let (predicted, probs) = prediction.unwrap_or_else(|| (UNMATCHED.to_owned(), Vec::new()));
            let annotations = Annotations::Label { gold: label.to_owned(), predicted, probs };
            samples.push(sample(task, file, gold, &gold.document, index, annotations));
        }
        let known: HashSet<Span> = gold.document.sentences().iter().copied().collect();
        for (index, span) in document.sentences().iter().enumerate() {
            let Some((predicted, probs)) = predict(index) else { continue };
            if !known.contains(span) {
                let annotations = Annotations::Label { gold: UNMATCHED.to_owned(), predicted, probs };
                samples.push(sample(task, file, gold, document, index, annotations));
            }
        }
        samples
    }

    /// One sample with all attributions of the document, so that a content that runs over several sentences counts once.
    /// `None` if gold or the answers have no attributions at all.
    fn spans(&self) -> Option<Sample> {
        let Self { file, gold, document, answers } = *self;
        let gold_spans = annotated_spans(gold.attributions.as_ref()?);
        let predicted_spans = annotated_spans(answers.attributions.as_ref()?);
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
        let Self { file, gold, answers, .. } = *self;
        let mut samples = Vec::new();
        for (index, (predicted, labels)) in self.predicted_indices().zip(&gold.labels).enumerate() {
            if labels.stance.is_none() && labels.holder.is_none() {
                continue;
            }
            let predicted = predicted.and_then(|index| answers.sentences[index].holder);
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

    /// Who speaks in each sentence, if anybody noted that for the document. A speaker where gold has none is an error.
    fn speakers(&self) -> Vec<Sample> {
        let Self { file, gold, answers, .. } = *self;
        if !gold.has_speakers() {
            return Vec::new();
        }
        let text = gold.document.text();
        let spans = |name: Option<&str>| -> Vec<AnnotatedSpan> {
            name.map(|name| AnnotatedSpan::new(Task::SPEAKER, 0, place_of(name, text))).into_iter().collect()
        };
        let mut samples = Vec::new();
        for (index, (predicted, labels)) in self.predicted_indices().zip(&gold.labels).enumerate() {
            let predicted = predicted.and_then(|index| answers.sentences[index].speaker.as_deref());
            let (gold_spans, predicted_spans) = (spans(labels.speaker.as_deref()), spans(predicted));
            if gold_spans.is_empty() && predicted_spans.is_empty() {
                continue;
            }
            let annotations = Annotations::Spans { gold_spans, predicted_spans };
            samples.push(sample(Task::Speaker, file, gold, &gold.document, index, annotations));
        }
        samples
    }
}

/// Where a document first gives a name, or else all of it. Two names are one if their places are.
fn place_of(name: &str, text: &str) -> Span {
    match text.find(name) {
        Some(start) if !name.is_empty() => Span::new(start, start + name.len()),
        _ => Span::new(0, text.len()),
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

/// Whether a sentence of gold is to be answered for a task.
pub(crate) fn needs(task: Task, gold: &GoldDocument, index: usize, allowed: &AllowedLabels) -> bool {
    let labels = &gold.labels[index];
    match task {
        Task::Spans => gold.attributions.is_some(),
        Task::Holder => labels.stance.is_some() || labels.holder.is_some(),
        Task::Speaker => labels.speaker.is_some(),
        _ => gold_label(task, labels)
            .is_some_and(|label| allowed.get(&task).is_none_or(|known| known.iter().any(|one| one == label))),
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
        Task::Spans | Task::Holder | Task::Speaker => None,
    }
}

/// The prediction if only some labels are allowed: the most probable of them. Their probabilities are renormalized to sum to
/// 1, and those of the other labels become 0.
fn restricted(task: Task, mut probs: Vec<f64>, allowed: &[String]) -> LabelAnswer {
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

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::{Prediction, Stance, Target, TargetStance};
    use standpoint_core::record::{LocatedAttribution, Record, Speaker};
    use std::sync::Arc;

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
            speaker: None,
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
        let (document, answers) = (document(), DocumentAnswers::of_records(records));
        AnsweredDocument { file: "f", gold, document: &document, answers: &answers }.samples(task, allowed)
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
        let tasks = |records: &[Record]| DocumentAnswers::of_records(records).tasks();
        assert_eq!(tasks(&records), BTreeSet::from([Task::Role, Task::Stance, Task::Attributed]));
        for record in &mut records {
            record.attributions = Some(Vec::new());
        }
        records[0].checkworthiness = Some(0.1);
        records[0].stances[0].holder = Some(Span::new(0, 3));
        records[0].speaker = Some(Speaker { name: "The mayor".to_owned(), probability: 0.9 });
        assert_eq!(tasks(&records).len(), Task::ALL.len());
        let without = GoldDocument { attributions: None, ..gold() };
        assert!(samples(Task::Spans, &without, &records, &AllowedLabels::new()).is_empty());
    }

    #[test]
    fn a_speaker_is_right_by_name_and_wrong_where_nobody_speaks() {
        let mut gold = gold();
        gold.labels[0].speaker = Some("The mayor".to_owned());
        let speaker = |name: &str| Some(Speaker { name: name.to_owned(), probability: 0.9 });
        let mut records = records([([0.1, 0.8, 0.1], None), ([0.1, 0.1, 0.8], None)]);
        let mut score = |first, second| {
            (records[0].speaker, records[1].speaker) = (first, second);
            let found = samples(Task::Speaker, &gold, &records, &AllowedLabels::new());
            let (gold, predicted, exact, _) = counts(&found, Task::SPEAKER);
            (gold, predicted, exact)
        };
        assert_eq!(score(speaker("The mayor"), None), (1, 1, Some(1.0)));
        assert_eq!(score(speaker("mayor"), None), (1, 1, Some(0.0)));
        assert_eq!(score(speaker("The mayor"), speaker("The pier")), (1, 2, Some(2.0 / 3.0)));
        assert_eq!(score(None, None), (1, 0, Some(0.0)));
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
