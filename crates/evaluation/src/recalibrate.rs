//! Calibrates a trained model on labelled sentences: fits the scaling of a head, and measures the calibration error before
//! and after.

use crate::metrics::Calibration;
use crate::{Annotations, Sample, Task};
use standpoint_core::model::{HeadSettings, Scaling, likeliest};
use std::collections::BTreeMap;

/// The folds of the cross-validation. Each is measured with a scaling that was fitted to the others.
const FOLDS: usize = 5;

/// The new settings of a head, and what they change.
#[derive(Clone, Debug)]
pub struct Recalibration {
    pub settings: HeadSettings,
    /// The number of sentences.
    pub answers: usize,
    /// The expected calibration error (ECE) before.
    pub before: f64,
    /// The ECE on the sentences that the scaling was fitted to.
    pub after: f64,
    /// The ECE on held-out documents, by cross-validation. Expect this one on similar sentences.
    pub held_out: f64,
}

/// A sentence: its document's number, its logits, and the index of its gold label.
type Item = (usize, [f32; 3], usize);

/// Fits the scaling of a task with three labels, role or stance. `head` has the settings that the samples were predicted
/// with. `None` if no sample is of the task.
pub fn recalibrate(task: Task, head: &HeadSettings, samples: &[Sample]) -> Option<Recalibration> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut items: Vec<Item> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.task == task) {
        let next = numbers.len();
        let document = *numbers.entry(&sample.doc).or_insert(next);
        let Annotations::Label { gold, probs, .. } = &sample.annotations else { continue };
        let label = task.labels().iter().position(|label| label == gold);
        let Ok(probabilities) = <[f64; 3]>::try_from(&probs[..]) else { continue };
        items.extend(label.map(|label| (document, head.scaling().undo(probabilities), label)));
    }
    if items.is_empty() {
        return None;
    }
    let fit = |of: &dyn Fn(usize) -> bool| {
        let pairs: Vec<([f32; 3], usize)> =
            items.iter().filter(|item| of(item.0)).map(|&(_, logits, label)| (logits, label)).collect();
        Scaling::fit(&pairs)
    };
    let error = |scaling: &dyn Fn(usize) -> Scaling| {
        let mut calibration = Calibration::default();
        for &(document, logits, label) in &items {
            let probabilities = scaling(document).apply(logits).map(f64::from);
            calibration.add(&probabilities, likeliest(&logits), label);
        }
        calibration.calibration_error().unwrap_or(0.0)
    };
    let fitted = fit(&|_| true);
    let folds: [Scaling; FOLDS] = std::array::from_fn(|fold| fit(&|document| document % FOLDS != fold));
    Some(Recalibration {
        settings: head.clone().scaled(fitted),
        answers: items.len(),
        before: error(&|_| head.scaling()),
        after: error(&|_| fitted),
        held_out: error(&|document| folds[document % FOLDS]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::Role;

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
        let head = HeadSettings::new::<Role>(2.0);
        let found = recalibrate(Task::Role, &head, &samples()).unwrap();
        assert!((found.before - 0.05).abs() < 1e-6, "{found:?}");
        assert!(found.after < 1e-2 && found.held_out < 2e-2, "{found:?}");
        assert_eq!(found.answers, 2000);
        // The samples' probabilities come from logits that were divided by 2.
        let logits = [0.8_f32, 0.15, 0.05].map(|probability| 2.0 * probability.ln());
        assert!((found.settings.scaling().apply(logits)[0] - 0.9).abs() < 1e-2, "{found:?}");
        assert!(recalibrate(Task::Stance, &head, &samples()).is_none());
    }
}
