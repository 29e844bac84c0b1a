use super::*;
use crate::padded;
use crate::quantize::{QuantizedRows, quantize};
use crate::random::SplitMix;
use crate::testing::{instruction_sets, with_amx};

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix::new(seed);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}

const FORMATS: [ComputeFormat; 4] =
    [ComputeFormat::Int8, ComputeFormat::Int8x3, ComputeFormat::Bf16, ComputeFormat::F32];

/// Weights that int8 holds exactly: whole numbers, of which the largest in each row is 127, divided by that.
fn exact_in_int8(length: usize, width: usize, seed: u64) -> Vec<f32> {
    let whole = |(at, x): (usize, f32)| if at % width == 0 { 127.0 } else { (x * 127.0).round() };
    random(length, seed).into_iter().enumerate().map(|one| whole(one) / 127.0).collect()
}

/// Rows, inputs, outputs that fit no register tile: one row, one column, a few more than a panel.
const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 384, 48), (7, 33, 50), (8, 16, 16), (13, 100, 97), (65, 48, 129), (512, 20, 10)];

fn layer(isa: Isa, format: ComputeFormat, activation: Activation, weights: &[f32], bias: &[f32]) -> Linear {
    let inputs = weights.len() / bias.len();
    let padding = padded(bias.len()) - bias.len();
    let real = weights.chunks_exact(inputs).zip(bias.iter().copied());
    Linear::new(isa, format, activation, padded(inputs), None, real.chain(vec![(&[][..], 0.0); padding]))
}

/// The rows, each padded with zeros.
fn pad(rows: &[f32], width: usize) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() / width * padded(width)];
    for (to, from) in all.chunks_exact_mut(padded(width)).zip(rows.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    all
}

fn forward(isa: Isa, layer: &Linear, format: ComputeFormat, x: &[f32], rows: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; rows * layer.columns()];
    let mut quantized = QuantizedRows::default();
    let x = if let Some(format) = format.activations() {
        quantized.resize(rows, x.len() / rows, format);
        quantize(isa, x, quantized.rows_mut(0, rows));
        Input::Quantized(quantized.rows(0, rows))
    } else {
        Input::F32(x)
    };
    layer.forward(isa, x, &mut y, &mut Scratch::default());
    y
}

