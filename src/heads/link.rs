//! Which cue a content belongs to: what each of its tokens looks for is compared with what each cue answers, and with
//! what the window's first token answers, which stands for no cue.

use crate::model::LINK_WIDTH;
use std::ops::Range;

/// A vector by which tokens are linked.
pub type LinkVector = [f32; LINK_WIDTH];

/// How well what a token looks for fits an answer.
pub fn fit(wanted: &LinkVector, answer: &LinkVector) -> f32 {
    let sum: f32 = wanted.iter().zip(answer).map(|(wanted, answer)| wanted * answer).sum();
    sum / (LINK_WIDTH as f32).sqrt()
}

/// The answer that the tokens of a content agree on: the one with the highest product of probabilities. Nothing where
/// that is the first answer, which stands for none.
pub fn agreed(wanted: impl Iterator<Item = LinkVector>, answers: &[LinkVector]) -> Option<usize> {
    let mut sums = vec![0.0_f64; answers.len()];
    for wanted in wanted {
        let fits: Vec<f64> = answers.iter().map(|answer| f64::from(fit(&wanted, answer))).collect();
        let highest = fits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = highest + fits.iter().map(|fit| (fit - highest).exp()).sum::<f64>().ln();
        for (sum, fit) in sums.iter_mut().zip(fits) {
            *sum += fit - total;
        }
    }
    let best = (0..sums.len()).reduce(|best, other| if sums[other] > sums[best] { other } else { best })?;
    best.checked_sub(1)
}

/// The two vectors of a token, from the outputs of the head.
pub fn vectors(outputs: &[f32; 2 * LINK_WIDTH]) -> (LinkVector, LinkVector) {
    let part = |range: Range<usize>| {
        let mut vector = [0.0; LINK_WIDTH];
        vector.copy_from_slice(&outputs[range]);
        vector
    };
    (part(0..LINK_WIDTH), part(LINK_WIDTH..2 * LINK_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector that fits only itself.
    fn unit(place: usize) -> LinkVector {
        std::array::from_fn(|index| if index == place { 9.0 } else { 0.0 })
    }

    #[test]
    fn tokens_decide_together_and_the_first_answer_is_none() {
        let answers = [unit(0), unit(1), unit(2)];
        let agreed = |wanted: &[usize]| agreed(wanted.iter().map(|&place| unit(place)), &answers);
        assert_eq!(agreed(&[1, 2, 2]), Some(1));
        assert_eq!(agreed(&[1, 1, 2, 9]), Some(0));
        assert_eq!(agreed(&[0, 0, 2]), None);
        assert_eq!(agreed(&[9]), None, "of equals the first");
    }

    #[test]
    fn the_vectors_of_a_token_stand_side_by_side() {
        let (wanted, answer) = vectors(&std::array::from_fn(|index| index as f32));
        assert_eq!((wanted[0], answer[0], answer[LINK_WIDTH - 1]), (0.0, 32.0, 63.0));
    }
}
