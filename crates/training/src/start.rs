//! The parameters that training begins with: those of a base, of a finished run, or of a model.

use crate::checkpoint::RunFolder;
use crate::differentiable::{Layout, Segment};
use crate::error::{Result, TrainError};
use standpoint_core::model::{BaseModel, Model, ModelSource, Parameter, Weights};
use standpoint_kernels::random::{SplitMix, scramble};
use std::path::Path;

/// The base's encoder, and heads of small random weights.
pub fn of_base(layout: &Layout, base: &BaseModel, seed: u64) -> Vec<f32> {
    filled(layout, &base.weights, seed)
}

/// What the folder holds: of a run, the parameters that its last or best epoch left; of a model, its own, and for heads
/// that it lacks small random weights.
///
/// # Errors
/// If it holds neither, or one of another shape.
pub fn of_folder(layout: &Layout, folder: &Path, seed: u64) -> Result<Vec<f32>> {
    if !folder.join("standpoint.toml").is_file() {
        return RunFolder::new(folder).load_best(layout.len());
    }
    let model = Model::load(&ModelSource::Folder(folder.to_owned()))?;
    let weights = model.weights();
    let there = |part: &&Segment| !part.name.starts_with("heads.") || weights.get(&part.name).is_some();
    let parameter = |part: &Segment| Parameter { name: part.name.clone(), shape: part.shape.clone() };
    let needed: Vec<Parameter> = layout.segments().iter().filter(there).map(parameter).collect();
    weights.check(&needed).map_err(|problem| TrainError::Checkpoint {
        path: folder.to_owned(),
        problem: format!("the model does not have the base's shape: {problem}"),
    })?;
    Ok(filled(layout, weights, seed))
}

/// The weights that there are, and small random ones for other matrices; what else is missing is zero.
fn filled(layout: &Layout, weights: &Weights, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.len()];
    let mut random = SplitMix::new(scramble(seed));
    for segment in layout.segments() {
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
