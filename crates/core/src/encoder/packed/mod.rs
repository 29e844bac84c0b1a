//! The packed encoder: all windows of a batch are one matrix of tokens, without padding between them. Weights are packed once
//! into the order in which they are multiplied. Bias and GELU are one pass over memory, and so are residual and layer norm.
//! Attention works on one window and head at a time. Linear layers compute in int8, bf16 or f32, on the best
//! [instruction set](Isa) that the processor has.
//!
//! Rows are padded with zeros to multiples of [`standpoint_kernels::ROW_MULTIPLE`], so that kernels meet whole vectors only.
//! Weights are arranged so that the padding stays zero.

mod layer;

use crate::encoder::{Encoder, States};
use crate::error::{Error, Result};
use crate::model::{BertConfig, EncoderTensors, Parameter, Weights};
use crate::window::Window;
use layer::Layer;
use rayon::prelude::*;
use standpoint_kernels::aligned::Aligned;
use standpoint_kernels::attention::{HeadShape, PositionBias, QuantizedQkv, float, int8};
use standpoint_kernels::embedding::EmbeddingTables;
use standpoint_kernels::linear::{self, Input};
use standpoint_kernels::norm::{LayerNorm, add_norm};
use standpoint_kernels::quantize::{QuantizedRows, quantize};
use standpoint_kernels::{ComputeFormat, Dtype, Isa, padded};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A BERT encoder for the CPU. See the module's documentation.
pub struct PackedEncoder {
    isa: Isa,
    format: ComputeFormat,
    hidden: usize,
    /// The longest window.
    positions: usize,
    embeddings: EmbeddingTables,
    embedding_norm: LayerNorm,
    shape: HeadShape,
    bias: Option<PositionBias>,
    layers: Vec<Layer>,
    /// Workspaces that are not in use.
    idle: Mutex<Vec<Workspace>>,
}

/// The memory of one batch while it is encoded. Rows are padded.
#[derive(Default)]
struct Workspace {
    /// `[tokens, hidden]`
    states: Aligned<f32>,
    /// The states, quantised.
    quantized: QuantizedRows,
    /// `[tokens, hidden]`: the sum of position and token type, then the context of attention.
    context: Aligned<f32>,
    /// `[tokens, 3 * hidden]`; where attention is in int8, `[block, 3 * hidden]`.
    qkv: Aligned<f32>,
    quantized_qkv: QuantizedQkv,
    /// `[block, hidden]`
    block: Aligned<f32>,
    /// `[block, intermediate]`
    wide: Aligned<f32>,
    /// The context of a block, then its inner states, quantised.
    inner: QuantizedRows,
    linear: linear::Scratch,
    float: float::Scratch,
    int8: int8::Scratch,
}

/// Why a batch cannot be encoded.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("a window has {tokens} tokens, but the model reads 1 to {positions}")]
    Length { tokens: usize, positions: usize },
    #[error("token id {id} is not in the vocabulary of {vocabulary}")]
    Token { id: u32, vocabulary: usize },
    #[error("the states are not finite numbers: weights of the model are too large")]
    NotFinite,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Encoder(Box::new(problem))
    }
}

