//! What a processor can do at most: the bounds that `benches/kernels.rs` compares kernels with. Only this crate can
//! measure them, because they are loops over its vectors and tiles.

use crate::Isa;
use crate::aligned::Aligned;
use crate::amx::{Amx, BLOCK, Bf16Split, OPERAND_WORDS, STEP_WORDS};
use crate::microkernel::{Arithmetic, F32, Int8};
use crate::simd::{Kernel, Simd, TiledKernel};
use std::hint::black_box;
use std::iter;
use std::time::Instant;

/// Multiply-adds per second of one thread in a loop that does nothing else, its operands in registers: of int8, or of
/// f32.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn multiply_adds_per_second(isa: Isa, int8: bool) -> f64 {
    let of_round = isa.run(MultiplyAdds { int8, rounds: 0 });
    let rounds = 20_000_000 / of_round + 1;
    (rounds * of_round) as f64 / fastest(|| isa.run(MultiplyAdds { int8, rounds }))
}

/// Int8 per second, read and written, of one thread that copies what fits into the second level of cache.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn bytes_per_second(isa: Isa) -> f64 {
    const LENGTH: usize = 16 * 1024;
    let mut numbers = vec![1.0; 2 * LENGTH];
    8.0 * LENGTH as f64 / fastest(|| isa.run(CopyHalf(&mut numbers)))
}

/// The seconds of the fastest of many runs: other programs disturbed the slower ones.
pub fn fastest<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut fastest = f64::INFINITY;
    for _ in 0..40 {
        let started = Instant::now();
        black_box(run());
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    fastest
}

/// Returns the multiply-adds of a round.
struct MultiplyAdds {
    int8: bool,
    rounds: usize,
}

impl Kernel for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        if !simd.has_amx() {
            return simd.with_register_tile(self);
        }
        let words: Aligned<i32> = iter::repeat_n(0, Bf16Split::ThreeByThree.rows() * OPERAND_WORDS).collect();
        let mut amx = Amx::new();
        for _ in 0..self.rounds {
            if self.int8 {
                amx.add_int8(black_box(&words[..OPERAND_WORDS]), &words[..OPERAND_WORDS]);
            } else {
                amx.add_bf16(Bf16Split::ThreeByThree, black_box(&words), &words);
            }
        }
        BLOCK * BLOCK * STEP_WORDS * if self.int8 { 4 } else { 2 }
    }
}

impl TiledKernel for MultiplyAdds {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) -> usize {
        if self.int8 {
            rounds::<S, Int8, ROWS, VECTORS>(simd, self.rounds);
        } else {
            rounds::<S, F32, ROWS, VECTORS>(simd, self.rounds);
        }
        ROWS * VECTORS * S::LANES * if self.int8 { 4 } else { 1 }
    }
}

#[inline(always)]
fn rounds<S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(simd: S, rounds: usize) {
    let word = simd.splat_i32(black_box(0));
    let mut sums = [[A::zero(simd); VECTORS]; ROWS];
    for _ in 0..rounds {
        for row in &mut sums {
            for sum in row {
                *sum = A::multiply_add(simd, *sum, word, word, 0);
            }
        }
    }
    black_box(sums);
}

/// Copies the first half of a slice to the second.
struct CopyHalf<'a>(&'a mut [f32]);

impl Kernel for CopyHalf<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (from, to) = self.0.split_at_mut(self.0.len() / 2);
        for (from, to) in from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(simd.load(from), to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[test]
    fn every_instruction_set_has_a_peak() {
        for isa in instruction_sets() {
            for int8 in [false, true] {
                let peak = multiply_adds_per_second(isa, int8);
                assert!(peak.is_finite() && peak > 0.0, "{isa}: {peak}");
            }
            let bandwidth = bytes_per_second(isa);
            assert!(bandwidth.is_finite() && bandwidth > 0.0, "{isa}: {bandwidth}");
        }
    }
}
