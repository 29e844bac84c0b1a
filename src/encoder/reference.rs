//! The reference encoder: candle's own BERT on the CPU in f32. Plain rather than fast; other encoders are
//! held to what it says.

use crate::encoder::{Encoder, States};
use crate::error::{Error, Result};
use crate::model::{BertConfig, Weights, encoder_parameters};
use crate::window::Window;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use std::collections::HashMap;

pub struct ReferenceEncoder {
    bert: BertModel,
    hidden: usize,
}

impl ReferenceEncoder {
    /// Builds the encoder, which takes the weights over: a copy would double what loading costs.
    ///
    /// # Errors
    /// If a weight is missing or misshapen; those of a [`crate::model::Model`] are not.
    pub fn new(config: &BertConfig, mut weights: Weights) -> Result<Self> {
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
        Ok(Self { bert: build().map_err(failed)?, hidden: config.hidden_size })
    }
}

impl Encoder for ReferenceEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, windows: &[&Window]) -> Result<Vec<States>> {
        let states = |window: &&Window| {
            let shape = (1, window.tokens.len());
            let ids = Tensor::from_slice(&window.tokens, shape, &Device::Cpu)?;
            let types = Tensor::from_vec(window.token_types().collect::<Vec<_>>(), shape, &Device::Cpu)?;
            let states = self.bert.forward(&ids, &types, None)?.flatten_all()?.to_vec1::<f32>()?;
            Ok(States::new(states, self.hidden))
        };
        windows.iter().map(states).collect::<candle_core::Result<_>>().map_err(failed)
    }
}

fn failed(error: candle_core::Error) -> Error {
    Error::Encoder(Box::new(error))
}

/// What candle's BERT asks to know; activation and kind of positions are its defaults, and checked to be ours.
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
