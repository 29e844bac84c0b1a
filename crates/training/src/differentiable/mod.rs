//! A BERT or MPNet encoder that can be trained: forward and backward written by hand over packed tokens.
//!
//! All windows of a batch are one `[tokens, hidden]` matrix without padding. Attention runs per window and head.
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
pub use standpoint_core::model::Dimensions;

use layer::{AFTER_EMBEDDINGS, Layer, LayerTrace, Workspace, split_pair};
use linear::Linear;
use products::Operands;
use standpoint_core::window::Window;
use standpoint_kernels::Isa;
use standpoint_kernels::training::dropout::Dropout;
use standpoint_kernels::training::elementwise;
use standpoint_kernels::training::rowwise::{self, Normalized};
use std::ops::Range;
use std::sync::Arc;

/// The tokens of several windows, concatenated.
#[derive(Default)]
pub struct PackedTokens {
    pub tokens: Vec<u32>,
    pub token_types: Vec<u32>,
    /// The range of each window's tokens.
    pub windows: Vec<Range<usize>>,
}

impl PackedTokens {
    pub fn push(&mut self, window: &Window) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(&window.tokens);
        self.token_types.extend(window.token_types());
        self.windows.push(start..self.tokens.len());
    }

    /// The length of the longest window.
    fn longest(&self) -> usize {
        self.windows.iter().map(ExactSizeIterator::len).max().unwrap_or(0)
    }
}

/// The working memory of one worker, reused from batch to batch.
#[derive(Default)]
pub struct Trace {
    /// The instruction set of all passes, but for products in f32, for which the `gemm` crate chooses its own.
    pub isa: Isa,
    embedding_norm: Normalized,
    layers: Vec<LayerTrace>,
    /// The last layer's output, `[tokens, hidden]`.
    states: Vec<f32>,
    /// The biases of attention scores by distance, `[heads, 2 * longest - 1]` for the batch's longest window.
    distances: Vec<f32>,
    /// Their gradient.
    distance_gradient: Vec<f32>,
    workspace: Workspace,
    operands: Operands,
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
    /// The states of the last forward pass, `[tokens, hidden]`, row-major.
    pub fn states(&self) -> &[f32] {
        &self.states
    }

    /// Runs the encoder over a batch.
    ///
    /// # Panics
    /// If a token id, a token type or a window's length is out of the layout's range. Checked models and windows are not.
    pub fn forward(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        batch: &PackedTokens,
        dropout: Option<PassDropout>,
    ) {
        let tokens = batch.tokens.len();
        let hidden = layout.dimensions.hidden;
        self.layers.resize_with(layout.dimensions.layers, LayerTrace::default);
        let mut states = std::mem::take(&mut self.states);
        states.resize(tokens * hidden, 0.0);
        self.embed(layout, parameters, batch, &mut states);
        let Dimensions { architecture, heads, .. } = layout.dimensions;
        let table = &parameters[layout.distances.clone()];
        self.distances = architecture.relative_position_bias(table, heads, batch.longest());
        if let Some(dropout) = dropout {
            dropout.hidden_at(0, AFTER_EMBEDDINGS).apply(self.isa, &mut states);
        }
        for (index, (ranges, trace)) in layout.layers.iter().zip(&mut self.layers).enumerate() {
            // The last layer's output becomes the input that this layer keeps, and the old input's buffer takes its output.
            std::mem::swap(&mut trace.input, &mut states);
            let layer = Layer { index, layout, ranges, parameters, batch };
            let weights = self.weights.as_deref();
            let mut linear = Linear { isa: self.isa, parameters, weights, operands: &mut self.operands };
            layer.forward(&mut linear, trace, &self.distances, &mut self.workspace.sum, dropout, &mut states);
        }
        self.states = states;
    }

    fn embed(&mut self, layout: &Layout, parameters: &[f32], batch: &PackedTokens, states: &mut [f32]) {
        let hidden = layout.dimensions.hidden;
        let row = |table: &Range<usize>, index: usize| {
            let start = table.start + index * hidden;
            &parameters[start..start + hidden]
        };
        let scratch = &mut self.workspace.sum;
        scratch.resize(states.len(), 0.0);
        for window in &batch.windows {
            for (position, token) in window.clone().enumerate() {
                let sum = &mut scratch[token * hidden..(token + 1) * hidden];
                sum.copy_from_slice(row(&layout.words, batch.tokens[token] as usize));
                elementwise::add(
                    self.isa,
                    sum,
                    row(&layout.positions, position + layout.dimensions.architecture.first_position()),
                );
                if !layout.token_types.is_empty() {
                    elementwise::add(
                        self.isa,
                        sum,
                        row(&layout.token_types, batch.token_types[token] as usize),
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

    /// Adds the gradients of a loss to `gradients`. `upstream` is the gradient of the loss by the states, `[tokens, hidden]`, and is
    /// overwritten. `batch` and `dropout` must be those of the last forward pass.
    pub fn backward(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        batch: &PackedTokens,
        dropout: Option<PassDropout>,
        upstream: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        self.distance_gradient.clear();
        self.distance_gradient.resize(self.distances.len(), 0.0);
        for (index, (ranges, trace)) in layout.layers.iter().zip(&self.layers).enumerate().rev() {
            let layer = Layer { index, layout, ranges, parameters, batch };
            let weights = self.weights.as_deref();
            let mut linear = Linear { isa: self.isa, parameters, weights, operands: &mut self.operands };
            let distances = &mut self.distance_gradient;
            layer.backward(&mut linear, trace, distances, &mut self.workspace, dropout, upstream, gradients);
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
        for window in &batch.windows {
            for (position, token) in window.clone().enumerate() {
                let gradient = &upstream[token * hidden..(token + 1) * hidden];
                let position = position + layout.dimensions.architecture.first_position();
                let tables = [
                    (&layout.words, batch.tokens[token] as usize),
                    (&layout.positions, position),
                    (&layout.token_types, batch.token_types[token] as usize),
                ];
                for (table, index) in tables.into_iter().filter(|(table, _)| !table.is_empty()) {
                    let start = table.start + index * hidden;
                    elementwise::add(self.isa, &mut values[start..start + hidden], gradient);
                }
            }
        }
        gradients.touched.extend_from_slice(&batch.tokens);
        gradients.fresh = false;
    }

    /// Adds the gradient of each distance's bias to that of its bucket.
    fn add_distance_gradient(&self, layout: &Layout, batch: &PackedTokens, gradients: &mut Gradients) {
        let Dimensions { architecture, heads, .. } = layout.dimensions;
        let longest = batch.longest();
        let table = &mut gradients.values[layout.distances.clone()];
        for (head, gradient) in self.distance_gradient.chunks((2 * longest).max(2) - 1).enumerate() {
            for (index, gradient) in gradient.iter().enumerate() {
                let distance = index as isize - (longest as isize - 1);
                table[architecture.relative_position_bucket(distance) * heads + head] += gradient;
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod twin;
