//! The reference encoder: candle's own BERT on the CPU in f32, or an MPNet made of candle's operations. It is plain rather than
//! fast. Tests compare other encoders with it.

use crate::encoder::mpnet::Mpnet;
use crate::encoder::{Encoder, States};
use crate::error::{Error, Result};
use crate::model::{Architecture, BertConfig, Weights, encoder_parameters};
use crate::window::Window;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use std::collections::HashMap;

/// An encoder for comparison. See the module's documentation.
pub struct ReferenceEncoder {
    model: Reference,
    hidden: usize,
}

enum Reference {
    Bert(Box<BertModel>),
    Mpnet(Mpnet),
}

impl ReferenceEncoder {
    /// Builds the encoder. Consumes the weights, because a copy would double what loading costs.
    ///
    /// # Errors
    /// If a weight is missing or misshapen, which a [`crate::model::Model`] excludes.
    pub fn new(config: &BertConfig, mut weights: Weights) -> Result<Self> {
        let hidden = config.hidden_size;
        if let Architecture::Mpnet { .. } = config.architecture() {
            let model = Reference::Mpnet(Mpnet::new(config, &weights).map_err(failed)?);
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
            BertModel::load(
                VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu),
                &candle_config(config),
            )
        };
        let model = Reference::Bert(Box::new(build().map_err(failed)?));
        Ok(Self { model, hidden })
    }
}

impl Encoder for ReferenceEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, windows: &[&Window]) -> Result<Vec<States>> {
        let states = |window: &&Window| {
            let states = match &self.model {
                Reference::Bert(bert) => {
                    let shape = (1, window.tokens.len());
                    let ids = Tensor::from_slice(&window.tokens, shape, &Device::Cpu)?;
                    let types = window.token_types().collect::<Vec<_>>();
                    bert.forward(&ids, &Tensor::from_vec(types, shape, &Device::Cpu)?, None)?
                }
                Reference::Mpnet(mpnet) => mpnet.forward(&window.tokens)?,
            };
            Ok(States::new(states.flatten_all()?.to_vec1::<f32>()?, self.hidden))
        };
        windows.iter().map(states).collect::<candle_core::Result<_>>().map_err(failed)
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
