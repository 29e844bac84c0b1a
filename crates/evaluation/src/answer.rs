//! A model's answers to the sentences of a set, as samples.

use super::sample::{Answer, MarkedSpan, Sample, Task};
use super::set::{Choices, EvalSet, SetData};
use super::{Sentences, UNMATCHED};
use crate::gold::{GoldDocument, GoldLabels};
use standpoint_core::error::Result;
use standpoint_core::label::{Analysis, Attribution, Label, Prediction, Role, SentenceAnalysis, Target};
use standpoint_core::pipeline::Pipeline;
use standpoint_core::segment;
use standpoint_core::text::{Document, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many documents the model reads between two calls of the progress.
const BATCH: usize = 64;

/// What a model says of labelled documents, beside what is true of them.
#[derive(Default)]
pub struct Answers {
    /// Of the tasks that are asked for.
    pub samples: Vec<Sample>,
    /// All tasks that the model was seen to answer, be they asked for or not.
    pub answered: BTreeSet<Task>,
}

/// Labels the sentences of one file and adds them to the answers. `progress` is told how many documents are done.
///
/// # Errors
/// If a target is too long for the model, or the model fails.
pub fn answer(
    pipeline: &Pipeline,
    set: &EvalSet,
    data: &SetData,
    answers: &mut Answers,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    let mut by_target: BTreeMap<&str, Vec<&GoldDocument>> = BTreeMap::new();
    for document in &data.documents {
        by_target.entry(&document.target).or_default().push(document);
    }
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
                answers.answered.extend(answered(analysis));
                let pair = Pair { file: &data.name, gold, document, analysis };
                for &task in &set.tasks {
                    answers.samples.extend(pair.samples(task, &set.labels));
                }
            }
            progress(gold.len());
        }
    }
    Ok(())
}

/// The tasks that an analysis shows its model to answer. A model that names no holder at all is not told from one
/// that cannot.
fn answered(analysis: &Analysis) -> impl Iterator<Item = Task> {
    let any = |has: fn(&SentenceAnalysis) -> bool| analysis.sentences.iter().any(has);
    let stance = any(|sentence| !sentence.stances.is_empty());
    let holder = any(|sentence| sentence.stances.iter().any(|stance| stance.holder.is_some()));
    let tasks = [
        (Task::Role, true),
        (Task::Stance, stance),
        (Task::Attributed, true),
        (Task::Checkworthy, any(|sentence| sentence.checkworthiness.is_some())),
        (Task::Spans, analysis.attributions.is_some()),
        (Task::Holder, holder),
    ];
    tasks.into_iter().filter_map(|(task, answered)| answered.then_some(task))
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

/// A labelled document and what a model says of it. The model may have cut the text into other sentences.
struct Pair<'a> {
    file: &'a str,
    gold: &'a GoldDocument,
    document: &'a Document,
    analysis: &'a Analysis,
}

