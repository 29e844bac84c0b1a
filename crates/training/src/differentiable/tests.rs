use super::twin::Twin;
use super::*;
use standpoint_core::model::{Architecture, EncoderTensors};

const TINY: Dimensions = Dimensions {
    vocabulary: 7,
    positions: 6,
    token_types: 2,
    hidden: 8,
    layers: 2,
    heads: 2,
    intermediate: 12,
    layer_norm_epsilon: 1e-5,
    architecture: Architecture::Bert,
};

/// With so few buckets, distances share some.
const TINY_MPNET: Dimensions =
    Dimensions { positions: 9, token_types: 0, architecture: Architecture::Mpnet { buckets: 8 }, ..TINY };

/// Numbers in -1..1 that depend on the seed and the index alone.
fn numbers(length: usize, seed: u64) -> Vec<f32> {
    (0..length as u64)
        .map(|i| {
            (standpoint_kernels::random::scramble(seed * 1_000_003 + i) >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Two texts and a target. The first text is read alone, and twice after the target; the second one alone.
fn batch() -> Batch {
    let mut batch = Batch::default();
    add_readings(&mut batch, &[2, 5, 5]);
    batch
}

fn add_readings(batch: &mut Batch, target: &[u32]) {
    let text = batch.add_sequence(&[1, 4, 2], 1);
    let other = batch.add_sequence(&[3], 1);
    let target = batch.add_sequence(target, target.len());
    batch.add_reading(std::slice::from_ref(&text), 0);
    batch.add_reading(&[target.clone(), text.clone()], 0);
    batch.add_reading(&[other], 0);
    batch.add_reading(&[target, text], 0);
}

/// Texts that are read alone.
fn texts(texts: &[Vec<u32>]) -> Batch {
    let mut batch = Batch::default();
    for text in texts {
        let rows = batch.add_sequence(text, 1);
        batch.add_reading(&[rows], 0);
    }
    batch
}

/// The trainer's states and gradients, of a loss that is a weighted sum of the states, are the twin's.
fn assert_agrees_with_twin(dimensions: Dimensions, seed: u64, dropout: Option<PassDropout>) {
    for text_layers in 0..dimensions.layers {
        let layout = Layout::new(dimensions, &[]).with_text_layers(text_layers);
        assert_layout_agrees_with_twin(&layout, seed, dropout);
    }
}

fn assert_layout_agrees_with_twin(layout: &Layout, seed: u64, dropout: Option<PassDropout>) {
    let parameters: Vec<f32> = numbers(layout.len(), seed).iter().map(|x| x * 1.2).collect();
    let batch = batch();
    let weights = numbers(batch.lower_rows().len() * TINY.hidden, 2);

    let mut trace = Trace::default();
    let mut gradients = Gradients::new(layout);
    trace.forward(layout, &parameters, &batch, dropout);
    let exact: Vec<f64> = parameters.iter().map(|&x| f64::from(x)).collect();
    let expected = Twin { layout, parameters: &exact }.states(&batch, dropout);
    for (index, (&found, expected)) in trace.states().iter().zip(expected.iter().flatten()).enumerate() {
        // States are about 1 here. See `assert_gradients_agree`: half the way, half the roundings.
        let off = (f64::from(found) - expected).abs();
        assert!(off < 1e-5, "state {index}: {found}, but {expected} in f64");
    }
    trace.backward(layout, &parameters, &batch, dropout, &mut weights.clone(), &mut gradients);

    let differences = twin::finite_differences(&parameters, |parameters| {
        let states = Twin { layout, parameters }.states(&batch, dropout);
        states.iter().flatten().zip(&weights).map(|(state, &weight)| state * f64::from(weight)).sum()
    });
    // A key's bias moves all scores of a query by the same amount, which softmax ignores.
    let layers = EncoderTensors::new(&layout.dimensions).layers;
    let is_key_bias = |name: &str| layers.iter().any(|layer| layer.key.bias.name == name);
    twin::assert_gradients_agree(layout, &gradients.values, &differences, is_key_bias);
}

#[test]
fn every_gradient_is_that_of_a_finite_difference() {
    assert_agrees_with_twin(TINY, 3, None);
    assert_agrees_with_twin(TINY_MPNET, 4, None);
}

#[test]
fn every_gradient_is_that_of_a_finite_difference_under_dropout() {
    let dropout = Some(PassDropout { hidden: 0.2, attention: 0.2, key: 11 });
    assert_agrees_with_twin(TINY, 3, dropout);
    assert_agrees_with_twin(TINY_MPNET, 4, dropout);
}

/// Says what is not tested, past the harness, which captures what a test prints.
fn skipped(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped {what}: this processor lacks it");
}

#[test]
fn packed_weights_change_gradients_by_less_than_a_hundredth_and_alike_everywhere() {
    let dimensions =
        Dimensions { hidden: 48, heads: 4, intermediate: 144, vocabulary: 40, positions: 64, ..TINY };
    let layout = Layout::new(dimensions, &[]);
    let parameters: Vec<f32> = numbers(layout.len(), 9).iter().map(|x| x * 0.3).collect();
    let batch = texts(&[50, 1, 37].map(|length| (0..length).map(|i| i * 7 % 40).collect()));
    let dropout = Some(PassDropout { hidden: 0.1, attention: 0.1, key: 5 });
    let upstream = numbers(batch.lower_rows().len() * dimensions.hidden, 4);
    let gradients = |isa: Isa, arithmetic: Option<Arithmetic>| {
        let weights = arithmetic.map(|arithmetic| {
            let mut weights = PackedWeights::new(&layout, arithmetic);
            weights.isa = isa;
            weights.refresh(&parameters);
            Arc::new(weights)
        });
        let mut trace = Trace { isa, weights, ..Trace::default() };
        let mut gradients = Gradients::new(&layout);
        trace.forward(&layout, &parameters, &batch, dropout);
        trace.backward(&layout, &parameters, &batch, dropout, &mut upstream.clone(), &mut gradients);
        gradients.values
    };
    let isa = Isa::detect();
    let exact = gradients(isa, None);
    for arithmetic in [Arithmetic::FixedPoint, Arithmetic::Bf16] {
        if !arithmetic.is_available() {
            skipped(&format!("{arithmetic:?}"));
            continue;
        }
        let found = gradients(isa, Some(arithmetic));
        for segment in layout.tensors() {
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>().sqrt();
            let size = norm(&mut exact[segment.range.clone()].iter().copied());
            let off = norm(&mut segment.range.clone().map(|i| exact[i] - found[i]));
            let allowed = if segment.name.ends_with("key.bias") { 1e-2 } else { 1e-2 * size };
            assert!(off < allowed, "{arithmetic:?}, {}: off by {off} of {size}", segment.name);
        }
        assert_ne!(exact, found);
    }
    // The `gemm` crate gives the same bits on one processor, and all else the same on every instruction set.
    let fixed_point = gradients(isa, Some(Arithmetic::FixedPoint));
    for isa in Isa::ALL {
        if !isa.is_available() {
            skipped(isa.name());
            continue;
        }
        assert!(gradients(isa, None) == exact, "{isa}");
        assert!(gradients(isa, Some(Arithmetic::FixedPoint)) == fixed_point, "{isa}");
    }
}

#[test]
fn a_reading_does_not_see_its_neighbours() {
    let layout = Layout::new(TINY, &[]).with_text_layers(1);
    let parameters = numbers(layout.len(), 5);
    let states = |others: u32| {
        let mut batch = Batch::default();
        add_readings(&mut batch, &[2 + others, 5 + others, 5]);
        let mut trace = Trace::default();
        trace.forward(&layout, &parameters, &batch, None);
        let of = |reading: usize| {
            let rows = batch.readings()[reading].rows.clone();
            trace.states()[rows.start * TINY.hidden..rows.end * TINY.hidden].to_vec()
        };
        [0, 1, 2, 3].map(of)
    };
    let (read, other) = (states(0), states(1));
    assert_eq!(read[0], other[0], "a text alone does not depend on the target");
    assert_ne!(read[1], other[1]);
    assert_eq!(read[2], other[2]);
    assert_eq!(read[1], read[3], "the same reading twice");
}
