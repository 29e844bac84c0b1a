//! How near each kernel comes to what the processor can do: for `bench/kernels.rs`.

use crate::aligned::Aligned;
use crate::amx::{Amx, BLOCK, Parts, STEP, WORDS};
use crate::attention::{Shape, bytes, floats, heads};
use crate::linear::{Activation, Input, Linear, Space};
use crate::norm::{AddNorm, Norm};
use crate::numbers::Numbers;
use crate::quantize::{Quantize, Quantized};
use crate::random::SplitMix;
use crate::simd::{Isa, Kernel, Simd, TiledProduct};
use crate::tile::{Arithmetic, Bytes, Floats};
use crate::{Dtype, padded};
use serde::Serialize;
use std::hint::black_box;
use std::iter;
use std::time::Instant;

/// Of one thread.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Multiply-adds per second of a loop that does nothing else, its operands in registers.
    pub peak: f64,
    /// Bytes per second, read and written, of a loop over what fits into the second level of cache.
    pub bandwidth: f64,
    /// In the order in which a layer runs them.
    pub kernels: Vec<KernelProfile>,
}

/// What a kernel does for one row, and how long it takes.
#[derive(Clone, Debug, Serialize)]
pub struct KernelProfile {
    pub kernel: &'static str,
    pub nanoseconds: f64,
    pub multiply_adds: f64,
    /// That activations take, in and out.
    pub bytes: f64,
    /// The time that the peak and the bandwidth would allow, over the time it takes.
    pub reach: f64,
}

/// The sizes of a transformer's layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerShape {
    pub hidden: usize,
    pub intermediate: usize,
    pub heads: usize,
}

/// Runs each kernel of a layer on `tokens` tokens in windows of `window`. In f32 it matters whether weights are
/// `on_grid`: numbers that bytes hold.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn profile(
    layer: LayerShape,
    dtype: Dtype,
    isa: Isa,
    on_grid: bool,
    tokens: usize,
    window: usize,
) -> Profile {
    let numbers = Numbers::of(dtype, isa, || on_grid);
    let int8 = numbers.digits().is_some();
    let length = 16 * 1024;
    let of_round = isa.run(Peak { int8, rounds: 0 });
    let rounds = 20_000_000 / of_round + 1;
    let peak = (rounds * of_round) as f64 / fastest(|| isa.run(Peak { int8, rounds }));
    let mut sweep = random(2 * length);
    let bandwidth = 8.0 * length as f64 / fastest(|| isa.run(Sweep(&mut sweep)));
    let mut run = Run { isa, numbers, tokens, peak, bandwidth, kernels: Vec::new() };

    let (hidden, wide) = (padded(layer.hidden), padded(layer.intermediate));
    let shape = Shape { heads: layer.heads, size: padded(layer.hidden / layer.heads) };
    let inner = shape.heads * shape.size;
    run.linear("queries, keys, values", hidden, 3 * inner, Activation::None);
    run.attention(shape, window);
    if int8 {
        run.quantize("quantization of the context", inner);
    }
    run.linear("output", inner, hidden, Activation::None);
    run.norm("first layer norm", hidden);
    run.linear("widening, with GELU", hidden, wide, Activation::Gelu);
    if int8 {
        run.quantize("quantization of inner states", wide);
    }
    run.linear("narrowing", wide, hidden, Activation::None);
    run.norm("second layer norm", hidden);
    Profile { peak, bandwidth, kernels: run.kernels }
}

struct Run {
    isa: Isa,
    numbers: Numbers,
    tokens: usize,
    peak: f64,
    bandwidth: f64,
    kernels: Vec<KernelProfile>,
}

impl Run {
    fn add(&mut self, kernel: &'static str, multiply_adds: usize, bytes: usize, run: impl FnMut()) {
        let seconds = fastest(run) / self.tokens as f64;
        let (multiply_adds, bytes) = (multiply_adds as f64, bytes as f64);
        let least = (multiply_adds / self.peak).max(bytes / self.bandwidth);
        self.kernels.push(KernelProfile {
            kernel,
            nanoseconds: seconds * 1e9,
            multiply_adds,
            bytes,
            reach: least / seconds,
        });
    }

    fn linear(&mut self, kernel: &'static str, inputs: usize, outputs: usize, activation: Activation) {
        let (isa, numbers) = (self.isa, self.numbers);
        let block = numbers.rows_together(isa);
        let (weights, bias) = (random(inputs * outputs), random(outputs));
        let columns = weights.chunks_exact(inputs).zip(bias.iter().copied());
        let layer = Linear::new(isa, numbers, activation, inputs, None, columns);
        let (x, mut y, mut quantized) =
            (random(block * inputs), vec![0.0; block * outputs], Quantized::default());
        if let Some(digits) = numbers.digits() {
            quantized.resize(block, inputs, digits);
            isa.run(Quantize { values: &x, to: quantized.rows_mut(0, block) });
        }
        let (width, products) = numbers.digits().map_or((4, 1), |digits| (digits, digits));
        let (tokens, mut space) = (self.tokens, Space::default());
        self.add(kernel, products * inputs * outputs, inputs * width + 4 * outputs, || {
            for first in (0..tokens).step_by(block) {
                let rows = block.min(tokens - first);
                let x = match numbers.digits() {
                    Some(_) => Input::Bytes(quantized.rows(0, rows)),
                    None => Input::Floats(&x[..rows * inputs]),
                };
                layer.forward(isa, x, &mut y[..rows * outputs], &mut space);
            }
        });
    }

