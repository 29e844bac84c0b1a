//! The end of a run: blends, rounds and calibrates the parameters, and writes the model folder with its card.

use super::{RunEnd, Trainer};
use crate::card;
use crate::error::{ModelError, Result};
use crate::start;
use standpoint_core::calibration::TemperatureScaling;
use standpoint_core::model::{
    ATTRIBUTION, CHECKWORTHY, HEADS, Head, Model, ROLE, STANCE, Settings, Tensor, Weights, head_parameters,
    round_to_int8,
};
use standpoint_core::tags::Tag;

impl Trainer {
    /// Calibrates the parameters of the best epoch and writes the model folder.
    pub(super) fn finish(self) -> Result<RunEnd> {
        let progress = &self.state.progress;
        let best = progress.best.expect("a finished run has a best epoch");
        let mut shipped = self.folder.load_best(self.layout.len())?;
        for folder in &self.config.blend {
            let other = start::from_folder(&self.layout, folder, self.config.seed)?;
            shipped.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        let runs = 1 + self.config.blend.len();
        shipped.iter_mut().for_each(|sum| *sum /= runs as f32);
        let mut weights = Weights::default();
        for segment in self.layout.tensors() {
            let values = shipped[segment.range.clone()].to_vec();
            weights.insert(segment.name.clone(), Tensor { shape: segment.shape.clone(), values });
        }
        round_to_int8(&self.base.config, &mut weights);
        // Everything from here on is measured on the weights as they will be stored.
        let output = self.config.output.clone();
        let origin = output.display().to_string();
        let mut weights = weights
            .rounded(&self.base.config, self.config.weights)
            .map_err(|problem| ModelError { origin: origin.clone(), problem })?;
        for segment in self.layout.tensors() {
            shipped[segment.range.clone()].copy_from_slice(weights.values(&segment.name));
        }
        let reports = self.dev.reports(&self.layout, &shipped);
        let checkworthy = self.further_dev.checkworthy_scaling(&self.layout, &shipped);
        let begin_biases = self.further_dev.begin_biases(&self.layout, &shipped);
        add_begin_biases(&mut weights, &begin_biases);
        let fitted =
            [(ROLE, reports.role.scaling), (STANCE, reports.stance.scaling), (CHECKWORTHY, checkworthy)];
        let scaling = |head: &Head| {
            let found = fitted.iter().find(|(known, _)| known == head);
            found.map_or(TemperatureScaling::NONE, |(_, scaling)| *scaling)
        };
        let settings = Settings {
            format: Settings::FORMAT,
            name: self.config.name.clone(),
            version: self.config.version.clone(),
            max_tokens: self.config.max_tokens,
            lead_tokens: self.config.lead_tokens,
            text_layers: Some(self.config.text_layers),
            default_target: self.config.default_target.clone(),
            heads: self.trained.iter().map(|head| (*head, scaling(head))).collect(),
            training: card::provenance(&self.config, &self.origins, &self.files, best),
        };
        // Heads without any label are left out.
        let untrained = HEADS.iter().filter(|head| !self.trained.contains(head));
        for parameter in head_parameters(&self.base.config, untrained) {
            weights.remove(&parameter.name);
        }
        let model =
            Model::new(origin, self.base.config.clone(), settings, self.base.tokenizer.clone(), weights)?;
        model.save(&output, self.config.weights)?;
        let card = card::render(&card::Facts {
            config: &self.config,
            base: &self.base,
            origins: &self.origins,
            parameters: self.layout.len(),
            files: &self.files,
            scores: &progress.scores,
            best,
            reports: &reports,
        });
        card::save(&output, &card)?;
        Ok(RunEnd::Finished { output, scores: progress.scores.clone(), best })
    }
}

/// Adds to the bias on the logit of a span's beginning, for each part of attributions.
fn add_begin_biases(weights: &mut Weights, begin_biases: &[f32]) {
    for ([_, name], begin) in ATTRIBUTION.tensor_names().zip(begin_biases) {
        if let Some(mut bias) = weights.remove(&name) {
            bias.values[Tag::Begin as usize] += begin;
            weights.insert(name, bias);
        }
    }
}
