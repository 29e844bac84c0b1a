//! Measures of agreement between gold and predicted labels. Pure: counts in, figures out.
//!
//! A figure of nothing is `None`, never 0 or 1: the F1 of a label that neither gold nor prediction holds
//! does not exist, and a macro average is over those that do.

use crate::label::{Label, Prediction};
use crate::random::SplitMix;
use std::marker::PhantomData;

/// How often each gold label was given each label, in the order of [`Label::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion<L> {
    /// `[gold][predicted]`
    counts: [[u64; 3]; 3],
    labels: PhantomData<L>,
}

impl<L> Default for Confusion<L> {
    fn default() -> Self {
        Self { counts: [[0; 3]; 3], labels: PhantomData }
    }
}

/// Precision, recall and F1 of one label, and how many gold sentences have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelScore {
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    pub support: u64,
}

impl<L: Label> Confusion<L> {
    pub fn add(&mut self, gold: L, predicted: L) {
        self.counts[gold.index()][predicted.index()] += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (row, other) in self.counts.iter_mut().zip(&other.counts) {
            for (count, other) in row.iter_mut().zip(other) {
                *count += other;
            }
        }
    }

    /// `[gold][predicted]`
    pub fn counts(&self) -> [[u64; 3]; 3] {
        self.counts
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    pub fn score(&self, label: L) -> LabelScore {
        let index = label.index();
        let hits = self.counts[index][index];
        let support: u64 = self.counts[index].iter().sum();
        let predicted: u64 = self.counts.iter().map(|row| row[index]).sum();
        LabelScore {
            precision: ratio(hits, predicted),
            recall: ratio(hits, support),
            f1: ratio(2 * hits, support + predicted),
            support,
        }
    }

    pub fn accuracy(&self) -> Option<f64> {
        ratio((0..3).map(|index| self.counts[index][index]).sum(), self.total())
    }

    /// The mean F1 of the labels that gold or prediction hold.
    pub fn macro_f1(&self) -> Option<f64> {
        let scores: Vec<f64> = L::ALL.iter().filter_map(|&label| self.score(label).f1).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One sentence: what it is, what was said of it, and the number of the document that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Judged<L> {
    pub document: usize,
    pub gold: L,
    pub prediction: Prediction<L>,
}

/// How good one head is on labelled sentences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeadScore<L> {
    pub confusion: Confusion<L>,
    /// Of macro-F1.
    pub interval: Option<Interval>,
    /// Over [`CALIBRATION_BINS`] bins.
    pub calibration_error: Option<f64>,
    /// How many documents the sentences are from.
    pub documents: usize,
}

/// The bins of confidence in a [`HeadScore`].
pub const CALIBRATION_BINS: usize = 15;

impl<L: Label> HeadScore<L> {
    pub fn new(judged: &[Judged<L>]) -> Self {
        let mut documents =
            vec![Confusion::default(); judged.iter().map(|j| j.document + 1).max().unwrap_or(0)];
        for sentence in judged {
            documents[sentence.document].add(sentence.gold, sentence.prediction.label());
        }
        documents.retain(|document| document.total() > 0);
        let mut confusion = Confusion::default();
        documents.iter().for_each(|document| confusion.merge(document));
        let confidences: Vec<(f32, bool)> = judged
            .iter()
            .map(|judged| (judged.prediction.confidence(), judged.prediction.label() == judged.gold))
            .collect();
        Self {
            confusion,
            interval: bootstrap(&documents, BOOTSTRAP_SEED),
            calibration_error: calibration_error(&confidences, CALIBRATION_BINS),
            documents: documents.len(),
        }
    }
}

/// The seed of every interval, so that a score is the same whenever it is computed.
const BOOTSTRAP_SEED: u64 = 1;

/// A 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// How many times [`bootstrap`] draws.
pub const RESAMPLES: usize = 2000;

/// The percentile bootstrap interval of macro-F1: documents are drawn with replacement, for the sentences of
/// one document are not independent. The same seed gives the same interval.
pub fn bootstrap<L: Label>(documents: &[Confusion<L>], seed: u64) -> Option<Interval> {
    if documents.is_empty() {
        return None;
    }
    let mut random = SplitMix::new(seed);
    let mut figures: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut sum = Confusion::<L>::default();
            for _ in 0..documents.len() {
                sum.merge(&documents[random.below(documents.len())]);
            }
            sum.macro_f1()
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures.get(((figures.len() as f64 - 1.0) * share).round() as usize).copied();
    Some(Interval { low: at(0.025)?, high: at(0.975)? })
}

/// Expected calibration error: how far confidence and accuracy are apart on average, over `bins` equally wide
/// bins of confidence. Items are the confidence of the label given and whether it was right.
pub fn calibration_error(items: &[(f32, bool)], bins: usize) -> Option<f64> {
    if items.is_empty() || bins == 0 {
        return None;
    }
    let mut sums = vec![(0.0_f64, 0_u64); bins];
    for &(confidence, right) in items {
        let bin = ((f64::from(confidence) * bins as f64) as usize).min(bins - 1);
        sums[bin].0 += f64::from(confidence) - f64::from(u8::from(right));
        sums[bin].1 += 1;
    }
    Some(sums.iter().map(|(difference, _)| difference.abs()).sum::<f64>() / items.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Role::{self, Attributed, Background, Claim};

    fn confusion(pairs: &[(Role, Role)]) -> Confusion<Role> {
        let mut confusion = Confusion::default();
        for &(gold, predicted) in pairs {
            confusion.add(gold, predicted);
        }
        confusion
    }

    #[test]
    fn scores_are_those_of_the_textbook() {
        let confusion = confusion(&[
            (Claim, Claim),
            (Claim, Attributed),
            (Attributed, Attributed),
            (Attributed, Attributed),
            (Background, Claim),
        ]);
        let claim = confusion.score(Claim);
        assert_eq!((claim.precision, claim.recall, claim.f1), (Some(0.5), Some(0.5), Some(0.5)));
        let attributed = confusion.score(Attributed);
        assert_eq!((attributed.f1, attributed.support), (Some(0.8), 2));
        let background = confusion.score(Background);
        assert_eq!((background.precision, background.recall, background.f1), (None, Some(0.0), Some(0.0)));
        assert!((confusion.macro_f1().unwrap() - 1.3 / 3.0).abs() < 1e-12);
        assert_eq!(confusion.accuracy(), Some(0.6));
    }

    #[test]
    fn a_figure_of_nothing_is_none() {
        let empty = Confusion::<Role>::default();
        assert_eq!((empty.macro_f1(), empty.accuracy()), (None, None));
        assert_eq!(bootstrap::<Role>(&[], 1), None);
        assert_eq!(calibration_error(&[], 10), None);
        // A label that is nowhere does not count in the average.
        assert_eq!(confusion(&[(Claim, Claim)]).macro_f1(), Some(1.0));
    }

    #[test]
    fn an_interval_holds_the_figure_and_repeats_itself() {
        let documents: Vec<_> = (0..40)
            .map(|i| {
                confusion(&[(Claim, if i % 3 == 0 { Background } else { Claim }), (Background, Background)])
            })
            .collect();
        let mut all = Confusion::default();
        documents.iter().for_each(|document| all.merge(document));
        let interval = bootstrap(&documents, 7).unwrap();
        let figure = all.macro_f1().unwrap();
        assert!(interval.low < figure && figure < interval.high, "{interval:?} around {figure}");
        assert!(interval.high - interval.low < 0.25);
        assert_eq!(bootstrap(&documents, 7), Some(interval));
    }

    #[test]
    fn calibration_error_is_the_gap_between_confidence_and_accuracy() {
        let items = [(0.9, true), (0.9, true), (0.9, false), (0.9, false), (0.55, true), (0.55, false)];
        let expected = (4.0 * 0.4 + 2.0 * 0.05) / 6.0;
        assert!((calibration_error(&items, 10).unwrap() - expected).abs() < 1e-6);
    }
}
