//! Spans as tags of tokens: a token is outside of all spans of a kind, begins one, or is inside of one (the BIO scheme). From
//! logits to the likeliest tags, to the probabilities of tags, and from tags to spans.

use std::ops::Range;

/// What a token is to the spans of one kind. The order is that of logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    #[default]
    Outside,
    Begin,
    Inside,
}

impl Tag {
    const ALL: [Self; 3] = [Self::Outside, Self::Begin, Self::Inside];

    /// The likeliest allowed tags of a sequence. No tag is inside of a span that has not begun, except that the first tokens
    /// may continue a span from before the sequence. No span begins or ends within a word. `is_subword` says of each token
    /// whether it continues the word of the token before.
    ///
    /// # Panics
    /// If `is_subword` is shorter than `logits`.
    pub fn likeliest(logits: &[[f32; 3]], is_subword: &[bool]) -> Vec<Self> {
        // Viterbi over words. `best` is the highest sum of logits of a path to each tag, and `origins` are the tags that such
        // paths come from. Logits serve as logarithms of probabilities: at each token they differ from them by a constant.
        let mut best = [0.0_f32; 3];
        let mut origins: Vec<[usize; 3]> = Vec::with_capacity(logits.len());
        for (index, [outside, begin, inside]) in logits.iter().enumerate() {
            if index > 0 && is_subword[index] {
                best = [best[0] + outside, best[1] + inside, best[2] + inside];
                origins.push([0, 1, 2]);
                continue;
            }
            let any = highest(best);
            let open = if index == 0 || best[1] > best[2] { 1 } else { 2 };
            origins.push([any, any, open]);
            best = [best[any] + outside, best[any] + begin, best[open] + inside];
        }
        let mut tag = highest(best);
        let mut tags = vec![Self::Outside; logits.len()];
        for (index, origins) in origins.iter().enumerate().rev() {
            // In a word that begins a span, only the first token has the tag of a beginning.
            let continues = index > 0 && is_subword[index] && tag != 0;
            tags[index] = if continues { Self::Inside } else { Self::ALL[tag] };
            tag = origins[tag];
        }
        tags
    }
}

/// What a linear chain with these logits says of a sequence: the probability of each tag at each token, and the logarithm of
/// the sum over all allowed sequences of tags. A sequence is allowed if no tag is inside of a span that has not begun; the
/// first token may continue a span from before.
pub fn marginals(logits: &[[f32; 3]]) -> (Vec<[f64; 3]>, f64) {
    // Relative to the likeliest tag, and not so small that products of powers become 0.
    const LEAST: f64 = -300.0;
    let powers = |logits: &[f32; 3]| {
        let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        (highest, logits.map(|logit| (f64::from(logit) - highest).max(LEAST).exp()))
    };
    let mut total = 0.0;
    let mut forward: Vec<[f64; 3]> = Vec::with_capacity(logits.len());
    for logits in logits {
        let (highest, [outside, begin, inside]) = powers(logits);
        // Any tag may come before the first token.
        let [before_outside, before_begin, before_inside] =
            forward.last().copied().unwrap_or([0.0, 0.0, 1.0]);
        let open = before_begin + before_inside;
        let any = before_outside + open;
        let sums = [any * outside, any * begin, open * inside];
        let sum: f64 = sums.iter().sum();
        forward.push(sums.map(|part| part / sum));
        total += highest + sum.ln();
    }
    let mut backward = [1.0; 3];
    for (index, probabilities) in forward.iter_mut().enumerate().rev() {
        let mut next = [0.0; 3];
        for (next, (forward, backward)) in next.iter_mut().zip(probabilities.iter().zip(backward)) {
            *next = forward * backward;
        }
        let sum: f64 = next.iter().sum();
        *probabilities = next.map(|part| part / sum);
        let (_, [outside, begin, inside]) = powers(&logits[index]);
        let closed = outside * backward[0] + begin * backward[1];
        let open = closed + inside * backward[2];
        backward = [closed / open, 1.0, 1.0];
    }
    (forward, total)
}

fn highest(sums: [f32; 3]) -> usize {
    (1..3).fold(0, |from, other| if sums[other] > sums[from] { other } else { from })
}

