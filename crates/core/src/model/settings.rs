//! `standpoint.toml`: what makes an encoder a standpoint model, which are its name, the length of its windows, its heads with
//! the order of their labels, and their calibration. The trainer writes it, and it is checked here.

use crate::calibration::TemperatureScaling;
use crate::error::{ModelProblem, TomlError};
use crate::label::Target;
use crate::model::config::BertConfig;
use crate::model::head::{HEADS, Head};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The contents of `standpoint.toml`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// The version of this file's layout: [`Settings::FORMAT`].
    pub format: u32,
    pub name: String,
    pub version: String,
    /// The longest window that the model was trained to read, in tokens.
    pub max_tokens: usize,
    /// The most tokens of a document's first sentences that its later windows begin with, as context.
    #[serde(skip_serializing_if = "is_none")]
    pub lead_tokens: usize,
    /// How many layers, from the first, read texts and targets each alone. The others read the text once alone, and once after
    /// each target. None for a model that reads a target and a text as one in all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_layers: Option<usize>,
    /// The target of documents for which none is given.
    pub default_target: String,
    /// A table for each head that the model has, under the head's name.
    #[serde(flatten)]
    pub heads: SettingsByHead,
    /// What the model was trained on, for people to read. Kept as it is.
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    pub training: toml::Table,
}

/// The settings of one head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSettings {
    /// The names of the labels, in the order of the head's rows: those of [`Head::labels`].
    pub labels: Vec<String>,
    /// See [`TemperatureScaling::temperature`].
    pub temperature: f32,
    /// See [`TemperatureScaling::sharpening`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sharpening: f32,
}

fn is_none(tokens: &usize) -> bool {
    *tokens == 0
}

fn is_zero(number: &f32) -> bool {
    *number == 0.0
}

impl HeadSettings {
    /// The settings of a head that is calibrated by `scaling`.
    pub fn new(head: &Head, scaling: TemperatureScaling) -> Self {
        let TemperatureScaling { temperature, sharpening } = scaling;
        let labels = head.labels.iter().map(|&label| label.to_owned()).collect();
        Self { labels, temperature, sharpening }
    }

    /// How the head's logits become probabilities.
    pub fn scaling(&self) -> TemperatureScaling {
        let &Self { temperature, sharpening, .. } = self;
        TemperatureScaling { temperature, sharpening }
    }

    fn check(&self, head: &Head) -> Result<(), ModelProblem> {
        let name = head.name;
        if self.labels != head.labels {
            let (expected, found) = (head.labels.to_vec(), self.labels.clone());
            return Err(ModelProblem::Labels { head: name, expected, found });
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let (field, found) = (format!("{name}.temperature"), self.temperature.to_string());
            return Err(ModelProblem::Setting { field, found, expected: "a finite number above 0" });
        }
        if !(self.sharpening.is_finite() && self.sharpening >= 0.0) {
            let (field, found) = (format!("{name}.sharpening"), self.sharpening.to_string());
            return Err(ModelProblem::Setting { field, found, expected: "a finite number, 0 or more" });
        }
        Ok(())
    }
}

/// The settings of the heads that a model has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingsByHead(
    /// In the order of [`HEADS`].
    Vec<(Head, HeadSettings)>,
);

impl SettingsByHead {
    /// The settings of a head, if the model has it.
    pub fn get(&self, head: &Head) -> Option<&HeadSettings> {
        self.0.iter().find(|(known, _)| known == head).map(|(_, settings)| settings)
    }

    /// Whether the model has a head.
    pub fn contains(&self, head: &Head) -> bool {
        self.get(head).is_some()
    }

    /// Adds a head, or replaces its settings.
    pub fn insert(&mut self, head: Head, settings: HeadSettings) {
        self.0.retain(|(known, _)| *known != head);
        self.0.push((head, settings));
        self.0.sort_by_key(|(head, _)| HEADS.iter().position(|known| known == head));
    }

    /// The heads that the model has, in the order of [`HEADS`].
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        self.0.iter().map(|(head, _)| head)
    }
}

impl FromIterator<(Head, TemperatureScaling)> for SettingsByHead {
    fn from_iter<I: IntoIterator<Item = (Head, TemperatureScaling)>>(heads: I) -> Self {
        let mut settings = Self::default();
        for (head, scaling) in heads {
            settings.insert(head, HeadSettings::new(&head, scaling));
        }
        settings
    }
}

impl Serialize for SettingsByHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(head, settings)| (head.name, settings)))
    }
}

impl Settings {
    pub const FORMAT: u32 = 1;

    /// Reads and checks a `standpoint.toml`.
    ///
    /// # Errors
    /// If the bytes are no TOML of the right fields, or a setting does not fit this program or `config`.
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

