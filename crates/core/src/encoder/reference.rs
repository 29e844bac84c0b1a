//! The reference encoder: candle's own BERT on the CPU in f32, or an MPNet made of candle's operations. It is plain rather than
//! fast. Tests compare other encoders with it.

use crate::encoder::mpnet::Mpnet;
use crate::encoder::{Batch, Encoder, Reading, Sequence, States};
use crate::error::{Error, Result};
use crate::model::{Architecture, BertConfig, Weights, encoder_parameters};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertEncoder, BertModel, Config};
use std::collections::HashMap;

/// An encoder for comparison. See the module's documentation.
pub struct ReferenceEncoder {
    model: Reference,
    hidden: usize,
}

enum Reference {
    /// The layers that read each sequence alone, beneath those that read readings.
    Bert {
        lower: Box<BertModel>,
        upper: BertEncoder,
    },
    Mpnet(Mpnet),
}

impl ReferenceEncoder {
    /// Builds the encoder, of which the first `text_layers` layers read each sequence alone. Consumes the weights, because a
    /// copy would double what loading costs.
    ///
    /// # Errors
    /// If a weight is missing or misshapen, which a [`crate::model::Model`] excludes.
    pub fn new(config: &BertConfig, mut weights: Weights, text_layers: usize) -> Result<Self> {
        let hidden = config.hidden_size;
        if let Architecture::Mpnet { .. } = config.architecture() {
            let model = Reference::Mpnet(Mpnet::new(config, &weights, text_layers).map_err(failed)?);
            return Ok(Self { model, hidden });
        }
        let mut build = || {
            let tensors = encoder_parameters(config)
                .into_iter()
                .filter_map(|parameter| Some((weights.remove(&parameter.name)?, parameter.name)))
                .map(|(weight, name)| {
                    Ok((name, Tensor::from_vec(weight.values, weight.shape, &Device::Cpu)?))
                })
                .collect::<candle_core::Result<HashMap<_, _>>>()?;
            // candle numbers the layers of an encoder from 0.
            let upper = tensors.iter().filter_map(|(name, tensor)| {
                let (layer, rest) = name.strip_prefix("encoder.layer.")?.split_once('.')?;
                let layer = layer.parse::<usize>().ok()?.checked_sub(text_layers)?;
                Some((format!("layer.{layer}.{rest}"), tensor.clone()))
            });
            let upper = VarBuilder::from_tensors(upper.collect(), DType::F32, &Device::Cpu);
            let layers = |num_hidden_layers| Config { num_hidden_layers, ..candle_config(config) };
            let upper = BertEncoder::load(upper, &layers(config.num_hidden_layers - text_layers))?;
            let lower = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
            let lower = Box::new(BertModel::load(lower, &layers(text_layers))?);
            candle_core::Result::Ok(Reference::Bert { lower, upper })
        };
        let model = build().map_err(failed)?;
        Ok(Self { model, hidden })
    }

    /// What the lower layers make of a sequence, `[tokens, hidden]`.
    fn sequence(&self, tokens: &[u32], opening_tokens: usize) -> candle_core::Result<Tensor> {
        match &self.model {
            Reference::Bert { lower, .. } => {
                let shape = (1, tokens.len());
                let ids = Tensor::from_slice(tokens, shape, &Device::Cpu)?;
                let types: Vec<u32> =
                    (0..tokens.len()).map(|position| u32::from(position >= opening_tokens)).collect();
                lower.forward(&ids, &Tensor::from_vec(types, shape, &Device::Cpu)?, None)?.squeeze(0)
            }
            Reference::Mpnet(mpnet) => mpnet.sequence(tokens),
        }
    }

    /// What the upper layers make of the lower states of a reading.
    fn reading(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        match &self.model {
            Reference::Bert { upper, .. } => {
                let length = states.dim(0)?;
                // Nothing is masked.
                let mask = Tensor::zeros((1, 1, 1, length), DType::F32, &Device::Cpu)?;
                upper.forward(&states.unsqueeze(0)?, &mask)?.squeeze(0)
            }
            Reference::Mpnet(mpnet) => mpnet.reading(states),
        }
    }

    fn states(&self, batch: &Batch) -> candle_core::Result<Vec<States>> {
        let lower = |sequence: &Sequence| {
            self.sequence(&batch.tokens()[sequence.rows.clone()], sequence.opening_tokens)
        };
        let lower = batch.sequences().iter().map(lower).collect::<candle_core::Result<Vec<_>>>()?;
        if lower.is_empty() {
            return Ok(Vec::new());
        }
        let lower = Tensor::cat(&lower, 0)?;
        let states = |reading: &Reading| {
            let rows: Vec<u32> =
                batch.lower_rows()[reading.rows.clone()].iter().map(|&row| row as u32).collect();
            let states = self.reading(&lower.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)?)?;
            let asked = states.narrow(0, reading.asked.start - reading.rows.start, reading.asked.len())?;
            Ok(States::new(asked.flatten_all()?.to_vec1::<f32>()?, self.hidden))
        };
        batch.readings().iter().map(states).collect()
    }
}

impl Encoder for ReferenceEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, batch: &Batch) -> Result<Vec<States>> {
        self.states(batch).map_err(failed)
    }
}

fn failed(error: candle_core::Error) -> Error {
    Error::Encoder(Box::new(error))
}

/// The configuration of candle's BERT. [`BertConfig::check`] admits only its defaults for activation and positions.
fn candle_config(config: &BertConfig) -> Config {
    Config {
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        intermediate_size: config.intermediate_size,
        max_position_embeddings: config.max_position_embeddings,
        type_vocab_size: config.type_vocab_size,
        layer_norm_eps: config.layer_norm_eps,
        ..Config::default()
    }
}
