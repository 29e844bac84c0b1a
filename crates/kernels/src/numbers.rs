//! What linear layers multiply.

use crate::Isa;
use crate::{Dtype, quantize};

/// How weights and activations stand in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Weights are bytes, and so are activations: one each, or the [`quantize::DIGITS`] of a number of 24 bits.
    Bytes {
        digits: usize,
    },
    /// Weights are bf16.
    Halves,
    Floats,
}

impl Numbers {
    /// Where weights are `on_grid`, that is numbers which bytes hold exactly, f32 are multiplied as bytes, too, if that is
    /// faster.
    pub fn of(dtype: Dtype, isa: Isa, on_grid: impl FnOnce() -> bool) -> Self {
        match dtype {
            Dtype::Int8 => Self::Bytes { digits: 1 },
            Dtype::Bf16 => Self::Halves,
            Dtype::F32 if isa.prefers_bytes() && on_grid() => Self::Bytes { digits: quantize::DIGITS },
            Dtype::F32 => Self::Floats,
        }
    }

    /// Bytes of an activation, where it consists of them.
    pub fn digits(self) -> Option<usize> {
        match self {
            Self::Bytes { digits } => Some(digits),
            Self::Halves | Self::Floats => None,
        }
    }

    /// Rows that go through a layer together: few enough for their inner states and a layer's weights to stay in cache,
    /// enough for weights that do not to be worth fetching. Floats do not, and by vectors a batch goes through whole;
    /// tiles want a row's three parts at hand more than that.
    pub fn rows_together(self, isa: Isa) -> usize {
        match self {
            Self::Bytes { .. } => 32,
            Self::Halves => 64,
            Self::Floats if isa == Isa::Avx512Amx => 64,
            Self::Floats => 512,
        }
    }
}
