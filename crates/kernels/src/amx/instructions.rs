//! The instructions, as assembly: the compiler's own functions for them are not stable. Registers are used as in the
//! diagram of [`super`].

use super::{Accumulators, Bf16Split};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::sync::OnceLock;

/// Whether this processor multiplies tiles of int8 and of bf16, and the system lets the process use them.
pub fn is_available() -> bool {
    /// In leaf 7: AMX-TILE, AMX-BF16 and AMX-INT8.
    const FEATURES: u32 = 1 << 24 | 1 << 22 | 1 << 25;
    const REQUEST_PERMISSION: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        if __cpuid(0).eax < 7 || __cpuid_count(7, 0).edx & FEATURES != FEATURES {
            return false;
        }
        // SAFETY: the call touches no memory of ours; a system that does not know or grant the request refuses it.
        unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0 }
    })
}

/// Configures all eight tiles of this thread, with 16 rows of 64 bytes each.
///
/// # Safety
/// There must be tiles.
pub unsafe fn configure() {
    #[repr(C, align(64))]
    struct Shapes([u8; 64]);
    static SHAPES: Shapes = {
        let mut shapes = [0; 64];
        shapes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            shapes[16 + 2 * tile] = 64;
            shapes[48 + tile] = 16;
            tile += 1;
        }
        Shapes(shapes)
    };
    // SAFETY: there are tiles, as the caller has made sure, and the instruction reads the 64 bytes of `SHAPES`.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
}

/// Releases the tiles: the system need not save what is not in use.
///
/// # Safety
/// There must be tiles.
pub unsafe fn release() {
    // SAFETY: there are tiles, as the caller has made sure.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// Loads one bf16 of each number, or the int8, of a step's rows: 16, and 16 more.
macro_rules! rows {
    ($part:literal) => {
        concat!(
            "tileloadd tmm4, [{rows} + {row} + 2048*",
            $part,
            "]\n",
            "tileloadd tmm5, [{rows} + {row} + 2048*",
            $part,
            " + 1024]\n",
        )
    };
}

/// The same of a step's columns.
macro_rules! columns {
    ($part:literal) => {
        concat!(
            "tileloadd tmm6, [{columns} + {line} + 2048*",
            $part,
            "]\n",
            "tileloadd tmm7, [{columns} + {line} + 2048*",
            $part,
            " + 64]\n",
        )
    };
}

/// Adds the products of the loaded rows and columns.
macro_rules! products {
    ($instruction:literal) => {
        concat!(
            $instruction,
            " tmm0, tmm4, tmm6\n",
            $instruction,
            " tmm1, tmm4, tmm7\n",
            $instruction,
            " tmm2, tmm5, tmm6\n",
            $instruction,
            " tmm3, tmm5, tmm7\n",
        )
    };
}

/// One step: loads and products in the order in which they are given.
macro_rules! step {
    ($rows:ident, $columns:ident, $($part:expr),+) => {
        asm!(
            $($part,)+
            rows = in(reg) $rows,
            row = in(reg) 64_usize,
            columns = in(reg) $columns,
            line = in(reg) 128_usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, readonly)
        )
    };
}

/// Sets all accumulators to 0.
///
/// # Safety
/// Tiles must be configured.
#[inline]
pub unsafe fn clear() {
    // SAFETY: tiles are configured, as the caller has made sure.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            options(nostack, nomem)
        );
    }
}

/// Copies the accumulators to memory.
///
/// # Safety
/// Tiles must be configured.
#[inline]
pub unsafe fn store(sums: &mut Accumulators) {
    // SAFETY: tiles are configured, as the caller has made sure; there is room for all four.
    unsafe {
        asm!(
            "tilestored [{sums} + {line}], tmm0",
            "tilestored [{sums} + {line} + 64], tmm1",
            "tilestored [{sums} + {line} + 2048], tmm2",
            "tilestored [{sums} + {line} + 2112], tmm3",
            sums = in(reg) sums,
            line = in(reg) 128_usize,
            options(nostack)
        );
    }
}

/// Adds the products of a step of int8.
///
/// # Safety
/// Tiles must be configured. There must be 32 rows of 16 words, and 16 lines of 32 columns.
#[inline]
pub unsafe fn multiply_add_int8(rows: *const i32, columns: *const i32) {
    // SAFETY: the caller has made sure that what is read is there.
    unsafe { step!(rows, columns, rows!(0), columns!(0), products!("tdpbusd")) };
}

/// Adds the products of a step of numbers that are split into bf16.
///
/// # Safety
/// As for [`multiply_add_int8`], but the words of all bf16 must be there.
#[inline]
pub unsafe fn multiply_add_bf16(split: Bf16Split, rows: *const i32, columns: *const i32) {
    // SAFETY: as above.
    unsafe {
        match split {
            Bf16Split::ThreeByThree => step!(
                rows,
                columns,
                rows!(2),
                columns!(0),
                products!("tdpbf16ps"),
                rows!(1),
                products!("tdpbf16ps"),
                columns!(1),
                products!("tdpbf16ps"),
                rows!(0),
                products!("tdpbf16ps"),
                columns!(2),
                products!("tdpbf16ps"),
                columns!(0),
                products!("tdpbf16ps")
            ),
            Bf16Split::OneByOne => step!(rows, columns, rows!(0), columns!(0), products!("tdpbf16ps")),
            Bf16Split::ThreeByOne => step!(
                rows,
                columns,
                columns!(0),
                rows!(2),
                products!("tdpbf16ps"),
                rows!(1),
                products!("tdpbf16ps"),
                rows!(0),
                products!("tdpbf16ps")
            ),
        }
    }
}