#[test]
fn every_instruction_set_multiplies() {
    for isa in instruction_sets() {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, b) =
                (random(rows * inputs, 1), exact_in_int8(inputs * outputs, inputs, 2), random(outputs, 3));
            let expected = |row: usize, column: usize| -> f32 {
                let x = &x[row * inputs..][..inputs];
                let w = &w[column * inputs..][..inputs];
                x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>() + b[column]
            };
            for format in FORMATS {
                let tolerance = match format {
                    ComputeFormat::F32 => 1e-5,
                    // Weights do not stay exact where pairs of products must fit into 16 bits.
                    ComputeFormat::Int8x3 if !isa.sums_int8_pairs_in_int16() => 1e-5,
                    ComputeFormat::Bf16 => 0.02,
                    ComputeFormat::Int8 | ComputeFormat::Int8x3 => 0.05,
                };
                let layer = layer(isa, format, Activation::None, &w, &b);
                let y = forward(isa, &layer, format, &pad(&x, inputs), rows);
                for row in 0..rows {
                    for column in 0..padded(outputs) {
                        let found = y[row * padded(outputs) + column];
                        let expected = if column < outputs { expected(row, column) } else { 0.0 };
                        let near = tolerance * (inputs as f32).sqrt().max(1.0);
                        assert!((found - expected).abs() < near, "{isa} {format:?}: {found}, not {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn int8_gives_the_same_numbers_wherever_products_are_summed_in_32_bits() {
    for isa in instruction_sets().filter(|isa| !isa.sums_int8_pairs_in_int16()) {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, b) = (random(rows * inputs, 4), random(inputs * outputs, 5), vec![0.0; outputs]);
            for format in [ComputeFormat::Int8, ComputeFormat::Int8x3] {
                let on = |isa| {
                    let layer = layer(isa, format, Activation::None, &w, &b);
                    forward(isa, &layer, format, &pad(&x, inputs), rows)
                };
                for (found, expected) in on(isa).into_iter().zip(on(Isa::Portable)) {
                    // The last product and sum are rounded twice or once.
                    assert!((found - expected).abs() < 1e-5, "{isa} {format:?}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for isa in instruction_sets() {
        for format in FORMATS {
            let (x, w, b) = (random(13 * 48, 6), random(48 * 64, 7), random(64, 8));
            let layer = layer(isa, format, Activation::Gelu, &w, &b);
            let all = forward(isa, &layer, format, &x, 13);
            for (row, values) in x.chunks_exact(48).enumerate() {
                let alone = forward(isa, &layer, format, values, 1);
                assert_eq!(alone, all[row * 64..][..64], "{isa} {format:?}");
            }
        }
    }
}

#[test]
fn weights_and_rows_at_the_limits_do_not_overflow() {
    // Miri checks accesses to memory, for which few inputs are enough, and takes minutes for all.
    let inputs = if cfg!(miri) { 128 } else { 1536 };
    for isa in instruction_sets() {
        let x: Vec<f32> = (0..inputs).map(|at| if at == 0 { -1.0 } else { 1.0 }).collect();
        for format in [ComputeFormat::Int8, ComputeFormat::Int8x3] {
            let layer = layer(isa, format, Activation::None, &vec![1.0; inputs * 16], &[0.0; 16]);
            let y = forward(isa, &layer, format, &x, 1);
            assert!(y.iter().all(|&y| (y - (inputs - 2) as f32).abs() < 0.1), "{isa} {format:?}: {y:?}");
            assert_eq!(forward(isa, &layer, format, &vec![0.0; inputs], 1), [0.0; 16], "{isa} {format:?}");
        }
    }
}

/// The root of a layer's mean square error, against sums in f64.
fn error(isa: Isa, format: ComputeFormat, [x, w, b]: [&[f32]; 3]) -> f64 {
    let (outputs, inputs) = (b.len(), w.len() / b.len());
    let rows = x.len() / inputs;
    let layer = layer(isa, format, Activation::None, w, b);
    let y = forward(isa, &layer, format, &pad(x, inputs), rows);
    let mut squares = 0.0;
    for (at, bias) in (0..rows * outputs).map(|at| (at, f64::from(b[at % outputs]))) {
        let (row, column) = (at / outputs, at % outputs);
        let pairs = x[row * inputs..][..inputs].iter().zip(&w[column * inputs..][..inputs]);
        let exact = bias + pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
        squares += (f64::from(y[row * padded(outputs) + column]) - exact).powi(2);
    }
    (squares / (rows * outputs) as f64).sqrt()
}

/// Numbers of many sizes, so that small ones count beside large ones.
fn spread(length: usize, seed: u64) -> Vec<f32> {
    let numbers = random(length, seed).into_iter().enumerate();
    numbers.map(|(at, x)| x * 2_f32.powi(at as i32 % 13 - 6)).collect()
}

#[test]
fn f32_by_amx_is_as_exact_as_by_vectors() {
    let Some(amx) = with_amx() else { return };
    for (rows, inputs, outputs) in [(33, 384, 64), (5, 1536, 32), (64, 100, 48)] {
        let (x, w, b) = (spread(rows * inputs, 11), spread(inputs * outputs, 12), spread(outputs, 13));
        let error = |isa| error(isa, ComputeFormat::F32, [&x, &w, &b]);
        let (tiles, vectors) = (error(amx), error(Isa::Avx512Vnni));
        assert!(tiles < 2.0 * vectors, "{inputs} inputs: off by {tiles}, and {vectors} by vectors");
    }
}

#[test]
fn int8x3_is_as_exact_as_f32() {
    for isa in instruction_sets().filter(|isa| !isa.sums_int8_pairs_in_int16()) {
        let shapes = [(33, 384, 64), (5, 1536, 32), (64, 100, 48)];
        for ((rows, inputs, outputs), outlier) in
            shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)])
        {
            // The largest number of a row is 5.4 times the root of its mean square, and an outlier 40 times.
            let (mut x, b) = (spread(rows * inputs, 11), spread(outputs, 13));
            if outlier {
                x.chunks_exact_mut(inputs).for_each(|row| row[7] = 470.0);
            }
            let w = exact_in_int8(inputs * outputs, inputs, 12);
            let int8x3 = error(isa, ComputeFormat::Int8x3, [&x, &w, &b]);
            let f32 = error(Isa::Portable, ComputeFormat::F32, [&x, &w, &b]);
            assert!(int8x3 < 2.0 * f32, "{isa}, {inputs} inputs: off by {int8x3}, and {f32} in f32");
        }
    }
}