    fn attention(&mut self, shape: Shape, window: usize) {
        let (isa, tokens, inner) = (self.isa, self.tokens, shape.heads * shape.size);
        let starts = (0..tokens).step_by(window);
        let windows: Vec<_> = starts.map(|start| start..tokens.min(start + window)).collect();
        let windows = &windows[..];
        let (qkv, mut context) = (random(tokens * 3 * inner), vec![0.0; tokens * inner]);
        let (qkv, context) = (&qkv[..], &mut context[..]);
        if self.numbers.digits() != Some(1) || isa.has_pairs() {
            let scratch = &mut floats::Scratch::default();
            self.add("attention", 2 * window * inner, 16 * inner, || {
                isa.run(floats::Attention { shape, bias: None, windows, qkv, scratch, context });
            });
            return;
        }
        let heads = &mut heads::Heads::default();
        heads.resize(shape, tokens);
        let block = self.numbers.rows_together(isa);
        self.add("quantization of heads", 0, 15 * inner, || {
            // From one block's rows: they come from the cache.
            for first in (0..tokens).step_by(block) {
                let qkv = &qkv[..block.min(tokens - first) * 3 * inner];
                isa.run(heads::Split { shape, qkv, first, heads });
            }
        });
        let scratch = &mut bytes::Scratch::default();
        self.add("attention", 2 * window * inner, 7 * inner, || {
            isa.run(bytes::Attention { shape, bias: None, windows, heads, scratch, context });
        });
    }

    fn quantize(&mut self, kernel: &'static str, width: usize) {
        let (isa, tokens) = (self.isa, self.tokens);
        let block = self.numbers.rows_together(isa);
        let (values, mut quantized) = (random(block * width), Quantized::default());
        let digits = self.numbers.digits().unwrap_or(1);
        quantized.resize(block, width, digits);
        self.add(kernel, 0, (4 + digits) * width, || {
            for first in (0..tokens).step_by(block) {
                let rows = block.min(tokens - first);
                let (values, to) = (&values[..rows * width], quantized.rows_mut(0, rows));
                isa.run(Quantize { values, to });
            }
        });
    }

    fn norm(&mut self, kernel: &'static str, width: usize) {
        let (isa, tokens) = (self.isa, self.tokens);
        let block = self.numbers.rows_together(isa);
        let norm = Norm::new(&random(width), &random(width), 1e-12);
        let (mut rows, others, mut quantized) =
            (random(tokens * width), random(block * width), Quantized::default());
        let digits = self.numbers.digits();
        quantized.resize(block, width, digits.unwrap_or(1));
        self.add(kernel, 0, (12 + digits.unwrap_or(0)) * width, || {
            for rows in rows.chunks_mut(block * width) {
                let count = rows.len() / width;
                let quantized = digits.map(|_| quantized.rows_mut(0, count));
                isa.run(AddNorm { norm: &norm, rows, others: &others, quantized });
            }
        });
    }
}

/// Nothing but multiply-adds; returns how many a round has.
struct Peak {
    int8: bool,
    rounds: usize,
}

impl Kernel for Peak {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        if !simd.has_tiles() {
            return simd.multiply(self);
        }
        let words: Aligned<i32> = iter::repeat_n(0, Parts::ThreeByThree.of_rows() * WORDS).collect();
        let mut amx = Amx::new();
        for _ in 0..self.rounds {
            if self.int8 {
                amx.add_bytes(black_box(&words[..WORDS]), &words[..WORDS]);
            } else {
                amx.add_halves(Parts::ThreeByThree, black_box(&words), &words);
            }
        }
        BLOCK * BLOCK * STEP * if self.int8 { 4 } else { 2 }
    }
}

impl TiledProduct for Peak {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) -> usize {
        if self.int8 {
            rounds::<S, Bytes, ROWS, VECTORS>(simd, self.rounds);
        } else {
            rounds::<S, Floats, ROWS, VECTORS>(simd, self.rounds);
        }
        ROWS * VECTORS * S::LANES * if self.int8 { 4 } else { 1 }
    }
}

#[inline(always)]
fn rounds<S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(simd: S, rounds: usize) {
    let word = simd.splat_word(black_box(0));
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

/// Reads one half, and writes it to the other.
struct Sweep<'a>(&'a mut [f32]);

impl Kernel for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (from, to) = self.0.split_at_mut(self.0.len() / 2);
        for (from, to) in from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(simd.load(from), to);
        }
    }
}

/// The seconds of the fastest of many runs: the others were disturbed.
fn fastest<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut fastest = f64::INFINITY;
    for _ in 0..40 {
        let started = Instant::now();
        black_box(run());
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    fastest
}

fn random(length: usize) -> Vec<f32> {
    let mut random = SplitMix::new(length as u64);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}

#[cfg(test)]
mod tests {
    use crate::*;

    #[test]
    fn every_kernel_is_measured() {
        let layer = LayerShape { hidden: 24, intermediate: 40, heads: 2 };
        for (dtype, on_grid) in Dtype::ALL.into_iter().flat_map(|dtype| [(dtype, false), (dtype, true)]) {
            let profile = profile(layer, dtype, Isa::detect(), on_grid, 40, 15);
            assert!(profile.peak > 1e6 && profile.bandwidth > 1e6);
            assert!(profile.kernels.len() >= 7);
            assert!(profile.kernels.iter().all(|kernel| kernel.nanoseconds > 0.0 && kernel.reach > 0.0));
        }
    }
}