impl Pair<'_> {
    fn samples(&self, task: Task, choices: &Choices) -> Vec<Sample> {
        match task {
            Task::Spans => self.spans().into_iter().collect(),
            Task::Holder => self.holders(),
            _ => self.labels(task, choices.get(&task).map(Vec::as_slice)),
        }
    }

    /// Of each gold sentence its place among the sentences that the model read, where it stands there.
    fn places(&self) -> impl Iterator<Item = Option<usize>> {
        let read: HashMap<Span, usize> =
            self.document.sentences().iter().enumerate().map(|(index, &span)| (span, index)).collect();
        self.gold.document.sentences().iter().map(move |span| read.get(span).copied())
    }

    /// One label for each sentence, chosen among `choice` where that is given.
    fn labels(&self, task: Task, choice: Option<&[String]>) -> Vec<Sample> {
        let Self { file, gold, document, analysis } = *self;
        let asked = |label: &str| choice.is_none_or(|choice| choice.iter().any(|known| known == label));
        let truth = |labels| gold_label(task, labels).filter(|label| asked(label));
        if gold.labels.iter().all(|labels| truth(labels).is_none()) {
            return Vec::new();
        }
        let given = |sentence| {
            let (label, probs) = given(task, sentence)?;
            Some(match choice {
                None => (label, probs),
                Some(choice) => chosen(task, probs, choice),
            })
        };
        let mut samples = Vec::new();
        for (index, (place, labels)) in self.places().zip(&gold.labels).enumerate() {
            let Some(label) = truth(labels) else { continue };
            let given = place.and_then(|place| given(&analysis.sentences[place]));
            let (predicted, probs) = given.unwrap_or_else(|| (UNMATCHED.to_owned(), Vec::new()));
            let answer = Answer::Label { gold: label.to_owned(), predicted, probs };
            samples.push(sample(task, file, gold, &gold.document, index, answer));
        }
        let known: HashSet<Span> = gold.document.sentences().iter().copied().collect();
        for (index, span) in document.sentences().iter().enumerate() {
            let Some((predicted, probs)) = given(&analysis.sentences[index]) else { continue };
            if !known.contains(span) {
                let answer = Answer::Label { gold: UNMATCHED.to_owned(), predicted, probs };
                samples.push(sample(task, file, gold, document, index, answer));
            }
        }
        samples
    }

    /// All attributions of the document at once, so that a content which runs over sentences counts once.
    fn spans(&self) -> Option<Sample> {
        let Self { file, gold, document, analysis } = *self;
        let gold_spans = marked(gold.attributions.as_ref()?);
        let predicted_spans = marked(analysis.attributions.as_ref()?);
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
            fields: gold.document.fields().clone(),
            answer: Answer::Spans { gold_spans, predicted_spans },
        })
    }

    /// The holder of each sentence whose stance is known, first where gold names one, then in any sentence.
    fn holders(&self) -> Vec<Sample> {
        let Self { file, gold, analysis, .. } = *self;
        let mut samples = Vec::new();
        for (index, (place, labels)) in self.places().zip(&gold.labels).enumerate() {
            if labels.stance.is_none() && labels.holder.is_none() {
                continue;
            }
            let given = place.and_then(|place| analysis.sentences[place].stances.first()?.holder);
            let kinds: &[&str] = match labels.holder {
                Some(_) => &[Task::HOLDER, Task::HOLDER_ANYWHERE],
                None => &[Task::HOLDER_ANYWHERE],
            };
            let parts = |holder: Option<Span>| {
                let part = |kind: &&str| holder.map(|span| MarkedSpan::new(kind, 0, span));
                kinds.iter().filter_map(part).collect()
            };
            let answer = Answer::Spans { gold_spans: parts(labels.holder), predicted_spans: parts(given) };
            samples.push(sample(Task::Holder, file, gold, &gold.document, index, answer));
        }
        samples
    }
}

