//! Measures of answers against gold, and of readers against each other. Pure: counts in, figures out; nothing
//! here knows a model, a file or a format.
//!
//! A figure of nothing is `None`, never 0 or 1: the F1 of a label that neither gold nor prediction holds
//! does not exist, and a macro average is over those that do. Labels are numbers from 0, in the order of
//! probabilities and of confusion matrices. What can be counted document by document is [`Mergeable`], and
//! every figure made of it can be given an interval by [`estimates`].
//!
//! The values equal scikit-learn's: `eval/metrics/expected.py` makes the table that a test compares with.

mod bootstrap;
mod classes;
mod calibration;
mod ranking;
mod spans;
mod agreement;

pub use agreement::Coincidences;
pub use bootstrap::{
    Estimate, Interval, Mergeable, Paired, RESAMPLES, SEED, estimates, estimates_by_draw, mcnemar, paired,
};
pub use calibration::{
    ABSTENTION_POINTS, AbstentionPoint, CALIBRATION_BINS, Calibration, Outcome, ReliabilityBin,
    abstention_curve,
};
pub use classes::{Confusion, LabelScore};
pub use ranking::{CURVE_POINTS, Ranking, Scored};
pub use spans::SpanCounts;

use standpoint_core::label::{Label, Prediction};

/// One sentence: what it is, what was said of it, and the number of the document that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Judged<L> {
    pub document: usize,
    pub gold: L,
    pub prediction: Prediction<L>,
}

/// How good one head is on labelled sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadScore {
    /// In the order of [`Label::ALL`].
    pub confusion: Confusion,
    /// Of macro-F1.
    pub interval: Option<Interval>,
    pub calibration_error: Option<f64>,
    /// How many documents the sentences are from.
    pub documents: usize,
}

impl HeadScore {
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

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// At most `limit` of the items, evenly spread over them, with the first and the last.
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

    /// Model cards are committed: the same answers must go on having the same interval.
    #[test]
    fn the_interval_of_a_head_is_that_of_earlier_versions() {
        let mut random = SplitMix::new(5);
        let judged: Vec<Judged<Role>> = (0..300)
            .map(|_| {
                let mut probabilities = [0.2_f32, 0.2, 0.2];
                let gold = random.below(3);
                probabilities[if random.below(4) == 0 { random.below(3) } else { gold }] = 0.6;
                // Not every number of a document is used.
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
