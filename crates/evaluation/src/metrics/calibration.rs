//! Calibration: how well confidence matches accuracy, and how accuracy rises if the model abstains when it is unsure.

use super::{Confusion, Mergeable, ratio, thin};

/// The number of equally wide confidence bins.
pub const CALIBRATION_BINS: usize = 15;

/// The most points of an [`abstention_curve`].
pub const ABSTENTION_POINTS: usize = 50;

/// Sums over predictions, from which the calibration figures follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    bins: [BinSums; CALIBRATION_BINS],
    /// The sum of the squared distances of the probabilities from the truth.
    squares: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct BinSums {
    count: u64,
    right: u64,
    confidence: f64,
}

/// The predictions with a confidence of at least `low` and less than `high`. The last bin includes 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityBin {
    pub low: f64,
    pub high: f64,
    pub count: u64,
    /// Mean confidence. Undefined for an empty bin, as is `accuracy`.
    pub confidence: Option<f64>,
    pub accuracy: Option<f64>,
}

impl Calibration {
    /// Adds one prediction: the probability of each label, and the indices of the predicted and the gold label.
    ///
    /// # Panics
    /// If one of the two labels has no probability.
    pub fn add(&mut self, probabilities: &[f64], predicted: usize, gold: usize) {
        assert!(gold < probabilities.len(), "every label has a probability");
        let confidence = probabilities[predicted];
        let index = ((confidence * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        let bin = &mut self.bins[index];
        bin.count += 1;
        bin.right += u64::from(predicted == gold);
        bin.confidence += confidence;
        self.squares += probabilities
            .iter()
            .enumerate()
            .map(|(label, probability)| (probability - f64::from(u8::from(label == gold))).powi(2))
            .sum::<f64>();
    }

    /// The number of predictions.
    pub fn total(&self) -> u64 {
        self.bins.iter().map(|bin| bin.count).sum()
    }

    /// Expected calibration error: the difference between mean confidence and accuracy of each bin, averaged over
    /// predictions.
    pub fn calibration_error(&self) -> Option<f64> {
        let gaps: f64 = self.bins.iter().map(|bin| (bin.confidence - bin.right as f64).abs()).sum();
        let total = self.total();
        (total > 0).then(|| gaps / total as f64)
    }

    /// Brier score: the mean squared distance of the probabilities from the truth, summed over labels; from 0 to 2.
    pub fn brier(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.squares / total as f64)
    }

    /// All bins, from the lowest confidence to the highest.
    pub fn bins(&self) -> Vec<ReliabilityBin> {
        let edge = |index: usize| index as f64 / CALIBRATION_BINS as f64;
        let of = |(index, bin): (usize, &BinSums)| ReliabilityBin {
            low: edge(index),
            high: edge(index + 1),
            count: bin.count,
            confidence: (bin.count > 0).then(|| bin.confidence / bin.count as f64),
            accuracy: ratio(bin.right, bin.count),
        };
        self.bins.iter().enumerate().map(of).collect()
    }
}

impl Mergeable for Calibration {
    fn merge_times(&mut self, other: &Self, times: u64) {
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.count += times * other.count;
            bin.right += times * other.right;
            bin.confidence += times as f64 * other.confidence;
        }
        self.squares += times as f64 * other.squares;
    }
}

/// The gold label and the predicted label of a sentence, with the probability of the predicted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradedAnswer {
    pub gold: usize,
    pub predicted: usize,
    pub confidence: f64,
}

/// The figures of the answers with at least a given confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AbstentionPoint {
    pub threshold: f64,
    /// Their share of all answers.
    pub coverage: f64,
    pub accuracy: f64,
    pub macro_f1: f64,
}

/// The figures of the most confident answers, from the most confident alone to all of them: one point for each confidence
/// that occurs, at most [`ABSTENTION_POINTS`].
///
/// # Panics
/// If a label is not below `classes`.
pub fn abstention_curve(classes: usize, outcomes: &[GradedAnswer]) -> Vec<AbstentionPoint> {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    let is_last = |&end: &usize| end == sorted.len() || sorted[end].confidence != sorted[end - 1].confidence;
    let ends: Vec<usize> = (1..=sorted.len()).filter(is_last).collect();
    let mut answered = Confusion::new(classes);
    let mut reached = 0;
    thin(&ends, ABSTENTION_POINTS)
        .into_iter()
        .filter_map(|end| {
            sorted[reached..end].iter().for_each(|outcome| answered.add(outcome.gold, outcome.predicted));
            reached = end;
            Some(AbstentionPoint {
                threshold: sorted[end - 1].confidence,
                coverage: ratio(end as u64, sorted.len() as u64)?,
                accuracy: answered.accuracy()?,
                macro_f1: answered.macro_f1()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_error_is_the_gap_between_confidence_and_accuracy() {
        let mut calibration = Calibration::default();
        for (confidence, gold) in [(0.9, 0), (0.9, 0), (0.9, 1), (0.9, 1), (0.55, 0), (0.55, 1)] {
            calibration.add(&[confidence, 1.0 - confidence], 0, gold);
        }
        let expected = (4.0 * 0.4 + 2.0 * 0.05) / 6.0;
        assert!((calibration.calibration_error().unwrap() - expected).abs() < 1e-12);
        let counts: Vec<u64> = calibration.bins().iter().map(|bin| bin.count).collect();
        assert_eq!((counts[8], counts[13], counts.iter().sum::<u64>()), (2, 4, 6));
    }

    #[test]
    fn the_first_and_last_bin_hold_their_ends() {
        let mut calibration = Calibration::default();
        calibration.add(&[1.0, 0.0], 0, 0);
        calibration.add(&[1.0, 0.0], 1, 0);
        let bins = calibration.bins();
        assert_eq!((bins[0].count, bins[0].accuracy, bins[0].confidence), (1, Some(0.0), Some(0.0)));
        assert_eq!((bins[14].count, bins[14].accuracy, bins[14].high), (1, Some(1.0), 1.0));
        assert_eq!((bins[7].confidence, bins[7].accuracy), (None, None));
        assert_eq!(calibration.brier(), Some(0.0));
    }

    #[test]
    fn nothing_has_no_calibration() {
        let nothing = Calibration::default();
        assert_eq!((nothing.calibration_error(), nothing.brier()), (None, None));
        assert_eq!(abstention_curve(3, &[]), []);
    }

    #[test]
    fn a_curve_of_many_answers_is_thinned_and_reaches_all() {
        let outcomes: Vec<GradedAnswer> = (0..500)
            .map(|index| GradedAnswer {
                gold: 0,
                predicted: usize::from(index < 100),
                confidence: f64::from(index) / 500.0,
            })
            .collect();
        let curve = abstention_curve(2, &outcomes);
        assert_eq!(curve.len(), ABSTENTION_POINTS);
        assert_eq!((curve[0].threshold, curve[0].accuracy), (0.998, 1.0));
        let all = curve[ABSTENTION_POINTS - 1];
        assert_eq!((all.threshold, all.coverage, all.accuracy), (0.0, 1.0, 0.8));
    }

    #[test]
    fn answers_of_the_same_confidence_go_together() {
        let outcomes = [0, 1, 1].map(|gold| GradedAnswer { gold, predicted: 0, confidence: 0.5 });
        let curve = abstention_curve(2, &outcomes);
        assert_eq!(curve.len(), 1);
        assert_eq!((curve[0].coverage, curve[0].accuracy), (1.0, 1.0 / 3.0));
    }
}