impl PackedEncoder {
    /// Packs the weights, and consumes them.
    ///
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing, or this processor lacks the instruction set.
    pub fn new(config: &BertConfig, mut weights: Weights, dtype: Dtype, isa: Isa) -> Self {
        let format = ComputeFormat::new(dtype, isa, || weights.are_int8(config));
        let tensors = EncoderTensors::new(&config.into());
        let layers =
            tensors.layers.par_iter().map(|layer| Layer::new(config, layer, &weights, format, isa)).collect();
        let embedding_norm = layer::norm(&weights, &tensors.embedding_norm, config);
        let mut take = |parameter: &Parameter| {
            weights.remove(&parameter.name).expect("the parameters were checked").values
        };
        let (architecture, hidden) = (config.architecture(), config.hidden_size);
        // A model without token types has two that make no difference.
        let token_types = tensors.token_types.as_ref().map_or_else(|| vec![0.0; 2 * hidden], &mut take);
        let encoder = Self {
            isa,
            format,
            hidden,
            positions: config.longest_window(),
            embeddings: EmbeddingTables {
                width: hidden,
                words: take(&tensors.words),
                positions: take(&tensors.positions).split_off(architecture.first_position() * hidden),
                token_types,
            },
            embedding_norm,
            shape: HeadShape { heads: config.num_attention_heads, size: padded(config.head_size()) },
            bias: None,
            layers,
            idle: Mutex::default(),
        };
        match tensors.relative_position_bias.as_ref().map(take) {
            Some(table) => {
                let (heads, longest) = (config.num_attention_heads, config.longest_window());
                encoder.with_position_bias(&architecture.relative_position_bias(&table, heads, longest))
            }
            None => encoder,
        }
    }

    /// With a relative position bias, which every layer adds to its scores: for each head one number for each distance from
    /// query to key, `[heads, 2 * positions - 1]`, the key farthest before the query first.
    ///
    /// # Panics
    /// If the table has another size.
    #[must_use]
    pub fn with_position_bias(mut self, table: &[f32]) -> Self {
        self.bias = Some(PositionBias::new(table, self.shape.heads, self.positions));
        self
    }

    fn check(&self, windows: &[&Window]) -> Result<(), Problem> {
        let (positions, vocabulary) = (self.positions, self.embeddings.vocabulary());
        for window in windows {
            let tokens = window.tokens.len();
            if tokens == 0 || tokens > positions {
                return Err(Problem::Length { tokens, positions });
            }
            if let Some(&id) = window.tokens.iter().find(|&&id| id as usize >= vocabulary) {
                return Err(Problem::Token { id, vocabulary });
            }
        }
        Ok(())
    }

    /// Writes the windows' states into `workspace.states`.
    fn forward(&self, windows: &[&Window], workspace: &mut Workspace) {
        let stride = padded(self.hidden);
        let mut rows: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        for window in windows {
            let start = rows.last().map_or(0, |window| window.end);
            rows.push(start..start + window.tokens.len());
        }
        let tokens = rows.last().map_or(0, |window| window.end);
        let inner = self.shape.heads * self.shape.size;
        workspace.states.resize(tokens * stride);
        workspace.context.resize(tokens * inner.max(stride));
        if let Some(format) = self.format.activations() {
            workspace.quantized.resize(tokens, stride, format);
        }
        self.embed(windows, workspace);
        workspace.context.resize(tokens * inner);
        for layer in &self.layers {
            self.attend(layer, &rows, tokens, workspace);
            let block = self.format.cache_block_rows(self.isa);
            for first in (0..tokens).step_by(block) {
                let last = tokens.min(first + block);
                self.feed_forward(layer, first..last, workspace);
            }
        }
    }

    /// From states to context.
    fn attend(&self, layer: &Layer, windows: &[Range<usize>], tokens: usize, workspace: &mut Workspace) {
        let Self { isa, shape, ref bias, .. } = *self;
        let (bias, stride, width) = (bias.as_ref(), padded(self.hidden), layer.qkv.columns());
        let Workspace { states, quantized, context, qkv, quantized_qkv, linear, .. } = workspace;
        let in_int8 = self.format.attends_in_int8(isa);
        let block = self.format.cache_block_rows(isa);
        if in_int8 {
            quantized_qkv.resize(shape, tokens);
            qkv.resize(block * width);
        } else {
            qkv.resize(tokens * width);
        }
        for first in (0..tokens).step_by(block) {
            let count = block.min(tokens - first);
            let input = match self.format.activations() {
                Some(_) => Input::Quantized(quantized.rows(first, count)),
                None => Input::F32(&states[first * stride..][..count * stride]),
            };
            if in_int8 {
                let qkv = &mut qkv[..count * width];
                layer.qkv.forward(isa, input, qkv, linear);
                quantized_qkv.quantize(isa, shape, qkv, first);
            } else {
                layer.qkv.forward(isa, input, &mut qkv[first * width..][..count * width], linear);
            }
        }
        if in_int8 {
            int8::attend(isa, shape, bias, windows, quantized_qkv, &mut workspace.int8, context);
        } else {
            float::attend(isa, shape, bias, windows, qkv, &mut workspace.float, context);
        }
    }

