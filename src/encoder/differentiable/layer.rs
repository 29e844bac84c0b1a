//! One transformer layer, forward and backward: attention and feed-forward, each with its residual and layer
//! norm.

use super::matmul::{Matrix, MatrixMut, Write, multiply};
use super::parameters::{Gradients, LayerRanges, Layout};
use super::sweeps::{self, Normalized};
use super::{PackedTokens, PassDropout, attention};
use std::ops::Range;

/// What one layer keeps of its forward pass for the backward one. All matrices are row-major over packed
/// tokens.
#[derive(Default)]
pub(super) struct LayerTrace {
    pub input: Vec<f32>,
    qkv: Vec<f32>,
    /// Attention probabilities before dropout, `[length, length]` for each window and head.
    probabilities: Vec<f32>,
    context: Vec<f32>,
    attention_norm: Normalized,
    middle: Vec<f32>,
    up: Vec<f32>,
    activated: Vec<f32>,
    output_norm: Normalized,
}

/// Where in a layer a hidden dropout sits; the embeddings count as a layer before the first.
pub(super) const AFTER_EMBEDDINGS: u64 = 0;
pub(super) const AFTER_ATTENTION: u64 = 1;
pub(super) const AFTER_FEED_FORWARD: u64 = 2;

/// One transformer layer, seen with its parameters and the batch at hand.
pub(super) struct Layer<'a> {
    pub index: usize,
    pub layout: &'a Layout,
    pub ranges: &'a LayerRanges,
    pub parameters: &'a [f32],
    pub batch: &'a PackedTokens,
}

