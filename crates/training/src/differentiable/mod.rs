//! A BERT or MPNet encoder that can be trained: forward and backward written by hand over packed tokens.
//!
//! All sequences of a batch are one `[tokens, hidden]` matrix without padding, and so are all readings ([`Batch`]). Attention runs
//! per sequence or reading and head.
//!
//! candle's BERT cannot be trained: its fused layer norm and softmax have no backward pass, and gradients are lost without an
//! error. A graph of single tensor operations is several times slower than this. Tests compare the states with the reference
//! encoder's, and states and gradients with an encoder in f64 (`twin.rs`).

mod attention;
mod layer;
mod linear;
mod parameters;
mod products;

pub use parameters::{Gradients, HeadLayerRanges, Layout, TensorRange};
pub use products::{Arithmetic, PackedWeights};
pub use standpoint_core::encoder::Batch;
pub use standpoint_core::model::Dimensions;

use layer::{AFTER_EMBEDDINGS, Layer, LayerTrace, Workspace, split_pair};
use linear::Linear;
use products::Operands;
use standpoint_kernels::Isa;
use standpoint_kernels::training::dropout::Dropout;
use standpoint_kernels::training::elementwise;
use standpoint_kernels::training::rowwise::{self, Normalized};
use std::ops::Range;
use std::sync::Arc;

/// The working memory of one worker, reused from batch to batch.
#[derive(Default)]
pub struct Trace {
    /// The instruction set of all passes, but for products in f32, for which the `gemm` crate chooses its own.
    pub isa: Isa,
    embedding_norm: Normalized,
    layers: Vec<LayerTrace>,
    /// The last layer's output, `[rows of readings, hidden]`.
    states: Vec<f32>,
    /// The biases of attention scores by distance, `[heads, 2 * longest - 1]` for the batch's longest reading.
    distances: Vec<f32>,
    /// Their gradient.
    distance_gradient: Vec<f32>,
    workspace: Workspace,
    operands: Operands,
    /// Memory of states, for the next pass.
    spare: Vec<Vec<f32>>,
    /// The packed weights of the parameters that passes are run with. Without them, linear layers are computed in f32.
    pub weights: Option<Arc<PackedWeights>>,
}

/// The dropout of a training pass. Evaluation has none.
#[derive(Clone, Copy)]
pub struct PassDropout {
    /// The rate on embeddings and on the output of each half of a layer.
    pub hidden: f32,
    /// The rate on attention probabilities.
    pub attention: f32,
    /// Decides every mask; must differ from batch to batch.
    pub key: u64,
}

impl PassDropout {
    fn hidden_at(self, layer: usize, half: u64) -> Dropout {
        Dropout { rate: self.hidden, key: self.key }.at(layer as u64 * 4 + half + 1)
    }

    fn attention_at(self, layer: usize) -> Dropout {
        Dropout { rate: self.attention, key: self.key }.at(layer as u64 * 4 + 4)
    }
}

impl Trace {
    /// The states of the last forward pass, `[rows of readings, hidden]`, row-major.
    pub fn states(&self) -> &[f32] {
        &self.states
    }

    /// Runs the encoder over a batch.
    ///
    /// # Panics
    /// If a token id, a token type or a sequence's length is out of the layout's range. Checked models and windows are not.
    pub fn forward(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        batch: &Batch,
        dropout: Option<PassDropout>,
    ) {
        let tokens = batch.tokens().len();
        let hidden = layout.dimensions.hidden;
        self.layers.resize_with(layout.dimensions.layers, LayerTrace::default);
        let mut states = std::mem::take(&mut self.states);
        states.resize(tokens * hidden, 0.0);
        self.embed(layout, parameters, batch, &mut states);
        let Dimensions { architecture, heads, .. } = layout.dimensions;
        let table = &parameters[layout.distances.clone()];
        self.distances = architecture.relative_position_bias(table, heads, longest(batch));
        if let Some(dropout) = dropout {
            dropout.hidden_at(0, AFTER_EMBEDDINGS).apply(self.isa, &mut states);
        }
        let windows = Windows::of(batch);
        for (index, (ranges, trace)) in layout.layers.iter().zip(&mut self.layers).enumerate() {
            if index == layout.text_layers {
                let lower = std::mem::take(&mut states);
                states = self.spare.pop().unwrap_or_default();
                gather(&lower, hidden, batch.lower_rows(), &mut states);
                self.spare.push(lower);
            }
            // The last layer's output becomes the input that this layer keeps, and the old input's buffer takes its output.
            std::mem::swap(&mut trace.input, &mut states);
            let layer = Layer { index, layout, ranges, parameters, windows: windows.at(layout, index) };
            let weights = self.weights.as_deref();
            let mut linear = Linear { isa: self.isa, parameters, weights, operands: &mut self.operands };
            layer.forward(&mut linear, trace, &self.distances, &mut self.workspace.sum, dropout, &mut states);
        }
        self.states = states;
    }

    fn embed(&mut self, layout: &Layout, parameters: &[f32], batch: &Batch, states: &mut [f32]) {
        let hidden = layout.dimensions.hidden;
        let row = |table: &Range<usize>, index: usize| {
            let start = table.start + index * hidden;
            &parameters[start..start + hidden]
        };
        let scratch = &mut self.workspace.sum;
        scratch.resize(states.len(), 0.0);
        for sequence in batch.sequences() {
            for (position, token) in sequence.rows.clone().enumerate() {
                let sum = &mut scratch[token * hidden..(token + 1) * hidden];
                sum.copy_from_slice(row(&layout.words, batch.tokens()[token] as usize));
                elementwise::add(
                    self.isa,
                    sum,
                    row(&layout.positions, position + layout.dimensions.architecture.first_position()),
                );
                if !layout.token_types.is_empty() {
                    elementwise::add(
                        self.isa,
                        sum,
                        row(&layout.token_types, usize::from(position >= sequence.opening_tokens)),
                    );
                }
            }
        }
        rowwise::layer_norm(
            self.isa,
            scratch,
            &parameters[layout.embedding_norm_weight.clone()],
            &parameters[layout.embedding_norm_bias.clone()],
            layout.dimensions.layer_norm_epsilon,
            &mut self.embedding_norm,
            states,
        );
    }

