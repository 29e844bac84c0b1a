//! The numbers of a model by the names Hugging Face gives them, in memory as f32 whatever the file holds.
//! Reads and writes the bytes of `model.safetensors`; a missing, misshapen or broken tensor is found here.

use crate::error::ModelProblem;
use crate::model::config::BertConfig;
use crate::model::kind::Kind;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

const FILE: &str = "model.safetensors";

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
pub struct Weights(BTreeMap<String, Tensor>);

impl Weights {
    /// Reads `parameters` from the bytes of a safetensors file, each under its name or behind `bert.` or `mpnet.`;
    /// whatever else the file holds is left out.
    ///
    /// # Errors
    /// If the bytes are no safetensors file, or a parameter is missing, has another shape, is of a type
    /// that is not f32, f16 or bf16, or holds a value that is not finite.
    pub fn from_safetensors(bytes: &[u8], parameters: &[Parameter]) -> Result<Self, ModelProblem> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|source| ModelProblem::Parse { file: FILE, source: Box::new(source) })?;
        let views: BTreeMap<&str, TensorView<'_>> = file.iter().collect();
        let find = |parameter: &Parameter| {
            let name = &parameter.name;
            let named = ["", "bert.", "mpnet."].map(|prefix| format!("{prefix}{name}"));
            let view = named
                .iter()
                .find_map(|name| views.get(name.as_str()))
                .ok_or_else(|| ModelProblem::MissingTensor { name: name.clone() })?;
            match view.shape() == parameter.shape {
                true => Ok(view),
                false => Err(misshapen(parameter, view.shape())),
            }
        };
        let found = parameters.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        // All at once, before large blocks are freed elsewhere: from then on, glibc keeps what tensors give back.
        let room: Vec<Vec<f32>> = parameters.iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        parameters
            .par_iter()
            .zip(found)
            .zip(room)
            .map(|((parameter, view), values)| Ok((parameter.name.clone(), read(view, parameter, values)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The bytes of a safetensors file with all tensors as f16. The same weights give the same bytes.
    ///
    /// # Errors
    /// If a value is beyond f16's range, of ±65504.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelProblem> {
        let halves: Vec<(&str, &[usize], Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, tensor)| {
                let mut halves = vec![f16::ZERO; tensor.values.len()];
                halves.convert_from_f32_slice(&tensor.values);
                if halves.iter().all(|value| value.is_finite()) {
                    let bits: &[u16] = halves.reinterpret_cast();
                    Ok((name.as_str(), tensor.shape.as_slice(), bytemuck::cast_slice(bits).to_vec()))
                } else {
                    Err(ModelProblem::NotFinite { name: name.clone() })
                }
            })
            .collect::<Result<_, _>>()?;
        let unwritable = |source| ModelProblem::Parse { file: FILE, source: Box::new(source) };
        let views = halves
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((*name, TensorView::new(Dtype::F16, shape.to_vec(), bytes).map_err(unwritable)?))
            })
            .collect::<Result<Vec<_>, ModelProblem>>()?;
        // Written by transformers too: it is how other tools know the layout for PyTorch's.
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(views, Some(metadata)).map_err(unwritable)
    }

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

fn misshapen(parameter: &Parameter, found: &[usize]) -> ModelProblem {
    ModelProblem::Shape {
        name: parameter.name.clone(),
        expected: parameter.shape.clone(),
        found: found.to_vec(),
    }
}

/// Without a branch in the loop, so that it runs at the speed of memory.
fn all_finite(values: &[f32]) -> bool {
    values.iter().fold(true, |finite, value| finite & value.is_finite())
}

/// Reads a tensor into `values`, which are as many as it has.
fn read(view: &TensorView<'_>, parameter: &Parameter, mut values: Vec<f32>) -> Result<Tensor, ModelProblem> {
    let name = &parameter.name;
    let convert: fn(&[u8], &mut [f32]) = match view.dtype() {
        Dtype::F32 => |bytes, values| bytemuck::cast_slice_mut(values).copy_from_slice(bytes),
        Dtype::F16 => |bytes, values| aligned(bytes).reinterpret_cast::<f16>().convert_to_f32_slice(values),
        Dtype::BF16 => |bytes, values| aligned(bytes).reinterpret_cast::<bf16>().convert_to_f32_slice(values),
        other => return Err(ModelProblem::Dtype { name: name.clone(), found: other.to_string() }),
    };
    // Small enough to stay in cache between the steps.
    const PIECE: usize = 1 << 16;
    let size = view.dtype().bitsize() / 8;
    let finite = values
        .par_chunks_mut(PIECE)
        .zip(view.data().par_chunks(PIECE * size))
        .map(|(values, bytes)| {
            convert(bytes, values);
            all_finite(values)
        })
        .reduce(|| true, |left, right| left & right);
    if !finite {
        return Err(ModelProblem::NotFinite { name: name.clone() });
    }
    Ok(Tensor { shape: parameter.shape.clone(), values })
}

/// The file's bytes may stand at any address; 16-bit numbers may not.
fn aligned(bytes: &[u8]) -> Vec<u16> {
    let mut bits = vec![0; bytes.len() / 2];
    bytemuck::cast_slice_mut(&mut bits).copy_from_slice(bytes);
    bits
}
