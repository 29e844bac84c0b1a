//! `standpoint.toml`: what makes an encoder a standpoint model — its name, how much it reads at once, the
//! order of its labels and the calibration of its probabilities. Written by the trainer, checked here.

use crate::error::{ModelProblem, TomlError};
use crate::label::{Label, Role, Stance, Target};
use crate::model::config::BertConfig;
use crate::model::scaling::Scaling;
use crate::model::weights::{HEADS, HeadShape};
use serde::{Deserialize, Serialize};

/// The contents of `standpoint.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The version of this file's layout: [`Settings::FORMAT`].
    pub format: u32,
    pub name: String,
    pub version: String,
    /// The longest window that the model was trained to read, in tokens.
    pub max_tokens: usize,
    /// The target that is meant when none is given.
    pub default_target: String,
    pub role: HeadSettings,
    pub stance: HeadSettings,
    /// How worth checking a sentence is. This head and the next two are not in every model: only in those that were
    /// trained on labels for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkworthy: Option<HeadSettings>,
    /// Source, cue and content of attributions: a head for each, all with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<HeadSettings>,
    /// The first and the last token of a stance's holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<HeadSettings>,
    /// Where the model comes from: kept as it stands, for people to read.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub training: toml::Table,
}

/// The labels of the check-worthiness head.
pub const CHECKWORTHY: [&str; 2] = ["yes", "no"];

/// The labels of a head that marks spans: each token stands outside of them, begins one, or goes on with one.
pub const TAGS: [&str; 3] = ["outside", "begin", "inside"];

/// The labels of the holder head.
pub const HOLDER: [&str; 2] = ["first", "last"];

fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

/// The settings of one head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSettings {
    /// The names of the labels, in the order of the head's rows.
    pub labels: Vec<String>,
    /// What logits are divided by before the softmax.
    pub temperature: f32,
    /// How much more those logits are counted that are far ahead of the others: see [`Scaling`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sharpening: f32,
}

impl HeadSettings {
    /// Settings with the labels of `L`.
    pub fn new<L: Label>(temperature: f32) -> Self {
        Self::named(&L::ALL.map(|label| label.as_str()), temperature)
    }

    /// Settings with labels that have no type of their own: [`CHECKWORTHY`], [`TAGS`] or [`HOLDER`].
    pub fn named(labels: &[&str], temperature: f32) -> Self {
        Self { labels: labels.iter().map(|&label| label.to_owned()).collect(), temperature, sharpening: 0.0 }
    }

    /// With another scaling.
    #[must_use]
    pub fn scaled(self, scaling: Scaling) -> Self {
        let Scaling { temperature, sharpening } = scaling;
        Self { temperature, sharpening, ..self }
    }

    pub fn scaling(&self) -> Scaling {
        let &Self { temperature, sharpening, .. } = self;
        Scaling { temperature, sharpening }
    }

    fn check(
        &self,
        head: &'static str,
        field: &'static str,
        expected: &[&'static str],
    ) -> Result<(), ModelProblem> {
        if self.labels != expected {
            return Err(ModelProblem::Labels {
                head,
                expected: expected.to_vec(),
                found: self.labels.clone(),
            });
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let found = self.temperature.to_string();
            return Err(ModelProblem::Setting { field, found, expected: "a finite number above 0" });
        }
        if !(self.sharpening.is_finite() && self.sharpening >= 0.0) {
            let (field, found) = ("sharpening", self.sharpening.to_string());
            return Err(ModelProblem::Setting { field, found, expected: "a finite number, 0 or more" });
        }
        Ok(())
    }
}

impl Settings {
    pub const FORMAT: u32 = 1;

    /// Reads and checks a `standpoint.toml`.
    ///
    /// # Errors
    /// If it is not TOML of the right fields, or does not fit this program or `config`.
    pub fn from_toml(bytes: &[u8], config: &BertConfig) -> Result<Self, ModelProblem> {
        let invalid = |source: Box<dyn std::error::Error + Send + Sync>| ModelProblem::Parse {
            file: "standpoint.toml",
            source,
        };
        let text = str::from_utf8(bytes).map_err(|error| invalid(Box::new(error)))?;
        let settings: Self =
            toml::from_str(text).map_err(|error| invalid(Box::new(TomlError::new(&error, text))))?;
        settings.check(config)?;
        Ok(settings)
    }

    /// As a `standpoint.toml` has it.
    ///
    /// # Errors
    /// If `training` holds what TOML cannot say.
    pub fn to_toml(&self) -> Result<String, ModelProblem> {
        toml::to_string_pretty(self)
            .map_err(|error| ModelProblem::Parse { file: "standpoint.toml", source: error.into() })
    }

    /// # Errors
    /// If a setting does not fit this program or `config`.
    pub fn check(&self, config: &BertConfig) -> Result<(), ModelProblem> {
        let wrong = |field, found: String, expected| Err(ModelProblem::Setting { field, found, expected });
        if self.format != Self::FORMAT {
            return wrong("format", self.format.to_string(), "1: a newer program may read this model");
        }
        if !(16..=config.longest_window()).contains(&self.max_tokens) {
            let expected = "from 16 to max_position_embeddings of config.json";
            return wrong("max_tokens", self.max_tokens.to_string(), expected);
        }
        if Target::new(&self.default_target).is_err() {
            return wrong(
                "default_target",
                format!("{:?}", self.default_target),
                "a short phrase of one line",
            );
        }
        self.role.check("role", "role.temperature", &Role::ALL.map(Label::as_str))?;
        self.stance.check("stance", "stance.temperature", &Stance::ALL.map(Label::as_str))?;
        let optional = [
            (&self.checkworthy, "checkworthy", "checkworthy.temperature", &CHECKWORTHY[..]),
            (&self.attribution, "attribution", "attribution.temperature", &TAGS[..]),
            (&self.holder, "holder", "holder.temperature", &HOLDER[..]),
        ];
        for (settings, head, field, labels) in optional {
            settings.as_ref().map_or(Ok(()), |settings| settings.check(head, field, labels))?;
        }
        Ok(())
    }

    /// The heads that the model has, in the order of [`HEADS`].
    pub fn heads(&self) -> Vec<HeadShape> {
        let has = |name: &str| match name {
            "checkworthy" => self.checkworthy.is_some(),
            "source" | "cue" | "content" => self.attribution.is_some(),
            "holder" => self.holder.is_some(),
            _ => true,
        };
        HEADS.into_iter().filter(|(name, _)| has(name)).collect()
    }
}
