//! standpoint's arithmetic: linear layers, attention and layer norms on a CPU, for each instruction set that it may
//! have. Knows shapes, not models. All of the project's `unsafe` is here.
//!
//! | module | what it computes |
//! | --- | --- |
//! | [`Isa`] | the instruction sets, and which of them the processor has |
//! | [`ComputeFormat`] | the number formats that weights and activations are multiplied in |
//! | [`linear`] | linear layers: weights packed into panels, products with rows of activations, bias, GELU |
//! | [`attention`] | self-attention of windows that are packed into one matrix, in int8 or f32 |
//! | [`norm`] | a residual and its layer norm |
//! | [`quantize`] | f32 activations to int8 |
//! | [`embedding`] | token ids to rows |
//! | [`training`] | what the trainer needs besides: products in both directions, gradients, dropout (feature `training`) |
//! | [`aligned`] | slices that start at a cache line |
//! | [`random`] | random numbers that are the same on every machine |
//! | [`peak`] | what the processor can do at most, for benchmarks |
//! | `simd` | vectors: one trait, and its implementation for each instruction set |
//! | `microkernel` | the inner loop of all products: a register tile |
//! | `amx` | the matrix tiles of x86-64 |
//! | `math` | functions of vectors: GELU and powers of 2 |
//!
//! Every public function takes the [`Isa`] that it shall use. The code for all instruction sets is compiled here, once:
//! other crates see slices and shapes, never a vector.

pub mod aligned;
mod amx;
pub mod attention;
pub mod embedding;
mod format;
mod isa;
pub mod linear;
mod math;
mod microkernel;
pub mod norm;
pub mod peak;
pub mod quantize;
pub mod random;
#[cfg(all(test, feature = "training"))]
#[path = "../../core/src/random_tests.rs"]
mod random_tests;
mod simd;
#[cfg(test)]
mod testing;
#[cfg(feature = "training")]
pub mod training;

pub use format::{ComputeFormat, Dtype};
pub use isa::Isa;

/// Rows are padded with zeros to a multiple of this many columns: a multiple of every instruction set's lanes, and of
/// the int8 numbers in a word.
pub const ROW_MULTIPLE: usize = 16;

/// The width of rows with their padding: `width` rounded up to a multiple of [`ROW_MULTIPLE`].
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(ROW_MULTIPLE)
}
