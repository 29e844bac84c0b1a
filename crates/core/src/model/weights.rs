//! The numbers of a model by the names of [`crate::model::tensors`], in memory as f32 whatever a file holds.

use crate::error::ModelProblem;
use crate::model::tensors::Parameter;
use std::collections::BTreeMap;

/// One tensor: row-major values and their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Tensors by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(pub(super) BTreeMap<String, Tensor>);

impl Weights {
    /// Adds a tensor, or replaces the one with that name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

    /// The tensor with that name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        self.0.remove(name)
    }

    /// The values of a parameter that [`Weights::check`] has found, row-major.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn values(&self, name: &str) -> &[f32] {
        match self.0.get(name) {
            Some(tensor) => &tensor.values,
            None => panic!("parameter {name} was never checked"),
        }
    }

    /// All tensors, in the alphabetical order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Checks that each of `parameters` is there.
    ///
    /// # Errors
    /// If a parameter is missing, has another shape, or holds a value that is not finite.
    pub fn check(&self, parameters: &[Parameter]) -> Result<(), ModelProblem> {
        for parameter in parameters {
            let name = &parameter.name;
            let tensor = self.get(name).ok_or_else(|| ModelProblem::MissingTensor { name: name.clone() })?;
            if tensor.shape != parameter.shape || tensor.values.len() != parameter.len() {
                return Err(misshapen(parameter, &tensor.shape));
            }
            if !all_finite(&tensor.values) {
                return Err(ModelProblem::NotFinite { name: name.clone() });
            }
        }
        Ok(())
    }
}

pub(super) fn misshapen(parameter: &Parameter, found: &[usize]) -> ModelProblem {
    ModelProblem::Shape {
        name: parameter.name.clone(),
        expected: parameter.shape.clone(),
        found: found.to_vec(),
    }
}

/// Has no branch in its loop, so that it runs at the speed of memory.
pub(super) fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
