//! The packed encoder: all windows of a batch are one matrix of tokens, without padding between them. Weights are
//! packed once into the order in which they are multiplied, bias and GELU, residual and layer norm are one sweep
//! each, and attention works on one window and head at a time. Linear layers compute in int8, bf16 or f32, on the best
//! [instruction set](Isa) that the processor has.
//!
//! Rows are filled up with zeros to multiples of [`FILL`], so that kernels meet whole vectors only; weights are
//! arranged so that what fills up stays zero.

mod attention;
mod linear;
mod math;
mod norm;
mod simd;
mod tile;

pub use simd::Isa;

use crate::encoder::{Encoder, States};
use crate::error::{Error, Result};
use crate::model::{BertConfig, Weights};
use crate::window::Window;
use attention::{Attention, Shape};
use linear::{Activation, Converted, Linear};
use norm::{AddNorm, Norm};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A multiple of every instruction set's lanes, and of the bytes in a word.
const FILL: usize = 16;

/// The width of rows that are filled up.
fn padded(width: usize) -> usize {
    width.next_multiple_of(FILL)
}

/// What linear layers compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Bytes: weights with a scale for each column, activations with a range for each row.
    #[default]
    Int8,
    /// Weights in bf16, activations and sums in f32.
    Bf16,
    F32,
}

impl Dtype {
    pub const ALL: [Self; 3] = [Self::Int8, Self::Bf16, Self::F32];

    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }

    /// Rows that go through the feed-forward layers together: few enough for their inner states and a layer's weights
    /// to stay in cache, enough for weights that do not to be worth fetching.
    fn block(self) -> usize {
        match self {
            Self::Int8 => 32,
            Self::Bf16 => 64,
            Self::F32 => 128,
        }
    }

    /// Values in a word of 32 bits.
    fn per_word(self) -> usize {
        match self {
            Self::Int8 => 4,
            Self::Bf16 => 2,
            Self::F32 => 1,
        }
    }
}

/// A BERT encoder for the CPU. See the module's documentation.
pub struct PackedEncoder {
    isa: Isa,
    block: usize,
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
    layers: Vec<Layer>,
    /// Memory that is not in use.
    idle: Mutex<Vec<Memory>>,
}

struct Layer {
    qkv: Linear,
    output: Linear,
    attention_norm: Norm,
    widen: Linear,
    narrow: Linear,
    output_norm: Norm,
}

/// What one batch needs while it is encoded.
#[derive(Default)]
struct Memory {
    /// `[tokens, hidden]`
    states: Vec<f32>,
    /// `[tokens, hidden]`: the sum of position and type, then the attention's context.
    context: Vec<f32>,
    /// `[tokens, 3 * hidden]`
    qkv: Vec<f32>,
    /// `[block, hidden]`
    block: Vec<f32>,
    /// `[block, intermediate]`
    wide: Vec<f32>,
    converted: Converted,
    attention: attention::Scratch,
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
        let layers = (0..config.num_hidden_layers)
            .into_par_iter()
            .map(|layer| Layer::new(config, &weights, layer, dtype, isa))
            .collect();
        let embedding_norm = norm(&weights, "embeddings.LayerNorm", config);
        let mut take = |name: &str| {
            let tensor = weights.remove(&format!("embeddings.{name}_embeddings.weight"));
            tensor.expect("the parameters were checked").values
        };
        Self {
            isa,
            block: dtype.block(),
            hidden: config.hidden_size,
            positions: config.max_position_embeddings,
            words: take("word"),
            position_embeddings: take("position"),
            types: take("token_type"),
            embedding_norm,
            shape: Shape { heads: config.num_attention_heads, size: padded(config.head_size()) },
            layers,
            idle: Mutex::default(),
        }
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
        let (isa, stride, size) = (self.isa, padded(self.hidden), self.block);
        let mut rows: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        for window in windows {
            let start = rows.last().map_or(0, |window| window.end);
            rows.push(start..start + window.tokens.len());
        }
        let tokens = rows.last().map_or(0, |window| window.end);
        let inner = self.shape.heads * self.shape.size;
        memory.states.clear();
        memory.states.resize(tokens * stride, 0.0);
        memory.context.clear();
        memory.context.resize(tokens * inner.max(stride), 0.0);
        memory.qkv.resize(tokens * 3 * inner, 0.0);
        let Memory { states, context, qkv, block, wide, converted, attention } = memory;

