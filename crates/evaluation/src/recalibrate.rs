//! Calibration of a model that is trained already, on labelled sentences: a scaling of each head, and what it
//! changes about how far its probabilities are from the truth.

use super::sample::{Answer, Sample, Task};
use crate::metrics::Calibration;
use standpoint_core::model::{HeadSettings, Scaling, likeliest};
use std::collections::BTreeMap;

/// Parts that documents are dealt into, of which each is judged by a scaling that was fitted on the others.
const FOLDS: usize = 5;

/// What was fitted for one head.
#[derive(Clone, Debug)]
pub struct Recalibration {
    pub settings: HeadSettings,
    pub answers: usize,
    /// Expected calibration error as the model was.
    pub before: f64,
    /// On the sentences that the scaling was fitted on.
    pub after: f64,
    /// On sentences of documents that it was not fitted on: what is to be expected of others like them.
    pub held_out: f64,
}

/// A sentence's document, its logits, and its label.
type Item = (usize, [f32; 3], usize);

/// Fits the scaling of role or stance, whose settings are `head`; None without answers to it.
pub fn recalibrate(task: Task, head: &HeadSettings, samples: &[Sample]) -> Option<Recalibration> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut items: Vec<Item> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.task == task) {
        let next = numbers.len();
        let document = *numbers.entry(&sample.doc).or_insert(next);
        let Answer::Label { gold, probs, .. } = &sample.answer else { continue };
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

    /// Claims that are right in nine of ten cases and given out at 0.8, and those right in five of ten at 0.5.
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
                let answer = Answer::Label { gold, predicted: "claim".to_owned(), probs };
                let line = serde_json::json!({
                    "task": "role", "file": "f", "doc": format!("d{}", at % 7), "index": 0, "of": 1,
                    "start": 0, "end": 1, "text": "t", "gold_spans": [], "predicted_spans": [],
                });
                Sample { answer, ..serde_json::from_value(line).unwrap() }
            })
            .collect()
    }

    #[test]
    fn what_is_given_out_becomes_what_is_right() {
        let head = HeadSettings::new::<Role>(2.0);
        let found = recalibrate(Task::Role, &head, &samples()).unwrap();
        assert!((found.before - 0.05).abs() < 1e-6, "{found:?}");
        assert!(found.after < 1e-2 && found.held_out < 2e-2, "{found:?}");
        assert_eq!(found.answers, 2000);
        // From the model's own logits, which were divided by 2.
        let logits = [0.8_f32, 0.15, 0.05].map(|probability| 2.0 * probability.ln());
        assert!((found.settings.scaling().apply(logits)[0] - 0.9).abs() < 1e-2, "{found:?}");
        assert!(recalibrate(Task::Stance, &head, &samples()).is_none());
    }
}
