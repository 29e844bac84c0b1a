//! Where a model comes from, and loading, checking and saving it. Whatever leaves this module has been
//! checked: sizes, shapes, label order, tokenizer, numbers. Knows the files, not how to run them.
//!
//! A model folder is in Hugging Face's layout: `config.json`, `tokenizer.json`, `model.safetensors` or pieces of it with
//! `model.safetensors.index.json`, and `standpoint.toml` with what makes an encoder a standpoint model.

mod config;
mod grid;
#[cfg(feature = "hub")]
mod hub;
mod kind;
mod scaling;
mod settings;
mod source;
mod stored;
mod tokenizer;
mod weights;

pub use config::BertConfig;
pub use grid::round_to_bytes;
pub use kind::Kind;
pub use scaling::{Scaling, likeliest};
pub use settings::{CHECKWORTHY, HOLDER, HeadSettings, Settings, TAGS};
pub use source::{EmbeddedModel, ModelSource};
pub use stored::WeightFormat;
pub use tokenizer::{Placed, Tokenizer};
pub use weights::{HEADS, HeadShape, Parameter, Tensor, Weights, encoder_parameters, head_parameters};

use crate::atomic::write_whole;
use crate::error::{Error, ModelError, ModelProblem, Result};
use crate::hash::sha256;
use source::{BASE_FILES, Files, MODEL_FILES};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An encoder with its heads, ready to be run by [`crate::pipeline::Pipeline`].
#[derive(Debug)]
pub struct Model {
    origin: String,
    config: BertConfig,
    settings: Settings,
    tokenizer: Arc<Tokenizer>,
    weights: Weights,
    /// What it was loaded from; none if it was made in memory.
    files: Option<Files>,
}

impl Model {
    /// Loads a model and checks that its parts fit together.
    ///
    /// # Errors
    /// [`ModelError`], which says what is missing or does not fit.
    pub fn load(source: &ModelSource) -> Result<Self> {
        let files = Files::find(source, MODEL_FILES)?;
        let load = || {
            let config = BertConfig::from_json(&files.read("config.json")?)?;
            let settings = Settings::from_toml(&files.read("standpoint.toml")?, &config)?;
            let mut parameters = encoder_parameters(&config);
            parameters.extend(head_parameters(&config, &settings.heads()));
            let (tokenizer, weights) = load_parts(&files, &config, &parameters)?;
            Ok((config, settings, tokenizer, weights))
        };
        let origin = files.origin().to_owned();
        match load() {
            Ok((config, settings, tokenizer, weights)) => {
                Ok(Self { origin, config, settings, tokenizer, weights, files: Some(files) })
            }
            Err(problem) => Err(ModelError { origin, problem }.into()),
        }
    }

    /// A model made in memory, as the trainer makes one; `origin` names it in messages.
    ///
    /// # Errors
    /// [`ModelError`], if the parts do not fit together.
    pub fn new(
        origin: impl Into<String>,
        config: BertConfig,
        settings: Settings,
        tokenizer: Arc<Tokenizer>,
        weights: Weights,
    ) -> Result<Self> {
        let origin = origin.into();
        let check = || {
            config.check()?;
            settings.check(&config)?;
            weights.check(&encoder_parameters(&config))?;
            weights.check(&head_parameters(&config, &settings.heads()))
        };
        match check() {
            Ok(()) => Ok(Self { origin, config, settings, tokenizer, weights, files: None }),
            Err(problem) => Err(ModelError { origin, problem }.into()),
        }
    }

