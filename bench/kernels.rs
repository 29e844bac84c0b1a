//! How near each kernel of the packed encoder comes to what the processor can do, as JSON. bench/roofline.py runs it.
//!
//! `cargo bench --bench kernels -- [FOLDER OF A MODEL]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use serde::Serialize;
use serde_json::{Value, json};
use standpoint::kernels::attention::{HeadShape, QuantizedQkv, float, int8};
use standpoint::kernels::linear::{self, Activation, Input, Linear};
use standpoint::kernels::norm::{LayerNorm, add_norm};
use standpoint::kernels::peak::{self, fastest};
use standpoint::kernels::quantize::{ActivationFormat, QuantizedRows, quantize};
use standpoint::kernels::random::SplitMix;
use standpoint::kernels::{ComputeFormat, Dtype, Isa, padded};
use standpoint::machine;
use standpoint::model::{Model, ModelSource};

/// As in batches of articles.
const TOKENS: usize = 512;
const WINDOW: usize = 180;

fn main() {
    let folder = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    let source = folder.map_or_else(
        || standpoint::bundled().expect("the model is bundled"),
        |folder| ModelSource::Folder(folder.into()),
    );
    let model = Model::load(&source).expect("the model can be loaded");
    let config = model.config();
    let layer = LayerShape {
        hidden: config.hidden_size,
        intermediate: config.intermediate_size,
        heads: config.num_attention_heads,
    };
    let mut runs = Vec::new();
    // The instruction sets that multiply and add int8 in one instruction: a compiler moves some of several
    // instructions out of the loop that measures the peak.
    for isa in [Isa::Avx512Amx, Isa::Avx512Vnni, Isa::Avx2Vnni] {
        for (dtype, on_grid) in [(Dtype::Int8, true), (Dtype::F32, true), (Dtype::F32, false)] {
            if isa.is_available() {
                let profile = profile(layer, dtype, isa, on_grid);
                let weights = if on_grid { "bytes" } else { "any" };
                runs.push(json!({ "isa": isa.name(), "dtype": dtype.name(), "weights": weights, "profile": profile }));
            }
        }
    }
    let report: Value = json!({
        "what": "each kernel of a layer, one thread, against the processor's peak",
        "machine": machine::description(),
        "model": model.settings().name,
        "tokens": TOKENS,
        "window": WINDOW,
        "runs": runs,
    });
    println!("{report:#}");
}

/// The sizes of a transformer's layer.
#[derive(Clone, Copy)]
struct LayerShape {
    hidden: usize,
    intermediate: usize,
    heads: usize,
}

/// The kernels of one layer on one thread.
#[derive(Serialize)]
struct Profile {
    /// Multiply-adds per second: see [`peak::multiply_adds_per_second`].
    peak: f64,
    /// Bytes per second: see [`peak::bytes_per_second`].
    bandwidth: f64,
    /// In the order in which a layer runs them.
    kernels: Vec<KernelProfile>,
}

/// What a kernel does for one row, and how long it takes.
#[derive(Serialize)]
struct KernelProfile {
    kernel: &'static str,
    nanoseconds: f64,
    multiply_adds: f64,
    /// The bytes of activations, in and out.
    bytes: f64,
    /// The time that the peak and the bandwidth would allow, divided by the time that the kernel takes.
    reach: f64,
}

/// Runs each kernel of a layer. In f32 it matters whether weights are `on_grid`: numbers that int8 holds exactly.
fn profile(layer: LayerShape, dtype: Dtype, isa: Isa, on_grid: bool) -> Profile {
    let format = ComputeFormat::new(dtype, isa, || on_grid);
    let int8 = format.activations().is_some();
    let peak = peak::multiply_adds_per_second(isa, int8);
    let bandwidth = peak::bytes_per_second(isa);
    let mut run = Run { isa, format, peak, bandwidth, kernels: Vec::new() };

    let (hidden, wide) = (padded(layer.hidden), padded(layer.intermediate));
    let shape = HeadShape { heads: layer.heads, size: padded(layer.hidden / layer.heads) };
    let inner = shape.heads * shape.size;
    run.linear("queries, keys, values", hidden, 3 * inner, Activation::None);
    run.attention(shape);
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
    format: ComputeFormat,
    peak: f64,
    bandwidth: f64,
    kernels: Vec<KernelProfile>,
}

