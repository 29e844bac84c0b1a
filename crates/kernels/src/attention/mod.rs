//! Self-attention of windows that are packed into one matrix: one window and one head at a time, so that keys and scores
//! stay in cache. In [`int8`] where [`ComputeFormat::attends_in_int8`](crate::ComputeFormat::attends_in_int8), else in
//! [`float`]. Knows tokens and heads, not the layers around them.
//!
//! ```text
//! qkv [tokens, 3, heads, size]
//!            ┌──────── queries ────────┬───────── keys ──────────┬──────── values ─────────┐
//! window 0   │ head 0 │ head 1 │ ...   │ head 0 │ head 1 │ ...   │ head 0 │ head 1 │ ...   │
//!            │        │        │       │        │        │       │        │        │       │
//! window 1   │        │        │       │        │        │       │        │        │       │
//!            └─────────────────────────┴─────────────────────────┴─────────────────────────┘
//!                 └──────────── Q K^T of one window and head ───┘          × V ─► context [tokens, heads, size]
//! ```
//!
//! Queries are already divided by the root of the head's true size, and by ln 2: the softmax is of powers of 2.

pub mod float;
pub mod int8;
mod quantized;
mod softmax;
#[cfg(test)]
mod tests;

pub use quantized::QuantizedQkv;

use crate::simd::Simd;

/// The heads of a layer.
#[derive(Clone, Copy)]
pub struct HeadShape {
    /// How many there are.
    pub heads: usize,
    /// The columns of one, [`padded`](crate::padded).
    pub size: usize,
}

/// What is added to scores for the distance from query to key.
pub struct PositionBias {
    /// `[heads, stride]`: distances from `1 - longest` to `longest - 1`, and room to load whole panels.
    values: Vec<f32>,
    stride: usize,
    longest: usize,
}

/// At least as wide as a panel of keys on every instruction set.
const MAX_PANEL: usize = 64;

impl PositionBias {
    /// From a table `[heads, 2 * longest - 1]`, whose first column is for the key `longest - 1` before the query.
    ///
    /// # Panics
    /// If the table has another size.
    pub fn new(table: &[f32], heads: usize, longest: usize) -> Self {
        let width = 2 * longest - 1;
        assert_eq!(table.len(), heads * width, "there must be a bias for each head and distance");
        let stride = width + MAX_PANEL;
        let mut values = vec![0.0; heads * stride];
        for (to, from) in values.chunks_exact_mut(stride).zip(table.chunks_exact(width)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * std::f32::consts::LOG2_E);
        }
        Self { values, stride, longest }
    }

    /// What is added to a query's scores, from the window's first key on.
    #[inline(always)]
    fn of_query(&self, head: usize, query: usize) -> &[f32] {
        &self.values[head * self.stride + self.longest - 1 - query..]
    }
}

/// Writes the vectors of a register tile, row by row.
#[inline(always)]
fn store_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: [[S::F; VECTORS]; ROWS],
    to: &mut [f32],
    stride: usize,
) {
    for (vectors, to) in tile.into_iter().zip(to.chunks_mut(stride)) {
        for (vector, to) in vectors.into_iter().zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(vector, to);
        }
    }
}
