//! The begin bias: how readily a head that tags tokens begins a span.

use crate::tags::{Tag, runs};
use std::ops::Range;

/// The tokens of a window: what a head says of them, and what is true.
pub struct TaggedTokens {
    /// One for each tag, in the order of [`Tag`].
    pub logits: Vec<[f32; 3]>,
    /// Whether a token continues the word of the token before.
    pub is_subword: Vec<bool>,
    /// `None` where the tag is not known.
    pub gold: Vec<Option<Tag>>,
}

/// The number to add to the logits of [`Tag::Begin`] so that F1 of exactly found spans is highest: the likeliest tags miss
/// more spans than they invent. It is the smallest in magnitude of equally good numbers; 0 if there is nothing to fit on.
///
/// # Panics
/// If the vectors of a sequence differ in length.
pub fn fit_begin_bias(sequences: &[TaggedTokens]) -> f32 {
    const STEPS: Range<i32> = -4..13;
    const STEP: f32 = 0.25;
    let f1 = |step: &i32| {
        let (mut gold, mut found, mut both) = (0, 0, 0);
        for sequence in sequences {
            let mut logits = sequence.logits.clone();
            logits.iter_mut().for_each(|logits| logits[Tag::Begin as usize] += *step as f32 * STEP);
            let likeliest = Tag::likeliest(&logits, &sequence.is_subword);
            let mut start = 0;
            for known in sequence.gold.chunk_by(|one, next| one.is_some() == next.is_some()) {
                let tags: Vec<Tag> = known.iter().copied().flatten().collect();
                let gold_runs: Vec<Range<usize>> = runs(&tags).collect();
                let model_runs: Vec<Range<usize>> = runs(&likeliest[start..start + tags.len()]).collect();
                (gold, found) = (gold + gold_runs.len(), found + model_runs.len());
                both += model_runs.iter().filter(|run| gold_runs.contains(run)).count();
                start += known.len();
            }
        }
        if gold + found == 0 { 0.0 } else { 2.0 * both as f64 / (gold + found) as f64 }
    };
    let mut steps: Vec<(i32, f64)> = STEPS.map(|step| (step, f1(&step))).collect();
    steps.sort_by_key(|(step, _)| step.abs());
    let best = steps.into_iter().reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.map_or(0.0, |(step, _)| step as f32 * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_just_miss_their_beginning_are_found() {
        // Two of three spans just miss their beginning. The token that is no span misses it by more.
        let logits = [[1.0, 2.0, 0.0], [1.0, 0.3, 0.0], [2.0, 0.0, 0.0], [1.0, 0.4, 0.0], [3.0, 0.0, 0.0]];
        let gold = [Tag::Begin, Tag::Begin, Tag::Outside, Tag::Begin, Tag::Outside].map(Some);
        let sequence =
            TaggedTokens { logits: logits.to_vec(), is_subword: vec![false; 5], gold: gold.to_vec() };
        assert_eq!(fit_begin_bias(&[sequence]), 0.75);
    }

    #[test]
    fn nothing_to_fit_on_changes_nothing() {
        assert_eq!(fit_begin_bias(&[]), 0.0);
    }
}
