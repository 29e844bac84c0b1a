//! The parameters that training starts from: those of a base, of a finished run, or of a model.

use crate::checkpoint::RunFolder;
use crate::differentiable::{Layout, TensorRange};
use crate::error::{Result, TrainError};
use standpoint_core::model::{BaseModel, Head, Model, ModelSource, Parameter, Weights};
use standpoint_kernels::random::{SplitMix, scramble};
use std::path::Path;

/// The base's encoder, and heads of small random weights.
pub fn from_base(layout: &Layout, base: &BaseModel, seed: u64) -> Vec<f32> {
    filled(layout, &base.weights, seed)
}

/// The parameters of a folder: of a run, those of its last or best epoch; of a model, its own, and small random weights for
/// the heads that it lacks.
///
/// # Errors
/// If the folder holds neither, or parameters of another shape.
pub fn from_folder(layout: &Layout, folder: &Path, seed: u64) -> Result<Vec<f32>> {
    if !is_model(folder) {
        return RunFolder::new(folder).load_best(layout.len());
    }
    let model = Model::load(&ModelSource::Folder(folder.to_owned()))?;
    let weights = model.weights();
    let there = |part: &&TensorRange| !part.name.starts_with("heads.") || weights.get(&part.name).is_some();
    let parameter = |part: &TensorRange| Parameter { name: part.name.clone(), shape: part.shape.clone() };
    let needed: Vec<Parameter> = layout.tensors().iter().filter(there).map(parameter).collect();
    weights.check(&needed).map_err(|problem| TrainError::Checkpoint {
        path: folder.to_owned(),
        problem: format!("the model does not have the base's shape: {problem}"),
    })?;
    Ok(filled(layout, weights, seed))
}

/// Checks that a model can be blended with a run that trains these heads. A model that lacks one would put random weights
/// into the mean. A run's folder has weights for all heads, and nothing tells which of them were trained.
///
/// # Errors
/// If the folder holds a model without a head that is trained, or a model that cannot be loaded.
pub fn check_blended(folder: &Path, trained: &[Head]) -> Result<()> {
    if !is_model(folder) {
        return Ok(());
    }
    let model = Model::load(&ModelSource::Folder(folder.to_owned()))?;
    match trained.iter().find(|head| !model.settings().heads.contains(head)) {
        None => Ok(()),
        Some(head) => {
            let problem = format!(
                "the model has no head \"{}\", which this run trains, so that it cannot be blended with it",
                head.name
            );
            Err(TrainError::Checkpoint { path: folder.to_owned(), problem }.into())
        }
    }
}

fn is_model(folder: &Path) -> bool {
    folder.join("standpoint.toml").is_file()
}

/// The weights that exist, small random ones for other matrices, and zeros for other biases.
fn filled(layout: &Layout, weights: &Weights, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.len()];
    let mut random = SplitMix::new(scramble(seed));
    for segment in layout.tensors() {
        let values = &mut parameters[segment.range.clone()];
        match weights.get(&segment.name) {
            Some(tensor) => values.copy_from_slice(&tensor.values),
            // The sum of twelve uniform numbers, less six, is close to a normal one; 0.02 is BERT's deviation.
            None if segment.decays() => {
                values.fill_with(|| 0.02 * ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0) as f32)
            }
            None => {}
        }
    }
    parameters
}
