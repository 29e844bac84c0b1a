//! What makes probabilities mean what they say, without changing a label: a temperature (Guo et al., On calibration of
//! modern neural networks, 2017), and a sharpening of the answers that are far ahead of all others. Training with
//! smoothed labels holds back the surest answers, most of which are right, as much as those that are a little less sure, of
//! which more are wrong: a temperature alone has to do one of them wrong.

use std::ops::Range;

/// How the logits of a head are scaled before the softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// What logits are divided by: 1 leaves them as they are, more makes probabilities milder.
    pub temperature: f32,
    /// Times the square of the two highest ones' distance then, by how much more than once they are counted.
    pub sharpening: f32,
}

/// Beyond this distance there is no more sharpening: the likeliest is certain, and large numbers stay finite.
const FAR: f32 = 20.0;

impl Scaling {
    pub const NONE: Self = Self { temperature: 1.0, sharpening: 0.0 };

    /// The probabilities of logits.
    pub fn apply<const N: usize>(self, logits: [f32; N]) -> [f32; N] {
        let [highest, second] = two_highest(&logits);
        let apart = ((highest - second) / self.temperature).min(FAR);
        let factor = (1.0 + self.sharpening * apart * apart) / self.temperature;
        let powers = logits.map(|logit| ((logit - highest) * factor).exp());
        let sum: f32 = powers.iter().sum();
        powers.map(|power| power / sum)
    }

    /// Logits that have those probabilities.
    pub fn undo<const N: usize>(self, probabilities: [f64; N]) -> [f32; N] {
        let scaled = probabilities.map(|probability| probability.max(f64::MIN_POSITIVE).ln() as f32);
        let [highest, second] = two_highest(&scaled);
        // A distance that becomes the one that is found: growing with it, as is what it becomes.
        let (mut low, mut high) = (0.0, highest - second);
        for _ in 0..60 {
            let apart: f32 = (low + high) / 2.0;
            let becomes = apart * (1.0 + self.sharpening * apart.min(FAR).powi(2));
            *(if becomes < highest - second { &mut low } else { &mut high }) = apart;
        }
        let factor = (1.0 + self.sharpening * low.min(FAR).powi(2)) / self.temperature;
        scaled.map(|logit| (logit - highest) / factor)
    }

    /// The one under which the labels' mean log-likelihood is highest.
    pub fn fit<const N: usize>(items: &[([f32; N], usize)]) -> Self {
        if items.is_empty() {
            return Self::NONE;
        }
        let best = |sharpening: f32| {
            let of = |temperature: f64| Self { temperature: temperature.exp() as f32, sharpening };
            let limit = 20.0_f64.ln();
            of(lowest(-limit..limit, 1e-3, &|temperature| of(temperature).loss(items)))
        };
        let sharpened =
            best(lowest(0.0..1.0, 1e-3, &|sharpening| best(sharpening as f32).loss(items)) as f32);
        // The end of the range is never tried.
        let plain = best(0.0);
        if sharpened.loss(items) < plain.loss(items) { sharpened } else { plain }
    }

    /// The mean of the labels' log-likelihoods, negative.
    fn loss<const N: usize>(self, items: &[([f32; N], usize)]) -> f64 {
        let of = |&(logits, label): &([f32; N], usize)| {
            -f64::from(self.apply(logits)[label].max(f32::MIN_POSITIVE)).ln()
        };
        items.iter().map(of).sum::<f64>() / items.len() as f64
    }
}

/// Which logit is highest, the first of equal ones.
pub fn likeliest<const N: usize>(logits: &[f32; N]) -> usize {
    (1..N).fold(0, |best, label| if logits[label] > logits[best] { label } else { best })
}

fn two_highest<const N: usize>(logits: &[f32; N]) -> [f32; 2] {
    let mut highest = [f32::NEG_INFINITY; 2];
    for &logit in logits {
        if logit > highest[0] {
            highest = [logit, highest[0]];
        } else {
            highest[1] = highest[1].max(logit);
        }
    }
    highest
}

/// Where in a range a function that falls and then rises is lowest, by golden-section search.
fn lowest(range: Range<f64>, precision: f64, function: &dyn Fn(f64) -> f64) -> f64 {
    const INVERSE_GOLDEN: f64 = 0.618_033_988_749_894_9;
    let Range { start: mut low, end: mut high } = range;
    let points = |low: f64, high: f64| {
        let part = INVERSE_GOLDEN * (high - low);
        (high - part, low + part)
    };
    let (mut left, mut right) = points(low, high);
    let (mut at_left, mut at_right) = (function(left), function(right));
    while high - low > precision {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = points(low, high).0;
            at_left = function(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = points(low, high).1;
            at_right = function(right);
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overconfident_logits_are_cooled_to_their_accuracy() {
        // Right in three of four cases at a confidence of nearly 1: the fitted confidence must be 3/4.
        let items: Vec<([f32; 3], usize)> =
            (0..400).map(|i| ([10.0, 0.0, -1e6], usize::from(i % 4 == 0))).collect();
        let fitted = Scaling::fit(&items);
        assert!((fitted.apply([10.0, 0.0, -1e6])[0] - 0.75).abs() < 1e-3, "{fitted:?}");
    }

    #[test]
    fn surest_answers_get_their_due_beside_less_sure_ones() {
        // As often right as another scaling says.
        let truth = Scaling { temperature: 1.3, sharpening: 0.1 };
        let sure = [0.5, 1.0, 2.0, 3.0, 4.0].map(|logit| [logit, 0.0]);
        let items: Vec<([f32; 2], usize)> = sure
            .into_iter()
            .flat_map(|logits| {
                let right = (truth.apply(logits)[0] * 1000.0).round() as usize;
                (0..1000).map(move |at| (logits, usize::from(at >= right)))
            })
            .collect();
        let fitted = Scaling::fit(&items);
        for logits in sure {
            let (found, expected) = (fitted.apply(logits)[0], truth.apply(logits)[0]);
            assert!((found - expected).abs() < 3e-3, "{fitted:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn nothing_to_fit_on_changes_nothing() {
        assert_eq!(Scaling::fit::<3>(&[]), Scaling::NONE);
    }

    #[test]
    fn a_higher_temperature_is_less_sure() {
        let at = |temperature| Scaling { temperature, sharpening: 0.1 }.apply([2.0, 0.0, 0.0])[0];
        assert!(at(2.0) < at(1.0));
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn probabilities_sum_to_one_and_keep_the_order(
            logits in prop::array::uniform3(prop_oneof![-30.0f32..30.0, Just(1e30), Just(-1e30), Just(5.0)]),
            temperature in 0.05f32..20.0,
            sharpening in 0.0f32..1.0,
        ) {
            let probabilities = Scaling { temperature, sharpening }.apply(logits);
            prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{probabilities:?}");
            prop_assert_eq!(probabilities[likeliest(&logits)], probabilities[likeliest(&probabilities)]);
        }

        #[test]
        fn what_is_undone_can_be_done_again(
            logits in prop::array::uniform3(-6.0f32..6.0),
            temperature in 0.5f32..2.0,
            sharpening in 0.0f32..0.2,
        ) {
            let scaling = Scaling { temperature, sharpening };
            let probabilities = scaling.apply(logits);
            // Of probabilities that are lost in an f32, logits are lost, too.
            prop_assume!(probabilities.iter().all(|&probability| probability > 1e-30));
            let again = scaling.apply(scaling.undo(probabilities.map(f64::from)));
            for (found, expected) in again.iter().zip(probabilities) {
                prop_assert!((found - expected).abs() < 1e-4, "{again:?}, not {probabilities:?}");
            }
        }
    }
}
