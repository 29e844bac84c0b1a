//! `standpoint.toml`: what makes an encoder a standpoint model — its name, how much it reads at once, the
//! order of its labels and the calibration of its probabilities. Written by the trainer, checked here.

use crate::error::{ModelProblem, TomlError};
use crate::label::{Label, Role, Stance, Target};
use crate::model::config::BertConfig;
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
    /// Where the model comes from: kept as it stands, for people to read.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub training: toml::Table,
}

/// The settings of one classification head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSettings {
    /// The names of the labels, in the order of the head's rows.
    pub labels: Vec<String>,
    /// What logits are divided by before the softmax.
    pub temperature: f32,
}

impl HeadSettings {
    /// Settings with the labels of `L`.
    pub fn new<L: Label>(temperature: f32) -> Self {
        Self { labels: L::ALL.iter().map(|label| label.as_str().to_owned()).collect(), temperature }
    }

    fn check<L: Label>(&self, head: &'static str, field: &'static str) -> Result<(), ModelProblem> {
        let expected: Vec<&'static str> = L::ALL.iter().map(|label| label.as_str()).collect();
        if self.labels != expected {
            return Err(ModelProblem::Labels { head, expected, found: self.labels.clone() });
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let found = self.temperature.to_string();
            return Err(ModelProblem::Setting { field, found, expected: "a finite number above 0" });
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

    /// # Errors
    /// If a setting does not fit this program or `config`.
    pub fn check(&self, config: &BertConfig) -> Result<(), ModelProblem> {
        let wrong = |field, found: String, expected| Err(ModelProblem::Setting { field, found, expected });
        if self.format != Self::FORMAT {
            return wrong("format", self.format.to_string(), "1: a newer program may read this model");
        }
        if !(16..=config.max_position_embeddings).contains(&self.max_tokens) {
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
        self.role.check::<Role>("role", "role.temperature")?;
        self.stance.check::<Stance>("stance", "stance.temperature")
    }
}
