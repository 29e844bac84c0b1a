use super::*;
use crate::Isa;
use crate::random::SplitMix;
use crate::testing::instruction_sets;
use std::ops::Range;
use std::slice;

/// Attention by its definition, in f64.
fn expected(shape: HeadShape, windows: &[Range<usize>], qkv: &[f32], table: Option<&[f32]>) -> Vec<f64> {
    let hidden = shape.heads * shape.size;
    let at = |part: usize, token: usize, column: usize| {
        f64::from(qkv[token * 3 * hidden + part * hidden + column])
    };
    let mut context = vec![0.0; qkv.len() / 3];
    for window in windows {
        for (token, column) in window.clone().flat_map(|t| (0..hidden).map(move |c| (t, c))) {
            let head = column / shape.size;
            let columns = head * shape.size..(head + 1) * shape.size;
            let score = |other: usize| -> f64 {
                let bias = table.map_or(0.0, |table| table[head * 1023 + 511 + other - token]);
                columns.clone().map(|c| at(0, token, c) * at(1, other, c)).sum::<f64>()
                    + f64::from(bias) * std::f64::consts::LOG2_E
            };
            let weights: Vec<f64> = window.clone().map(|other| score(other).exp2()).collect();
            let sum: f64 = window.clone().zip(&weights).map(|(t, weight)| weight * at(2, t, column)).sum();
            context[token * hidden + column] = sum / weights.iter().sum::<f64>();
        }
    }
    context
}

fn random(length: usize) -> Vec<f32> {
    let mut random = SplitMix::new(9);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}

/// The root of the mean square error, and the largest error.
fn errors(found: &[f32], expected: &[f64]) -> (f64, f64) {
    assert_eq!(found.len(), expected.len());
    let errors = || found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
    let squares: f64 = errors().map(|error| error * error).sum();
    // Not with `max`, which would lose a NaN.
    let most = errors().fold(0.0, |most, error| if error <= most { most } else { error });
    ((squares / expected.len() as f64).sqrt(), most)
}

fn in_f32(
    isa: Isa,
    shape: HeadShape,
    windows: &[Range<usize>],
    qkv: &[f32],
    bias: Option<&PositionBias>,
) -> Vec<f32> {
    let mut context = vec![f32::NAN; qkv.len() / 3];
    let scratch = &mut float::Scratch::default();
    float::attend(isa, shape, bias, windows, qkv, scratch, &mut context);
    context
}

fn in_int8(
    isa: Isa,
    shape: HeadShape,
    windows: &[Range<usize>],
    qkv: &[f32],
    bias: Option<&PositionBias>,
) -> Vec<f32> {
    let mut context = vec![f32::NAN; qkv.len() / 3];
    let scratch = &mut int8::Scratch::default();
    let quantized = &mut QuantizedQkv::default();
    quantized.resize(shape, qkv.len() / (3 * shape.heads * shape.size));
    // In two calls, as blocks of rows come.
    let (first, rest) = qkv.split_at(3 * shape.heads * shape.size);
    quantized.quantize(isa, shape, first, 0);
    quantized.quantize(isa, shape, rest, 1);
    int8::attend(isa, shape, bias, windows, quantized, scratch, &mut context);
    context
}

#[test]
fn every_instruction_set_attends() {
    let cases: [(usize, usize, &[usize]); 6] = [
        (1, 16, &[1]),
        (2, 32, &[7, 1, 33]),
        (3, 48, &[50, 49, 48]),
        (1, 64, &[512]),
        (12, 32, &[65]),
        (1, 80, &[15, 16, 17, 2]),
    ];
    for (heads, size, lengths) in cases {
        let shape = HeadShape { heads, size };
        let mut windows = Vec::new();
        for &length in lengths {
            let start = windows.last().map_or(0, |window: &Range<usize>| window.end);
            windows.push(start..start + length);
        }
        let tokens: usize = lengths.iter().sum();
        let qkv = random(tokens * 3 * heads * size);
        let table: Vec<f32> = random(heads * 1023).iter().map(|value| 3.0 * value).collect();
        for table in [None, Some(&table[..])] {
            let expected = expected(shape, &windows, &qkv, table);
            let bias = table.map(|table| PositionBias::new(table, heads, 512));
            for isa in instruction_sets() {
                let found = in_f32(isa, shape, &windows, &qkv, bias.as_ref());
                let (mean, most) = errors(&found, &expected);
                assert!(mean < 1e-5 && most < 2e-5, "{isa}, {size}: off by {mean}, at most {most}");
                if !isa.sums_int8_pairs_in_int16() {
                    let found = in_int8(isa, shape, &windows, &qkv, bias.as_ref());
                    let (mean, most) = errors(&found, &expected);
                    assert!(mean < 5e-3 && most < 0.04, "{isa}, {size}: off by {mean}, at most {most}");
                }
            }
        }
    }
}

#[test]
fn int8_attends_alike_on_every_instruction_set() {
    let shape = HeadShape { heads: 2, size: 32 };
    let windows = [0..1, 1..40, 40..200];
    let qkv = random(200 * 3 * 64);
    let expected = in_int8(Isa::Portable, shape, &windows, &qkv, None);
    for isa in instruction_sets().filter(|isa| !isa.sums_int8_pairs_in_int16()) {
        let found = in_int8(isa, shape, &windows, &qkv, None);
        let expected: Vec<f64> = expected.iter().map(|&value| value.into()).collect();
        // Rounding errors are carried along other lanes: each result may be as far from the truth on another side.
        let (mean, most) = errors(&found, &expected);
        assert!(mean < 3e-3 && most < 0.04, "{isa}: off by {mean}, at most {most}");
    }
}

#[test]
fn small_weights_count_beside_a_large_one() {
    // All attend to the first token, which says nothing, and a little to all others, which say the same.
    let (shape, length) = (HeadShape { heads: 1, size: 16 }, 200);
    let mut qkv = vec![0.0; length * 48];
    for (token, row) in qkv.chunks_exact_mut(48).enumerate() {
        (row[0], row[16]) = (1.0, if token == 0 { 9.0 } else { 0.0 });
        row[32..].fill(if token == 0 { 0.0 } else { 1.0 });
    }
    for isa in instruction_sets().filter(|isa| !isa.sums_int8_pairs_in_int16()) {
        let expected = in_f32(isa, shape, slice::from_ref(&(0..length)), &qkv, None)[0];
        let found = in_int8(isa, shape, slice::from_ref(&(0..length)), &qkv, None)[0];
        assert!((found / expected - 1.0).abs() < 0.1, "{isa}: {found}, not {expected}");
    }
}

#[test]
fn queries_and_keys_of_zeros_attend_to_all_alike() {
    let shape = HeadShape { heads: 1, size: 16 };
    let row: Vec<f32> = (0..48).map(|at| if at < 32 { 0.0 } else { 1.0 }).collect();
    for isa in instruction_sets().filter(|isa| !isa.sums_int8_pairs_in_int16()) {
        let context = in_int8(isa, shape, slice::from_ref(&(0..3)), &row.repeat(3), None);
        assert!(context.iter().all(|found| (found - 1.0).abs() < 1e-3), "{isa}: {context:?}");
        assert_eq!(in_int8(isa, shape, slice::from_ref(&(0..3)), &[0.0; 3 * 48], None), [0.0; 48], "{isa}");
    }
}