    /// Writes the model's files into `folder`, making it if need be. Each file appears whole; `standpoint.toml`, without
    /// which no folder is a model, goes first and comes last. Weights of an earlier model that are in the way are removed.
    ///
    /// # Errors
    /// If a file cannot be written, or a weight is too large for f16.
    pub fn save(&self, folder: &Path, format: WeightFormat) -> Result<()> {
        let failed = |problem| ModelError { origin: self.origin.clone(), problem };
        let weights = self.weights.to_safetensors(&self.config, format).map_err(failed)?;
        let config = serde_json::to_string_pretty(&self.config)
            .map_err(|error| failed(ModelProblem::Parse { file: "config.json", source: error.into() }))?;
        let settings = self.settings.to_toml().map_err(failed)?;
        std::fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        let mut stale = std::fs::read(folder.join(stored::INDEX))
            .ok()
            .and_then(|index| stored::pieces(&index).ok())
            .unwrap_or_default();
        stale.extend([stored::WHOLE, stored::INDEX].map(str::to_owned));
        stale.retain(|name| weights.iter().all(|(written, _)| written != name));
        remove(folder, "standpoint.toml")?;
        write_whole(&folder.join("config.json"), format!("{config}\n").as_bytes())?;
        write_whole(&folder.join("tokenizer.json"), self.tokenizer.json())?;
        for (name, bytes) in &weights {
            write_whole(&folder.join(name), bytes)?;
        }
        stale.iter().try_for_each(|name| remove(folder, name))?;
        write_whole(&folder.join("standpoint.toml"), settings.as_bytes())
    }

    /// A folder, a hub id, or "bundled".
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Gives up everything but the weights, so that an encoder need not copy them.
    pub fn into_weights(self) -> Weights {
        self.weights
    }

    /// The SHA-256 of the file with the weights, in hexadecimal, or of its pieces one behind the other; for a model made in
    /// memory, of the file that [`Model::save`] would write in f16. Reads the files anew: loading does not wait for it.
    ///
    /// # Errors
    /// If a file can no longer be read.
    pub fn fingerprint(&self) -> Result<String> {
        let bytes = match &self.files {
            Some(files) => files.weights(),
            None => self
                .weights
                .to_safetensors(&self.config, WeightFormat::F16)
                .map(|files| files.into_iter().map(|(name, bytes)| (name, bytes.into())).collect()),
        };
        let bytes = bytes.map_err(|problem| ModelError { origin: self.origin.clone(), problem })?;
        Ok(sha256(bytes.iter().map(|(_, bytes)| &**bytes)))
    }
}

/// A plain encoder without heads or settings, which training starts from.
#[derive(Debug)]
pub struct BaseModel {
    pub origin: String,
    pub config: BertConfig,
    pub tokenizer: Arc<Tokenizer>,
    /// The parameters of [`encoder_parameters`].
    pub weights: Weights,
}

impl BaseModel {
    /// The SHA-256 of the parameters as f32, in the order of [`encoder_parameters`], in hexadecimal: the same
    /// for all files that hold the same numbers.
    pub fn fingerprint(&self) -> String {
        let parameters = encoder_parameters(&self.config);
        sha256(parameters.iter().map(|parameter| bytemuck::cast_slice(self.weights.values(&parameter.name))))
    }

    /// Loads `config.json`, `tokenizer.json` and the weights.
    ///
    /// # Errors
    /// [`ModelError`], which says what is missing or does not fit.
    pub fn load(source: &ModelSource) -> Result<Self> {
        let files = Files::find(source, BASE_FILES)?;
        let load = || {
            let config = BertConfig::from_json(&files.read("config.json")?)?;
            let (tokenizer, weights) = load_parts(&files, &config, &encoder_parameters(&config))?;
            Ok((config, tokenizer, weights))
        };
        let origin = files.origin().to_owned();
        match load() {
            Ok((config, tokenizer, weights)) => Ok(Self { origin, config, tokenizer, weights }),
            Err(problem) => Err(ModelError { origin, problem }.into()),
        }
    }
}

/// Removes a file that may not be there.
fn remove(folder: &Path, file: &str) -> Result<()> {
    let path = folder.join(file);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write { path, source }),
        _ => Ok(()),
    }
}

/// The two parts that take long to load, at once.
fn load_parts(
    files: &Files,
    config: &BertConfig,
    parameters: &[Parameter],
) -> Result<(Arc<Tokenizer>, Weights), ModelProblem> {
    let (tokenizer, weights) = rayon::join(
        || Tokenizer::from_json(files.read("tokenizer.json")?, config).map(Arc::new),
        || Weights::from_safetensors(&files.weights()?, parameters),
    );
    Ok((tokenizer?, weights?))
}
