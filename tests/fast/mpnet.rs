//! MPNet on every encoder, against the states that transformers' gives: `mpnet/make.py` made them.

use standpoint::encoder::{Batch, Dtype, Encoder, Isa, PackedEncoder, ReferenceEncoder, States};
use standpoint::model::{BertConfig, Weights, encoder_parameters};
use standpoint::training::differentiable::{Layout, Trace};
use standpoint::window::Window;

#[derive(serde::Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    states: Vec<f32>,
}

fn config() -> BertConfig {
    BertConfig::from_json(include_bytes!("mpnet/config.json")).unwrap()
}

fn weights() -> Weights {
    let bytes = include_bytes!("mpnet/model.safetensors");
    Weights::from_safetensors(&[("model.safetensors".to_owned(), bytes)], &encoder_parameters(&config()))
        .unwrap()
}

fn expected() -> (Vec<Window>, Vec<Vec<f32>>) {
    let expected: Vec<Expected> = serde_json::from_str(include_str!("mpnet/states.json")).unwrap();
    let window = |tokens| Window { tokens, opening_tokens: 1, sentences: Vec::new() };
    expected.into_iter().map(|one| (window(one.tokens), one.states)).unzip()
}

fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 2e-5, "{what}: {found}, not {expected}");
    }
}

#[test]
fn the_reference_and_the_packed_encoder_give_the_states_of_transformers() {
    let (windows, expected) = expected();
    let windows = Batch::of_windows(&windows);
    let check = |what: &str, found: Vec<States>| {
        for (found, expected) in found.iter().zip(&expected) {
            assert_near(what, found.values(), expected);
        }
    };
    check("reference", ReferenceEncoder::new(&config(), weights(), 0).unwrap().encode(&windows).unwrap());
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let packed = PackedEncoder::new(&config(), weights(), Dtype::F32, isa);
        check(isa.name(), packed.encode(&windows).unwrap());
    }
}

#[test]
fn the_encoder_that_is_trained_gives_the_states_of_transformers() {
    let (windows, expected) = expected();
    let layout = Layout::new((&config()).into(), &[]);
    let weights = weights();
    let mut parameters = vec![0.0; layout.len()];
    for segment in layout.tensors() {
        parameters[segment.range.clone()].copy_from_slice(weights.values(&segment.name));
    }
    assert_eq!(layout.tensors().len(), encoder_parameters(&config()).len());
    let batch = Batch::of_windows(&windows);
    let mut trace = Trace::default();
    trace.forward(&layout, &parameters, &batch, None);
    assert_near("trained", trace.states(), &expected.concat());
}
