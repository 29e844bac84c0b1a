//! standpoint's arithmetic: products of matrices, attention, norms and sweeps for each instruction set that a processor
//! may have. Knows shapes, not models. All of the project's `unsafe` is here.

pub mod aligned;
pub mod amx;
pub mod attention;
pub mod embedding;
pub mod linear;
mod isa;
mod math;
pub mod norm;
pub mod numbers;
pub mod peak;
pub mod quantize;
pub mod random;
mod simd;
mod tile;
#[cfg(feature = "training")]
pub mod training;

pub use isa::Isa;

/// A multiple of every instruction set's lanes, and of the bytes in a word.
pub const FILL: usize = 16;

/// The width of rows that are filled up.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(FILL)
}

/// What linear layers compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Bytes: weights with a scale for each column, activations with a range for each row.
    #[default]
    Int8,
    /// Weights in bf16, activations and sums in f32.
    Bf16,
    /// All as exact as f32; of weights that bytes hold, products are made of bytes where that is faster.
    F32,
}

impl Dtype {
    pub const ALL: [Self; 3] = [Self::Int8, Self::Bf16, Self::F32];

    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}
