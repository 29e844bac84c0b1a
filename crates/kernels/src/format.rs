//! The number formats of linear layers: what a user asks for ([`Dtype`]), and what is multiplied for it on a given
//! processor ([`ComputeFormat`]).

use crate::Isa;
use crate::quantize::ActivationFormat;

/// How exactly linear layers compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// Weights in int8 with a scale for each column, activations in uint8 with a scale and a zero point for each row.
    #[default]
    Int8,
    /// Weights in bf16, activations and sums in f32.
    Bf16,
    /// As exact as f32. Where int8 holds the weights exactly, products may be computed in int8, if that is faster.
    F32,
}

impl Dtype {
    pub const ALL: [Self; 3] = [Self::Int8, Self::Bf16, Self::F32];

    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }
}

/// What a linear layer multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeFormat {
    /// Weights in int8, activations in uint8.
    Int8,
    /// Weights in int8, each f32 activation as three int8 digits: see [`ActivationFormat::Int8x3`].
    Int8x3,
    /// Weights in bf16, activations in f32.
    Bf16,
    /// Both in f32.
    F32,
}

impl ComputeFormat {
    /// The format for a dtype. `weights_fit_int8` says whether int8 holds all weights exactly: f32 is then multiplied as
    /// int8 digits on processors where that is faster. It is called only if it matters.
    pub fn new(dtype: Dtype, isa: Isa, weights_fit_int8: impl FnOnce() -> bool) -> Self {
        match dtype {
            Dtype::Int8 => Self::Int8,
            Dtype::Bf16 => Self::Bf16,
            Dtype::F32 if isa.prefers_int8x3() && weights_fit_int8() => Self::Int8x3,
            Dtype::F32 => Self::F32,
        }
    }

    /// How activations are quantised; `None` where they stay f32.
    pub fn activations(self) -> Option<ActivationFormat> {
        match self {
            Self::Int8 => Some(ActivationFormat::Int8),
            Self::Int8x3 => Some(ActivationFormat::Int8x3),
            Self::Bf16 | Self::F32 => None,
        }
    }

    /// Whether attention is computed in int8: where linear layers are, and the instruction set sums products of int8 in
    /// 32 bits.
    pub fn attends_in_int8(self, isa: Isa) -> bool {
        self == Self::Int8 && !isa.sums_int8_pairs_in_int16()
    }

    /// The rows of a cache block: those that go through a layer together. Few enough that their inner states and a
    /// layer's weights stay in cache, enough that weights which do not are worth fetching. Weights in f32 do not fit, so
    /// that vectors take a whole batch; AMX takes fewer rows, because it wants the three bf16 of each number at hand.
    pub fn cache_block_rows(self, isa: Isa) -> usize {
        match self {
            Self::Int8 | Self::Int8x3 => 32,
            Self::Bf16 => 64,
            Self::F32 if isa == Isa::Avx512Amx => 64,
            Self::F32 => 512,
        }
    }
}
