//! The weights of a step in fixed point, packed once for all its passes, and the products of linear layers with them.

use super::pack::{Across, Rows};
use super::{Panels, Start, multiply};
use crate::encoder::differentiable::Layout;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// A weight of shape `[outputs, inputs]`, ready for both directions.
struct Weight {
    range: Range<usize>,
    inputs: usize,
    /// Columns are outputs, terms inputs.
    forward: Panels,
    /// Columns are inputs, terms outputs.
    backward: Panels,
}

/// Every matrix of an encoder's layers, of the parameters that it was last refreshed with.
pub struct FixedWeights {
    weights: Vec<Weight>,
    /// By where a weight starts in the parameters.
    index: HashMap<usize, usize>,
}

impl FixedWeights {
    pub fn new(layout: &Layout) -> Self {
        let weights: Vec<Weight> = layout
            .layer_matrices()
            .map(|(range, inputs)| Weight {
                range,
                inputs,
                forward: Panels::default(),
                backward: Panels::default(),
            })
            .collect();
        let index = weights.iter().enumerate().map(|(index, weight)| (weight.range.start, index)).collect();
        Self { weights, index }
    }

    /// Packs the parameters at hand, on all threads.
    pub fn refresh(&mut self, parameters: &[f32]) {
        self.weights.par_iter_mut().for_each(|weight| {
            let values = &parameters[weight.range.clone()];
            weight.forward.pack_transposed(values, weight.inputs);
            weight.backward.pack(values, weight.inputs);
        });
    }

    fn get(&self, range: &Range<usize>) -> &Weight {
        &self.weights[self.index[&range.start]]
    }
}

/// The memory of one worker for its operands.
#[derive(Default)]
pub(in super::super) struct Fixed {
    rows: Rows,
    left: Across,
    right: Panels,
}

impl Fixed {
    /// `output = input * weight^T + bias`, for a weight of shape `[outputs, inputs]` at `range`.
    pub fn forward(
        &mut self,
        weights: &FixedWeights,
        range: &Range<usize>,
        input: &[f32],
        bias: &[f32],
        output: &mut [f32],
    ) {
        let weight = weights.get(range);
        self.rows.pack(input, weight.inputs);
        multiply(output, Start::Bias(bias), &self.rows, &weight.forward);
    }

    /// The gradient of a linear layer's input, from that of its output.
    pub fn backward(
        &mut self,
        weights: &FixedWeights,
        range: &Range<usize>,
        upstream: &[f32],
        start: Start<'_>,
        input_gradient: &mut [f32],
    ) {
        let weight = weights.get(range);
        self.rows.pack(upstream, range.len() / weight.inputs);
        multiply(input_gradient, start, &self.rows, &weight.backward);
    }

    /// The gradient of a weight of shape `[outputs, inputs]`: `start + upstream^T * input`.
    pub fn weight_gradient(
        &mut self,
        upstream: &[f32],
        input: &[f32],
        outputs: usize,
        start: Start<'_>,
        gradient: &mut [f32],
    ) {
        self.left.pack(upstream, outputs);
        self.right.pack(input, gradient.len() / outputs);
        multiply(gradient, start, &self.left, &self.right);
    }
}
