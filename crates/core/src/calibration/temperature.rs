//! Temperature scaling (Guo et al., On calibration of modern neural networks, 2017), and a sharpening of the surest answers.
//! Neither changes which label is likeliest.
//!
//! Training with smoothed labels makes the surest answers, which are nearly always right, no surer than slightly less sure
//! ones, which are more often wrong. A single temperature cannot be right for both.

use std::ops::Range;

/// How the logits of a head are scaled before the softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemperatureScaling {
    /// Logits are divided by this. A temperature above 1 makes probabilities less sure.
    pub temperature: f32,
    /// The divided logits are multiplied by `1 + sharpening * gap²`, where `gap` is the difference of the two highest.
    pub sharpening: f32,
}

/// The largest gap that sharpens. Beyond it the likeliest label is certain, and large numbers stay finite.
const FAR: f32 = 20.0;

/// How many parts [`TemperatureScaling::fit_held_out`] deals documents into.
const FOLDS: usize = 5;

/// The logits of a sentence, its label, and the number of its document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelledLogits<const N: usize> {
    pub document: usize,
    pub logits: [f32; N],
    pub label: usize,
}

impl TemperatureScaling {
    /// A plain softmax.
    pub const NONE: Self = Self { temperature: 1.0, sharpening: 0.0 };

    /// A temperature without sharpening.
    pub const fn of_temperature(temperature: f32) -> Self {
        Self { temperature, sharpening: 0.0 }
    }

    /// The probabilities that belong to `logits`; they sum to 1.
    pub fn apply<const N: usize>(self, logits: [f32; N]) -> [f32; N] {
        let [highest, second] = two_highest(&logits);
        let apart = ((highest - second) / self.temperature).min(FAR);
        let factor = (1.0 + self.sharpening * apart * apart) / self.temperature;
        let powers = logits.map(|logit| ((logit - highest) * factor).exp());
        let sum: f32 = powers.iter().sum();
        powers.map(|power| power / sum)
    }

    /// Logits to which [`TemperatureScaling::apply`] gives these probabilities. The highest is 0.
    pub fn undo<const N: usize>(self, probabilities: [f64; N]) -> [f32; N] {
        let scaled = probabilities.map(|probability| probability.max(f64::MIN_POSITIVE).ln() as f32);
        let [highest, second] = two_highest(&scaled);
        // Bisection for the gap that becomes the one that was found: the second grows with the first.
        let (mut low, mut high) = (0.0, highest - second);
        for _ in 0..60 {
            let apart: f32 = (low + high) / 2.0;
            let becomes = apart * (1.0 + self.sharpening * apart.min(FAR).powi(2));
            *(if becomes < highest - second { &mut low } else { &mut high }) = apart;
        }
        let factor = (1.0 + self.sharpening * low.min(FAR).powi(2)) / self.temperature;
        scaled.map(|logit| (logit - highest) / factor)
    }

    /// The scaling under which the mean log-likelihood of the labels is highest; [`TemperatureScaling::NONE`] without items.
    pub fn fit<const N: usize>(items: &[LabelledLogits<N>]) -> Self {
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
        // The search never tries the end of its range.
        let plain = best(0.0);
        if sharpened.loss(items) < plain.loss(items) { sharpened } else { plain }
    }

    /// For each item, the scaling that was fitted on the items of other documents: a fifth of the documents, and with it the
    /// item's own, is left out. How good these scalings are is what to expect on new documents.
    pub fn fit_held_out<const N: usize>(items: &[LabelledLogits<N>]) -> Vec<Self> {
        let without = |fold: usize| {
            let others = items.iter().filter(|item| item.document % FOLDS != fold);
            Self::fit(&others.copied().collect::<Vec<_>>())
        };
        let folds: [Self; FOLDS] = std::array::from_fn(without);
        items.iter().map(|item| folds[item.document % FOLDS]).collect()
    }

