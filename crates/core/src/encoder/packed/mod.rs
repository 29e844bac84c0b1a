//! The packed encoder: all windows of a batch are one matrix of tokens, without padding between them. Weights are
//! packed once into the order in which they are multiplied, bias and GELU, residual and layer norm are one sweep
//! each, and attention works on one window and head at a time. Linear layers compute in int8, bf16 or f32, on the best
//! [instruction set](Isa) that the processor has.
//!
//! Rows are filled up with zeros to multiples of [`standpoint_kernels::FILL`], so that kernels meet whole vectors only; weights are
//! arranged so that what fills up stays zero.

mod layer;

use crate::encoder::{Encoder, States};
use crate::error::{Error, Result};
use crate::model::{BertConfig, EncoderTensors, Parameter, Weights};
use crate::window::Window;
use layer::Layer;
use rayon::prelude::*;
use standpoint_kernels::aligned::Aligned;
use standpoint_kernels::attention::{Bias, Shape, bytes, floats, heads};
use standpoint_kernels::linear::{Input, Space};
use standpoint_kernels::norm::{AddNorm, Norm};
use standpoint_kernels::numbers::Numbers;
use standpoint_kernels::quantize::{Quantize, Quantized};
use standpoint_kernels::simd::{Isa, Kernel, Simd};
use standpoint_kernels::{Dtype, padded};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A BERT encoder for the CPU. See the module's documentation.
pub struct PackedEncoder {
    isa: Isa,
    numbers: Numbers,
    hidden: usize,
    /// The longest window.
    positions: usize,
    /// `[vocabulary, hidden]`, not filled up, as the next two.
    words: Vec<f32>,
    /// `[positions, hidden]`
    position_embeddings: Vec<f32>,
    /// `[types, hidden]`
    types: Vec<f32>,
    embedding_norm: Norm,
    shape: Shape,
    bias: Option<Bias>,
    layers: Vec<Layer>,
    /// Memory that is not in use.
    idle: Mutex<Vec<Memory>>,
}