/// The spans that tags mark, as ranges of tokens in order.
pub fn runs(tags: &[Tag]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next + tags[next..].iter().position(|tag| *tag != Tag::Outside)?;
        let length = tags[start + 1..].iter().take_while(|tag| **tag == Tag::Inside).count();
        next = start + 1 + length;
        Some(start..next)
    })
}

#[cfg(test)]
mod tests {
    use super::Tag::{Begin, Inside, Outside};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn marginals_are_those_of_all_sequences(
            logits in prop::collection::vec(prop::array::uniform3(-4.0_f32..4.0), 1..6),
        ) {
            let (mut sum, mut of_tags) = (0.0, vec![[0.0; 3]; logits.len()]);
            for number in 0..3_usize.pow(logits.len() as u32) {
                let tag = |token: usize| number / 3_usize.pow(token as u32) % 3;
                if (1..logits.len()).any(|token| tag(token) == 2 && tag(token - 1) == 0) {
                    continue;
                }
                let score: f64 =
                    logits.iter().enumerate().map(|(token, logits)| f64::from(logits[tag(token)])).sum();
                sum += score.exp();
                for (token, of_tags) in of_tags.iter_mut().enumerate() {
                    of_tags[tag(token)] += score.exp();
                }
            }
            let (found, total) = marginals(&logits);
            prop_assert!((total - sum.ln()).abs() < 1e-9);
            for (found, of_tags) in found.iter().flatten().zip(of_tags.iter().flatten()) {
                prop_assert!((found - of_tags / sum).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn marginals_of_extreme_logits_are_numbers() {
        let (found, total) = marginals(&[[500.0, -500.0, -500.0], [-500.0, -500.0, 500.0]]);
        assert!(total.is_finite() && found.iter().flatten().all(|p| (0.0..=1.0).contains(p)), "{found:?}");
        assert_eq!(marginals(&[]), (Vec::new(), 0.0));
    }

    #[test]
    fn runs_are_what_tags_mark() {
        let tags = [Inside, Outside, Begin, Inside, Begin, Outside, Begin];
        assert_eq!(runs(&tags).collect::<Vec<_>>(), [0..1, 2..4, 4..5, 6..7]);
        assert_eq!(runs(&[Outside; 3]).count() + runs(&[]).count(), 0);
    }

    #[test]
    fn a_span_begins_before_it_goes_on() {
        // Inside is likelier than outside at the second token, but less so than to begin is unlikely at the first.
        let likeliest = |logits: &[[f32; 3]]| Tag::likeliest(logits, &[false; 2]);
        assert_eq!(likeliest(&[[9.0, 0.0, 1.0], [0.0, 0.0, 3.0]]), [Outside, Outside]);
        assert_eq!(likeliest(&[[1.0, 0.5, 0.0], [0.0, 0.0, 3.0]]), [Begin, Inside]);
        assert_eq!(likeliest(&[[0.0, 0.0, 5.0], [0.0, 0.0, 3.0]]), [Inside, Inside]);
    }

    #[test]
    fn a_word_is_marked_as_a_whole() {
        let logits = [[0.0, 2.0, 0.0], [3.0, 0.0, 2.0], [1.0, 0.0, 0.0]];
        assert_eq!(Tag::likeliest(&logits, &[false; 3]), [Begin, Outside, Outside]);
        assert_eq!(Tag::likeliest(&logits, &[false, true, false]), [Begin, Inside, Outside]);
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn no_allowed_sequence_is_likelier(logits in prop::collection::vec(prop::array::uniform3(-3.0_f32..3.0), 1..7)) {
            let score = |tags: &[Tag]| -> f32 { tags.iter().zip(&logits).map(|(tag, logits)| logits[*tag as usize]).sum() };
            let allowed = |tags: &[Tag]| tags.windows(2).all(|pair| pair != [Outside, Inside]);
            let found = Tag::likeliest(&logits, &[false; 7]);
            prop_assert!(allowed(&found));
            for number in 0..3_usize.pow(logits.len() as u32) {
                let tags: Vec<Tag> =
                    (0..logits.len()).map(|at| Tag::ALL[number / 3_usize.pow(at as u32) % 3]).collect();
                prop_assert!(!allowed(&tags) || score(&tags) <= score(&found) + 1e-4);
            }
        }
    }
}
