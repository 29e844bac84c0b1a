//! Linear layers, forward and backward: with packed weights if the step has them, otherwise in f32.

use super::parameters::Gradients;
use super::products::{Operands, PackedWeights};
use standpoint_kernels::Isa;
use standpoint_kernels::training::gemm::{Matrix, MatrixMut, Write, multiply};
use standpoint_kernels::training::{Init, elementwise};
use std::ops::Range;

/// The linear layers of one pass.
pub(super) struct Linear<'a> {
    pub isa: Isa,
    pub parameters: &'a [f32],
    pub weights: Option<&'a PackedWeights>,
    pub operands: &'a mut Operands,
}

impl Linear<'_> {
    /// `output = input * weight^T + bias`, `weight` of shape `[outputs, inputs]`.
    pub fn forward(
        &mut self,
        input: &[f32],
        (weight, bias): (&Range<usize>, &Range<usize>),
        output: &mut Vec<f32>,
    ) {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let tokens = input.len() / inputs;
        output.resize(tokens * outputs, 0.0);
        let bias = &self.parameters[bias.clone()];
        match self.weights {
            Some(weights) => self.operands.forward(weights, weight, input, bias, output),
            None => {
                multiply(
                    MatrixMut::new(output, tokens, outputs),
                    Write::Replace,
                    1.0,
                    Matrix::new(input, tokens, inputs),
                    Matrix::new(&self.parameters[weight.clone()], outputs, inputs).t(),
                );
                elementwise::add_bias(self.isa, output, bias);
            }
        }
    }

    /// Adds the gradients of the weight and the bias, and writes or adds that of the input.
    pub fn backward(
        &mut self,
        (upstream, input): (&[f32], &[f32]),
        (weight, bias): (&Range<usize>, &Range<usize>),
        gradients: &mut Gradients,
        into: Write,
        input_gradient: &mut Vec<f32>,
    ) {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        let tokens = input.len() / inputs;
        elementwise::add_column_sums(self.isa, upstream, &mut gradients.values[bias.clone()]);
        input_gradient.resize(tokens * inputs, 0.0);
        let weight_gradient = &mut gradients.values[weight.clone()];
        if let Some(weights) = self.weights {
            let init = if into == Write::Add { Init::Existing } else { Init::Zero };
            let so_far = if gradients.fresh { Init::Zero } else { Init::Existing };
            self.operands.weight_gradient(weights, upstream, input, outputs, so_far, weight_gradient);
            self.operands.backward(weights, weight, upstream, init, input_gradient);
            return;
        }
        let upstream = Matrix::new(upstream, tokens, outputs);
        multiply(
            MatrixMut::new(weight_gradient, outputs, inputs),
            if gradients.fresh { Write::Replace } else { Write::Add },
            1.0,
            upstream.t(),
            Matrix::new(input, tokens, inputs),
        );
        multiply(
            MatrixMut::new(input_gradient, tokens, inputs),
            into,
            1.0,
            upstream,
            Matrix::new(&self.parameters[weight.clone()], outputs, inputs),
        );
    }
}
