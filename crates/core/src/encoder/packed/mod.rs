//! The packed encoder: all sequences of a batch are one matrix of tokens, without padding between them, and so are its readings. Weights are packed once
//! into the order in which they are multiplied. Bias and GELU are one pass over memory, and so are residual and layer norm.
//! Attention works on one window and head at a time. Linear layers compute in int8, bf16 or f32, on the best
//! [instruction set](Isa) that the processor has.
//!
//! Rows are padded with zeros to multiples of [`standpoint_kernels::ROW_MULTIPLE`], so that kernels meet whole vectors only.
//! Weights are arranged so that the padding stays zero.

mod layer;

use crate::encoder::{Batch, Encoder, States};
use crate::error::{Error, Result};
use crate::model::{BertConfig, EncoderTensors, Parameter, Weights};
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
    /// The longest sequence. Readings may be twice as long.
    positions: usize,
    embeddings: EmbeddingTables,
    embedding_norm: LayerNorm,
    shape: HeadShape,
    bias: Option<PositionBias>,
    layers: Vec<Layer>,
    /// How many of the layers read each sequence alone. The others read readings.
    text_layers: usize,
    /// Workspaces that are not in use.
    idle: Mutex<Vec<Workspace>>,
}

/// The memory of one batch while it is encoded. Rows are padded.
#[derive(Default)]
struct Workspace {
    /// `[rows, hidden]`
    states: Aligned<f32>,
    /// What the lower layers have made of all tokens, `[tokens, hidden]`.
    lower: Aligned<f32>,
    /// The same, quantised.
    lower_quantized: QuantizedRows,
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

/// The most rows of readings that are computed together, unless one has more.
const CHUNK_ROWS: usize = 1024;

/// Why a batch cannot be encoded.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("a text or target has {tokens} tokens, but the model reads 1 to {positions}")]
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
            text_layers: 0,
            idle: Mutex::default(),
        };
        match tensors.relative_position_bias.as_ref().map(take) {
            Some(table) => {
                let (heads, longest) = (config.num_attention_heads, encoder.longest_reading());
                encoder.with_position_bias(&architecture.relative_position_bias(&table, heads, longest))
            }
            None => encoder,
        }
    }

    /// With a relative position bias, which every layer adds to its scores: for each head one number for each distance from
    /// query to key, `[heads, 4 * positions - 1]`, the key farthest before the query first.
    ///
    /// # Panics
    /// If the table has another size.
    #[must_use]
    pub fn with_position_bias(mut self, table: &[f32]) -> Self {
        self.bias = Some(PositionBias::new(table, self.shape.heads, self.longest_reading()));
        self
    }

    /// The same encoder, of which this many layers read each sequence alone.
    ///
    /// # Panics
    /// If no layer is left.
    #[must_use]
    pub fn with_text_layers(mut self, text_layers: usize) -> Self {
        assert!(text_layers < self.layers.len(), "a layer has to read readings");
        self.text_layers = text_layers;
        self
    }

    fn longest_reading(&self) -> usize {
        2 * self.positions
    }

    fn check(&self, batch: &Batch) -> Result<(), Problem> {
        let vocabulary = self.embeddings.vocabulary();
        let sequences = batch.sequences().iter().map(|sequence| (sequence.rows.len(), self.positions));
        let readings = batch.readings().iter().map(|reading| (reading.rows.len(), self.longest_reading()));
        for (tokens, positions) in sequences.chain(readings) {
            if tokens == 0 || tokens > positions {
                return Err(Problem::Length { tokens, positions });
            }
        }
        match batch.tokens().iter().find(|&&id| id as usize >= vocabulary) {
            Some(&id) => Err(Problem::Token { id, vocabulary }),
            None => Ok(()),
        }
    }

    /// The states of readings, some after the others, so that memory does not grow with their number.
    fn forward(&self, batch: &Batch, workspace: &mut Workspace) -> Vec<States> {
        let sequences: Vec<Range<usize>> =
            batch.sequences().iter().map(|sequence| sequence.rows.clone()).collect();
        let tokens = batch.tokens().len();
        self.resize(tokens, workspace);
        self.embed(batch, workspace);
        let (lower, upper) = self.layers.split_at(self.text_layers);
        self.run(lower, &sequences, tokens, workspace);
        std::mem::swap(&mut workspace.lower, &mut workspace.states);
        std::mem::swap(&mut workspace.lower_quantized, &mut workspace.quantized);

        let mut states = Vec::with_capacity(batch.readings().len());
        let mut rest = batch.readings();
        while let Some(first) = rest.first() {
            let start = first.rows.start;
            let within = |end: usize| end - start <= CHUNK_ROWS;
            let count = rest.iter().take_while(|reading| within(reading.rows.end)).count().max(1);
            let (chunk, others) = rest.split_at(count);
            let rows = start..chunk[count - 1].rows.end;
            self.gather(&batch.lower_rows()[rows.clone()], workspace);
            let windows: Vec<Range<usize>> =
                chunk.iter().map(|reading| reading.rows.start - start..reading.rows.end - start).collect();
            self.run(upper, &windows, rows.len(), workspace);
            for reading in chunk {
                states.push(self.states(reading.asked.start - start..reading.asked.end - start, workspace));
            }
            rest = others;
        }
        states
    }

    /// Makes room for the states of some rows.
    fn resize(&self, rows: usize, workspace: &mut Workspace) {
        let stride = padded(self.hidden);
        let inner = self.shape.heads * self.shape.size;
        workspace.states.resize(rows * stride);
        workspace.context.resize(rows * inner.max(stride));
        if let Some(format) = self.format.activations() {
            workspace.quantized.resize(rows, stride, format);
        }
    }

    /// Runs layers over the workspace's states.
    fn run(&self, layers: &[Layer], windows: &[Range<usize>], rows: usize, workspace: &mut Workspace) {
        workspace.context.resize(rows * self.shape.heads * self.shape.size);
        for layer in layers {
            self.attend(layer, windows, rows, workspace);
            let block = self.format.cache_block_rows(self.isa);
            for first in (0..rows).step_by(block) {
                let last = rows.min(first + block);
                self.feed_forward(layer, first..last, workspace);
            }
        }
    }

    /// Copies rows of the lower layers' states into the workspace's states.
    fn gather(&self, lower_rows: &[usize], workspace: &mut Workspace) {
        let stride = padded(self.hidden);
        self.resize(lower_rows.len(), workspace);
        let Workspace { states, lower, quantized, lower_quantized, .. } = workspace;
        for (to, row) in states.chunks_exact_mut(stride).zip(lower_rows) {
            to.copy_from_slice(&lower[row * stride..][..stride]);
        }
        if self.format.activations().is_some() {
            // Not the states: the next layer reads those before the norm's weight and bias.
            quantized.gather(lower_quantized, lower_rows);
        }
    }

    /// Some rows of the workspace's states, without padding.
    fn states(&self, rows: Range<usize>, workspace: &Workspace) -> States {
        let stride = padded(self.hidden);
        let mut values = Vec::with_capacity(rows.len() * self.hidden);
        for row in workspace.states[rows.start * stride..rows.end * stride].chunks_exact(stride) {
            values.extend_from_slice(&row[..self.hidden]);
        }
        States::new(values, self.hidden)
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
    fn embed(&self, batch: &Batch, workspace: &mut Workspace) {
        let Workspace { states, context, quantized, .. } = workspace;
        let stride = padded(self.hidden);
        let others = &mut context[..states.len()];
        for sequence in batch.sequences() {
            let tokens = &batch.tokens()[sequence.rows.clone()];
            let rows = sequence.rows.start * stride..sequence.rows.end * stride;
            let (states, others) = (&mut states[rows.clone()], &mut others[rows]);
            self.embeddings.look_up(self.isa, tokens, sequence.opening_tokens, states, others);
        }
        let quantized = self.format.activations().map(|_| quantized.rows_mut(0, batch.tokens().len()));
        add_norm(self.isa, &self.embedding_norm, states, others, quantized);
    }
}

impl Encoder for PackedEncoder {
    fn hidden_size(&self) -> usize {
        self.hidden
    }

    fn encode(&self, batch: &Batch) -> Result<Vec<States>> {
        self.check(batch)?;
        // A workspace of a thread that panicked is as good as any: memory is written before it is read.
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workspace = idle().pop().unwrap_or_default();
        let states = self.forward(batch, &mut workspace);
        idle().push(workspace);
        if states.iter().all(States::is_finite) { Ok(states) } else { Err(Problem::NotFinite.into()) }
    }
}