/// What one batch needs while it is encoded.
#[derive(Default)]
struct Memory {
    /// `[tokens, hidden]`
    states: Aligned<f32>,
    /// The same as bytes.
    quantized: Quantized,
    /// `[tokens, hidden]`: the sum of position and type, then the attention's context.
    context: Aligned<f32>,
    /// `[tokens, 3 * hidden]`, or of a block where attention is in int8.
    qkv: Aligned<f32>,
    heads: heads::Heads,
    /// `[block, hidden]`
    block: Aligned<f32>,
    /// `[block, intermediate]`
    wide: Aligned<f32>,
    /// A block's context, then its inner states, as bytes.
    inner: Quantized,
    linear: Space,
    floats: floats::Scratch,
    bytes: bytes::Scratch,
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
    /// Packs the weights, which it takes over.
    ///
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing, or this processor lacks the instruction set.
    pub fn new(config: &BertConfig, mut weights: Weights, dtype: Dtype, isa: Isa) -> Self {
        let numbers = Numbers::of(dtype, isa, || weights.are_int8(config));
        let tensors = EncoderTensors::new(&config.into());
        let layers = tensors
            .layers
            .par_iter()
            .map(|layer| Layer::new(config, layer, &weights, numbers, isa))
            .collect();
        let embedding_norm = layer::norm(&weights, &tensors.embedding_norm, config);
        let mut take = |parameter: &Parameter| {
            weights.remove(&parameter.name).expect("the parameters were checked").values
        };
        let architecture = config.architecture();
        let hidden = config.hidden_size;
        // A model without token types has two that make no difference.
        let types = tensors.token_types.as_ref().map_or_else(|| vec![0.0; 2 * hidden], &mut take);
        let encoder = Self {
            isa,
            numbers,
            hidden: config.hidden_size,
            positions: config.longest_window(),
            words: take(&tensors.words),
            position_embeddings: take(&tensors.positions).split_off(architecture.first_position() * hidden),
            types,
            embedding_norm,
            shape: Shape { heads: config.num_attention_heads, size: padded(config.head_size()) },
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

    /// With a relative position bias, which every layer adds to its scores: for each head one for each distance from
    /// query to key, `[heads, 2 * positions - 1]`, the key that stands farthest before the query first.
    ///
    /// # Panics
    /// If the table has another size.
    #[must_use]
    pub fn with_position_bias(mut self, table: &[f32]) -> Self {
        self.bias = Some(Bias::new(table, self.shape.heads, self.positions));
        self
    }

    fn check(&self, windows: &[&Window]) -> Result<(), Problem> {
        let (positions, vocabulary) = (self.positions, self.words.len() / self.hidden);
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

    /// Writes the windows' states into `memory.states`, rows filled up.
    fn forward(&self, windows: &[&Window], memory: &mut Memory) {
        let stride = padded(self.hidden);
        let mut rows: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        for window in windows {
            let start = rows.last().map_or(0, |window| window.end);
            rows.push(start..start + window.tokens.len());
        }
        let tokens = rows.last().map_or(0, |window| window.end);
        let inner = self.shape.heads * self.shape.size;
        memory.states.resize(tokens * stride);
        memory.context.resize(tokens * inner.max(stride));
        if let Some(digits) = self.numbers.digits() {
            memory.quantized.resize(tokens, stride, digits);
        }
        self.embed(windows, memory);
        memory.context.resize(tokens * inner);
        for layer in &self.layers {
            self.attend(layer, &rows, tokens, memory);
            let together = self.numbers.rows_together(self.isa);
            for first in (0..tokens).step_by(together) {
                let last = tokens.min(first + together);
                self.feed_forward(layer, first..last, memory);
            }
        }
    }

    /// From states to context.
    fn attend(&self, layer: &Layer, windows: &[Range<usize>], tokens: usize, memory: &mut Memory) {
        let Self { isa, shape, ref bias, .. } = *self;
        let (bias, stride, width) = (bias.as_ref(), padded(self.hidden), layer.qkv.columns());
        let Memory { states, quantized, context, qkv, heads, linear, .. } = memory;
        let in_bytes = self.numbers.digits() == Some(1) && !isa.has_pairs();
        let block = self.numbers.rows_together(isa);
        if in_bytes {
            heads.resize(shape, tokens);
            qkv.resize(block * width);
        } else {
            qkv.resize(tokens * width);
        }
        for first in (0..tokens).step_by(block) {
            let count = block.min(tokens - first);
            let input = match self.numbers.digits() {
                Some(_) => Input::Bytes(quantized.rows(first, count)),
                None => Input::Floats(&states[first * stride..][..count * stride]),
            };
            if in_bytes {
                let qkv = &mut qkv[..count * width];
                layer.qkv.forward(isa, input, qkv, linear);
                isa.run(heads::Split { shape, qkv, first, heads });
            } else {
                layer.qkv.forward(isa, input, &mut qkv[first * width..][..count * width], linear);
            }
        }
        if in_bytes {
            let scratch = &mut memory.bytes;
            isa.run(bytes::Attention { shape, bias, windows, heads, scratch, context });
        } else {
            let scratch = &mut memory.floats;
            isa.run(floats::Attention { shape, bias, windows, qkv, scratch, context });
        }
    }

    /// From the context of a block's rows to their next states.
    fn feed_forward(&self, layer: &Layer, rows: Range<usize>, memory: &mut Memory) {
        let (isa, first, count) = (self.isa, rows.start, rows.len());
        let Memory { states, quantized, context, block, wide, inner, linear, .. } = memory;
        let of_rows = |width: usize| rows.start * width..rows.end * width;
        let states = &mut states[of_rows(padded(self.hidden))];
        let context = &context[of_rows(self.shape.heads * self.shape.size)];
        block.resize(states.len());
        wide.resize(count * layer.widen.columns());
        if let Some(digits) = self.numbers.digits() {
            inner.resize(count, context.len() / count, digits);
            isa.run(Quantize { values: context, to: inner.rows_mut(0, count) });
            layer.output.forward(isa, Input::Bytes(inner.rows(0, count)), block, linear);
            let to = Some(quantized.rows_mut(first, count));
            isa.run(AddNorm { norm: &layer.attention_norm, rows: states, others: block, quantized: to });
            layer.widen.forward(isa, Input::Bytes(quantized.rows(first, count)), wide, linear);
            inner.resize(count, wide.len() / count, digits);
            isa.run(Quantize { values: wide, to: inner.rows_mut(0, count) });
            layer.narrow.forward(isa, Input::Bytes(inner.rows(0, count)), block, linear);
            let to = Some(quantized.rows_mut(first, count));
            isa.run(AddNorm { norm: &layer.output_norm, rows: states, others: block, quantized: to });
        } else {
            layer.output.forward(isa, Input::Floats(context), block, linear);
            isa.run(AddNorm { norm: &layer.attention_norm, rows: states, others: block, quantized: None });
            layer.widen.forward(isa, Input::Floats(states), wide, linear);
            layer.narrow.forward(isa, Input::Floats(wide), block, linear);
            isa.run(AddNorm { norm: &layer.output_norm, rows: states, others: block, quantized: None });
        }
    }

    /// `states = norm(word + position + type)`
    fn embed(&self, windows: &[&Window], memory: &mut Memory) {
        let Memory { states, context, quantized, .. } = memory;
        let tokens = states.len() / padded(self.hidden);
        let others = &mut context[..states.len()];
        self.isa.run(Embed { encoder: self, windows, states, others });
        let quantized = self.numbers.digits().map(|_| quantized.rows_mut(0, tokens));
        self.isa.run(AddNorm { norm: &self.embedding_norm, rows: states, others, quantized });
    }
}

/// Writes the word of each token into `states`, and the sum of its position and type into `others`.
struct Embed<'a> {
    encoder: &'a PackedEncoder,
    windows: &'a [&'a Window],
    /// `[tokens, hidden]`, rows filled up, as the next one.
    states: &'a mut [f32],
    others: &'a mut [f32],
}

impl Kernel for Embed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { encoder, windows, states, others } = self;
        let hidden = encoder.hidden;
        let stride = padded(hidden);
        if stride > hidden {
            // The columns that fill up are 0.
            states.fill(0.0);
            others.fill(0.0);
        }
        let mut row = 0;
        for window in windows {
            for (position, &id) in window.tokens.iter().enumerate() {
                let kind = window.token_type(position) as usize;
                let word = &encoder.words[id as usize * hidden..][..hidden];
                let place = &encoder.position_embeddings[position * hidden..][..hidden];
                let kind = &encoder.types[kind * hidden..][..hidden];
                states[row * stride..][..hidden].copy_from_slice(word);
                let other = &mut others[row * stride..][..hidden];
                // A zip would not be inlined into the instruction set.
                for at in 0..hidden {
                    other[at] = place[at] + kind[at];
                }
                row += 1;
            }
        }
    }
}

impl Encoder for PackedEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, windows: &[&Window]) -> Result<Vec<States>> {
        self.check(windows)?;
        // What a thread that panicked has left behind is as good as any: memory is written before it is read.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = idle().pop().unwrap_or_default();
        self.forward(windows, &mut memory);
        let stride = padded(self.hidden);
        let mut first = 0;
        let states: Vec<States> = windows
            .iter()
            .map(|window| {
                let rows =
                    memory.states[first * stride..][..window.tokens.len() * stride].chunks_exact(stride);
                first += window.tokens.len();
                let mut values = Vec::with_capacity(window.tokens.len() * self.hidden);
                rows.for_each(|row| values.extend_from_slice(&row[..self.hidden]));
                States::new(values, self.hidden)
            })
            .collect();
        idle().push(memory);
        if states.iter().all(States::is_finite) { Ok(states) } else { Err(Problem::NotFinite.into()) }
    }
}
