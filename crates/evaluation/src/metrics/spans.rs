//! Figures of predicted spans: by exact match, and by overlap in bytes.

use super::{Mergeable, ratio};
use standpoint_core::text::Span;

/// Counts of gold and predicted spans of one kind.
///
/// A span can consist of several pieces. Two spans match exactly if they mark the same bytes, so all pieces must agree. For
/// the overlap figures, each span counts by the share of its bytes that any span of the other side marks: recall is the
/// mean share of the gold spans, precision that of the predicted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpanCounts {
    gold: u64,
    predicted: u64,
    /// Spans on both sides. A span that occurs twice needs two matches on the other side.
    matched: u64,
    /// The sum over gold spans of the share that is predicted. Below, the sum over predicted spans of the share that is
    /// gold.
    gold_covered: f64,
    predicted_covered: f64,
}

impl SpanCounts {
    /// Counts the spans of one text, a sentence or a document. Each span is the list of its pieces. Empty spans are ignored.
    pub fn of(gold: &[Vec<Span>], predicted: &[Vec<Span>]) -> Self {
        let (gold, predicted) = (normalized(gold), normalized(predicted));
        let (gold_bytes, predicted_bytes) =
            (joined(gold.iter().flatten()), joined(predicted.iter().flatten()));
        Self {
            gold: gold.len() as u64,
            predicted: predicted.len() as u64,
            matched: common(&gold, &predicted),
            gold_covered: gold.iter().map(|span| share(span, &predicted_bytes)).sum(),
            predicted_covered: predicted.iter().map(|span| share(span, &gold_bytes)).sum(),
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

    /// The harmonic mean of overlap precision and recall. As for exact F1, it is 0 if only one side has spans, and undefined
    /// if neither has.
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

/// The spans that mark something, in order. Spans that mark the same bytes become equal.
fn normalized(spans: &[Vec<Span>]) -> Vec<Vec<Span>> {
    let mut spans: Vec<Vec<Span>> = spans.iter().map(joined).filter(|pieces| !pieces.is_empty()).collect();
    spans.sort_unstable();
    spans
}

/// The union of some spans, as spans in order that do not touch.
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

/// The number of elements that two sorted lists have in common.
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

/// The share of a span's bytes that are in `bytes`. Both are [`joined`].
fn share(pieces: &[Span], bytes: &[Span]) -> f64 {
    let covered = |piece: &Span| -> usize {
        let first = bytes.partition_point(|span| span.end() <= piece.start());
        bytes[first..]
            .iter()
            .take_while(|span| span.start() < piece.end())
            .map(|span| span.end().min(piece.end()) - span.start().max(piece.start()))
            .sum()
    };
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    pieces.iter().map(covered).sum::<usize>() as f64 / length as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spans as lists of pieces.
    fn spans(spans: &[&[(usize, usize)]]) -> Vec<Vec<Span>> {
        spans
            .iter()
            .map(|pieces| pieces.iter().map(|&(start, end)| Span::new(start, end)).collect())
            .collect()
    }

    fn counts(gold: &[&[(usize, usize)]], predicted: &[&[(usize, usize)]]) -> SpanCounts {
        SpanCounts::of(&spans(gold), &spans(predicted))
    }

    #[test]
    fn a_span_in_pieces_matches_only_as_a_whole() {
        let gold: &[&[(usize, usize)]] = &[&[(0, 4), (10, 14)]];
        assert_eq!(counts(gold, &[&[(10, 14), (0, 4)]]).exact_f1(), Some(1.0));
        let half = counts(gold, &[&[(0, 4)]]);
        assert_eq!(
            (half.exact_f1(), half.overlap_recall(), half.overlap_precision()),
            (Some(0.0), Some(0.5), Some(1.0))
        );
        assert!((half.overlap_f1().unwrap() - 2.0 / 3.0).abs() < 1e-12);
        // Two spans do not match one in two pieces, although they mark the same bytes.
        let apart = counts(gold, &[&[(0, 4)], &[(10, 14)]]);
        assert_eq!((apart.exact_f1(), apart.overlap_f1()), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn a_span_that_occurs_twice_needs_two_matches() {
        let twice = counts(&[&[(0, 4)], &[(0, 4)]], &[&[(0, 4)], &[(0, 4)], &[(0, 4)]]);
        assert_eq!((twice.exact_recall(), twice.exact_precision()), (Some(1.0), Some(2.0 / 3.0)));
    }

    #[test]
    fn a_side_without_spans_has_no_figure_of_its_own() {
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