impl Layer<'_> {
    fn parameter(&self, range: &Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    /// `output = input * weight^T`, `weight` of shape `[outputs, inputs]`.
    fn linear(&self, input: &[f32], weight: &Range<usize>, inputs: usize, output: &mut Vec<f32>) {
        let tokens = self.batch.tokens.len();
        let outputs = weight.len() / inputs;
        output.resize(tokens * outputs, 0.0);
        multiply(
            MatrixMut::new(output, tokens, outputs),
            Write::Replace,
            1.0,
            Matrix::new(input, tokens, inputs),
            Matrix::new(self.parameter(weight), outputs, inputs).t(),
        );
    }

    /// Adds the gradients of a linear layer's weight and bias, and gives that of its input.
    #[expect(clippy::too_many_arguments, reason = "a linear layer's backward pass has this many operands")]
    fn linear_backward(
        &self,
        upstream: &[f32],
        input: &[f32],
        (weight, bias): (&Range<usize>, &Range<usize>),
        inputs: usize,
        gradients: &mut Gradients,
        into: Write,
        input_gradient: &mut Vec<f32>,
    ) {
        let tokens = self.batch.tokens.len();
        let outputs = weight.len() / inputs;
        let upstream_matrix = Matrix::new(upstream, tokens, outputs);
        multiply(
            MatrixMut::new(&mut gradients.values[weight.clone()], outputs, inputs),
            Write::Add,
            1.0,
            upstream_matrix.t(),
            Matrix::new(input, tokens, inputs),
        );
        sweeps::add_column_sums(upstream, &mut gradients.values[bias.clone()]);
        input_gradient.resize(tokens * inputs, 0.0);
        multiply(
            MatrixMut::new(input_gradient, tokens, inputs),
            into,
            1.0,
            upstream_matrix,
            Matrix::new(self.parameter(weight), outputs, inputs),
        );
    }

    pub fn forward(
        &self,
        trace: &mut LayerTrace,
        scratch: &mut Vec<f32>,
        dropout: Option<PassDropout>,
        output: &mut Vec<f32>,
    ) {
        let (hidden, intermediate) = (self.layout.dimensions.hidden, self.layout.dimensions.intermediate);
        let epsilon = self.layout.dimensions.layer_norm_epsilon;
        let ranges = self.ranges;

        self.linear(&trace.input, &ranges.qkv_weight, hidden, &mut trace.qkv);
        sweeps::add_bias(&mut trace.qkv, self.parameter(&ranges.qkv_bias));
        attention::forward(
            self.layout.dimensions.heads,
            hidden,
            &self.batch.windows,
            &trace.qkv,
            dropout.map(|dropout| dropout.attention_at(self.index)),
            &mut trace.probabilities,
            &mut trace.context,
        );
        self.linear(&trace.context, &ranges.attention_weight, hidden, scratch);
        sweeps::add_bias(scratch, self.parameter(&ranges.attention_bias));
        if let Some(dropout) = dropout {
            dropout.hidden_at(self.index, AFTER_ATTENTION).apply(scratch);
        }
        sweeps::add(scratch, &trace.input);
        trace.middle.resize(scratch.len(), 0.0);
        sweeps::layer_norm(
            scratch,
            self.parameter(&ranges.attention_norm_weight),
            self.parameter(&ranges.attention_norm_bias),
            epsilon,
            &mut trace.attention_norm,
            &mut trace.middle,
        );

        self.linear(&trace.middle, &ranges.up_weight, hidden, &mut trace.up);
        trace.activated.resize(trace.up.len(), 0.0);
        sweeps::bias_gelu(&mut trace.up, self.parameter(&ranges.up_bias), &mut trace.activated);
        self.linear(&trace.activated, &ranges.down_weight, intermediate, scratch);
        sweeps::add_bias(scratch, self.parameter(&ranges.down_bias));
        if let Some(dropout) = dropout {
            dropout.hidden_at(self.index, AFTER_FEED_FORWARD).apply(scratch);
        }
        sweeps::add(scratch, &trace.middle);
        output.resize(scratch.len(), 0.0);
        sweeps::layer_norm(
            scratch,
            self.parameter(&ranges.output_norm_weight),
            self.parameter(&ranges.output_norm_bias),
            epsilon,
            &mut trace.output_norm,
            output,
        );
    }

    /// `upstream` holds the gradient of the layer's output before, and that of its input after.
    pub fn backward(
        &self,
        trace: &LayerTrace,
        dropout: Option<PassDropout>,
        upstream: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let (hidden, intermediate) = (self.layout.dimensions.hidden, self.layout.dimensions.intermediate);
        let ranges = self.ranges;

        let norm = (&ranges.output_norm_weight, &ranges.output_norm_bias);
        self.norm_backward(upstream, &trace.output_norm, norm, gradients);
        // The residual keeps `upstream`; the branch goes through the feed-forward half.
        let mut branch = upstream.clone();
        if let Some(dropout) = dropout {
            dropout.hidden_at(self.index, AFTER_FEED_FORWARD).apply(&mut branch);
        }
        let mut inner = Vec::new();
        let down = (&ranges.down_weight, &ranges.down_bias);
        self.linear_backward(
            &branch,
            &trace.activated,
            down,
            intermediate,
            gradients,
            Write::Replace,
            &mut inner,
        );
        sweeps::gelu_backward(&trace.up, &mut inner);
        let up = (&ranges.up_weight, &ranges.up_bias);
        self.linear_backward(&inner, &trace.middle, up, hidden, gradients, Write::Add, upstream);

        let norm = (&ranges.attention_norm_weight, &ranges.attention_norm_bias);
        self.norm_backward(upstream, &trace.attention_norm, norm, gradients);
        branch.copy_from_slice(upstream);
        if let Some(dropout) = dropout {
            dropout.hidden_at(self.index, AFTER_ATTENTION).apply(&mut branch);
        }
        let attention_output = (&ranges.attention_weight, &ranges.attention_bias);
        self.linear_backward(
            &branch,
            &trace.context,
            attention_output,
            hidden,
            gradients,
            Write::Replace,
            &mut inner,
        );
        let mut qkv_gradient = Vec::new();
        attention::backward(
            self.layout.dimensions.heads,
            hidden,
            &self.batch.windows,
            &trace.qkv,
            &trace.probabilities,
            dropout.map(|dropout| dropout.attention_at(self.index)),
            &inner,
            &mut qkv_gradient,
        );
        let qkv = (&ranges.qkv_weight, &ranges.qkv_bias);
        self.linear_backward(&qkv_gradient, &trace.input, qkv, hidden, gradients, Write::Add, upstream);
    }

    fn norm_backward(
        &self,
        upstream: &mut [f32],
        kept: &Normalized,
        (weight, bias): (&Range<usize>, &Range<usize>),
        gradients: &mut Gradients,
    ) {
        let (weight_gradient, bias_gradient) = two_parts(&mut gradients.values, weight, bias);
        sweeps::layer_norm_backward(upstream, kept, self.parameter(weight), weight_gradient, bias_gradient);
    }
}

/// Two disjoint parts of a buffer, the first of which stands before the second.
pub(super) fn two_parts<'a>(
    values: &'a mut [f32],
    first: &Range<usize>,
    second: &Range<usize>,
) -> (&'a mut [f32], &'a mut [f32]) {
    let (left, right) = values.split_at_mut(second.start);
    (&mut left[first.clone()], &mut right[..second.len()])
}
