//! The weights of a step, packed once for all its passes, and their products in linear layers: in bf16 ([`tiles`]) if the
//! processor has AMX, otherwise in block fixed point ([`fixed`]).

use super::parameters::Layout;
use rayon::prelude::*;
use standpoint_kernels::training::{Start, fixed, tiles};
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
        if tiles::is_available() { Some(Self::Bf16) } else { fixed::is_fast().then_some(Self::FixedPoint) }
    }

    pub fn is_available(self) -> bool {
        match self {
            Self::FixedPoint => true,
            Self::Bf16 => tiles::is_available(),
        }
    }
}

/// The right-hand matrix of a product, packed by columns.
enum PackedMatrix {
    Fixed(fixed::Panels),
    Tiles(tiles::Columns),
}

impl PackedMatrix {
    fn new(arithmetic: Arithmetic) -> Self {
        match arithmetic {
            Arithmetic::FixedPoint => Self::Fixed(fixed::Panels::default()),
            Arithmetic::Bf16 => Self::Tiles(tiles::Columns::default()),
        }
    }

    /// Packs a row-major matrix of `columns` columns. Products sum over its rows.
    fn pack(&mut self, matrix: &[f32], columns: usize) {
        match self {
            Self::Fixed(panels) => panels.pack(matrix, columns),
            Self::Tiles(panels) => panels.pack(matrix, columns),
        }
    }

    /// Packs the transpose of a row-major matrix of `terms` columns. Products sum over those.
    fn pack_transposed(&mut self, matrix: &[f32], terms: usize) {
        match self {
            Self::Fixed(panels) => panels.pack_transposed(matrix, terms),
            Self::Tiles(panels) => panels.pack_transposed(matrix, terms),
        }
    }
}

/// A weight of shape `[outputs, inputs]`, ready for both directions.
struct Weight {
    range: Range<usize>,
    inputs: usize,
    /// PackedMatrix are outputs, terms inputs.
    forward: PackedMatrix,
    /// PackedMatrix are inputs, terms outputs.
    backward: PackedMatrix,
}

/// All matrices of an encoder's layers, packed from the parameters of the last [`PackedWeights::refresh`].
pub struct PackedWeights {
    arithmetic: Arithmetic,
    weights: Vec<Weight>,
    /// The number of a weight, by the start of its range.
    index: HashMap<usize, usize>,
}

impl PackedWeights {
    pub fn new(layout: &Layout, arithmetic: Arithmetic) -> Self {
        let weights: Vec<Weight> = layout
            .layer_matrices()
            .map(|(range, inputs)| Weight {
                range,
                inputs,
                forward: PackedMatrix::new(arithmetic),
                backward: PackedMatrix::new(arithmetic),
            })
            .collect();
        let index = weights.iter().enumerate().map(|(index, weight)| (weight.range.start, index)).collect();
        Self { arithmetic, weights, index }
    }

    /// Packs these parameters, on all threads.
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

/// A worker's memory for packed operands.
#[derive(Default)]
pub(super) struct Operands {
    fixed: FixedOperands,
    tiles: TileOperands,
}

#[derive(Default)]
struct FixedOperands {
    rows: fixed::Rows,
    left: fixed::Across,
    right: fixed::Panels,
}

#[derive(Default)]
struct TileOperands {
    rows: tiles::Rows,
    right: tiles::Columns,
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
        self.multiply(input, weight.inputs, &weight.forward, Start::Bias(bias), output);
    }

    /// The gradient of a linear layer's input, from that of its output.
    pub fn backward(
        &mut self,
        weights: &PackedWeights,
        range: &Range<usize>,
        upstream: &[f32],
        start: Start<'_>,
        input_gradient: &mut [f32],
    ) {
        let weight = weights.get(range);
        let outputs = range.len() / weight.inputs;
        self.multiply(upstream, outputs, &weight.backward, start, input_gradient);
    }

    fn multiply(
        &mut self,
        rows: &[f32],
        terms: usize,
        columns: &PackedMatrix,
        start: Start<'_>,
        to: &mut [f32],
    ) {
        match columns {
            PackedMatrix::Fixed(columns) => {
                self.fixed.rows.pack(rows, terms);
                fixed::multiply(to, start, &self.fixed.rows, columns);
            }
            PackedMatrix::Tiles(columns) => {
                self.tiles.rows.pack(rows, terms);
                tiles::multiply(to, start, &self.tiles.rows, columns);
            }
        }
    }

    /// The gradient of a weight of shape `[outputs, inputs]`: `start + upstream^T * input`.
    pub fn weight_gradient(
        &mut self,
        weights: &PackedWeights,
        upstream: &[f32],
        input: &[f32],
        outputs: usize,
        start: Start<'_>,
        gradient: &mut [f32],
    ) {
        let inputs = gradient.len() / outputs;
        match weights.arithmetic {
            Arithmetic::FixedPoint => {
                let FixedOperands { left, right, .. } = &mut self.fixed;
                left.pack(upstream, outputs);
                right.pack(input, inputs);
                fixed::multiply(gradient, start, left, right);
            }
            Arithmetic::Bf16 => {
                let TileOperands { rows, right } = &mut self.tiles;
                rows.pack_transposed(upstream, outputs);
                right.pack(input, inputs);
                tiles::multiply(gradient, start, rows, right);
            }
        }
    }
}
