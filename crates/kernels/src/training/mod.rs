//! What the trainer computes with: matrix products in both directions, and operations on rows and elements. All of it
//! takes the instruction set as an argument, as inference does.
//!
//! A training run must give the same bits whatever instruction set it is told to use, as far as its arithmetic allows:
//!
//! | module | arithmetic | bits |
//! | --- | --- | --- |
//! | [`elementwise`], [`rowwise`], [`dropout`] | f32, sums in 16 lanes, nothing fused | the same on every processor |
//! | [`fixed_point`] | int16 with a scale for each block, exact sums | the same on every processor |
//! | [`bf16`] | AMX tiles, sums in f32 | the same on every processor with AMX |
//! | [`gemm`] | f32 by the `gemm` crate | the same on one processor: the crate chooses its own instructions |
//!
//! For that reason the first modules do not use the vector operations of inference, which fuse a multiplication with an
//! addition and sum in as many lanes as a vector has. They are plain loops that the compiler vectorises for each
//! instruction set. And the instruction set does not reach `gemm`, which detects the processor by itself.

pub mod bf16;
pub mod dropout;
pub mod elementwise;
pub mod fixed_point;
pub mod gemm;
pub mod rowwise;

/// What the destination of a product holds before the product is added to it.
#[derive(Clone, Copy)]
pub enum Init<'a> {
    Zero,
    /// The same numbers in each row, one for each column.
    Bias(&'a [f32]),
    /// What is there already.
    Existing,
}

/// `vectorized!(isa, || ...)` runs a closure, compiled for that instruction set. What it calls must be
/// `#[inline(always)]`: only what is inlined is compiled for the instruction set.
macro_rules! vectorized {
    ($isa:expr, || $work:expr) => {
        $isa.run_loops(
            #[inline(always)]
            || $work,
        )
    };
}
use vectorized;
