use crate::padded;
use crate::quantize::{DIGITS, Quantized, quantize};
use super::*;
use crate::amx;
use crate::random::SplitMix;

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut random = SplitMix::new(seed);
    (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
}

const INT8: Numbers = Numbers::Bytes { digits: 1 };
const IN_DIGITS: Numbers = Numbers::Bytes { digits: DIGITS };

/// Numbers that bytes hold: whole ones, of which the largest is 127, over that.
fn on_grid(length: usize, width: usize, seed: u64) -> Vec<f32> {
    let byte = |(at, x): (usize, f32)| if at % width == 0 { 127.0 } else { (x * 127.0).round() };
    random(length, seed).into_iter().enumerate().map(|one| byte(one) / 127.0).collect()
}

/// Sizes that fit no tile: one row, one column, a few more than a panel.
const SHAPES: [(usize, usize, usize); 7] =
    [(1, 1, 1), (1, 384, 48), (7, 33, 50), (8, 16, 16), (13, 100, 97), (65, 48, 129), (512, 20, 10)];

fn layer(isa: Isa, numbers: Numbers, activation: Activation, weights: &[f32], bias: &[f32]) -> Linear {
    let inputs = weights.len() / bias.len();
    let fill = padded(bias.len()) - bias.len();
    let real = weights.chunks_exact(inputs).zip(bias.iter().copied());
    Linear::new(isa, numbers, activation, padded(inputs), None, real.chain(vec![(&[][..], 0.0); fill]))
}

/// The rows, each filled up with zeros.
fn pad(rows: &[f32], width: usize) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() / width * padded(width)];
    for (to, from) in all.chunks_exact_mut(padded(width)).zip(rows.chunks_exact(width)) {
        to[..width].copy_from_slice(from);
    }
    all
}

