//! Turns samples into the figures of a report. Needs no model, so that a report can be made again from logged samples.

use super::sample::{AnnotatedSpan, Annotations, Sample, Task};
use crate::UNMATCHED;
use crate::metrics::{
    Calibration, Confusion, Estimate, GradedAnswer, Mergeable, RankedSentence, Ranking, SEED, SpanCounts,
    abstention_curve, estimates, estimates_by_draw,
};
use crate::report::{
    AbstentionPoint, CalibrationBin, CalibrationReport, ClassReport, Figure, LabelReport, PairReport,
    RankingReport, SegmentationReport, SpanReport, TaskReport,
};
use standpoint_core::text::Span;
use std::collections::{BTreeMap, HashMap};

/// The ranks at which precision is reported.
const RANKS: [usize; 7] = [1, 3, 5, 10, 20, 30, 50];

/// A sample of a task that gives one label. Labels are indices into [`Task::labels`]; [`UNMATCHED`] is the index after
/// them.
#[derive(Clone, Copy)]
pub struct LabelSample<'a> {
    pub sample: &'a Sample,
    /// The document's number. Samples with the same document id share it, even from several files, because their sentences
    /// are not independent.
    pub document: usize,
    pub gold: usize,
    pub predicted: usize,
    /// One for each label. Empty if the prediction lacks the sentence.
    pub probs: &'a [f64],
}

impl LabelSample<'_> {
    pub fn is_right(&self) -> bool {
        self.gold == self.predicted
    }

    /// The probability of the predicted label.
    fn confidence(&self) -> Option<f64> {
        self.probs.get(self.predicted).copied()
    }
}

/// All samples of a task that gives one label.
pub struct LabelSamples<'a> {
    pub task: Task,
    pub samples: Vec<LabelSample<'a>>,
    /// The number of documents.
    pub documents: usize,
}

impl<'a> LabelSamples<'a> {
    /// The samples of `task`, without those whose labels or probabilities do not fit it.
    pub fn new(task: Task, samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let labels = task.labels();
        let number = |label: &str| match label {
            UNMATCHED => Some(labels.len()),
            label => labels.iter().position(|known| *known == label),
        };
        let mut documents: HashMap<&str, usize> = HashMap::new();
        let mut labelled = Vec::new();
        for sample in samples.into_iter().filter(|sample| sample.task == task) {
            let Annotations::Label { gold, predicted, probs } = &sample.annotations else { continue };
            let (Some(gold), Some(predicted)) = (number(gold), number(predicted)) else { continue };
            if !probs.is_empty() && probs.len() != labels.len() {
                continue;
            }
            let next = documents.len();
            let document = *documents.entry(&sample.doc).or_insert(next);
            labelled.push(LabelSample { sample, document, gold, predicted, probs });
        }
        Self { task, samples: labelled, documents: documents.len() }
    }

    fn classes(&self) -> usize {
        self.task.labels().len()
    }

    /// A confusion matrix for each document, with a last row and column for [`UNMATCHED`].
    fn confusions(&self) -> Vec<Confusion> {
        let mut documents = vec![Confusion::new(self.classes() + 1); self.documents];
        for sample in &self.samples {
            documents[sample.document].add(sample.gold, sample.predicted);
        }
        documents
    }

    /// The figures that follow from the samples alone. Slices, pairs, comparisons and floors are added elsewhere.
    pub fn report(&self) -> TaskReport {
        TaskReport {
            task: self.task.to_string(),
            sentences: self.samples.iter().filter(|sample| sample.gold < self.classes()).count(),
            documents: self.documents,
            classes: (!self.samples.is_empty()).then(|| self.class_report()),
            calibration: self.calibration(),
            ranking: self.ranking(),
            segmentation: self.segmentation(),
            ..TaskReport::default()
        }
    }

