//! Which values a configuration may have.

use super::TrainConfig;
use crate::differentiable::Arithmetic;
use standpoint_core::label::Target;

impl TrainConfig {
    /// The first setting that is out of range, and what it may be.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let schedule = &self.schedule;
        let rate = |value: f32| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let weights = |weights: &[f64; 3]| weights.iter().copied().all(positive);
        [
            (Target::new(&self.default_target).is_ok(), "default_target must be a short phrase of one line"),
            (self.max_tokens >= 32, "max_tokens must be 32 or more"),
            (self.lead_tokens < self.max_tokens, "lead_tokens must be below max_tokens"),
            (!self.data.train.is_empty(), "data.train must name at least one file"),
            (!self.data.dev.is_empty(), "data.dev must name at least one file"),
            ((0.0..=1.0).contains(&self.data.mixed), "data.mixed must be from 0 to 1"),
            ((0.0..=1.0).contains(&self.data.unrelated), "data.unrelated must be from 0 to 1"),
            (
                self.data.auxiliary.iter().all(|aux| (0.0..=1.0).contains(&aux.unrelated)),
                "data.auxiliary.unrelated must be from 0 to 1",
            ),
            (schedule.epochs > 0, "schedule.epochs must be 1 or more"),
            (schedule.shards > 0 && schedule.shards <= 64, "schedule.shards must be from 1 to 64"),
            (
                schedule.learning_rate.is_finite() && schedule.learning_rate >= 0.0,
                "schedule.learning_rate must not be negative",
            ),
            (positive(schedule.head_learning_rate), "schedule.head_learning_rate must be above 0"),
            (
                schedule.weight_decay.is_finite() && schedule.weight_decay >= 0.0,
                "schedule.weight_decay must not be negative",
            ),
            ((0.0..1.0).contains(&schedule.warmup), "schedule.warmup must be from 0 to below 1"),
            (
                schedule.arithmetic.packed().is_none_or(Arithmetic::is_available),
                "schedule.arithmetic cannot be \"bf16\" here, for this processor lacks AMX",
            ),
            (positive(schedule.clip_norm), "schedule.clip_norm must be above 0"),
            ((0.0..1.0).contains(&schedule.average), "schedule.average must be from 0 to below 1"),
            (schedule.step_tokens >= self.max_tokens, "schedule.step_tokens must be at least max_tokens"),
            (schedule.pass_tokens >= self.max_tokens, "schedule.pass_tokens must be at least max_tokens"),
            (positive(schedule.checkpoint_minutes), "schedule.checkpoint_minutes must be above 0"),
            (
                [self.dropout.hidden, self.dropout.attention, self.dropout.heads].into_iter().all(rate),
                "dropout rates must be from 0 to below 1",
            ),
            (weights(&self.loss.role_weights), "loss.role_weights must be above 0"),
            (weights(&self.loss.stance_weights), "loss.stance_weights must be above 0"),
            (positive(self.loss.stance), "loss.stance must be above 0"),
            (
                [
                    self.loss.attributed,
                    self.loss.checkworthy,
                    self.loss.attribution,
                    self.loss.holder,
                    self.loss.speaker,
                    self.loss.taught,
                ]
                .into_iter()
                .all(|weight| weight.is_finite() && weight >= 0.0),
                "loss.attributed, checkworthy, attribution, holder, speaker and taught must not be negative",
            ),
            (
                (0.0..1.0).contains(&self.loss.label_smoothing),
                "loss.label_smoothing must be from 0 to below 1",
            ),
        ]
        .into_iter()
        .find_map(|(holds, problem)| (!holds).then_some(problem))
    }
}