/// Each source, cue and content of some attributions.
fn marked(attributions: &[Attribution]) -> Vec<MarkedSpan> {
    let mut spans = Vec::new();
    for (number, attribution) in attributions.iter().enumerate() {
        let Attribution { source, cue, content } = attribution;
        for (kind, pieces) in Task::Spans.parts().iter().zip([source, cue, content]) {
            spans.extend(pieces.iter().map(|&piece| MarkedSpan::new(kind, number, piece)));
        }
    }
    spans
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
        target: task.head().has_target.then(|| gold.target.clone()),
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

/// The answer that is given where only some labels may be: the likeliest of them, and their probabilities as shares
/// of their sum. The others get none.
fn chosen(task: Task, mut probs: Vec<f64>, choice: &[String]) -> (String, Vec<f64>) {
    let allowed: Vec<bool> =
        task.labels().iter().map(|label| choice.iter().any(|known| known == label)).collect();
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

/// To six places: what a log holds is what was scored.
fn rounded(probability: f64) -> f64 {
    (probability * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::{Stance, TargetStance};

    const TEXT: &str = "The mayor said no. The pier was built in 1931.";

    fn span(words: &str) -> Span {
        let start = TEXT.find(words).unwrap();
        Span::new(start, start + words.len())
    }

    fn document() -> Document {
        Document::new("d", TEXT, vec![span("The mayor said no."), span("The pier was built in 1931.")])
    }

    /// Two sentences, of which the first is against by the mayor.
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

    fn sentence(stance: [f32; 3], holder: Option<Span>) -> SentenceAnalysis {
        SentenceAnalysis {
            role: Prediction::new([0.2, 0.7, 0.1]),
            stances: vec![TargetStance {
                target: Target::default(),
                prediction: Prediction::new(stance),
                holder,
            }],
            checkworthiness: None,
            truncated: false,
        }
    }

    fn samples(task: Task, gold: &GoldDocument, analysis: &Analysis, choices: &Choices) -> Vec<Sample> {
        let document = document();
        Pair { file: "f", gold, document: &document, analysis }.samples(task, choices)
    }

    fn counts(samples: &[Sample], kind: &str) -> (u64, u64, Option<f64>, Option<f64>) {
        let samples: Vec<&Sample> = samples.iter().collect();
        let report = super::super::score::span_report(samples[0].task, &samples);
        let part = report.spans.iter().find(|part| part.kind == kind).unwrap();
        (part.gold, part.predicted, part.exact_f1.value, part.overlap_f1.value)
    }

    #[test]
    fn a_task_is_answered_by_what_the_analysis_holds() {
        let mut analysis = Analysis { sentences: vec![sentence([0.1, 0.8, 0.1], None)], attributions: None };
        let tasks = |analysis: &Analysis| answered(analysis).collect::<Vec<_>>();
        assert_eq!(tasks(&analysis), [Task::Role, Task::Stance, Task::Attributed]);
        analysis.attributions = Some(Vec::new());
        analysis.sentences[0].checkworthiness = Some(0.1);
        analysis.sentences[0].stances[0].holder = Some(Span::new(0, 3));
        assert_eq!(tasks(&analysis).len(), Task::ALL.len());
        assert!(
            samples(Task::Spans, &GoldDocument { attributions: None, ..gold() }, &analysis, &Choices::new())
                .is_empty()
        );
    }

    #[test]
    fn attributions_are_compared_over_the_whole_document() {
        // One content in two pieces, of which the second stands in the next sentence.
        let mut gold = gold();
        gold.attributions.as_mut().unwrap()[0].content.push(span("1931"));
        let predicted = Attribution {
            source: vec![span("The mayor")],
            cue: vec![span("mayor said")],
            content: vec![span("1931"), span("no")],
        };
        let sentences = vec![sentence([0.1, 0.8, 0.1], None), sentence([0.1, 0.1, 0.8], None)];
        let analysis = Analysis {
            sentences,
            attributions: Some(vec![predicted.clone(), Attribution { source: Vec::new(), ..predicted }]),
        };
        let samples = samples(Task::Spans, &gold, &analysis, &Choices::new());
        assert_eq!((samples.len(), samples[0].of), (1, 2));
        assert_eq!(counts(&samples, "source"), (1, 1, Some(1.0), Some(1.0)));
        let (gold, predicted, exact, _) = counts(&samples, "content");
        assert_eq!(
            (gold, predicted, exact),
            (1, 2, Some(2.0 / 3.0)),
            "a content that is given twice is wrong once"
        );
        let (_, _, exact, overlap) = counts(&samples, "cue");
        assert!(exact == Some(0.0) && overlap.unwrap() > 0.5);
    }

    #[test]
    fn a_holder_that_is_not_named_is_missed_and_one_too_many_counts_in_any_sentence() {
        let sentences = |first, second| Analysis {
            sentences: vec![sentence([0.1, 0.8, 0.1], first), sentence([0.1, 0.1, 0.8], second)],
            attributions: None,
        };
        let holders = |analysis: &Analysis| {
            let samples = samples(Task::Holder, &gold(), analysis, &Choices::new());
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
    fn a_forced_choice_is_among_the_allowed_labels() {
        let analysis = Analysis {
            sentences: vec![sentence([0.1, 0.3, 0.6], None), sentence([0.1, 0.1, 0.8], None)],
            attributions: None,
        };
        let choices = Choices::from([(Task::Stance, vec!["favor".to_owned(), "against".to_owned()])]);
        let samples = samples(Task::Stance, &gold(), &analysis, &choices);
        let answers: Vec<&Answer> = samples.iter().map(|sample| &sample.answer).collect();
        let expected = Answer::Label {
            gold: "against".to_owned(),
            predicted: "against".to_owned(),
            probs: vec![0.25, 0.75, 0.0],
        };
        assert_eq!(answers, [&expected], "a sentence whose gold label is none is not asked");
        let (label, probs) = chosen(Task::Stance, vec![0.0, 0.0, 1.0], &choices[&Task::Stance]);
        assert_eq!((label.as_str(), probs), ("favor", vec![0.5, 0.5, 0.0]));
    }
}
