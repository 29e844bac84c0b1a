//! Loads, checks and saves models. Everything that leaves this module has been checked: sizes, shapes, order of labels,
//! tokenizer, numbers. Knows the files, not how to run them.
//!
//! A model folder is in Hugging Face's layout: `config.json`, `tokenizer.json`, `model.safetensors` or its shards with
//! `model.safetensors.index.json`, and `standpoint.toml` with what makes an encoder a standpoint model.
//!
//! Two tables say what a model is made of: [`HEADS`] and [`EncoderTensors`].

mod head;
mod config;
mod architecture;
mod tensors;
mod weights;
mod int8;
mod safetensors;
#[cfg(feature = "hub")]
mod hub;
mod source;
mod settings;
mod tokenizer;

pub use architecture::{Architecture, Dimensions};
pub use config::BertConfig;
pub use head::{
    ATTRIBUTION, CHECKWORTHY, HEADS, HOLDER, Head, HeadInput, Loss, Metric, POINTER_WIDTH, ROLE, SPEAKER,
    STANCE,
};
pub use int8::round_to_int8;
pub use safetensors::WeightFormat;
pub use settings::{HeadSettings, Settings, SettingsByHead};
pub use source::{EmbeddedModel, ModelSource};
pub use tensors::{
    EncoderTensors, LayerTensors, Parameter, WeightAndBias, encoder_parameters, head_parameters,
};
pub use tokenizer::{Tokenizer, Tokens};
pub use weights::{Tensor, Weights};

use crate::atomic::write_whole;
use crate::error::{Error, ModelError, ModelProblem, Result};
use crate::hash::sha256;
use source::{BASE_FILES, MODEL_FILES, ModelFiles};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An encoder with its heads, ready for [`crate::pipeline::Pipeline`].
#[derive(Debug)]
pub struct Model {
    origin: String,
    config: BertConfig,
    settings: Settings,
    tokenizer: Arc<Tokenizer>,
    weights: Weights,
    /// What the model was loaded from; `None` if it was made in memory.
    files: Option<ModelFiles>,
}

impl Model {
    /// Loads a model and checks that its parts fit together.
    ///
    /// # Errors
    /// [`ModelError`], which says what is missing or does not fit.
    pub fn load(source: &ModelSource) -> Result<Self> {
        let files = ModelFiles::find(source, MODEL_FILES)?;
        let load = || {
            let config = BertConfig::from_json(&files.read("config.json")?)?;
            let settings = Settings::from_toml(&files.read("standpoint.toml")?, &config)?;
            let mut parameters = encoder_parameters(&config);
            parameters.extend(head_parameters(&config, settings.heads.heads()));
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

    /// Makes a model of parts in memory, as the trainer does. `origin` names it in messages.
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
            weights.check(&head_parameters(&config, settings.heads.heads()))
        };
        match check() {
            Ok(()) => Ok(Self { origin, config, settings, tokenizer, weights, files: None }),
            Err(problem) => Err(ModelError { origin, problem }.into()),
        }
    }

    /// Writes the model's files into `folder`, which is made if it does not exist. Each file appears whole. A folder is a
    /// model only with `standpoint.toml`, so an old one is removed first and the new one is written last. Removes the weights
    /// of an earlier model.
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
        let mut stale = std::fs::read(folder.join(safetensors::INDEX))
            .ok()
            .and_then(|index| safetensors::shards(&index).ok())
            .unwrap_or_default();
        stale.extend([safetensors::WHOLE, safetensors::INDEX].map(str::to_owned));
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

    /// Names the model in messages: a folder, a hub id, or "bundled".
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

    /// Drops everything but the weights, so that an encoder need not copy them.
    pub fn into_weights(self) -> Weights {
        self.weights
    }

    /// The SHA-256 of the file with the weights, or of its shards concatenated, in hexadecimal. For a model made in memory, it
    /// is that of the file that [`Model::save`] would write in f16. Reads the files again, so that loading need not hash them.
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

/// An encoder without heads and settings, which training starts from.
#[derive(Debug)]
pub struct BaseModel {
    pub origin: String,
    pub config: BertConfig,
    pub tokenizer: Arc<Tokenizer>,
    /// The parameters of [`encoder_parameters`].
    pub weights: Weights,
}

impl BaseModel {
    /// The SHA-256 of the parameters as f32, in the order of [`encoder_parameters`], in hexadecimal. Files that hold the same
    /// numbers have the same fingerprint.
    pub fn fingerprint(&self) -> String {
        let parameters = encoder_parameters(&self.config);
        sha256(parameters.iter().map(|parameter| bytemuck::cast_slice(self.weights.values(&parameter.name))))
    }

    /// Loads `config.json`, `tokenizer.json` and the weights.
    ///
    /// # Errors
    /// [`ModelError`], which says what is missing or does not fit.
    pub fn load(source: &ModelSource) -> Result<Self> {
        let files = ModelFiles::find(source, BASE_FILES)?;
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

/// Removes a file, if it is there.
fn remove(folder: &Path, file: &str) -> Result<()> {
    let path = folder.join(file);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write { path, source }),
        _ => Ok(()),
    }
}

/// Loads the two parts that take long, in parallel.
fn load_parts(
    files: &ModelFiles,
    config: &BertConfig,
    parameters: &[Parameter],
) -> Result<(Arc<Tokenizer>, Weights), ModelProblem> {
    let (tokenizer, weights) = rayon::join(
        || Tokenizer::from_json(files.read("tokenizer.json")?, config).map(Arc::new),
        || Weights::from_safetensors(&files.weights()?, parameters),
    );
    Ok((tokenizer?, weights?))
}