        self.embed(windows, states, &mut context[..tokens * stride]);
        let context = &mut context[..tokens * inner];
        for layer in &self.layers {
            for (states, qkv) in states.chunks(size * stride).zip(qkv.chunks_mut(size * 3 * inner)) {
                layer.qkv.forward(isa, states, converted, qkv);
            }
            isa.run(Attention { shape: self.shape, windows: &rows, qkv, scratch: attention, context });
            for (states, context) in states.chunks_mut(size * stride).zip(context.chunks(size * inner)) {
                let count = states.len() / stride;
                block.resize(states.len(), 0.0);
                layer.output.forward(isa, context, converted, block);
                isa.run(AddNorm { norm: &layer.attention_norm, rows: states, others: block });
                wide.resize(count * layer.widen.columns(), 0.0);
                layer.widen.forward(isa, states, converted, wide);
                layer.narrow.forward(isa, wide, converted, block);
                isa.run(AddNorm { norm: &layer.output_norm, rows: states, others: block });
            }
        }
    }

    /// `states = norm(word + position + type)`. Both matrices are 0 before.
    fn embed(&self, windows: &[&Window], states: &mut [f32], others: &mut [f32]) {
        let (hidden, stride) = (self.hidden, padded(self.hidden));
        let mut rows = states.chunks_exact_mut(stride).zip(others.chunks_exact_mut(stride));
        for window in windows {
            for (position, (&id, kind)) in window.tokens.iter().zip(window.token_types()).enumerate() {
                let Some((state, other)) = rows.next() else { return };
                state[..hidden].copy_from_slice(&self.words[id as usize * hidden..][..hidden]);
                let position = &self.position_embeddings[position * hidden..][..hidden];
                let kind = &self.types[kind as usize * hidden..][..hidden];
                for (other, (position, kind)) in other.iter_mut().zip(position.iter().zip(kind)) {
                    *other = position + kind;
                }
            }
        }
        self.isa.run(AddNorm { norm: &self.embedding_norm, rows: states, others });
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

impl Layer {
    fn new(config: &BertConfig, weights: &Weights, layer: usize, dtype: Dtype, isa: Isa) -> Self {
        let (hidden, wide, size) = (config.hidden_size, config.intermediate_size, config.head_size());
        let (heads, filled) = (config.num_attention_heads, padded(size));
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let values = |part: &str, kind: &str| weights.values(&name(&format!("{part}.{kind}")));
        let nothing: (&[f32], f32) = (&[], 0.0);
        let plain = |part: &str, inputs: usize, activation, from| {
            let (weight, bias) = (values(part, "weight"), values(part, "bias"));
            let rows = weight.chunks_exact(inputs).zip(bias.iter().copied());
            let fill = std::iter::repeat_n(nothing, padded(bias.len()) - bias.len());
            Linear::new(isa, dtype, activation, padded(inputs), from, rows.chain(fill))
        };

        // Queries are divided by the root of the head's size here, once and for all.
        let scale = 1.0 / (size as f32).sqrt();
        let scaled = |kind| -> Vec<f32> {
            values("attention.self.query", kind).iter().map(|value| value * scale).collect()
        };
        let (query, query_bias) = (scaled("weight"), scaled("bias"));
        let of = |part: &str| (values(part, "weight"), values(part, "bias"));
        // A key's bias adds the same to all scores of a query, and a value's the same to every context: the one is lost
        // in the softmax, the other made part of the output's bias. Left out, both are quantized more finely.
        let none = vec![0.0; hidden];
        let (key, value) = (values("attention.self.key", "weight"), values("attention.self.value", "weight"));
        let parts = [(&query[..], &query_bias[..]), (key, &none[..]), (value, &none[..])];
        // Each head's columns are filled up.
        let columns = parts.into_iter().flat_map(|(weight, bias)| {
            (0..heads * filled).map(move |column| {
                let (head, at) = (column / filled, column % filled);
                let row = head * size + at;
                if at < size { (&weight[row * hidden..][..hidden], bias[row]) } else { nothing }
            })
        });
        let before = match layer.checked_sub(1) {
            None => "embeddings.LayerNorm".to_owned(),
            Some(before) => format!("encoder.layer.{before}.output.LayerNorm"),
        };
        let from_norm = |name: &str| {
            Some((weights.values(&format!("{name}.weight")), weights.values(&format!("{name}.bias"))))
        };
        let qkv = Linear::new(isa, dtype, Activation::None, padded(hidden), from_norm(&before), columns);

        // Rows that leave room where the heads' columns are filled up.
        let spread = |row: &[f32]| -> Vec<f32> {
            let mut wide = vec![0.0; heads * filled];
            for (to, from) in wide.chunks_exact_mut(filled).zip(row.chunks_exact(size)) {
                to[..size].copy_from_slice(from);
            }
            wide
        };
        let (weight, bias) = of("attention.output.dense");
        let value_bias = values("attention.self.value", "bias");
        let bias = weight.chunks_exact(hidden).zip(bias).map(|(row, bias)| {
            bias + row.iter().zip(value_bias).map(|(weight, value)| weight * value).sum::<f32>()
        });
        let weight: Vec<Vec<f32>> = weight.chunks_exact(hidden).map(spread).collect();
        let fill = std::iter::repeat_n(nothing, padded(hidden) - hidden);
        let columns = weight.iter().map(Vec::as_slice).zip(bias).chain(fill);
        let output = Linear::new(isa, dtype, Activation::None, heads * filled, None, columns);

        Self {
            qkv,
            output,
            attention_norm: norm(weights, &name("attention.output.LayerNorm"), config),
            widen: plain(
                "intermediate.dense",
                hidden,
                Activation::Gelu,
                from_norm(&name("attention.output.LayerNorm")),
            ),
            narrow: plain("output.dense", wide, Activation::None, None),
            output_norm: norm(weights, &name("output.LayerNorm"), config),
        }
    }
}

fn norm(weights: &Weights, name: &str, config: &BertConfig) -> Norm {
    let values = |kind| weights.values(&format!("{name}.{kind}"));
    Norm::new(values("weight"), values("bias"), config.layer_norm_eps as f32)
}
