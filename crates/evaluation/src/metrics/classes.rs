//! Figures of tasks that give each sentence one label, from a confusion matrix.

use super::{Mergeable, ratio};

/// A confusion matrix. Labels are indices below the number of classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[gold * classes + predicted]`. The bootstrap sums many small matrices, so each is one allocation.
    counts: Vec<u64>,
}

/// The figures of one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelScore {
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    /// The number of gold sentences with the label.
    pub support: u64,
}

/// The sums that coefficients of association consist of. They are integers, so that perfect agreement is exactly 1.
pub(super) struct Margins {
    pub hits: i128,
    pub total: i128,
    /// The sum over labels of the squared number of gold sentences; below, of predicted ones.
    pub gold_squares: i128,
    pub predicted_squares: i128,
    /// The sum over labels of the number of gold sentences times that of predicted ones.
    pub products: i128,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one sentence.
    ///
    /// # Panics
    /// If a label is not below the number of classes.
    pub fn add(&mut self, gold: usize, predicted: usize) {
        assert!(gold < self.classes && predicted < self.classes, "there are {} classes", self.classes);
        self.counts[gold * self.classes + predicted] += 1;
    }

    /// The number of labels.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// `[gold][predicted]`
    pub fn counts(&self) -> Vec<Vec<u64>> {
        (0..self.classes).map(|gold| self.row(gold).to_vec()).collect()
    }

    /// The number of sentences.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The figures of a label.
    ///
    /// # Panics
    /// If there is no such label.
    pub fn score(&self, label: usize) -> LabelScore {
        let (hits, support, predicted) = (self.hits(label), self.support(label), self.predicted(label));
        LabelScore {
            precision: ratio(hits, predicted),
            recall: ratio(hits, support),
            f1: ratio(2 * hits, support + predicted),
            support,
        }
    }

    /// The figures of all labels, in order.
    pub fn scores(&self) -> Vec<LabelScore> {
        (0..self.classes).map(|label| self.score(label)).collect()
    }

    pub fn accuracy(&self) -> Option<f64> {
        ratio((0..self.classes).map(|label| self.hits(label)).sum(), self.total())
    }

    /// The mean F1 of the labels that occur in gold or the prediction.
    pub fn macro_f1(&self) -> Option<f64> {
        let (mut sum, mut labels) = (0.0, 0_u64);
        for f1 in (0..self.classes).filter_map(|label| self.score(label).f1) {
            sum += f1;
            labels += 1;
        }
        (labels > 0).then(|| sum / labels as f64)
    }

    /// F1 from the counts of all labels together. Equals the accuracy, because every sentence has one label.
    pub fn micro_f1(&self) -> Option<f64> {
        self.accuracy()
    }

    /// The mean F1 of the labels, weighted by their support.
    pub fn weighted_f1(&self) -> Option<f64> {
        let weighted = |score: LabelScore| score.f1.map(|f1| f1 * score.support as f64);
        let sum: f64 = (0..self.classes).filter_map(|label| weighted(self.score(label))).sum();
        let total = self.total();
        (total > 0).then(|| sum / total as f64)
    }

    /// Matthews correlation coefficient, for any number of classes (Gorodkin, Comparing two K-category assignments by a
    /// K-category correlation coefficient, 2004). Undefined if gold or the prediction has only one label, because then
    /// nothing varies.
    pub fn matthews(&self) -> Option<f64> {
        let Margins { hits, total, gold_squares, predicted_squares, products } = self.margins();
        let spread = |squares: i128| (total * total - squares) as f64;
        let spreads = (spread(gold_squares) * spread(predicted_squares)).sqrt();
        (spreads > 0.0).then(|| (hits * total - products) as f64 / spreads)
    }

    /// The matrix of two classes: `label` is class 0, all others are class 1.
    ///
    /// # Panics
    /// If there is no such label.
    pub fn one_against_rest(&self, label: usize) -> Self {
        let (hits, support, predicted) = (self.hits(label), self.support(label), self.predicted(label));
        let (missed, wrong) = (support - hits, predicted - hits);
        Self { classes: 2, counts: vec![hits, missed, wrong, self.total() - hits - missed - wrong] }
    }

