//! A BERT or MPNet encoder that can be trained: forward and backward written by hand over packed tokens.
//!
//! All windows of a batch are one `[tokens, hidden]` matrix without padding; attention runs per window and
//! head. candle's own BERT cannot be trained as it stands (its fused layer norm and softmax have no backward
//! pass, so gradients are cut without a word), and a graph of single tensor operations is several times
//! slower than this. A test holds its forward pass to the reference encoder and its gradients to finite
//! differences.

mod attention;
mod layer;
mod linear;
mod parameters;
mod products;

pub use parameters::{Gradients, HeadLayerRanges, Layout, Segment};
pub use products::{Arithmetic, PackedWeights};
pub use standpoint_core::model::Dimensions;

use layer::{AFTER_EMBEDDINGS, Layer, LayerTrace, Space, two_parts};
use linear::Linear;
use products::Operands;
use standpoint_core::window::Window;
use standpoint_kernels::training::sweeps::{self, Dropout, Normalized};
use std::ops::Range;
use std::sync::Arc;

/// The tokens of several windows, one behind the other.
#[derive(Default)]
pub struct PackedTokens {
    pub tokens: Vec<u32>,
    pub token_types: Vec<u32>,
    /// The rows of each window.
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

/// The working memory of one worker: reused from batch to batch.
#[derive(Default)]
pub struct Trace {
    embedding_norm: Normalized,
    layers: Vec<LayerTrace>,
    /// The last layer's output, `[tokens, hidden]`.
    states: Vec<f32>,
    /// The bias of attention scores by distance, and its gradient: up to the batch's longest window.
    distances: Vec<f32>,
    distance_gradient: Vec<f32>,
    space: Space,
    operands: Operands,
    /// Weights of the parameters that passes are run with; without them, all is f32.
    pub weights: Option<Arc<PackedWeights>>,
}

/// The rates of a training pass; `None` in its stead means evaluation.
#[derive(Clone, Copy)]
pub struct PassDropout {
    /// On embeddings and on what each half of a layer adds.
    pub hidden: f32,
    /// On attention probabilities.
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
    /// If a token id, a token type or a window's length is out of the layout's range: loading a model and
    /// cutting windows exclude that.
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
            dropout.hidden_at(0, AFTER_EMBEDDINGS).apply(&mut states);
        }
        for (index, (ranges, trace)) in layout.layers.iter().zip(&mut self.layers).enumerate() {
            // The last output becomes this layer's kept input, and its buffer the next output.
            std::mem::swap(&mut trace.input, &mut states);
            let layer = Layer { index, layout, ranges, parameters, batch };
            let weights = self.weights.as_deref();
            let mut linear = Linear { parameters, weights, space: &mut self.operands };
            layer.forward(&mut linear, trace, &self.distances, &mut self.space.sum, dropout, &mut states);
        }
        self.states = states;
    }

    fn embed(&mut self, layout: &Layout, parameters: &[f32], batch: &PackedTokens, states: &mut [f32]) {
        let hidden = layout.dimensions.hidden;
        let row = |table: &Range<usize>, index: usize| {
            let start = table.start + index * hidden;
            &parameters[start..start + hidden]
        };
        let scratch = &mut self.space.sum;
        scratch.resize(states.len(), 0.0);
        for window in &batch.windows {
            for (position, token) in window.clone().enumerate() {
                let sum = &mut scratch[token * hidden..(token + 1) * hidden];
                sum.copy_from_slice(row(&layout.words, batch.tokens[token] as usize));
                sweeps::add(
                    sum,
                    row(&layout.positions, position + layout.dimensions.architecture.first_position()),
                );
                if !layout.token_types.is_empty() {
                    sweeps::add(sum, row(&layout.token_types, batch.token_types[token] as usize));
                }
            }
        }
        sweeps::layer_norm(
            scratch,
            &parameters[layout.embedding_norm_weight.clone()],
            &parameters[layout.embedding_norm_bias.clone()],
            layout.dimensions.layer_norm_epsilon,
            &mut self.embedding_norm,
            states,
        );
    }

    /// Adds to `gradients` those of a loss whose gradient by the states is `upstream`, `[tokens, hidden]`.
    /// `batch` and `dropout` must be those of the last forward pass. `upstream` is used as working memory.
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
            let mut linear = Linear { parameters, weights, space: &mut self.operands };
            let distances = &mut self.distance_gradient;
            layer.backward(&mut linear, trace, distances, &mut self.space, dropout, upstream, gradients);
        }
        self.add_distance_gradient(layout, batch, gradients);
        if let Some(dropout) = dropout {
            dropout.hidden_at(0, AFTER_EMBEDDINGS).apply(upstream);
        }
        let hidden = layout.dimensions.hidden;
        let values = &mut gradients.values;
        let (weight_gradient, bias_gradient) =
            two_parts(values, &layout.embedding_norm_weight, &layout.embedding_norm_bias);
        sweeps::layer_norm_backward(
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
                    sweeps::add(&mut values[start..start + hidden], gradient);
                }
            }
        }
        gradients.touched.extend_from_slice(&batch.tokens);
        gradients.fresh = false;
    }

    /// From the gradient of each distance's bias to that of its bucket.
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
mod tests {
    use super::*;
    use standpoint_core::model::{Architecture, EncoderTensors};

