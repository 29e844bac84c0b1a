//! The state of a run on disk: parameters, moments, the best epoch so far, and where the run stands. With
//! plans and dropout masks made from seeds, nothing else is needed to go on bit for bit.

use crate::error::{Error, Result, TrainError};
use crate::run::Progress;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// What a run needs to go on.
pub struct Checkpoint {
    pub progress: Progress,
    pub parameters: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    /// The moving average of the parameters, if the run has one.
    pub average: Option<Vec<f32>>,
}

impl Checkpoint {
    /// The parameters that a model of this moment has.
    pub fn shown(&self) -> &Vec<f32> {
        self.average.as_ref().unwrap_or(&self.parameters)
    }
}

const CHECKPOINT: &str = "checkpoint.safetensors";
const BEST: &str = "best.safetensors";
const PROGRESS: &str = "progress";

/// The folder of a run.
pub struct RunFolder {
    folder: PathBuf,
}

impl RunFolder {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Makes the folder, if it is not there yet.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|source| {
            standpoint_core::error::Error::Write { path: self.folder.clone(), source }.into()
        })
    }

    /// Where a teacher's judgements are kept.
    pub fn judgements(&self) -> PathBuf {
        self.folder.join("judgements.json")
    }

    pub fn has_checkpoint(&self) -> bool {
        self.folder.join(CHECKPOINT).exists()
    }

    /// Writes the checkpoint: whole, or the one before stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<()> {
        // TOML, whose numbers are read back to the last bit.
        let progress =
            toml::to_string(&checkpoint.progress).map_err(|error| self.unusable(CHECKPOINT, error))?;
        let mut tensors = vec![
            ("parameters", &checkpoint.parameters),
            ("first_moments", &checkpoint.first),
            ("second_moments", &checkpoint.second),
        ];
        tensors.extend(checkpoint.average.as_ref().map(|average| ("average", average)));
        self.write(CHECKPOINT, &tensors, Some([(PROGRESS.to_owned(), progress)].into()))
    }

    /// # Errors
    /// If there is no checkpoint, it is damaged, or it belongs to a model of another size.
    pub fn load(&self, parameters: usize, averaged: bool) -> Result<Checkpoint> {
        let (bytes, metadata) = self.read(CHECKPOINT)?;
        let tensor = |name| self.tensor(CHECKPOINT, &bytes, name, parameters);
        let progress =
            metadata.get(PROGRESS).ok_or_else(|| self.unusable(CHECKPOINT, "it has no progress"))?;
        Ok(Checkpoint {
            progress: toml::from_str(progress).map_err(|error| self.unusable(CHECKPOINT, error))?,
            parameters: tensor("parameters")?,
            first: tensor("first_moments")?,
            second: tensor("second_moments")?,
            average: averaged.then(|| tensor("average")).transpose()?,
        })
    }

    /// Keeps the parameters of the best epoch.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn save_best(&self, parameters: &Vec<f32>) -> Result<()> {
        self.write(BEST, &[("parameters", parameters)], None)
    }

    /// # Errors
    /// If they cannot be read.
    pub fn load_best(&self, parameters: usize) -> Result<Vec<f32>> {
        let (bytes, _) = self.read(BEST)?;
        self.tensor(BEST, &bytes, "parameters", parameters)
    }

    fn write(
        &self,
        file: &str,
        tensors: &[(&str, &Vec<f32>)],
        metadata: Option<HashMap<String, String>>,
    ) -> Result<()> {
        let views = tensors
            .iter()
            .map(|(name, values)| {
                let bytes = bytemuck::cast_slice(values.as_slice());
                TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (*name, view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.unusable(file, error))?;
        let partial = self.folder.join(format!("{file}.partial"));
        let path = self.folder.join(file);
        let written =
            safetensors::serialize_to_file(views, metadata, &partial).map_err(|error| match error {
                SafeTensorError::IoError(source) => source,
                other => io::Error::other(other),
            });
        written
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(|source| standpoint_core::error::Error::Write { path, source }.into())
    }

    fn read(&self, file: &str) -> Result<(Vec<u8>, HashMap<String, String>)> {
        let bytes = std::fs::read(self.folder.join(file)).map_err(|error| self.unusable(file, error))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| self.unusable(file, error))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        Ok((bytes, metadata))
    }

    fn tensor(&self, file: &str, bytes: &[u8], name: &str, length: usize) -> Result<Vec<f32>> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| self.unusable(file, error))?;
        let view = tensors.tensor(name).map_err(|error| self.unusable(file, error))?;
        if view.dtype() != Dtype::F32 || view.shape() != [length] {
            return Err(self.unusable(file, "it belongs to a model of another size"));
        }
        let mut values = vec![0.0_f32; length];
        bytemuck::cast_slice_mut(&mut values).copy_from_slice(view.data());
        Ok(values)
    }

    fn unusable(&self, file: &str, problem: impl ToString) -> Error {
        let problem = problem.to_string();
        let problem = match file {
            BEST => format!(
                "the parameters of this run cannot be used ({problem}): train it first, with the same base"
            ),
            _ => format!("the checkpoint cannot be used ({problem}): start anew without --resume"),
        };
        TrainError::Checkpoint { path: self.folder.clone(), problem }.into()
    }
}