    pub(super) fn margins(&self) -> Margins {
        let mut margins = Margins { hits: 0, total: 0, gold_squares: 0, predicted_squares: 0, products: 0 };
        for label in 0..self.classes {
            let (gold, predicted) = (i128::from(self.support(label)), i128::from(self.predicted(label)));
            margins.hits += i128::from(self.hits(label));
            margins.total += gold;
            margins.gold_squares += gold * gold;
            margins.predicted_squares += predicted * predicted;
            margins.products += gold * predicted;
        }
        margins
    }

    fn row(&self, gold: usize) -> &[u64] {
        &self.counts[gold * self.classes..(gold + 1) * self.classes]
    }

    fn hits(&self, label: usize) -> u64 {
        self.row(label)[label]
    }

    fn support(&self, label: usize) -> u64 {
        self.row(label).iter().sum()
    }

    fn predicted(&self, label: usize) -> u64 {
        (0..self.classes).map(|gold| self.row(gold)[label]).sum()
    }
}

impl Mergeable for Confusion {
    /// # Panics
    /// If the two have different numbers of classes.
    fn merge_times(&mut self, other: &Self, times: u64) {
        assert_eq!(self.classes, other.classes, "only confusions of the same labels can be summed");
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += times * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(classes: usize, pairs: &[(usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(classes);
        pairs.iter().for_each(|&(gold, predicted)| confusion.add(gold, predicted));
        confusion
    }

    #[test]
    fn scores_are_those_of_the_textbook() {
        let confusion = confusion(3, &[(0, 0), (0, 1), (1, 1), (1, 1), (2, 0)]);
        let first = confusion.score(0);
        assert_eq!((first.precision, first.recall, first.f1), (Some(0.5), Some(0.5), Some(0.5)));
        let second = confusion.score(1);
        assert_eq!((second.f1, second.support), (Some(0.8), 2));
        let third = confusion.score(2);
        assert_eq!((third.precision, third.recall, third.f1), (None, Some(0.0), Some(0.0)));
        assert!((confusion.macro_f1().unwrap() - 1.3 / 3.0).abs() < 1e-12);
        assert_eq!((confusion.accuracy(), confusion.micro_f1()), (Some(0.6), Some(0.6)));
        assert_eq!(confusion.counts(), [[1, 1, 0], [0, 2, 0], [1, 0, 0]]);
        assert_eq!(confusion.one_against_rest(0).counts(), [[1, 1], [1, 2]]);
    }

    #[test]
    fn a_figure_of_nothing_is_none() {
        for empty in [Confusion::new(3), Confusion::new(0)] {
            let figures = [
                empty.accuracy(),
                empty.macro_f1(),
                empty.micro_f1(),
                empty.weighted_f1(),
                empty.matthews(),
                empty.kappa(),
            ];
            assert_eq!(figures, [None; 6]);
        }
        // A label that is nowhere does not count in the average.
        let one = confusion(3, &[(0, 0)]);
        assert_eq!((one.macro_f1(), one.weighted_f1()), (Some(1.0), Some(1.0)));
        assert_eq!((one.matthews(), one.kappa()), (None, None));
        assert_eq!(one.score(1), LabelScore { precision: None, recall: None, f1: None, support: 0 });
    }

    #[test]
    fn coefficients_do_not_overflow() {
        let mut huge = Confusion::new(2);
        huge.merge_times(&confusion(2, &[(0, 0), (0, 0), (0, 0), (1, 1), (1, 0)]), 1 << 60);
        let small = confusion(2, &[(0, 0), (0, 0), (0, 0), (1, 1), (1, 0)]);
        assert!((huge.matthews().unwrap() - small.matthews().unwrap()).abs() < 1e-12);
        assert!((huge.kappa().unwrap() - small.kappa().unwrap()).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "there are 2 classes")]
    fn a_label_that_does_not_exist_is_refused() {
        Confusion::new(2).add(0, 2);
    }
}