    const TINY: Dimensions = Dimensions {
        vocabulary: 7,
        positions: 6,
        token_types: 2,
        hidden: 8,
        layers: 2,
        heads: 2,
        intermediate: 12,
        layer_norm_epsilon: 1e-5,
        architecture: Architecture::Bert,
    };

    /// With so few buckets, distances share some.
    const TINY_MPNET: Dimensions =
        Dimensions { positions: 9, token_types: 0, architecture: Architecture::Mpnet { buckets: 8 }, ..TINY };

    /// Numbers in -1..1 that depend on the seed and the index alone.
    fn numbers(length: usize, seed: u64) -> Vec<f32> {
        (0..length as u64)
            .map(|i| {
                (standpoint_kernels::random::scramble(seed * 1_000_003 + i) >> 40) as f32 / (1 << 23) as f32
                    - 1.0
            })
            .collect()
    }

    fn batch() -> PackedTokens {
        let mut packed = PackedTokens::default();
        for (tokens, target_tokens) in [(vec![1, 4, 2, 6, 5, 0], 3), (vec![3], 1), (vec![2, 5, 5], 2)] {
            packed.push(&Window { tokens, target_tokens, sentences: Vec::new() });
        }
        packed
    }

    fn loss(layout: &Layout, parameters: &[f32], weights: &[f32], dropout: Option<PassDropout>) -> f64 {
        let mut trace = Trace::default();
        trace.forward(layout, parameters, &batch(), dropout);
        trace.states().iter().zip(weights).map(|(&s, &w)| f64::from(s) * f64::from(w)).sum()
    }

    fn assert_gradients_match_differences(dimensions: Dimensions, seed: u64, dropout: Option<PassDropout>) {
        let layout = Layout::new(dimensions, &[]);
        let layers = EncoderTensors::new(&dimensions).layers;
        let parameters: Vec<f32> = numbers(layout.len(), seed).iter().map(|x| x * 1.2).collect();
        let batch = batch();
        let weights: Vec<f32> =
            numbers(batch.tokens.len() * TINY.hidden, 2).iter().map(|x| x * 10.0).collect();

        let mut trace = Trace::default();
        let mut gradients = Gradients::new(&layout);
        trace.forward(&layout, &parameters, &batch, dropout);
        trace.backward(&layout, &parameters, &batch, dropout, &mut weights.clone(), &mut gradients);

        for segment in layout.segments() {
            let mut largest = 0.0_f64;
            for index in segment.range.clone() {
                let at = |offset: f32| {
                    let mut moved = parameters.clone();
                    moved[index] += offset;
                    loss(&layout, &moved, &weights, dropout)
                };
                // The five-point formula: the error of so small a step is then that of f32 itself.
                let h = 4e-3;
                let difference =
                    (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * f64::from(h));
                let gradient = f64::from(gradients.values[index]);
                assert!(
                    (gradient - difference).abs() < 5e-3 + 5e-3 * difference.abs(),
                    "{} [{}]: gradient {gradient}, difference {difference}",
                    segment.name,
                    index - segment.range.start
                );
                largest = largest.max(gradient.abs());
            }
            // A key's bias moves all scores of a query alike, which softmax does not see: its true gradient is 0.
            if !layers.iter().any(|layer| layer.key.bias.name == segment.name) {
                assert!(largest > 1e-2, "{}: no gradient reaches it, at most {largest}", segment.name);
            }
        }
    }

