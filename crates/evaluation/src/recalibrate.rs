//! Calibrates a trained model on labelled sentences: fits the scaling of a head, and measures the calibration error before
//! and after.

use crate::metrics::Calibration;
use crate::{Annotations, Sample, Task};
use standpoint_core::calibration::{LabelledLogits, TemperatureScaling, argmax};
use std::collections::BTreeMap;

/// The new scaling of a head, and what it changes.
#[derive(Clone, Debug)]
pub struct Recalibration {
    pub scaling: TemperatureScaling,
    /// The number of sentences.
    pub answers: usize,
    /// The expected calibration error (ECE) before.
    pub before: f64,
    /// The ECE on the sentences that the scaling was fitted to.
    pub after: f64,
    /// The ECE on held-out documents, by cross-validation. Expect this one on similar sentences.
    pub held_out: f64,
}

/// Fits the scaling of a task with three labels, role or stance. The samples were predicted with the scaling `current`. `None`
/// if no sample is of the task.
pub fn recalibrate(task: Task, current: TemperatureScaling, samples: &[Sample]) -> Option<Recalibration> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut items: Vec<LabelledLogits<3>> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.task == task) {
        let next = numbers.len();
        let document = *numbers.entry(&sample.doc).or_insert(next);
        let Annotations::Label { gold, probs, .. } = &sample.annotations else { continue };
        let label = task.labels().iter().position(|label| label == gold);
        let Ok(probabilities) = <[f64; 3]>::try_from(&probs[..]) else { continue };
        let logits = current.undo(probabilities);
        items.extend(label.map(|label| LabelledLogits { document, logits, label }));
    }
    if items.is_empty() {
        return None;
    }
    let error = |scalings: &mut dyn Iterator<Item = TemperatureScaling>| {
        let mut calibration = Calibration::default();
        for (item, scaling) in items.iter().zip(scalings) {
            let probabilities = scaling.apply(item.logits).map(f64::from);
            calibration.add(&probabilities, argmax(&item.logits), item.label);
        }
        calibration.calibration_error().unwrap_or(0.0)
    };
    let always = |scaling| std::iter::repeat_n(scaling, items.len());
    let scaling = TemperatureScaling::fit(&items);
    Some(Recalibration {
        scaling,
        answers: items.len(),
        before: error(&mut always(current)),
        after: error(&mut always(scaling)),
        held_out: error(&mut TemperatureScaling::fit_held_out(&items).into_iter()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the predictions have confidence 0.8 and are right in 90% of cases. The other half have 0.5 and are right in 50%.
    fn samples() -> Vec<Sample> {
        (0..2000)
            .map(|at| {
                let (sure, hundredth) = (at % 2 == 0, at / 2 % 100);
                let (claims, probs) = if sure { (90, [0.8, 0.15, 0.05]) } else { (50, [0.5, 0.3, 0.2]) };
                let attributed = if sure { 8 } else { 30 };
                let gold = match hundredth {
                    _ if hundredth < claims => "claim",
                    _ if hundredth < claims + attributed => "attributed",
                    _ => "background",
                };
                let (gold, probs) = (gold.to_owned(), probs.to_vec());
                let annotations = Annotations::Label { gold, predicted: "claim".to_owned(), probs };
                let line = serde_json::json!({
                    "task": "role", "file": "f", "doc": format!("d{}", at % 7), "index": 0, "of": 1,
                    "start": 0, "end": 1, "text": "t", "gold_spans": [], "predicted_spans": [],
                });
                Sample { annotations, ..serde_json::from_value(line).unwrap() }
            })
            .collect()
    }

    #[test]
    fn confidence_becomes_accuracy() {
        let current = TemperatureScaling::of_temperature(2.0);
        let found = recalibrate(Task::Role, current, &samples()).unwrap();
        assert!((found.before - 0.05).abs() < 1e-6, "{found:?}");
        assert!(found.after < 1e-2 && found.held_out < 2e-2, "{found:?}");
        assert_eq!(found.answers, 2000);
        // The samples' probabilities come from logits that were divided by 2.
        let logits = [0.8_f32, 0.15, 0.05].map(|probability| 2.0 * probability.ln());
        assert!((found.scaling.apply(logits)[0] - 0.9).abs() < 1e-2, "{found:?}");
        assert!(recalibrate(Task::Stance, current, &samples()).is_none());
    }
}
