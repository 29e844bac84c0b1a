//! Measures of predictions against gold, and of readers against each other. Pure: counts in, figures out. Knows no model, no
//! file and no format.
//!
//! An undefined figure is `None`, never 0 or 1. For instance, a label that is neither in gold nor in the prediction has no
//! F1, and a macro average leaves it out. Labels are indices, in the order of probabilities and confusion matrices.
//! Statistics that can be summed over documents are [`Mergeable`], and [`estimates`] gives every figure of such a sum an
//! interval.
//!
//! The values equal scikit-learn's: a test compares them with a table that `eval/metrics/expected.py` computes.

mod bootstrap;
mod classes;
mod calibration;
mod ranking;
mod spans;
mod agreement;

pub use agreement::Coincidences;
pub use bootstrap::{
    Estimate, Interval, Mergeable, PairedBootstrap, RESAMPLES, SEED, estimates, estimates_by_draw, mcnemar,
    paired_bootstrap,
};
pub use calibration::{
    ABSTENTION_POINTS, AbstentionPoint, CALIBRATION_BINS, Calibration, GradedAnswer, ReliabilityBin,
    abstention_curve,
};
pub use classes::{Confusion, LabelScore};
pub use ranking::{CURVE_POINTS, RankedSentence, Ranking};
pub use spans::SpanCounts;

use standpoint_core::label::{Label, Prediction};

/// The gold label and the prediction for one sentence, with the number of its document.
#[derive(Clone, Copy, Debug)]
pub struct Judged<L> {
    pub document: usize,
    pub gold: L,
    pub prediction: Prediction<L>,
}

/// The figures of one head on labelled sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadScore {
    /// Labels are in the order of [`Label::ALL`].
    pub confusion: Confusion,
    /// The interval of macro-F1.
    pub interval: Option<Interval>,
    pub calibration_error: Option<f64>,
    /// The number of documents with at least one sentence.
    pub documents: usize,
}

impl HeadScore {
    /// Scores the predictions of one head.
    pub fn new<L: Label>(judged: &[Judged<L>]) -> Self {
        let nothing = Confusion::new(L::ALL.len());
        let numbers = judged.iter().map(|sentence| sentence.document + 1).max().unwrap_or(0);
        let mut documents = vec![nothing.clone(); numbers];
        let mut confusion = nothing.clone();
        let mut calibration = Calibration::default();
        for Judged { document, gold, prediction } in judged {
            let (gold, predicted) = (gold.index(), prediction.label().index());
            documents[*document].add(gold, predicted);
            confusion.add(gold, predicted);
            calibration.add(&prediction.probabilities().map(f64::from), predicted, gold);
        }
        documents.retain(|document| document.total() > 0);
        let macro_f1 = estimates(&documents, &nothing, SEED, |sum| vec![sum.macro_f1()]);
        Self {
            confusion,
            interval: macro_f1[0].interval,
            calibration_error: calibration.calibration_error(),
            documents: documents.len(),
        }
    }
}

/// `part / whole`, undefined if `whole` is 0.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// At most `limit` items, evenly spaced, including the first and the last.
fn thin<T: Copy>(items: &[T], limit: usize) -> Vec<T> {
    if items.len() <= limit {
        return items.to_vec();
    }
    (0..limit).map(|index| items[index * (items.len() - 1) / (limit - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::Role;
    use standpoint_kernels::random::SplitMix;

    #[test]
    fn a_head_without_sentences_has_no_figures() {
        let score = HeadScore::new::<Role>(&[]);
        assert_eq!((score.interval, score.calibration_error, score.documents), (None, None, 0));
        assert_eq!(score.confusion.macro_f1(), None);
    }

    /// Model cards are committed, so the same predictions must keep the same interval.
    #[test]
    fn the_interval_of_a_head_is_that_of_earlier_versions() {
        let mut random = SplitMix::new(5);
        let judged: Vec<Judged<Role>> = (0..300)
            .map(|_| {
                let mut probabilities = [0.2_f32, 0.2, 0.2];
                let gold = random.below(3);
                probabilities[if random.below(4) == 0 { random.below(3) } else { gold }] = 0.6;
                // Odd document numbers have no sentence.
                let document = 2 * random.below(40);
                Judged { document, gold: Role::ALL[gold], prediction: Prediction::new(probabilities) }
            })
            .collect();
        let score = HeadScore::new(&judged);
        let interval = score.interval.unwrap();
        assert_eq!(
            (interval.low.to_bits(), interval.high.to_bits()),
            (0x3FE9_65B0_70D0_7D69, 0x3FEC_03F4_0C5F_A40F)
        );
        assert_eq!(score.documents, 40);
        assert!((score.calibration_error.unwrap() - 0.236_666_642_824_808_76).abs() < 1e-12);
    }

    #[test]
    fn thinning_keeps_the_ends() {
        let items: Vec<usize> = (0..1000).collect();
        let thinned = thin(&items, 200);
        assert_eq!((thinned.len(), thinned[0], thinned[199]), (200, 0, 999));
        assert!(thinned.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(thin(&items[..200], 200), &items[..200]);
        assert!(thin::<usize>(&[], 2).is_empty());
    }
}