    #[test]
    fn every_gradient_is_that_of_a_finite_difference() {
        assert_gradients_match_differences(TINY, 3, None);
        assert_gradients_match_differences(TINY_MPNET, 4, None);
    }

    #[test]
    fn every_gradient_is_that_of_a_finite_difference_under_dropout() {
        let dropout = Some(PassDropout { hidden: 0.2, attention: 0.2, key: 11 });
        assert_gradients_match_differences(TINY, 3, dropout);
        assert_gradients_match_differences(TINY_MPNET, 4, dropout);
    }

    #[test]
    fn packed_weights_change_gradients_by_less_than_a_hundredth() {
        let dimensions =
            Dimensions { hidden: 48, heads: 4, intermediate: 144, vocabulary: 40, positions: 64, ..TINY };
        let layout = Layout::new(dimensions, &[]);
        let parameters: Vec<f32> = numbers(layout.len(), 9).iter().map(|x| x * 0.3).collect();
        let mut batch = PackedTokens::default();
        for length in [50, 1, 37] {
            let tokens = (0..length).map(|i| i * 7 % 40).collect();
            batch.push(&Window { tokens, target_tokens: 1, sentences: Vec::new() });
        }
        let dropout = Some(PassDropout { hidden: 0.1, attention: 0.1, key: 5 });
        let upstream = numbers(batch.tokens.len() * dimensions.hidden, 4);
        let gradients = |arithmetic: Option<Arithmetic>| {
            let weights = arithmetic.map(|arithmetic| {
                let mut weights = PackedWeights::new(&layout, arithmetic);
                weights.refresh(&parameters);
                Arc::new(weights)
            });
            let mut trace = Trace { weights, ..Trace::default() };
            let mut gradients = Gradients::new(&layout);
            trace.forward(&layout, &parameters, &batch, dropout);
            trace.backward(&layout, &parameters, &batch, dropout, &mut upstream.clone(), &mut gradients);
            gradients.values
        };
        let exact = gradients(None);
        for arithmetic in [Arithmetic::FixedPoint, Arithmetic::Bf16] {
            if arithmetic == Arithmetic::Bf16 && !standpoint_kernels::amx::is_available() {
                continue;
            }
            let found = gradients(Some(arithmetic));
            for segment in layout.segments() {
                let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
                let size = norm(&mut exact[segment.range.clone()].iter().copied());
                let off = norm(&mut segment.range.clone().map(|i| exact[i] - found[i]));
                let allowed = if segment.name.ends_with("key.bias") { 1e-2 } else { 1e-2 * size };
                assert!(off < allowed, "{arithmetic:?}, {}: off by {off} of {size}", segment.name);
            }
            assert_ne!(exact, found);
        }
    }

    #[test]
    fn a_window_does_not_see_its_neighbours() {
        let layout = Layout::new(TINY, &[]);
        let parameters = numbers(layout.len(), 5);
        let mut together = Trace::default();
        together.forward(&layout, &parameters, &batch(), None);
        let mut alone = Trace::default();
        let mut packed = PackedTokens::default();
        packed.push(&Window { tokens: vec![2, 5, 5], target_tokens: 2, sentences: Vec::new() });
        alone.forward(&layout, &parameters, &packed, None);
        let rows = batch().windows[2].clone();
        for (a, b) in together.states()[rows.start * TINY.hidden..].iter().zip(alone.states()) {
            assert!((a - b).abs() < 1e-5, "{a} in a batch, {b} alone");
        }
    }
}
