//! How well marked spans are found: whole, and by their bytes.

use super::{Mergeable, ratio};
use standpoint_core::text::Span;

/// Counts of gold and predicted parts of one kind, from which span figures follow.
///
/// A part is what one annotation marks: one span, or several pieces. Two parts are the same if they mark the
/// same bytes, so a part in pieces matches only if all its pieces do. For the overlap figures each part counts
/// by the share of its bytes that the other side marks, with whichever part: recall is the mean share of the
/// gold parts, precision that of the predicted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpanCounts {
    gold: u64,
    predicted: u64,
    /// Parts that are on both sides; one that stands twice on a side needs two on the other.
    matched: u64,
    /// The sum of the shares of gold parts that are predicted.
    gold_covered: f64,
    predicted_covered: f64,
}

impl SpanCounts {
    /// The counts of one text, be it a sentence or a document: each part is the list of its pieces. A part
    /// without a byte marks nothing, and is left out.
    pub fn of(gold: &[Vec<Span>], predicted: &[Vec<Span>]) -> Self {
        let (gold, predicted) = (parts(gold), parts(predicted));
        let (gold_bytes, predicted_bytes) =
            (joined(gold.iter().flatten()), joined(predicted.iter().flatten()));
        Self {
            gold: gold.len() as u64,
            predicted: predicted.len() as u64,
            matched: common(&gold, &predicted),
            gold_covered: gold.iter().map(|part| share(part, &predicted_bytes)).sum(),
            predicted_covered: predicted.iter().map(|part| share(part, &gold_bytes)).sum(),
        }
    }

    pub fn gold(&self) -> u64 {
        self.gold
    }

    pub fn predicted(&self) -> u64 {
        self.predicted
    }

    pub fn exact_precision(&self) -> Option<f64> {
        ratio(self.matched, self.predicted)
    }

    pub fn exact_recall(&self) -> Option<f64> {
        ratio(self.matched, self.gold)
    }

    pub fn exact_f1(&self) -> Option<f64> {
        ratio(2 * self.matched, self.gold + self.predicted)
    }

    pub fn overlap_precision(&self) -> Option<f64> {
        (self.predicted > 0).then(|| self.predicted_covered / self.predicted as f64)
    }

    pub fn overlap_recall(&self) -> Option<f64> {
        (self.gold > 0).then(|| self.gold_covered / self.gold as f64)
    }

    /// The harmonic mean of the two; as with exact F1, 0 if one side alone has parts, and none if neither has.
    pub fn overlap_f1(&self) -> Option<f64> {
        match (self.overlap_precision(), self.overlap_recall()) {
            (None, None) => None,
            (Some(precision), Some(recall)) if precision + recall > 0.0 => {
                Some(2.0 * precision * recall / (precision + recall))
            }
            _ => Some(0.0),
        }
    }
}

impl Mergeable for SpanCounts {
    fn merge_times(&mut self, other: &Self, times: u64) {
        self.gold += times * other.gold;
        self.predicted += times * other.predicted;
        self.matched += times * other.matched;
        self.gold_covered += times as f64 * other.gold_covered;
        self.predicted_covered += times as f64 * other.predicted_covered;
    }
}

/// The parts that mark something, each in one form for the bytes it marks, in order.
fn parts(parts: &[Vec<Span>]) -> Vec<Vec<Span>> {
    let mut parts: Vec<Vec<Span>> = parts.iter().map(joined).filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    parts
}

/// The bytes of some spans, as spans in order of which no two touch.
fn joined<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().copied().filter(|span| !span.is_empty()).collect();
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start() <= last.end() => {
                *last = Span::new(last.start(), last.end().max(span.end()));
            }
            _ => joined.push(span),
        }
    }
    joined
}

/// How many parts two ordered lists share.
fn common(one: &[Vec<Span>], other: &[Vec<Span>]) -> u64 {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut count = 0;
    while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
        let order = left.cmp(right);
        count += u64::from(order.is_eq());
        if order.is_le() {
            one.next();
        }
        if order.is_ge() {
            other.next();
        }
    }
    count
}

