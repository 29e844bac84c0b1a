//! What the trainer computes with: products of matrices in both directions, and sweeps over rows.

pub mod fixed;
pub mod matmul;
pub mod sweeps;
pub mod tiles;
pub mod vectorized;

/// What the destination of a product starts with, before it is added.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    Zero,
    /// The same for each row.
    Bias(&'a [f32]),
    /// What it held before.
    Kept,
}
