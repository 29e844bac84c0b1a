//! The instruction sets that kernels are compiled for, and the choice of one at run time.

#[cfg(target_arch = "x86_64")]
use crate::amx;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon;
use crate::simd::portable;
use crate::simd::{Kernel, Simd};
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2, avx512};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// The environment variable that forces an instruction set.
const VARIABLE: &str = "STANDPOINT_ISA";

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX-512 with VNNI, and AMX tiles of int8 and bf16 for linear layers.
    Avx512Amx,
    /// AVX-512 with dot products of int8 (VNNI).
    Avx512Vnni,
    /// AVX-512 as of Skylake.
    Avx512,
    /// AVX2 with dot products of int8 (AVX-VNNI).
    Avx2Vnni,
    /// AVX2 with FMA.
    Avx2,
    /// What every 64-bit Arm processor has.
    Neon,
    /// Plain Rust, for every processor.
    Portable,
}

impl Isa {
    /// All instruction sets, the fastest first.
    pub const ALL: [Self; 7] = [
        Self::Avx512Amx,
        Self::Avx512Vnni,
        Self::Avx512,
        Self::Avx2Vnni,
        Self::Avx2,
        Self::Neon,
        Self::Portable,
    ];

    /// The fastest one that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// The one that the environment variable `STANDPOINT_ISA` names; without it, the fastest that this processor has.
    ///
    /// # Errors
    /// If there is no such instruction set, or this processor does not have it.
    pub fn from_environment() -> Result<Self, String> {
        std::env::var(VARIABLE).map_or_else(|_| Ok(Self::detect()), |name| name.parse())
    }

    /// Whether this processor has it, and the system lets the process use it.
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

    /// Whether it sums products of int8 in pairs in 16 bits, which takes more than one instruction and a bit of the weights:
    /// AVX2 and AVX-512 without VNNI.
    ///
    /// # Panics
    /// If the processor does not have it.
    pub fn sums_int8_pairs_in_int16(self) -> bool {
        struct Int16Pairs;
        impl Kernel for Int16Pairs {
            type Output = bool;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> bool {
                S::INT16_PAIRS
            }
        }
        self.run(Int16Pairs)
    }

    /// Whether three products of int8 take less time than one of f32. With AVX2 they take as long.
    pub fn prefers_int8x3(self) -> bool {
        matches!(self, Self::Avx512Amx | Self::Avx512Vnni)
    }

    /// Runs a kernel, compiled for this instruction set.
    ///
    /// # Panics
    /// If the processor does not have it.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // The standard library caches what it detects: this costs a load and a comparison or two.
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

    /// Runs plain loops, compiled for this instruction set. Use it through the trainer's `vectorized!`, which does not
    /// forget the closure's attribute. Loops do not use dot products of int8 or tiles, so three copies of each are enough.
    ///
    /// # Panics
    /// If the processor does not have it.
    #[cfg(feature = "training")]
    #[inline]
    pub(crate) fn run_loops(self, work: impl FnMut()) {
        struct Loops<F>(F);
        impl<F: FnMut()> Kernel for Loops<F> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(mut self, _: S) {
                (self.0)();
            }
        }
        assert!(self.is_available(), "this processor lacks {self}");
        let loops = Loops(work);
        match self {
            // SAFETY: the processor has the features that the function is compiled for, as was just asserted.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Amx | Self::Avx512Vnni | Self::Avx512 => unsafe { avx512::run(loops) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Vnni | Self::Avx2 => unsafe { avx2::run(loops) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { neon::run(loops) },
            _ => loops.run(portable::Portable),
        }
    }

    /// Its name, as in `STANDPOINT_ISA`.
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

/// [`Isa::from_environment`], read once for the whole process. Where that is an error it is [`Isa::detect`]: a program
/// that wants to report the error asks [`Isa::from_environment`] first.
impl Default for Isa {
    fn default() -> Self {
        static DEFAULT: OnceLock<Isa> = OnceLock::new();
        *DEFAULT.get_or_init(|| Self::from_environment().unwrap_or_else(|_| Self::detect()))
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
