//! The numbers of a model by the names Hugging Face gives them, in memory as f32 whatever a file holds, and which of them
//! a model must have.

use crate::error::ModelProblem;
use crate::model::config::BertConfig;
use crate::model::kind::Kind;
use std::collections::BTreeMap;

/// The name and shape that a tensor must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Parameter {
    fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec() }
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Every parameter of the encoder, from the embeddings up. The order is fixed.
pub fn encoder_parameters(config: &BertConfig) -> Vec<Parameter> {
    let hidden = config.hidden_size;
    let wide = config.intermediate_size;
    let (kind, names) = (config.kind(), config.kind().names());
    let mut parameters = vec![
        Parameter::new("embeddings.word_embeddings.weight", &[config.vocab_size, hidden]),
        Parameter::new("embeddings.position_embeddings.weight", &[config.max_position_embeddings, hidden]),
    ];
    if config.type_vocab_size > 0 {
        let name = "embeddings.token_type_embeddings.weight";
        parameters.push(Parameter::new(name, &[config.type_vocab_size, hidden]));
    }
    parameters.push(Parameter::new("embeddings.LayerNorm.weight", &[hidden]));
    parameters.push(Parameter::new("embeddings.LayerNorm.bias", &[hidden]));
    if kind.buckets() > 0 {
        parameters.push(Parameter::new(Kind::DISTANCES, &[kind.buckets(), config.num_attention_heads]));
    }
    for layer in 0..config.num_hidden_layers {
        let mut push = |name: &str, shape: &[usize]| {
            parameters.push(Parameter::new(format!("encoder.layer.{layer}.{name}"), shape));
        };
        for part in [names.query, names.key, names.value] {
            push(&format!("{part}.weight"), &[hidden, hidden]);
            push(&format!("{part}.bias"), &[hidden]);
        }
        push(&format!("{}.weight", names.attention_output), &[hidden, hidden]);
        push(&format!("{}.bias", names.attention_output), &[hidden]);
        push(&format!("{}.weight", names.attention_norm), &[hidden]);
        push(&format!("{}.bias", names.attention_norm), &[hidden]);
        push("intermediate.dense.weight", &[wide, hidden]);
        push("intermediate.dense.bias", &[wide]);
        push("output.dense.weight", &[hidden, wide]);
        push("output.dense.bias", &[hidden]);
        push("output.LayerNorm.weight", &[hidden]);
        push("output.LayerNorm.bias", &[hidden]);
    }
    parameters
}

/// A linear layer over states: its name, and how many outputs it has.
pub type HeadShape = (&'static str, usize);

/// Every head that a model can have. The first three read a sentence's vector, the others each token's state.
pub const HEADS: [HeadShape; 7] = [
    ("role", 3),
    ("stance", 3),
    ("checkworthy", 2),
    ("source", 3),
    ("cue", 3),
    ("content", 3),
    ("holder", 2),
];

/// Every parameter of some heads, in their order.
pub fn head_parameters(config: &BertConfig, heads: &[HeadShape]) -> Vec<Parameter> {
    heads
        .iter()
        .flat_map(|&(head, outputs)| {
            [
                Parameter::new(format!("heads.{head}.weight"), &[outputs, config.hidden_size]),
                Parameter::new(format!("heads.{head}.bias"), &[outputs]),
            ]
        })
        .collect()
}

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
    /// Adds a tensor, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.insert(name.into(), tensor);
    }

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
    /// If there is no such tensor: ask only for parameters that were checked.
    pub fn values(&self, name: &str) -> &[f32] {
        match self.0.get(name) {
            Some(tensor) => &tensor.values,
            None => panic!("parameter {name} was never checked"),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

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

/// Without a branch in the loop, so that it runs at the speed of memory.
pub(super) fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}