    /// Adds the gradients of a loss to `gradients`. `upstream` is the gradient of the loss by the states, `[rows of readings, hidden]`, and
    /// is overwritten. `batch` and `dropout` must be those of the last forward pass.
    pub fn backward(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        batch: &Batch,
        dropout: Option<PassDropout>,
        upstream: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        self.distance_gradient.clear();
        self.distance_gradient.resize(self.distances.len(), 0.0);
        let windows = Windows::of(batch);
        for (index, (ranges, trace)) in layout.layers.iter().zip(&self.layers).enumerate().rev() {
            let layer = Layer { index, layout, ranges, parameters, windows: windows.at(layout, index) };
            let weights = self.weights.as_deref();
            let mut linear = Linear { isa: self.isa, parameters, weights, operands: &mut self.operands };
            let distances = &mut self.distance_gradient;
            layer.backward(&mut linear, trace, distances, &mut self.workspace, dropout, upstream, gradients);
            if index == layout.text_layers {
                let mut lower = self.spare.pop().unwrap_or_default();
                lower.clear();
                lower.resize(batch.tokens().len() * layout.dimensions.hidden, 0.0);
                scatter(self.isa, upstream, layout.dimensions.hidden, batch.lower_rows(), &mut lower);
                self.spare.push(std::mem::replace(upstream, lower));
            }
        }
        self.add_distance_gradient(layout, batch, gradients);
        if let Some(dropout) = dropout {
            dropout.hidden_at(0, AFTER_EMBEDDINGS).apply(self.isa, upstream);
        }
        let hidden = layout.dimensions.hidden;
        let values = &mut gradients.values;
        let (weight_gradient, bias_gradient) =
            split_pair(values, &layout.embedding_norm_weight, &layout.embedding_norm_bias);
        rowwise::layer_norm_backward(
            self.isa,
            upstream,
            &self.embedding_norm,
            &parameters[layout.embedding_norm_weight.clone()],
            weight_gradient,
            bias_gradient,
        );
        for sequence in batch.sequences() {
            for (place, token) in sequence.rows.clone().enumerate() {
                let gradient = &upstream[token * hidden..(token + 1) * hidden];
                let tables = [
                    (&layout.words, batch.tokens()[token] as usize),
                    (&layout.positions, place + layout.dimensions.architecture.first_position()),
                    (&layout.token_types, usize::from(place >= sequence.opening_tokens)),
                ];
                for (table, index) in tables.into_iter().filter(|(table, _)| !table.is_empty()) {
                    let start = table.start + index * hidden;
                    elementwise::add(self.isa, &mut values[start..start + hidden], gradient);
                }
            }
        }
        gradients.touched.extend_from_slice(batch.tokens());
        gradients.fresh = false;
    }

    /// Adds the gradient of each distance's bias to that of its bucket.
    fn add_distance_gradient(&self, layout: &Layout, batch: &Batch, gradients: &mut Gradients) {
        let Dimensions { architecture, heads, .. } = layout.dimensions;
        let longest = longest(batch);
        let table = &mut gradients.values[layout.distances.clone()];
        for (head, gradient) in self.distance_gradient.chunks((2 * longest).max(2) - 1).enumerate() {
            for (index, gradient) in gradient.iter().enumerate() {
                let distance = index as isize - (longest as isize - 1);
                table[architecture.relative_position_bucket(distance) * heads + head] += gradient;
            }
        }
    }
}

/// The length of the longest sequence or reading.
fn longest(batch: &Batch) -> usize {
    let sequences = batch.sequences().iter().map(|sequence| sequence.rows.len());
    sequences.chain(batch.readings().iter().map(|reading| reading.rows.len())).max().unwrap_or(0)
}

/// The rows within which each layer attends.
struct Windows {
    sequences: Vec<Range<usize>>,
    readings: Vec<Range<usize>>,
}

impl Windows {
    fn of(batch: &Batch) -> Self {
        Self {
            sequences: batch.sequences().iter().map(|sequence| sequence.rows.clone()).collect(),
            readings: batch.readings().iter().map(|reading| reading.rows.clone()).collect(),
        }
    }

    fn at(&self, layout: &Layout, layer: usize) -> &[Range<usize>] {
        if layer < layout.text_layers { &self.sequences } else { &self.readings }
    }
}

/// The rows of a `[rows, hidden]` matrix, one after the other.
fn gather(from: &[f32], hidden: usize, rows: &[usize], to: &mut Vec<f32>) {
    to.clear();
    rows.iter().for_each(|row| to.extend_from_slice(&from[row * hidden..(row + 1) * hidden]));
}

/// Adds each row of a matrix to one row of another: the gradient of [`gather`].
fn scatter(isa: Isa, from: &[f32], hidden: usize, rows: &[usize], to: &mut [f32]) {
    for (values, row) in from.chunks_exact(hidden).zip(rows) {
        elementwise::add(isa, &mut to[row * hidden..(row + 1) * hidden], values);
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod twin;