    /// From the context of a block's rows to their next states.
    fn feed_forward(&self, layer: &Layer, rows: Range<usize>, workspace: &mut Workspace) {
        let (isa, first, count) = (self.isa, rows.start, rows.len());
        let Workspace { states, quantized, context, block, wide, inner, linear, .. } = workspace;
        let of_rows = |width: usize| rows.start * width..rows.end * width;
        let states = &mut states[of_rows(padded(self.hidden))];
        let context = &context[of_rows(self.shape.heads * self.shape.size)];
        block.resize(states.len());
        wide.resize(count * layer.up.columns());
        if let Some(format) = self.format.activations() {
            inner.resize(count, context.len() / count, format);
            quantize(isa, context, inner.rows_mut(0, count));
            layer.output.forward(isa, Input::Quantized(inner.rows(0, count)), block, linear);
            let to = Some(quantized.rows_mut(first, count));
            add_norm(isa, &layer.attention_norm, states, block, to);
            layer.up.forward(isa, Input::Quantized(quantized.rows(first, count)), wide, linear);
            inner.resize(count, wide.len() / count, format);
            quantize(isa, wide, inner.rows_mut(0, count));
            layer.down.forward(isa, Input::Quantized(inner.rows(0, count)), block, linear);
            let to = Some(quantized.rows_mut(first, count));
            add_norm(isa, &layer.output_norm, states, block, to);
        } else {
            layer.output.forward(isa, Input::F32(context), block, linear);
            add_norm(isa, &layer.attention_norm, states, block, None);
            layer.up.forward(isa, Input::F32(states), wide, linear);
            layer.down.forward(isa, Input::F32(wide), block, linear);
            add_norm(isa, &layer.output_norm, states, block, None);
        }
    }

    /// `states = norm(word + position + type)`
    fn embed(&self, windows: &[&Window], workspace: &mut Workspace) {
        let Workspace { states, context, quantized, .. } = workspace;
        let stride = padded(self.hidden);
        let tokens = states.len() / stride;
        let others = &mut context[..states.len()];
        let mut first = 0;
        for window in windows {
            let last = first + window.tokens.len();
            let rows = first * stride..last * stride;
            let (states, others) = (&mut states[rows.clone()], &mut others[rows]);
            self.embeddings.look_up(self.isa, &window.tokens, window.target_tokens, states, others);
            first = last;
        }
        let quantized = self.format.activations().map(|_| quantized.rows_mut(0, tokens));
        add_norm(self.isa, &self.embedding_norm, states, others, quantized);
    }
}

impl Encoder for PackedEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, windows: &[&Window]) -> Result<Vec<States>> {
        self.check(windows)?;
        // A workspace of a thread that panicked is as good as any: memory is written before it is read.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = idle().pop().unwrap_or_default();
        self.forward(windows, &mut workspace);
        let stride = padded(self.hidden);
        let mut first = 0;
        let states: Vec<States> = windows
            .iter()
            .map(|window| {
                let rows =
                    workspace.states[first * stride..][..window.tokens.len() * stride].chunks_exact(stride);
                first += window.tokens.len();
                let mut values = Vec::with_capacity(window.tokens.len() * self.hidden);
                rows.for_each(|row| values.extend_from_slice(&row[..self.hidden]));
                States::new(values, self.hidden)
            })
            .collect();
        idle().push(workspace);
        if states.iter().all(States::is_finite) { Ok(states) } else { Err(Problem::NotFinite.into()) }
    }
}