/// The share of a part's bytes that are among `bytes`; both are [`joined`].
fn share(part: &[Span], bytes: &[Span]) -> f64 {
    let covered = |piece: &Span| -> usize {
        let first = bytes.partition_point(|span| span.end() <= piece.start());
        bytes[first..]
            .iter()
            .take_while(|span| span.start() < piece.end())
            .map(|span| span.end().min(piece.end()) - span.start().max(piece.start()))
            .sum()
    };
    let length: usize = part.iter().map(|piece| piece.len()).sum();
    part.iter().map(covered).sum::<usize>() as f64 / length as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part as its pieces.
    fn marked(parts: &[&[(usize, usize)]]) -> Vec<Vec<Span>> {
        parts.iter().map(|part| part.iter().map(|&(start, end)| Span::new(start, end)).collect()).collect()
    }

    fn counts(gold: &[&[(usize, usize)]], predicted: &[&[(usize, usize)]]) -> SpanCounts {
        SpanCounts::of(&marked(gold), &marked(predicted))
    }

    #[test]
    fn a_part_in_pieces_matches_only_whole() {
        let gold: &[&[(usize, usize)]] = &[&[(0, 4), (10, 14)]];
        assert_eq!(counts(gold, &[&[(10, 14), (0, 4)]]).exact_f1(), Some(1.0));
        let half = counts(gold, &[&[(0, 4)]]);
        assert_eq!(
            (half.exact_f1(), half.overlap_recall(), half.overlap_precision()),
            (Some(0.0), Some(0.5), Some(1.0))
        );
        assert!((half.overlap_f1().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        // Two parts are not one in two pieces, though their bytes are all found.
        let apart = counts(gold, &[&[(0, 4)], &[(10, 14)]]);
        assert_eq!((apart.exact_f1(), apart.overlap_f1()), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn a_part_that_stands_twice_is_found_twice() {
        let twice = counts(&[&[(0, 4)], &[(0, 4)]], &[&[(0, 4)], &[(0, 4)], &[(0, 4)]]);
        assert_eq!((twice.exact_recall(), twice.exact_precision()), (Some(1.0), Some(2.0 / 3.0)));
    }

    #[test]
    fn a_side_without_parts_has_no_figure_of_its_own() {
        let nothing = counts(&[], &[&[(3, 3)], &[]]);
        assert_eq!(nothing, SpanCounts::default());
        assert_eq!((nothing.exact_f1(), nothing.overlap_f1()), (None, None));
        let missed = counts(&[&[(0, 4)]], &[]);
        assert_eq!((missed.exact_precision(), missed.overlap_precision()), (None, None));
        assert_eq!((missed.exact_recall(), missed.overlap_recall()), (Some(0.0), Some(0.0)));
        assert_eq!((missed.exact_f1(), missed.overlap_f1()), (Some(0.0), Some(0.0)));
        let apart = counts(&[&[(0, 4)]], &[&[(4, 8)]]);
        assert_eq!((apart.exact_f1(), apart.overlap_f1()), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn bytes_marked_twice_are_covered_once() {
        let covered = counts(&[&[(0, 10)]], &[&[(0, 4)], &[(2, 6)], &[(6, 7)]]);
        assert_eq!((covered.overlap_recall(), covered.overlap_precision()), (Some(0.7), Some(1.0)));
    }

    #[test]
    fn documents_are_summed() {
        let mut sum = counts(&[&[(0, 4)]], &[&[(0, 4)]]);
        sum.merge_times(&counts(&[&[(0, 4)]], &[&[(0, 2)], &[(8, 9)]]), 2);
        assert_eq!((sum.gold(), sum.predicted(), sum.exact_recall()), (3, 5, Some(1.0 / 3.0)));
        assert_eq!((sum.overlap_recall(), sum.overlap_precision()), (Some(2.0 / 3.0), Some(0.6)));
    }
}
