//! The weights of a step, packed once for all its passes, and their products in linear layers: in bf16 ([`tiles`]) if the
//! processor has AMX, otherwise in block fixed point ([`fixed`]).

use super::parameters::Layout;
use rayon::prelude::*;
use standpoint_kernels::Isa;
use standpoint_kernels::training::{Init, bf16, fixed_point};
use std::collections::HashMap;
use std::ops::Range;

/// The compute format of packed products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Block fixed point: 13-bit integers with a scale for each block.
    FixedPoint,
    /// bf16, with sums in f32.
    Bf16,
}

impl Arithmetic {
    /// The fastest one on this processor; none if f32 is faster.
    pub fn fastest() -> Option<Self> {
        let isa = Isa::default();
        if isa == Isa::Avx512Amx {
            Some(Self::Bf16)
        } else {
            fixed_point::is_fast(isa).then_some(Self::FixedPoint)
        }
    }

    /// Whether the instruction set of this process can compute it.
    pub fn is_available(self) -> bool {
        match self {
            Self::FixedPoint => true,
            Self::Bf16 => Isa::default() == Isa::Avx512Amx,
        }
    }
}

/// The right side of a product.
enum RightOperand {
    FixedPoint(fixed_point::RightPanels),
    Bf16(bf16::RightOperand),
}

impl RightOperand {
    fn new(arithmetic: Arithmetic) -> Self {
        match arithmetic {
            Arithmetic::FixedPoint => Self::FixedPoint(fixed_point::RightPanels::default()),
            Arithmetic::Bf16 => Self::Bf16(bf16::RightOperand::default()),
        }
    }

    /// Packs `matrix`, which is row-major, `[terms, columns]`.
    fn pack(&mut self, isa: Isa, matrix: &[f32], columns: usize) {
        match self {
            Self::FixedPoint(panels) => panels.pack(isa, matrix, columns),
            Self::Bf16(panels) => panels.pack(isa, matrix, columns),
        }
    }

    /// Packs the transpose of `matrix`, which is row-major, `[columns, terms]`.
    fn pack_transposed(&mut self, isa: Isa, matrix: &[f32], terms: usize) {
        match self {
            Self::FixedPoint(panels) => panels.pack_transposed(isa, matrix, terms),
            Self::Bf16(panels) => panels.pack_transposed(isa, matrix, terms),
        }
    }
}

/// A weight of shape `[outputs, inputs]`, ready for both directions.
struct Weight {
    range: Range<usize>,
    inputs: usize,
    /// Its columns are outputs, its terms inputs.
    forward: RightOperand,
    /// Its columns are inputs, its terms outputs.
    backward: RightOperand,
}

/// Every matrix of an encoder's layers, packed from the parameters that it was last refreshed with.
pub struct PackedWeights {
    pub(super) isa: Isa,
    arithmetic: Arithmetic,
    weights: Vec<Weight>,
    /// The number of a weight, by the start of its range.
    index: HashMap<usize, usize>,
}

impl PackedWeights {
    /// Room for the weights of a layout, multiplied with the instruction set of this process.
    pub fn new(layout: &Layout, arithmetic: Arithmetic) -> Self {
        let weights: Vec<Weight> = layout
            .layer_matrices()
            .map(|(range, inputs)| Weight {
                range,
                inputs,
                forward: RightOperand::new(arithmetic),
                backward: RightOperand::new(arithmetic),
            })
            .collect();
        let index = weights.iter().enumerate().map(|(index, weight)| (weight.range.start, index)).collect();
        Self { isa: Isa::default(), arithmetic, weights, index }
    }

    /// Packs these parameters, on all threads.
    pub fn refresh(&mut self, parameters: &[f32]) {
        let isa = self.isa;
        self.weights.par_iter_mut().for_each(|weight| {
            let values = &parameters[weight.range.clone()];
            weight.forward.pack_transposed(isa, values, weight.inputs);
            weight.backward.pack(isa, values, weight.inputs);
        });
    }

    fn get(&self, range: &Range<usize>) -> &Weight {
        &self.weights[self.index[&range.start]]
    }
}

/// A worker's memory for packed operands.
#[derive(Default)]
pub(super) struct Operands {
    fixed_point: FixedPointOperands,
    bf16: Bf16Operands,
}

#[derive(Default)]
struct FixedPointOperands {
    rows: fixed_point::LeftRows,
    left: fixed_point::LeftTransposed,
    right: fixed_point::RightPanels,
}

#[derive(Default)]
struct Bf16Operands {
    rows: bf16::LeftOperand,
    right: bf16::RightOperand,
}

impl Operands {
    /// `output = input * weight^T + bias`, for a weight of shape `[outputs, inputs]` at `range`.
    pub fn forward(
        &mut self,
        weights: &PackedWeights,
        range: &Range<usize>,
        input: &[f32],
        bias: &[f32],
        output: &mut [f32],
    ) {
        let weight = weights.get(range);
        self.multiply(weights.isa, input, weight.inputs, &weight.forward, Init::Bias(bias), output);
    }

    /// The gradient of a linear layer's input, from that of its output.
    pub fn backward(
        &mut self,
        weights: &PackedWeights,
        range: &Range<usize>,
        upstream: &[f32],
        init: Init<'_>,
        input_gradient: &mut [f32],
    ) {
        let weight = weights.get(range);
        let outputs = range.len() / weight.inputs;
        self.multiply(weights.isa, upstream, outputs, &weight.backward, init, input_gradient);
    }

    fn multiply(
        &mut self,
        isa: Isa,
        rows: &[f32],
        terms: usize,
        right: &RightOperand,
        init: Init<'_>,
        to: &mut [f32],
    ) {
        match right {
            RightOperand::FixedPoint(columns) => {
                self.fixed_point.rows.pack(isa, rows, terms);
                fixed_point::multiply(isa, to, init, &self.fixed_point.rows, columns);
            }
            RightOperand::Bf16(columns) => {
                self.bf16.rows.pack(isa, rows, terms);
                bf16::multiply(isa, to, init, &self.bf16.rows, columns);
            }
        }
    }

    /// The gradient of a weight of shape `[outputs, inputs]`: `init + upstream^T * input`.
    pub fn weight_gradient(
        &mut self,
        weights: &PackedWeights,
        upstream: &[f32],
        input: &[f32],
        outputs: usize,
        init: Init<'_>,
        gradient: &mut [f32],
    ) {
        let (isa, inputs) = (weights.isa, gradient.len() / outputs);
        match weights.arithmetic {
            Arithmetic::FixedPoint => {
                let FixedPointOperands { left, right, .. } = &mut self.fixed_point;
                left.pack(isa, upstream, outputs);
                right.pack(isa, input, inputs);
                fixed_point::multiply(isa, gradient, init, left, right);
            }
            Arithmetic::Bf16 => {
                let Bf16Operands { rows, right } = &mut self.bf16;
                rows.pack_transposed(isa, upstream, outputs);
                right.pack(isa, input, inputs);
                bf16::multiply(isa, gradient, init, rows, right);
            }
        }
    }
}
