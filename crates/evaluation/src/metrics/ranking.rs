//! Figures of sentences that are ranked by a score: how high the positive ones rank.

use super::{ratio, thin};

/// The most points of a precision-recall curve.
pub const CURVE_POINTS: usize = 200;

/// One sentence of a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedSentence {
    pub score: f64,
    /// Whether its gold label is the positive one.
    pub positive: bool,
    /// The number of its document.
    pub document: usize,
}

/// Sentences from the highest score to the lowest.
///
/// Average precision and the curve treat sentences of equal score together, as scikit-learn does, so they do not depend on
/// the order of the input. Precision at a rank needs an order: equal scores keep the order of the input, as in CheckThat!'s
/// scorers.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    items: Vec<RankedSentence>,
    positives: u64,
}

impl Ranking {
    /// Sorts the sentences.
    pub fn new(mut items: Vec<RankedSentence>) -> Self {
        // Adding 0 turns -0 into 0, so that the two sort as equal.
        items.sort_by(|one, other| (other.score + 0.0).total_cmp(&(one.score + 0.0)));
        let positives = items.iter().filter(|item| item.positive).count() as u64;
        Self { items, positives }
    }

    /// The mean precision over thresholds, weighted by the recall that each adds. Undefined without positives.
    pub fn average_precision(&self) -> Option<f64> {
        self.weighted_average_precision(|_| 1)
    }

    /// The average precision of a resample, for [`estimates_by_draw`](super::estimates_by_draw). `draws` has the number of
    /// times that each document was drawn.
    ///
    /// # Panics
    /// If `draws` lacks a document.
    pub fn average_precision_of(&self, draws: &[u64]) -> Option<f64> {
        self.weighted_average_precision(|item| draws[item.document])
    }

    fn weighted_average_precision(&self, weight: impl Fn(&RankedSentence) -> u64) -> Option<f64> {
        let (mut seen, mut hits, mut sum) = (0, 0, 0.0);
        for tied in self.thresholds() {
            let before = hits;
            for item in tied {
                let weight = weight(item);
                seen += weight;
                hits += if item.positive { weight } else { 0 };
            }
            if hits > before {
                sum += (hits - before) as f64 * hits as f64 / seen as f64;
            }
        }
        (hits > 0).then(|| sum / hits as f64)
    }

    /// Recall and precision from the highest threshold to the lowest, at most [`CURVE_POINTS`]. Empty without positives.
    pub fn curve(&self) -> Vec<[f64; 2]> {
        let (mut seen, mut hits) = (0, 0);
        let point = |tied: &[RankedSentence]| {
            seen += tied.len() as u64;
            hits += tied.iter().filter(|item| item.positive).count() as u64;
            Some([ratio(hits, self.positives)?, ratio(hits, seen)?])
        };
        let points: Vec<[f64; 2]> = self.thresholds().filter_map(point).collect();
        thin(&points, CURVE_POINTS)
    }

    /// The share of positives among the first `k`. Undefined if `k` is 0 or there are fewer sentences.
    pub fn precision_at(&self, k: usize) -> Option<f64> {
        let first = self.items.get(..k)?;
        ratio(first.iter().filter(|item| item.positive).count() as u64, k as u64)
    }

    /// One divided by the rank of the first positive sentence. Undefined without positives.
    pub fn reciprocal_rank(&self) -> Option<f64> {
        let first = self.items.iter().position(|item| item.positive)?;
        Some(1.0 / (first + 1) as f64)
    }

    /// Precision at rank `r`, the number of positives. Undefined without positives.
    pub fn r_precision(&self) -> Option<f64> {
        self.precision_at(self.positives as usize)
    }

    /// Groups of sentences with equal score, from the highest.
    fn thresholds(&self) -> impl Iterator<Item = &[RankedSentence]> {
        self.items.chunk_by(|one, other| one.score == other.score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(items: &[(f64, bool)]) -> Ranking {
        let scored = |(document, &(score, positive))| RankedSentence { score, positive, document };
        Ranking::new(items.iter().enumerate().map(scored).collect())
    }

    #[test]
    fn a_ranking_without_positives_has_no_recall() {
        for empty in [ranking(&[]), ranking(&[(0.5, false), (0.1, false)])] {
            assert_eq!(empty.average_precision(), None);
            assert_eq!((empty.reciprocal_rank(), empty.r_precision()), (None, None));
            assert_eq!(empty.curve(), Vec::<[f64; 2]>::new());
        }
        assert_eq!(ranking(&[(0.5, false)]).precision_at(1), Some(0.0));
        assert_eq!(ranking(&[(0.5, true)]).average_precision(), Some(1.0));
    }

    #[test]
    fn the_first_k_must_exist() {
        let ranking = ranking(&[(0.2, false), (0.9, true), (0.7, false)]);
        let at = [0, 1, 2, 3, 4].map(|k| ranking.precision_at(k));
        assert_eq!(at, [None, Some(1.0), Some(0.5), Some(1.0 / 3.0), None]);
    }

    #[test]
    fn tied_sentences_do_not_depend_on_their_order() {
        let one = ranking(&[(0.5, true), (0.5, false), (0.0, true), (-0.0, false)]);
        let other = ranking(&[(0.5, false), (0.5, true), (-0.0, false), (0.0, true)]);
        assert_eq!(one.average_precision(), Some(0.5));
        assert_eq!(other.average_precision(), Some(0.5));
        assert_eq!(one.curve(), [[0.5, 0.5], [1.0, 0.5]]);
        assert_eq!(one.curve(), other.curve());
        assert_eq!((one.reciprocal_rank(), other.reciprocal_rank()), (Some(1.0), Some(0.5)));
    }

    #[test]
    fn a_document_drawn_twice_counts_twice() {
        let drawn = ranking(&[(0.9, true), (0.8, false), (0.7, true), (0.6, false)]);
        let twice = ranking(&[(0.8, false), (0.8, false), (0.7, true), (0.6, false)]);
        assert_eq!(drawn.average_precision_of(&[0, 2, 1, 1]), twice.average_precision());
        assert_eq!(drawn.average_precision_of(&[1, 1, 1, 1]), drawn.average_precision());
        assert_eq!(drawn.average_precision_of(&[0, 2, 0, 2]), None);
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let items: Vec<(f64, bool)> = (0..1000).map(|i| (f64::from(i), i % 2 == 1)).collect();
        let curve = ranking(&items).curve();
        assert_eq!(
            (curve.len(), curve[0], curve[CURVE_POINTS - 1]),
            (CURVE_POINTS, [0.002, 1.0], [1.0, 0.5])
        );
    }
}