    fn class_report(&self) -> ClassReport {
        let classes = self.classes();
        let figures = |sum: &Confusion| {
            let mut figures = vec![macro_f1(sum), accuracy(sum), sum.matthews()];
            figures.extend((0..classes).map(|label| sum.score(label).f1));
            figures
        };
        let documents = self.confusions();
        let mut found = estimates(&documents, &Confusion::new(classes + 1), SEED, figures).into_iter();
        let mut next = || found.next().map(Figure::from).unwrap_or_default();
        let (macro_f1, accuracy, matthews) = (next(), next(), next());
        let all = sum(&documents, classes + 1);
        let labels = (0..classes)
            .map(|label| {
                let score = all.score(label);
                let ranking = self.ranking_of(label);
                LabelReport {
                    label: self.task.labels()[label].to_owned(),
                    precision: score.precision,
                    recall: score.recall,
                    f1: next(),
                    support: score.support,
                    average_precision: ranking.average_precision(),
                    curve: ranking.curve(),
                }
            })
            .collect();
        let confusion = all.counts()[..classes].iter().map(|row| row[..classes].to_vec()).collect();
        ClassReport {
            labels,
            macro_f1,
            micro_f1: micro_f1(&all),
            weighted_f1: weighted_f1(&all),
            accuracy,
            matthews,
            confusion,
        }
    }

    fn ranking_of(&self, label: usize) -> Ranking {
        let scored = self.samples.iter().filter_map(|sample| {
            let score = *sample.probs.get(label)?;
            (sample.gold < self.classes()).then_some(RankedSentence {
                score,
                positive: sample.gold == label,
                document: sample.document,
            })
        });
        Ranking::new(scored.collect())
    }

    fn ranking(&self) -> Option<RankingReport> {
        self.task.positive()?;
        let ranking = self.ranking_of(0);
        let average_precision =
            estimates_by_draw(self.documents, SEED, |draws| vec![ranking.average_precision_of(draws)]);
        let nothing = Confusion::new(self.classes() + 1);
        let positive_f1 = estimates(&self.confusions(), &nothing, SEED, |sum| vec![sum.score(0).f1]);
        Some(RankingReport {
            average_precision: average_precision[0].into(),
            reciprocal_rank: ranking.reciprocal_rank(),
            r_precision: ranking.r_precision(),
            precision_at: RANKS.map(|rank| (rank, ranking.precision_at(rank))).to_vec(),
            positive_f1: positive_f1[0].into(),
        })
    }

    /// Calibration over the sentences that gold has.
    fn calibration(&self) -> Option<CalibrationReport> {
        let mut documents = vec![Calibration::default(); self.documents];
        let mut outcomes = Vec::new();
        for sample in &self.samples {
            let Some(confidence) = sample.confidence().filter(|_| sample.gold < self.classes()) else {
                continue;
            };
            documents[sample.document].add(sample.probs, sample.predicted, sample.gold);
            outcomes.push(GradedAnswer { gold: sample.gold, predicted: sample.predicted, confidence });
        }
        if outcomes.is_empty() {
            return None;
        }
        let figures = |sum: &Calibration| vec![sum.calibration_error(), sum.brier()];
        let found = estimates(&documents, &Calibration::default(), SEED, figures);
        let mut all = Calibration::default();
        documents.iter().for_each(|document| all.merge(document));
        let bins = all.bins().into_iter().map(|bin| CalibrationBin {
            low: bin.low,
            high: bin.high,
            count: bin.count,
            confidence: bin.confidence,
            accuracy: bin.accuracy,
        });
        let abstention =
            abstention_curve(self.classes(), &outcomes).into_iter().map(|point| AbstentionPoint {
                threshold: point.threshold,
                coverage: point.coverage,
                accuracy: point.accuracy,
                macro_f1: Some(point.macro_f1),
            });
        Some(CalibrationReport {
            error: found[0].into(),
            brier: found[1].into(),
            bins: bins.collect(),
            abstention: abstention.collect(),
        })
    }

