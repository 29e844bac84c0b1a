//! How readily spans begin, fitted on dev.

use standpoint_core::heads::tags::{Tag, runs};
use std::ops::Range;

/// The tokens of a window as a head marks them, and as they are.
pub struct Sequence {
    pub logits: Vec<[f32; 3]>,
    /// Whether a token is the rest of the word before it.
    pub goes_on: Vec<bool>,
    /// Of tokens whose tag is known.
    pub gold: Vec<Option<Tag>>,
}

/// What to add to the logit of a span's beginning so that most spans are found exactly: the likeliest tags leave out
/// more than they invent. 0 if there is nothing to fit it on.
pub fn begin_shift(sequences: &[Sequence]) -> f32 {
    const STEPS: Range<i32> = -4..13;
    const STEP: f32 = 0.25;
    let f1 = |step: &i32| {
        let (mut gold, mut found, mut both) = (0, 0, 0);
        for sequence in sequences {
            let mut logits = sequence.logits.clone();
            logits.iter_mut().for_each(|logits| logits[Tag::Begin as usize] += *step as f32 * STEP);
            let likeliest = Tag::likeliest(&logits, &sequence.goes_on);
            let mut start = 0;
            for known in sequence.gold.chunk_by(|one, next| one.is_some() == next.is_some()) {
                let tags: Vec<Tag> = known.iter().copied().flatten().collect();
                let of_gold: Vec<Range<usize>> = runs(&tags).collect();
                let of_model: Vec<Range<usize>> = runs(&likeliest[start..start + tags.len()]).collect();
                (gold, found) = (gold + of_gold.len(), found + of_model.len());
                both += of_model.iter().filter(|run| of_gold.contains(run)).count();
                start += known.len();
            }
        }
        if gold + found == 0 { 0.0 } else { 2.0 * both as f64 / (gold + found) as f64 }
    };
    // Of equal ones the least.
    let mut steps: Vec<(i32, f64)> = STEPS.map(|step| (step, f1(&step))).collect();
    steps.sort_by_key(|(step, _)| step.abs());
    let best = steps.into_iter().reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.map_or(0.0, |(step, _)| step as f32 * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_nearly_begin_are_begun() {
        // Of three spans two lack a little to begin; what is none lacks more.
        let logits = [[1.0, 2.0, 0.0], [1.0, 0.3, 0.0], [2.0, 0.0, 0.0], [1.0, 0.4, 0.0], [3.0, 0.0, 0.0]];
        let gold = [Tag::Begin, Tag::Begin, Tag::Outside, Tag::Begin, Tag::Outside].map(Some);
        let sequence = Sequence { logits: logits.to_vec(), goes_on: vec![false; 5], gold: gold.to_vec() };
        assert_eq!(begin_shift(&[sequence]), 0.75);
    }

    #[test]
    fn nothing_to_fit_on_changes_nothing() {
        assert_eq!(begin_shift(&[]), 0.0);
    }
}