    /// The mean negative log-likelihood of the labels.
    fn loss<const N: usize>(self, items: &[LabelledLogits<N>]) -> f64 {
        let of = |&LabelledLogits { logits, label, .. }: &LabelledLogits<N>| {
            -f64::from(self.apply(logits)[label].max(f32::MIN_POSITIVE)).ln()
        };
        items.iter().map(of).sum::<f64>() / items.len() as f64
    }
}

/// The index of the highest number, of equal ones the first.
pub fn argmax<const N: usize>(logits: &[f32; N]) -> usize {
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

/// The argument in `range` at which `function`, which falls and then rises, is lowest: golden-section search.
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
        let item =
            |i| LabelledLogits { document: 0, logits: [10.0, 0.0, -1e6], label: usize::from(i % 4 == 0) };
        let items: Vec<LabelledLogits<3>> = (0..400).map(item).collect();
        let fitted = TemperatureScaling::fit(&items);
        assert!((fitted.apply([10.0, 0.0, -1e6])[0] - 0.75).abs() < 1e-3, "{fitted:?}");
    }

    #[test]
    fn surest_answers_get_their_due_beside_less_sure_ones() {
        // As often right as another scaling says.
        let truth = TemperatureScaling { temperature: 1.3, sharpening: 0.1 };
        let sure = [0.5, 1.0, 2.0, 3.0, 4.0].map(|logit| [logit, 0.0]);
        let items: Vec<LabelledLogits<2>> = sure
            .into_iter()
            .flat_map(|logits| {
                let right = (truth.apply(logits)[0] * 1000.0).round() as usize;
                let label = move |at| usize::from(at >= right);
                (0..1000).map(move |at| LabelledLogits { document: at, logits, label: label(at) })
            })
            .collect();
        let fitted = TemperatureScaling::fit(&items);
        for logits in sure {
            let (found, expected) = (fitted.apply(logits)[0], truth.apply(logits)[0]);
            assert!((found - expected).abs() < 3e-3, "{fitted:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn nothing_to_fit_on_changes_nothing() {
        assert_eq!(TemperatureScaling::fit::<3>(&[]), TemperatureScaling::NONE);
        assert_eq!(TemperatureScaling::fit_held_out::<3>(&[]), []);
    }

    #[test]
    fn what_is_held_out_does_not_decide() {
        // The first fold's items are always wrong, the others' right in three of four cases.
        let item = |at: usize| LabelledLogits {
            document: at % FOLDS,
            logits: [2.0, 0.0],
            label: usize::from(at.is_multiple_of(FOLDS) || (at / FOLDS).is_multiple_of(4)),
        };
        let items: Vec<LabelledLogits<2>> = (0..400).map(item).collect();
        let held_out = TemperatureScaling::fit_held_out(&items);
        assert_eq!(held_out.len(), items.len());
        assert!((held_out[0].apply([2.0, 0.0])[0] - 0.75).abs() < 1e-2, "{:?}", held_out[0]);
        assert!(held_out[1].apply([2.0, 0.0])[0] < 0.7, "{:?}", held_out[1]);
    }

    #[test]
    fn a_higher_temperature_is_less_sure() {
        let at = |temperature| TemperatureScaling { temperature, sharpening: 0.1 }.apply([2.0, 0.0, 0.0])[0];
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
            let probabilities = TemperatureScaling { temperature, sharpening }.apply(logits);
            prop_assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{probabilities:?}");
            prop_assert_eq!(probabilities[argmax(&logits)], probabilities[argmax(&probabilities)]);
        }

        #[test]
        fn what_is_undone_can_be_done_again(
            logits in prop::array::uniform3(-6.0f32..6.0),
            temperature in 0.5f32..2.0,
            sharpening in 0.0f32..0.2,
        ) {
            let scaling = TemperatureScaling { temperature, sharpening };
            let probabilities = scaling.apply(logits);
            // An f32 loses small probabilities, and with them their logits.
            prop_assume!(probabilities.iter().all(|&probability| probability > 1e-30));
            let again = scaling.apply(scaling.undo(probabilities.map(f64::from)));
            for (found, expected) in again.iter().zip(probabilities) {
                prop_assert!((found - expected).abs() < 1e-4, "{again:?}, not {probabilities:?}");
            }
        }
    }
}
