//! What a report is about: the set, the model and the run, each named so that the figures can be measured again.

use crate::error::Result;
use crate::metrics::{RESAMPLES, SEED};
use serde::{Deserialize, Serialize};
use standpoint_core::error::{ModelError, ModelProblem};
use standpoint_core::hash::canonical_sha256;
use standpoint_core::machine;
use standpoint_core::model::{Model, Settings};
use std::collections::BTreeMap;

/// An evaluation set and its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetIdentity {
    pub name: String,
    pub version: u32,
    pub description: String,
    /// The SHA-256 of the set's own file.
    pub sha256: String,
    /// The SHA-256 of each data file, by its name.
    pub data_sha256: BTreeMap<String, String>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelIdentity {
    pub name: String,
    pub version: String,
    /// The SHA-256 of the weights: [`Model::fingerprint`].
    pub sha256: String,
    /// The SHA-256 of `standpoint.toml` as canonical JSON: labels and their order, calibration, window length, origin.
    pub settings_sha256: String,
}

impl ModelIdentity {
    /// The identity of a loaded model.
    ///
    /// # Errors
    /// If the model's files can no longer be read.
    pub fn of(model: &Model) -> Result<Self> {
        let settings = model.settings();
        let settings_sha256 = settings_sha256(settings)
            .map_err(|problem| ModelError { origin: model.origin().to_owned(), problem })?;
        Ok(Self {
            name: settings.name.clone(),
            version: settings.version.clone(),
            sha256: model.fingerprint()?,
            settings_sha256,
        })
    }
}

/// Goes by way of TOML, so that a number is hashed with the digits that the file has: `1.3`, which as f64 would be
/// 1.2999999523162842.
fn settings_sha256(settings: &Settings) -> Result<String, ModelProblem> {
    let parse = |source| ModelProblem::Parse { file: "standpoint.toml", source };
    let table: toml::Table = toml::from_str(&settings.to_toml()?).map_err(|error| parse(error.into()))?;
    Ok(canonical_sha256(&table))
}

/// One run of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The program's name and version.
    pub program: String,
    /// The commit that the program was built from, if it was built in a checkout.
    pub commit: Option<String>,
    /// In UTC.
    pub date: String,
    /// Processor, threads, operating system and architecture.
    pub machine: String,
    /// The encoder, its compute format, and its instruction set. Empty for answers from elsewhere, and in reports of older
    /// versions.
    #[serde(default)]
    pub encoder: String,
    /// How many threads the encoder used.
    pub threads: usize,
    /// How long labelling and scoring took.
    pub seconds: f64,
    /// The seed of every interval and of the random baseline.
    pub seed: u64,
    /// How many bootstrap resamples each interval is made of.
    pub resamples: usize,
}

impl RunIdentity {
    /// A run that ends now and took `seconds`. Without an encoder, if the answers come from elsewhere.
    pub(crate) fn now(encoder: String, seconds: f64) -> Self {
        Self {
            program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
            commit: None,
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine::description(),
            encoder,
            threads: rayon::current_num_threads(),
            seconds: (seconds * 10.0).round() / 10.0,
            seed: SEED,
            resamples: RESAMPLES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::hash::sha256;

    const FILE: &str = r#"
        version = "2"
        name = "tiny"
        format = 1
        max_tokens = 64
        default_target = "t"
        [stance]
        temperature = 0.8
        labels = ["favor", "against", "none"]
        [role]
        labels = ["claim", "attributed", "background"]
        temperature = 1.3
        sharpening = 0.25
        [training]
        seed = 1
    "#;

    /// Committed results name models by this hash: it must not change with the fields of a Rust struct.
    #[test]
    fn settings_are_hashed_as_canonical_json() {
        let canonical = concat!(
            r#"{"default_target":"t","format":1,"max_tokens":64,"name":"tiny","#,
            r#""role":{"labels":["claim","attributed","background"],"sharpening":0.25,"temperature":1.3},"#,
            r#""stance":{"labels":["favor","against","none"],"temperature":0.8},"#,
            r#""training":{"seed":1},"version":"2"}"#,
        );
        let settings: Settings = toml::from_str(FILE).unwrap();
        let expected = sha256([canonical.as_bytes()]);
        assert_eq!(settings_sha256(&settings).unwrap(), expected);
        assert_eq!(expected, "42d06791153effa35e97b8a000791b964cf604d7d3435353dc938058d70ff9e0");
    }
}