impl Run {
    fn add(&mut self, kernel: &'static str, multiply_adds: usize, bytes: usize, run: impl FnMut()) {
        let seconds = fastest(run) / TOKENS as f64;
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
        let (isa, format) = (self.isa, self.format);
        let block = format.cache_block_rows(isa);
        let (weights, bias) = (random(inputs * outputs), random(outputs));
        let columns = weights.chunks_exact(inputs).zip(bias.iter().copied());
        let layer = Linear::new(isa, format, activation, inputs, None, columns);
        let (x, mut y, mut quantized) =
            (random(block * inputs), vec![0.0; block * outputs], QuantizedRows::default());
        if let Some(format) = format.activations() {
            quantized.resize(block, inputs, format);
            quantize(isa, &x, quantized.rows_mut(0, block));
        }
        // An f32 is 4 bytes and one product; int8 are as many bytes as products.
        let (width, products) =
            format.activations().map_or((4, 1), |activations| (activations.bytes(), activations.bytes()));
        let mut scratch = linear::Scratch::default();
        self.add(kernel, products * inputs * outputs, inputs * width + 4 * outputs, || {
            for first in (0..TOKENS).step_by(block) {
                let rows = block.min(TOKENS - first);
                let x = match format.activations() {
                    Some(_) => Input::Quantized(quantized.rows(0, rows)),
                    None => Input::F32(&x[..rows * inputs]),
                };
                layer.forward(isa, x, &mut y[..rows * outputs], &mut scratch);
            }
        });
    }

    fn attention(&mut self, shape: HeadShape) {
        let (isa, inner) = (self.isa, shape.heads * shape.size);
        let starts = (0..TOKENS).step_by(WINDOW);
        let windows: Vec<_> = starts.map(|start| start..TOKENS.min(start + WINDOW)).collect();
        let windows = &windows[..];
        let (qkv, mut context) = (random(TOKENS * 3 * inner), vec![0.0; TOKENS * inner]);
        let (qkv, context) = (&qkv[..], &mut context[..]);
        if !self.format.attends_in_int8(isa) {
            let scratch = &mut float::Scratch::default();
            self.add("attention", 2 * WINDOW * inner, 16 * inner, || {
                float::attend(isa, shape, None, windows, qkv, scratch, context);
            });
            return;
        }
        let quantized = &mut QuantizedQkv::default();
        quantized.resize(shape, TOKENS);
        let block = self.format.cache_block_rows(isa);
        self.add("quantization of heads", 0, 15 * inner, || {
            // Always the same rows, because a layer finds them in the cache.
            for first in (0..TOKENS).step_by(block) {
                quantized.quantize(isa, shape, &qkv[..block.min(TOKENS - first) * 3 * inner], first);
            }
        });
        let scratch = &mut int8::Scratch::default();
        self.add("attention", 2 * WINDOW * inner, 7 * inner, || {
            int8::attend(isa, shape, None, windows, quantized, scratch, context);
        });
    }

    fn quantize(&mut self, kernel: &'static str, width: usize) {
        let isa = self.isa;
        let block = self.format.cache_block_rows(isa);
        let (values, mut quantized) = (random(block * width), QuantizedRows::default());
        let format = self.format.activations().unwrap_or_default();
        quantized.resize(block, width, format);
        self.add(kernel, 0, (4 + format.bytes()) * width, || {
            for first in (0..TOKENS).step_by(block) {
                let rows = block.min(TOKENS - first);
                quantize(isa, &values[..rows * width], quantized.rows_mut(0, rows));
            }
        });
    }

    fn norm(&mut self, kernel: &'static str, width: usize) {
        let isa = self.isa;
        let block = self.format.cache_block_rows(isa);
        let norm = LayerNorm::new(&random(width), &random(width), 1e-12);
        let (mut rows, others, mut quantized) =
            (random(TOKENS * width), random(block * width), QuantizedRows::default());
        let format = self.format.activations();
        quantized.resize(block, width, format.unwrap_or_default());
        let bytes = format.map_or(0, ActivationFormat::bytes);
        self.add(kernel, 0, (12 + bytes) * width, || {
            for rows in rows.chunks_mut(block * width) {
                let quantized = format.map(|_| quantized.rows_mut(0, rows.len() / width));
                add_norm(isa, &norm, rows, &others, quantized);
            }
        });
    }
}

fn random(length: usize) -> Vec<f32> {
    let mut random = SplitMix::new(length as u64);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}
