//! Temperature scaling (Guo et al., On calibration of modern neural networks, 2017): one number for each
//! head, fitted on dev, that makes its probabilities mean what they say without changing a label.

use crate::heads::softmax;

/// The temperature at which the labels' mean log-likelihood is highest, by golden-section search on its
/// logarithm between 1/20 and 20; 1 if there is nothing to fit it on.
pub fn temperature<const N: usize>(items: &[([f32; N], usize)]) -> f32 {
    if items.is_empty() {
        return 1.0;
    }
    let loss = |log_temperature: f64| {
        items
            .iter()
            .map(|&(logits, label)| {
                let probability = softmax(logits, log_temperature.exp() as f32)[label];
                -f64::from(probability.max(f32::MIN_POSITIVE)).ln()
            })
            .sum::<f64>()
    };
    const INVERSE_GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut low, mut high) = (-(20.0_f64.ln()), 20.0_f64.ln());
    while high - low > 1e-4 {
        let (left, right) = (high - INVERSE_GOLDEN * (high - low), low + INVERSE_GOLDEN * (high - low));
        if loss(left) <= loss(right) {
            high = right;
        } else {
            low = left;
        }
    }
    ((low + high) / 2.0).exp() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overconfident_logits_are_cooled_to_their_accuracy() {
        // Right in three of four cases at a confidence of nearly 1: the fitted confidence must be 3/4.
        let items: Vec<([f32; 3], usize)> =
            (0..400).map(|i| ([10.0, 0.0, -1e6], if i % 4 == 0 { 1 } else { 0 })).collect();
        let fitted = temperature(&items);
        assert!((softmax([10.0, 0.0, -1e6], fitted)[0] - 0.75).abs() < 1e-3, "temperature {fitted}");
    }

    #[test]
    fn nothing_to_fit_on_changes_nothing() {
        assert_eq!(temperature::<3>(&[]), 1.0);
    }
}
