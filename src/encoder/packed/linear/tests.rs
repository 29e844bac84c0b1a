use super::super::padded;
use super::super::quantize::{Quantize, Quantized};
use super::*;
use crate::encoder::amx;
use crate::random::SplitMix;

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix::new(seed);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}

/// Sizes that fit no tile: one row, one column, a few more than a panel.
const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 384, 48), (7, 33, 50), (8, 16, 16), (13, 100, 97), (65, 48, 129), (512, 20, 10)];

fn layer(isa: Isa, dtype: Dtype, activation: Activation, weights: &[f32], bias: &[f32]) -> Linear {
    let inputs = weights.len() / bias.len();
    let fill = padded(bias.len()) - bias.len();
    let real = weights.chunks_exact(inputs).zip(bias.iter().copied());
    Linear::new(isa, dtype, activation, padded(inputs), None, real.chain(vec![(&[][..], 0.0); fill]))
}

/// The rows, each filled up with zeros.
fn pad(rows: &[f32], width: usize) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() / width * padded(width)];
    for (to, from) in all.chunks_exact_mut(padded(width)).zip(rows.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    all
}

fn forward(isa: Isa, layer: &Linear, x: &[f32], rows: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; rows * layer.columns()];
    let mut quantized = Quantized::default();
    let x = if matches!(layer.format, Format::Bytes { .. } | Format::Tiles(None)) {
        quantized.resize(rows, x.len() / rows);
        isa.run(Quantize { values: x, to: quantized.rows_mut(0, rows) });
        Input::Bytes(quantized.rows(0, rows))
    } else {
        Input::Floats(x)
    };
    layer.forward(isa, x, &mut y, &mut Space::default());
    y
}

#[test]
fn every_instruction_set_multiplies() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, b) = (random(rows * inputs, 1), random(inputs * outputs, 2), random(outputs, 3));
            let expected = |row: usize, column: usize| -> f32 {
                let x = &x[row * inputs..][..inputs];
                let w = &w[column * inputs..][..inputs];
                x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>() + b[column]
            };
            for (dtype, tolerance) in [(Dtype::F32, 1e-5), (Dtype::Bf16, 0.02), (Dtype::Int8, 0.05)] {
                let layer = layer(isa, dtype, Activation::None, &w, &b);
                let y = forward(isa, &layer, &pad(&x, inputs), rows);
                for row in 0..rows {
                    for column in 0..padded(outputs) {
                        let found = y[row * padded(outputs) + column];
                        let expected = if column < outputs { expected(row, column) } else { 0.0 };
                        let near = tolerance * (inputs as f32).sqrt().max(1.0);
                        assert!((found - expected).abs() < near, "{isa} {dtype:?}: {found}, not {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn bytes_are_multiplied_exactly_alike_by_all_that_have_eight_bits() {
    let eight_bits = [Isa::Avx512Amx, Isa::Avx512Vnni, Isa::Avx2Vnni];
    for isa in eight_bits.into_iter().filter(|isa| isa.is_available()) {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, b) = (random(rows * inputs, 4), random(inputs * outputs, 5), vec![0.0; outputs]);
            let of = |isa| {
                forward(isa, &layer(isa, Dtype::Int8, Activation::None, &w, &b), &pad(&x, inputs), rows)
            };
            for (found, expected) in of(isa).into_iter().zip(of(Isa::Portable)) {
                // But for the rounding of the last product and sum.
                assert!((found - expected).abs() < 1e-5, "{isa}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for dtype in Dtype::ALL {
            let (x, w, b) = (random(13 * 48, 6), random(48 * 64, 7), random(64, 8));
            let layer = layer(isa, dtype, Activation::Gelu, &w, &b);
            let all = forward(isa, &layer, &x, 13);
            for (row, values) in x.chunks_exact(48).enumerate() {
                assert_eq!(forward(isa, &layer, values, 1), all[row * 64..][..64], "{isa} {dtype:?}");
            }
        }
    }
}

#[test]
fn weights_and_rows_at_the_limits_do_not_overflow() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let x: Vec<f32> = (0..1536).map(|at| if at == 0 { -1.0 } else { 1.0 }).collect();
        let layer = layer(isa, Dtype::Int8, Activation::None, &vec![1.0; 1536 * 16], &[0.0; 16]);
        let y = forward(isa, &layer, &x, 1);
        assert!(y.iter().all(|&y| (y - 1534.0).abs() < 0.1), "{isa}: {y:?}");
        assert_eq!(forward(isa, &layer, &[0.0; 1536], 1), [0.0; 16], "{isa}");
    }
}

#[test]
fn numbers_by_tiles_are_as_exact_as_by_vectors() {
    if !amx::can_be_tested() {
        return;
    }
    for (rows, inputs, outputs) in [(33, 384, 64), (5, 1536, 32), (64, 100, 48)] {
        // Of many sizes, so that small ones count beside large ones.
        let spread = |length, seed| -> Vec<f32> {
            random(length, seed)
                .into_iter()
                .enumerate()
                .map(|(at, x)| x * 2_f32.powi(at as i32 % 13 - 6))
                .collect()
        };
        let (x, w, b) = (spread(rows * inputs, 11), spread(inputs * outputs, 12), spread(outputs, 13));
        let off = |isa| {
            let y = forward(isa, &layer(isa, Dtype::F32, Activation::None, &w, &b), &pad(&x, inputs), rows);
            let mut squares = 0.0;
            for (at, bias) in (0..rows * outputs).map(|at| (at, f64::from(b[at % outputs]))) {
                let (row, column) = (at / outputs, at % outputs);
                let pairs = x[row * inputs..][..inputs].iter().zip(&w[column * inputs..][..inputs]);
                let exact = bias + pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
                squares += (f64::from(y[row * padded(outputs) + column]) - exact).powi(2);
            }
            (squares / (rows * outputs) as f64).sqrt()
        };
        let (tiles, vectors) = (off(Isa::Avx512Amx), off(Isa::Avx512Vnni));
        assert!(tiles < 2.0 * vectors, "{inputs} inputs: off by {tiles}, and {vectors} by vectors");
    }
}