    /// The text of a `standpoint.toml` with these settings.
    ///
    /// # Errors
    /// If [`Settings::training`] holds what TOML cannot express.
    pub fn to_toml(&self) -> Result<String, ModelProblem> {
        toml::to_string_pretty(self)
            .map_err(|error| ModelProblem::Parse { file: "standpoint.toml", source: error.into() })
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// If a setting does not fit this program or `config`, or a required head is missing.
    pub fn check(&self, config: &BertConfig) -> Result<(), ModelProblem> {
        let wrong = |field: &str, found: String, expected| {
            Err(ModelProblem::Setting { field: field.to_owned(), found, expected })
        };
        if self.format != Self::FORMAT {
            return wrong("format", self.format.to_string(), "1: a newer program may read this model");
        }
        if !(16..=config.longest_window()).contains(&self.max_tokens) {
            let expected = "from 16 to max_position_embeddings of config.json";
            return wrong("max_tokens", self.max_tokens.to_string(), expected);
        }
        if self.lead_tokens >= self.max_tokens {
            return wrong("lead_tokens", self.lead_tokens.to_string(), "below max_tokens");
        }
        if let Some(text_layers) = self.text_layers.filter(|&layers| layers >= config.num_hidden_layers) {
            return wrong("text_layers", text_layers.to_string(), "below num_hidden_layers of config.json");
        }
        if Target::new(&self.default_target).is_err() {
            let found = format!("{:?}", self.default_target);
            return wrong("default_target", found, "a short phrase of one line");
        }
        for head in &HEADS {
            match self.heads.get(head) {
                Some(settings) => settings.check(head)?,
                None if head.is_required => {
                    return wrong(head.name, "missing".to_owned(), "there: every model has this head");
                }
                None => {}
            }
        }
        Ok(())
    }
}

// By hand, for serde's `flatten` forgets on which line an unknown field is.
impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsVisitor)
    }
}

struct SettingsVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Format,
    Name,
    Version,
    MaxTokens,
    LeadTokens,
    TextLayers,
    DefaultTarget,
    Training,
    Head(HeadKey),
}

/// The name of a head.
struct HeadKey(Head);

impl<'de> Deserialize<'de> for HeadKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || de::Error::custom(format_args!("unknown field `{name}`"));
        Head::named(&name).map(Self).ok_or_else(unknown)
    }
}

impl<'de> Visitor<'de> for SettingsVisitor {
    type Value = Settings;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the settings of a model")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let (mut format, mut name, mut version, mut max_tokens, mut default_target) =
            (None, None, None, None, None);
        let (mut lead_tokens, mut text_layers) = (0, None);
        let mut heads = SettingsByHead::default();
        let mut training = toml::Table::new();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Format => format = Some(map.next_value()?),
                Key::Name => name = Some(map.next_value()?),
                Key::Version => version = Some(map.next_value()?),
                Key::MaxTokens => max_tokens = Some(map.next_value()?),
                Key::LeadTokens => lead_tokens = map.next_value()?,
                Key::TextLayers => text_layers = Some(map.next_value()?),
                Key::DefaultTarget => default_target = Some(map.next_value()?),
                Key::Training => training = map.next_value()?,
                Key::Head(HeadKey(head)) => heads.insert(head, map.next_value()?),
            }
        }
        let missing = de::Error::missing_field;
        Ok(Settings {
            format: format.ok_or_else(|| missing("format"))?,
            name: name.ok_or_else(|| missing("name"))?,
            version: version.ok_or_else(|| missing("version"))?,
            max_tokens: max_tokens.ok_or_else(|| missing("max_tokens"))?,
            lead_tokens,
            text_layers,
            default_target: default_target.ok_or_else(|| missing("default_target"))?,
            heads,
            training,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &[u8] = include_bytes!("../../../../models/small/config.json");
    const SETTINGS: &str = include_str!("../../../../models/small/standpoint.toml");

    fn read(text: &str) -> Result<Settings, ModelProblem> {
        Settings::from_toml(text.as_bytes(), &BertConfig::from_json(CONFIG).unwrap())
    }

    #[test]
    fn what_is_read_is_written_again_byte_for_byte() {
        let settings = read(SETTINGS).unwrap();
        // The bundled model is older than the last head.
        assert_eq!(settings.heads.heads().copied().collect::<Vec<_>>(), HEADS[..5]);
        assert_eq!(settings.to_toml().unwrap(), SETTINGS);
    }

    #[test]
    fn a_required_head_must_be_there_and_another_need_not() {
        let without = |name: &str| {
            let mut settings = read(SETTINGS).unwrap();
            settings.heads.0.retain(|(head, _)| head.name != name);
            read(&settings.to_toml().unwrap()).map_err(|problem| problem.to_string())
        };
        assert!(without("role").unwrap_err().contains("role is missing"));
        assert!(without("stance").unwrap_err().contains("stance is missing"));
        assert_eq!(without("holder").unwrap().heads.heads().count(), HEADS.len() - 2);
    }
}
