//! Temperature scaling with a shift for each label (bias-corrected temperature scaling: Alexandari, Kundaje, Shrikumar,
//! Maximum likelihood with bias-corrected calibration is hard-to-beat at label shift adaptation, 2020): a few numbers for
//! each head, fitted on dev, that make its probabilities mean what they say. Without the shifts, labels that weigh
//! more in the loss stay likelier than they are.

use crate::heads::softmax;
use crate::heads::tags::{Tag, runs};
use std::ops::Range;

/// What logits become before the softmax: `(logits + shift) / temperature`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration<const N: usize> {
    pub temperature: f32,
    /// The last label's is 0.
    pub shift: [f32; N],
}

impl<const N: usize> Calibration<N> {
    /// What changes nothing.
    pub const NONE: Self = Self { temperature: 1.0, shift: [0.0; N] };

    /// The one at which the labels' mean log-likelihood is highest, by golden-section searches along one number after
    /// the other; the likelihood has one peak. [`Self::NONE`] if there is nothing to fit it on.
    pub fn fit(items: &[([f32; N], usize)]) -> Self {
        const SWEEPS: usize = 12;
        let mut fitted = Self::NONE;
        if items.is_empty() {
            return fitted;
        }
        let loss = |calibration: &Self| -> f64 {
            let of = |&(logits, label): &([f32; N], usize)| calibration.probabilities(logits)[label];
            -items.iter().map(|item| f64::from(of(item).max(f32::MIN_POSITIVE)).ln()).sum::<f64>()
        };
        let widest = 20.0_f64.ln();
        for _ in 0..SWEEPS {
            let at = |temperature: f64| Self { temperature: temperature.exp() as f32, ..fitted };
            fitted = at(lowest(-widest, widest, |temperature| loss(&at(temperature))));
            for label in 0..N - 1 {
                let at = |shift: f64| {
                    let mut moved = fitted;
                    moved.shift[label] = shift as f32;
                    moved
                };
                fitted = at(lowest(-5.0, 5.0, |shift| loss(&at(shift))));
            }
        }
        fitted
    }

    /// Calibrated probabilities of logits.
    pub fn probabilities(&self, mut logits: [f32; N]) -> [f32; N] {
        for (logit, shift) in logits.iter_mut().zip(self.shift) {
            *logit += shift;
        }
        softmax(logits, self.temperature)
    }
}

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

/// Where a function with one valley is lowest, to 1e-4.
fn lowest(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    const INVERSE_GOLDEN: f64 = 0.618_033_988_749_894_9;
    while high - low > 1e-4 {
        let (left, right) = (high - INVERSE_GOLDEN * (high - low), low + INVERSE_GOLDEN * (high - low));
        if function(left) <= function(right) {
            high = right;
        } else {
            low = left;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overconfident_logits_are_cooled_to_their_accuracy() {
        // Right in three of four cases at a confidence of nearly 1, whichever label it is: the fitted one must be 3/4.
        let items: Vec<([f32; 2], usize)> = (0..400)
            .map(|i| {
                let label = i % 2;
                let logits = std::array::from_fn(|output| if output == label { 10.0 } else { 0.0 });
                (logits, if i % 8 < 2 { 1 - label } else { label })
            })
            .collect();
        let fitted = Calibration::fit(&items);
        assert!((fitted.probabilities([10.0, 0.0])[0] - 0.75).abs() < 1e-3, "{fitted:?}");
        assert!(fitted.shift[0].abs() < 1e-3, "{fitted:?}");
    }

    #[test]
    fn a_label_that_is_said_too_often_is_said_as_often_as_it_is_true() {
        // Logits know nothing, and are for the first label; it is true in a tenth of the cases, the second in three.
        let items: Vec<([f32; 3], usize)> =
            (0..1000).map(|i| ([1.0, 0.5, 0.0], [0, 1, 1, 1, 2, 2, 2, 2, 2, 2][i % 10])).collect();
        let fitted = Calibration::fit(&items);
        let found = fitted.probabilities([1.0, 0.5, 0.0]);
        for (found, expected) in found.iter().zip([0.1, 0.3, 0.6]) {
            assert!((found - expected).abs() < 2e-3, "{found} for {expected}: {fitted:?}");
        }
    }

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
        assert_eq!(Calibration::<3>::fit(&[]), Calibration::NONE);
        assert_eq!(begin_shift(&[]), 0.0);
    }
}