    /// How well predicted sentences match gold. `None` if all match, as they do if gold sentences were used.
    fn segmentation(&self) -> Option<SegmentationReport> {
        let classes = self.classes();
        let gold = self.samples.iter().filter(|sample| sample.gold < classes).count() as u64;
        let predicted = self.samples.iter().filter(|sample| sample.predicted < classes).count() as u64;
        let both = |sample: &&LabelSample| sample.gold < classes && sample.predicted < classes;
        let matched = self.samples.iter().filter(both).count() as u64;
        let f1 = (gold + predicted > 0).then(|| 2.0 * matched as f64 / (gold + predicted) as f64);
        (matched < gold.max(predicted)).then_some(SegmentationReport { gold, predicted, matched, f1 })
    }

    /// The number of sentences in a slice, with its macro-F1 and accuracy.
    pub fn figures_of<'b>(
        &self,
        samples: impl IntoIterator<Item = &'b LabelSample<'b>>,
    ) -> (usize, [Figure; 2]) {
        let nothing = Confusion::new(self.classes() + 1);
        let mut documents: HashMap<usize, Confusion> = HashMap::new();
        let mut sentences = 0;
        for sample in samples {
            documents
                .entry(sample.document)
                .or_insert_with(|| nothing.clone())
                .add(sample.gold, sample.predicted);
            sentences += 1;
        }
        let mut documents: Vec<(usize, Confusion)> = documents.into_iter().collect();
        documents.sort_by_key(|(document, _)| *document);
        let documents: Vec<Confusion> = documents.into_iter().map(|(_, confusion)| confusion).collect();
        let found = estimates(&documents, &nothing, SEED, |sum| vec![macro_f1(sum), accuracy(sum)]);
        (sentences, [found[0].into(), found[1].into()])
    }

    /// The share of minimal pairs in which every sentence is right: first of all pairs, then by the documents' `kind`. The
    /// documents of a pair have the same value of `field`.
    pub fn pairs(&self, field: &str) -> Vec<PairReport> {
        let text =
            |sample: &LabelSample, field: &str| sample.sample.fields.get(field)?.as_str().map(str::to_owned);
        let mut pairs: BTreeMap<String, (Option<String>, bool)> = BTreeMap::new();
        for sample in &self.samples {
            let Some(name) = text(sample, field) else { continue };
            let (_, right) = pairs.entry(name).or_insert_with(|| (text(sample, "kind"), true));
            *right &= sample.is_right();
        }
        let mut kinds: BTreeMap<Option<&str>, Vec<Confusion>> = BTreeMap::new();
        for (kind, right) in pairs.values() {
            let mut one = Confusion::new(2);
            one.add(0, usize::from(!right));
            kinds.entry(None).or_default().push(one.clone());
            if let Some(kind) = kind {
                kinds.entry(Some(kind)).or_default().push(one);
            }
        }
        kinds
            .into_iter()
            .map(|(kind, pairs)| PairReport {
                kind: kind.unwrap_or("all").to_owned(),
                pairs: pairs.len(),
                accuracy: estimates(&pairs, &Confusion::new(2), SEED, |sum| vec![sum.accuracy()])[0].into(),
            })
            .collect()
    }
}

fn sum(documents: &[Confusion], classes: usize) -> Confusion {
    let mut all = Confusion::new(classes);
    documents.iter().for_each(|document| all.merge(document));
    all
}

