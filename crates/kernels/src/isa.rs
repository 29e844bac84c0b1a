//! The instruction sets that kernels are compiled for, and the choice of one at run time.

use crate::amx;
use crate::simd::portable;
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2, avx512};
#[cfg(target_arch = "aarch64")]
use crate::simd::neon;
use crate::simd::{Kernel, Simd};
use std::fmt;
use std::str::FromStr;

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 with dot products of bytes, and tiles of bytes and bf16 (AMX) for linear layers.
    Avx512Amx,
    /// AVX-512 with dot products of bytes (VNNI).
    Avx512Vnni,
    /// AVX-512 as of Skylake.
    Avx512,
    /// AVX2 with dot products of bytes (AVX-VNNI).
    Avx2Vnni,
    /// AVX2 with FMA.
    Avx2,
    Neon,
    /// Plain Rust, for every processor.
    Portable,
}

impl Isa {
    /// All, the fastest first.
    pub const ALL: [Self; 7] = [
        Self::Avx512Amx,
        Self::Avx512Vnni,
        Self::Avx512,
        Self::Avx2Vnni,
        Self::Avx2,
        Self::Neon,
        Self::Portable,
    ];

    /// The fastest that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let avx2 = has!("avx2") && has!("fma");
            let avx512 = avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
            match self {
                Self::Avx512Amx => avx512 && has!("avx512vnni") && has!("avx512bf16") && amx::is_available(),
                Self::Avx512Vnni => avx512 && has!("avx512vnni"),
                Self::Avx512 => avx512,
                Self::Avx2Vnni => avx2 && has!("avxvnni"),
                Self::Avx2 => avx2,
                Self::Neon => false,
                Self::Portable => true,
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            // Part of every aarch64 target.
            matches!(self, Self::Neon | Self::Portable)
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            self == Self::Portable
        }
    }

    /// Whether it sums pairs of products in 16 bits. See [`Simd::PAIRS`].
    pub fn has_pairs(self) -> bool {
        struct HasPairs;
        impl Kernel for HasPairs {
            type Output = bool;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> bool {
                S::PAIRS
            }
        }
        self.run(HasPairs)
    }

    /// Whether three products of bytes take less time than one of f32. With AVX2 they take as long.
    pub fn prefers_bytes(self) -> bool {
        matches!(self, Self::Avx512Amx | Self::Avx512Vnni)
    }

    /// Runs a kernel, compiled for this instruction set.
    ///
    /// # Panics
    /// If the processor does not have it.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // Detection is cached by the standard library: this costs a load and a comparison or two.
        assert!(self.is_available(), "this processor lacks {self}");
        match self {
            // SAFETY: the processor has the features that the function is compiled for, as was just asserted.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Amx => unsafe { avx512::run_vnni(kernel, true) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { avx512::run_vnni(kernel, false) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni => unsafe { avx2::run_vnni(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::run(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::run(kernel) },
            _ => kernel.run(portable::Portable),
        }
    }

    /// As it is written in `STANDPOINT_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512Amx => "avx512-amx",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Avx512 => "avx512",
            Self::Avx2Vnni => "avx2-vnni",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = String;

    /// # Errors
    /// If there is no such instruction set, or this processor does not have it; the message lists those that it has.
    fn from_str(name: &str) -> Result<Self, String> {
        let available = || {
            let names: Vec<&str> =
                Self::ALL.into_iter().filter(|isa| isa.is_available()).map(Self::name).collect();
            names.join(", ")
        };
        match Self::ALL.into_iter().find(|isa| isa.name() == name) {
            Some(isa) if isa.is_available() => Ok(isa),
            Some(_) => Err(format!("this processor lacks {name}; it has {}", available())),
            None => Err(format!("there is no instruction set {name:?}; this processor has {}", available())),
        }
    }
}