fn forward(isa: Isa, layer: &Linear, numbers: Numbers, x: &[f32], rows: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; rows * layer.columns()];
    let mut quantized = Quantized::default();
    let x = if let Some(digits) = numbers.digits() {
        quantized.resize(rows, x.len() / rows, digits);
        quantize(isa, x, quantized.rows_mut(0, rows));
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
            let (x, w, b) =
                (random(rows * inputs, 1), on_grid(inputs * outputs, inputs, 2), random(outputs, 3));
            let expected = |row: usize, column: usize| -> f32 {
                let x = &x[row * inputs..][..inputs];
                let w = &w[column * inputs..][..inputs];
                x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>() + b[column]
            };
            let digits = (IN_DIGITS, if isa.has_pairs() { 0.05 } else { 1e-5 });
            for (numbers, tolerance) in
                [(Numbers::Floats, 1e-5), digits, (Numbers::Halves, 0.02), (INT8, 0.05)]
            {
                let layer = layer(isa, numbers, Activation::None, &w, &b);
                let y = forward(isa, &layer, numbers, &pad(&x, inputs), rows);
                for row in 0..rows {
                    for column in 0..padded(outputs) {
                        let found = y[row * padded(outputs) + column];
                        let expected = if column < outputs { expected(row, column) } else { 0.0 };
                        let near = tolerance * (inputs as f32).sqrt().max(1.0);
                        assert!(
                            (found - expected).abs() < near,
                            "{isa} {numbers:?}: {found}, not {expected}"
                        );
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
            for numbers in [INT8, IN_DIGITS] {
                let of = |isa| {
                    let layer = layer(isa, numbers, Activation::None, &w, &b);
                    forward(isa, &layer, numbers, &pad(&x, inputs), rows)
                };
                for (found, expected) in of(isa).into_iter().zip(of(Isa::Portable)) {
                    // But for the rounding of the last product and sum.
                    assert!((found - expected).abs() < 1e-5, "{isa} {numbers:?}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_rows_beside_it() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for numbers in [INT8, IN_DIGITS, Numbers::Halves, Numbers::Floats] {
            let (x, w, b) = (random(13 * 48, 6), random(48 * 64, 7), random(64, 8));
            let layer = layer(isa, numbers, Activation::Gelu, &w, &b);
            let all = forward(isa, &layer, numbers, &x, 13);
            for (row, values) in x.chunks_exact(48).enumerate() {
                assert_eq!(
                    forward(isa, &layer, numbers, values, 1),
                    all[row * 64..][..64],
                    "{isa} {numbers:?}"
                );
            }
        }
    }
}

#[test]
fn weights_and_rows_at_the_limits_do_not_overflow() {
    // Miri looks at memory, of which a part will do, and takes minutes for all.
    let inputs = if cfg!(miri) { 128 } else { 1536 };
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let x: Vec<f32> = (0..inputs).map(|at| if at == 0 { -1.0 } else { 1.0 }).collect();
        for numbers in [INT8, IN_DIGITS] {
            let layer = layer(isa, numbers, Activation::None, &vec![1.0; inputs * 16], &[0.0; 16]);
            let y = forward(isa, &layer, numbers, &x, 1);
            assert!(y.iter().all(|&y| (y - (inputs - 2) as f32).abs() < 0.1), "{isa} {numbers:?}: {y:?}");
            assert_eq!(forward(isa, &layer, numbers, &vec![0.0; inputs], 1), [0.0; 16], "{isa} {numbers:?}");
        }
    }
}

/// The root of the mean square of what a layer is off by, against sums in f64.
fn off(isa: Isa, numbers: Numbers, [x, w, b]: [&[f32]; 3]) -> f64 {
    let (outputs, inputs) = (b.len(), w.len() / b.len());
    let rows = x.len() / inputs;
    let layer = layer(isa, numbers, Activation::None, w, b);
    let y = forward(isa, &layer, numbers, &pad(x, inputs), rows);
    let mut squares = 0.0;
    for (at, bias) in (0..rows * outputs).map(|at| (at, f64::from(b[at % outputs]))) {
        let (row, column) = (at / outputs, at % outputs);
        let pairs = x[row * inputs..][..inputs].iter().zip(&w[column * inputs..][..inputs]);
        let exact = bias + pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
        squares += (f64::from(y[row * padded(outputs) + column]) - exact).powi(2);
    }
    (squares / (rows * outputs) as f64).sqrt()
}

/// Of many sizes, so that small ones count beside large ones.
fn spread(length: usize, seed: u64) -> Vec<f32> {
    let numbers = random(length, seed).into_iter().enumerate();
    numbers.map(|(at, x)| x * 2_f32.powi(at as i32 % 13 - 6)).collect()
}

#[test]
fn numbers_by_tiles_are_as_exact_as_by_vectors() {
    if !amx::can_be_tested() {
        return;
    }
    for (rows, inputs, outputs) in [(33, 384, 64), (5, 1536, 32), (64, 100, 48)] {
        let (x, w, b) = (spread(rows * inputs, 11), spread(inputs * outputs, 12), spread(outputs, 13));
        let off = |isa| off(isa, Numbers::Floats, [&x, &w, &b]);
        let (tiles, vectors) = (off(Isa::Avx512Amx), off(Isa::Avx512Vnni));
        assert!(tiles < 2.0 * vectors, "{inputs} inputs: off by {tiles}, and {vectors} by vectors");
    }
}

#[test]
fn digits_are_as_exact_as_numbers() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available() && !isa.has_pairs()) {
        let shapes = [(33, 384, 64), (5, 1536, 32), (64, 100, 48)];
        for ((rows, inputs, outputs), alone) in
            shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)])
        {
            // The largest of a row is 5.4 times the root of the mean square, and with one that stands alone 40 times.
            let (mut x, b) = (spread(rows * inputs, 11), spread(outputs, 13));
            if alone {
                x.chunks_exact_mut(inputs).for_each(|row| row[7] = 470.0);
            }
            let w = on_grid(inputs * outputs, inputs, 12);
            let (digits, numbers) =
                (off(isa, IN_DIGITS, [&x, &w, &b]), off(Isa::Portable, Numbers::Floats, [&x, &w, &b]));
            assert!(digits < 2.0 * numbers, "{isa}, {inputs} inputs: off by {digits}, and {numbers} in f32");
        }
    }
}
