//! One transformer layer, forward and backward: attention and feed-forward, each with its residual and layer norm.

use super::linear::Linear;
use super::parameters::{Gradients, LayerRanges, Layout};
use super::{PassDropout, attention};
use standpoint_kernels::Isa;
use standpoint_kernels::training::dropout::{self, Dropout};
use standpoint_kernels::training::elementwise;
use standpoint_kernels::training::gemm::Write;
use standpoint_kernels::training::rowwise::{self, Normalized};
use std::ops::Range;

/// What a layer keeps of its forward pass for the backward pass. All matrices are row-major, with a row for each packed token.
#[derive(Default)]
pub(super) struct LayerTrace {
    pub input: Vec<f32>,
    qkv: Vec<f32>,
    /// Attention probabilities, `[length, length]` for each window and head. Those that are dropped have their sign set.
    probabilities: Vec<f32>,
    context: Vec<f32>,
    attention_norm: Normalized,
    middle: Vec<f32>,
    /// The input of GELU and, after GELU, the derivative there.
    up: Vec<f32>,
    activated: Vec<f32>,
    output_norm: Normalized,
}

/// The places of hidden dropout in a layer. That of the embeddings counts as one of the first layer.
pub(super) const AFTER_EMBEDDINGS: u64 = 0;
pub(super) const AFTER_ATTENTION: u64 = 1;
pub(super) const AFTER_FEED_FORWARD: u64 = 2;

/// Working memory that all layers of a pass share. Each is a matrix with a row for each token.
#[derive(Default)]
pub(super) struct Workspace {
    pub sum: Vec<f32>,
    branch: Vec<f32>,
    inner: Vec<f32>,
    qkv_gradient: Vec<f32>,
}

/// One transformer layer, with its parameters and the windows of the current batch.
pub(super) struct Layer<'a> {
    pub index: usize,
    pub layout: &'a Layout,
    pub ranges: &'a LayerRanges,
    pub parameters: &'a [f32],
    /// The rows that attend to each other.
    pub windows: &'a [Range<usize>],
}

impl Layer<'_> {
    fn parameter(&self, range: &Range<usize>) -> &[f32] {
        &self.parameters[range.clone()]
    }

    fn mask(&self, dropout: Option<PassDropout>, half: u64) -> Option<Dropout> {
        dropout.map(|dropout| dropout.hidden_at(self.index, half))
    }

    pub fn forward(
        &self,
        linear: &mut Linear<'_>,
        trace: &mut LayerTrace,
        distances: &[f32],
        sum: &mut Vec<f32>,
        dropout: Option<PassDropout>,
        output: &mut Vec<f32>,
    ) {
        let hidden = self.layout.dimensions.hidden;
        let epsilon = self.layout.dimensions.layer_norm_epsilon;
        let ranges = self.ranges;

        linear.forward(&trace.input, (&ranges.qkv_weight, &ranges.qkv_bias), &mut trace.qkv);
        attention::forward(
            linear.isa,
            self.layout.dimensions.heads,
            hidden,
            self.windows,
            &trace.qkv,
            distances,
            dropout.map(|dropout| dropout.attention_at(self.index)),
            &mut trace.probabilities,
            &mut trace.context,
        );
        linear.forward(&trace.context, (&ranges.attention_weight, &ranges.attention_bias), sum);
        dropout::add_residual(linear.isa, sum, self.mask(dropout, AFTER_ATTENTION), &trace.input);
        trace.middle.resize(sum.len(), 0.0);
        rowwise::layer_norm(
            linear.isa,
            sum,
            self.parameter(&ranges.attention_norm_weight),
            self.parameter(&ranges.attention_norm_bias),
            epsilon,
            &mut trace.attention_norm,
            &mut trace.middle,
        );

        linear.forward(&trace.middle, (&ranges.up_weight, &ranges.up_bias), &mut trace.up);
        trace.activated.resize(trace.up.len(), 0.0);
        elementwise::gelu(linear.isa, &mut trace.up, &mut trace.activated);
        linear.forward(&trace.activated, (&ranges.down_weight, &ranges.down_bias), sum);
        dropout::add_residual(linear.isa, sum, self.mask(dropout, AFTER_FEED_FORWARD), &trace.middle);
        output.resize(sum.len(), 0.0);
        rowwise::layer_norm(
            linear.isa,
            sum,
            self.parameter(&ranges.output_norm_weight),
            self.parameter(&ranges.output_norm_bias),
            epsilon,
            &mut trace.output_norm,
            output,
        );
    }

    /// On entry, `upstream` is the gradient of the layer's output; on return, it is that of its input.
    #[expect(clippy::too_many_arguments, reason = "the inputs and outputs of a backward pass")]
    pub fn backward(
        &self,
        linear: &mut Linear<'_>,
        trace: &LayerTrace,
        distances: &mut [f32],
        workspace: &mut Workspace,
        dropout: Option<PassDropout>,
        upstream: &mut Vec<f32>,
        gradients: &mut Gradients,
    ) {
        let ranges = self.ranges;
        let Workspace { branch, inner, qkv_gradient, .. } = workspace;

        let norm = (&ranges.output_norm_weight, &ranges.output_norm_bias);
        self.norm_backward(linear.isa, upstream, &trace.output_norm, norm, gradients);
        // The residual keeps `upstream`; the branch goes through the feed-forward half.
        dropout::masked(linear.isa, upstream, self.mask(dropout, AFTER_FEED_FORWARD), branch);
        let down = (&ranges.down_weight, &ranges.down_bias);
        linear.backward((branch, &trace.activated), down, gradients, Write::Replace, inner);
        elementwise::multiply(linear.isa, inner, &trace.up);
        let up = (&ranges.up_weight, &ranges.up_bias);
        linear.backward((inner, &trace.middle), up, gradients, Write::Add, upstream);

        let norm = (&ranges.attention_norm_weight, &ranges.attention_norm_bias);
        self.norm_backward(linear.isa, upstream, &trace.attention_norm, norm, gradients);
        dropout::masked(linear.isa, upstream, self.mask(dropout, AFTER_ATTENTION), branch);
        let output = (&ranges.attention_weight, &ranges.attention_bias);
        linear.backward((branch, &trace.context), output, gradients, Write::Replace, inner);
        attention::backward(
            linear.isa,
            self.layout.dimensions.heads,
            self.layout.dimensions.hidden,
            self.windows,
            &trace.qkv,
            &trace.probabilities,
            dropout.map(|dropout| dropout.attention_at(self.index)),
            inner,
            qkv_gradient,
            distances,
        );
        let qkv = (&ranges.qkv_weight, &ranges.qkv_bias);
        linear.backward((qkv_gradient, &trace.input), qkv, gradients, Write::Add, upstream);
    }

    fn norm_backward(
        &self,
        isa: Isa,
        upstream: &mut [f32],
        kept: &Normalized,
        (weight, bias): (&Range<usize>, &Range<usize>),
        gradients: &mut Gradients,
    ) {
        let (weight_gradient, bias_gradient) = split_pair(&mut gradients.values, weight, bias);
        rowwise::layer_norm_backward(
            isa,
            upstream,
            kept,
            self.parameter(weight),
            weight_gradient,
            bias_gradient,
        );
    }
}

/// Two disjoint ranges of a buffer. `first` must be before `second`.
pub(super) fn split_pair<'a>(
    values: &'a mut [f32],
    first: &Range<usize>,
    second: &Range<usize>,
) -> (&'a mut [f32], &'a mut [f32]) {
    let (left, right) = values.split_at_mut(second.start);
    (&mut left[first.clone()], &mut right[..second.len()])
}