/// The mean F1 of the labels that occur in gold or the prediction. The matrix's last label, [`UNMATCHED`], does not count;
/// the same holds for the figures below.
pub fn macro_f1(confusion: &Confusion) -> Option<f64> {
    let scores: Vec<f64> =
        (0..confusion.classes() - 1).filter_map(|label| confusion.score(label).f1).collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

/// The share of gold sentences that were predicted with the right label.
fn accuracy(confusion: &Confusion) -> Option<f64> {
    let (counts, last) = (confusion.counts(), confusion.classes() - 1);
    let gold: u64 = counts[..last].iter().flatten().sum();
    let right: u64 = (0..last).map(|label| counts[label][label]).sum();
    (gold > 0).then(|| right as f64 / gold as f64)
}

fn micro_f1(confusion: &Confusion) -> Option<f64> {
    let (counts, last) = (confusion.counts(), confusion.classes() - 1);
    let gold: u64 = counts[..last].iter().flatten().sum();
    let predicted: u64 = counts.iter().flat_map(|row| &row[..last]).sum();
    let right: u64 = (0..last).map(|label| counts[label][label]).sum();
    (gold + predicted > 0).then(|| 2.0 * right as f64 / (gold + predicted) as f64)
}

fn weighted_f1(confusion: &Confusion) -> Option<f64> {
    let scores: Vec<_> = (0..confusion.classes() - 1).map(|label| confusion.score(label)).collect();
    let support: u64 = scores.iter().map(|score| score.support).sum();
    let weighted: f64 = scores.iter().map(|score| score.f1.unwrap_or(0.0) * score.support as f64).sum();
    (support > 0).then(|| weighted / support as f64)
}

/// The report of a task that marks spans.
pub fn span_report(task: Task, samples: &[&Sample]) -> TaskReport {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut documents: Vec<Vec<&Sample>> = Vec::new();
    for sample in samples {
        let number = *numbers.entry(&sample.doc).or_insert(documents.len());
        if number == documents.len() {
            documents.push(Vec::new());
        }
        documents[number].push(sample);
    }
    let sentences = match task {
        Task::Spans => samples.iter().map(|sample| sample.of).sum(),
        _ => samples.len(),
    };
    let report = |kind: &&str| {
        let counts = |samples: &Vec<&Sample>| {
            let mut sum = SpanCounts::default();
            samples.iter().for_each(|sample| sum.merge(&span_counts(sample, kind)));
            sum
        };
        span_figures(kind, &documents.iter().map(counts).collect::<Vec<_>>())
    };
    let spans = match samples.is_empty() {
        true => Vec::new(),
        false => task.span_kinds().iter().map(report).collect(),
    };
    TaskReport {
        task: task.to_string(),
        sentences,
        documents: documents.len(),
        spans,
        ..TaskReport::default()
    }
}

fn span_counts(sample: &Sample, kind: &str) -> SpanCounts {
    match &sample.annotations {
        Annotations::Spans { gold_spans, predicted_spans } => {
            SpanCounts::of(&grouped(gold_spans, kind), &grouped(predicted_spans, kind))
        }
        Annotations::Label { .. } => SpanCounts::default(),
    }
}

/// The figures of one kind, from the counts of each document.
fn span_figures(kind: &str, documents: &[SpanCounts]) -> SpanReport {
    let figures = |sum: &SpanCounts| vec![sum.exact_f1(), sum.overlap_f1()];
    let found = estimates(documents, &SpanCounts::default(), SEED, figures);
    let mut all = SpanCounts::default();
    documents.iter().for_each(|document| all.merge(document));
    SpanReport {
        kind: kind.to_owned(),
        gold: all.gold(),
        predicted: all.predicted(),
        exact_precision: all.exact_precision(),
        exact_recall: all.exact_recall(),
        exact_f1: found[0].into(),
        overlap_precision: all.overlap_precision(),
        overlap_recall: all.overlap_recall(),
        overlap_f1: found[1].into(),
    }
}

/// The spans of a kind, with the pieces of each together.
fn grouped(spans: &[AnnotatedSpan], kind: &str) -> Vec<Vec<Span>> {
    let mut numbers: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.kind == kind && span.start <= span.end) {
        numbers.entry(span.number).or_default().push(span.span());
    }
    numbers.into_values().collect()
}

impl From<Estimate> for Figure {
    fn from(estimate: Estimate) -> Self {
        let interval = estimate.interval.map(|interval| [interval.low, interval.high]);
        Self { value: estimate.value, interval }
    }
}
