//! The packed encoder against candle's: the same states in f32, close ones in bf16 and int8, on every instruction set
//! that this machine has, and the same bits whatever a window is encoded with.

use crate::tiny;
use assert_cmd::Command;
use standpoint::encoder::{Dtype, Encoder, Engine, Isa, PackedEncoder, ReferenceEncoder, States};
use standpoint::evaluation::{EvalSet, Evaluation};
use standpoint::model::{Model, WeightFormat, round_to_int8};
use standpoint::window::{self, Window};
use std::path::Path;
use std::sync::Arc;

fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

fn bundled() -> Model {
    Model::load(&standpoint::bundled().unwrap()).unwrap()
}

/// A model whose weights int8 holds exactly, which makes f32 take another way.
fn int8_model() -> Model {
    let model = tiny::wide_model();
    let (config, settings, tokenizer) =
        (model.config().clone(), model.settings().clone(), Arc::clone(model.tokenizer()));
    let mut weights = model.into_weights();
    round_to_int8(&config, &mut weights);
    let weights = weights.rounded(&config, WeightFormat::Int8).unwrap();
    assert!(weights.are_int8(&config));
    Model::new("in int8", config, settings, tokenizer, weights).unwrap()
}

fn packed(model: Model, dtype: Dtype, isa: Isa) -> PackedEncoder {
    let config = model.config().clone();
    PackedEncoder::new(&config, model.into_weights(), dtype, isa)
}

/// Windows of many lengths, from a few tokens to the longest.
fn windows(model: &Model) -> Vec<Window> {
    let words = model.config().vocab_size as u32 - 10;
    let sentence = |length: u32| (0..length).map(|token| 5 + (token * 37 + length) % words).collect();
    let special = model.tokenizer().special();
    [1, 2, 3, 9, 30, 47, 48, 60, 120, 199]
        .into_iter()
        .flat_map(|length| window::windows(&[6, 7], &[sentence(length)], 256, special))
        .collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The mean of a window's states.
fn mean(states: &States) -> Vec<f32> {
    let mut mean = vec![0.0; states.hidden_size()];
    for row in states.rows(0..states.len()) {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    mean
}

#[test]
fn in_f32_the_states_are_the_reference_encoders() {
    let models: [(fn() -> Model, f32); 4] =
        [(tiny::model, 2e-5), (tiny::wide_model, 2e-4), (int8_model, 2e-4), (bundled, 5e-4)];
    for (make, tolerance) in models {
        let windows = windows(&make());
        let windows: Vec<&Window> = windows.iter().collect();
        let model = make();
        let config = model.config().clone();
        let expected =
            ReferenceEncoder::new(&config, model.into_weights()).unwrap().encode(&windows).unwrap();
        for isa in available() {
            let found = packed(make(), Dtype::F32, isa).encode(&windows).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.values().iter().zip(expected.values()) {
                    assert!((found - expected).abs() < tolerance, "{isa}: {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn in_bf16_and_int8_the_vectors_point_the_same_way() {
    let windows = windows(&bundled());
    let windows: Vec<&Window> = windows.iter().collect();
    let expected = packed(bundled(), Dtype::F32, Isa::Portable).encode(&windows).unwrap();
    for isa in available() {
        // Without dot products of bytes, weights are coarser.
        let coarser = matches!(isa, Isa::Avx512 | Isa::Avx2 | Isa::Neon);
        for (dtype, least) in [(Dtype::Bf16, 0.9999), (Dtype::Int8, if coarser { 0.97 } else { 0.99 })] {
            let found = packed(bundled(), dtype, isa).encode(&windows).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let cosine = cosine(&mean(found), &mean(expected));
                assert!(cosine > least, "{isa} {}: cosine {cosine} at {} tokens", dtype.name(), found.len());
            }
        }
    }
}

#[test]
fn what_a_window_is_encoded_with_changes_no_bit() {
    let windows = windows(&tiny::wide_model());
    let windows: Vec<&Window> = windows.iter().collect();
    let backwards: Vec<&Window> = windows.iter().rev().copied().collect();
    let models: [fn() -> Model; 2] = [tiny::wide_model, int8_model];
    for (isa, make) in available().flat_map(|isa| models.map(|make| (isa, make))) {
        for dtype in Dtype::ALL {
            let encoder = packed(make(), dtype, isa);
            let together = encoder.encode(&windows).unwrap();
            let mut reversed = encoder.encode(&backwards).unwrap();
            reversed.reverse();
            assert_eq!(together, reversed, "{isa} {}", dtype.name());
            for (window, together) in windows.iter().zip(&together) {
                assert_eq!(encoder.encode(&[window]).unwrap()[0], *together, "{isa} {}", dtype.name());
            }
        }
    }
}

#[test]
fn windows_that_cannot_be_encoded_are_refused() {
    let encoder = packed(tiny::model(), Dtype::Int8, Isa::detect());
    let refused = |tokens: Vec<u32>| {
        let window = Window { tokens, target_tokens: 0, sentences: Vec::new() };
        encoder.encode(&[&window]).unwrap_err().to_string()
    };
    assert!(refused(Vec::new()).contains("a window has 0 tokens, but the model reads 1 to 256"));
    assert!(refused(vec![1; 257]).contains("a window has 257 tokens"));
    assert!(refused(vec![1, 9999]).contains("token id 9999 is not in the vocabulary"));
    assert_eq!(encoder.encode(&[]).unwrap(), []);
}

#[test]
fn weights_that_overflow_are_an_error_and_not_a_label() {
    for dtype in Dtype::ALL {
        for isa in available() {
            let model = tiny::model();
            let (config, mut weights) = (model.config().clone(), model.into_weights());
            let name = "encoder.layer.0.output.dense.weight";
            let mut tensor = weights.remove(name).unwrap();
            tensor.values.fill(f32::MAX);
            weights.insert(name, tensor);
            let encoder = PackedEncoder::new(&config, weights, dtype, isa);
            let window = Window { tokens: vec![1, 5, 6, 2], target_tokens: 2, sentences: Vec::new() };
            let error = encoder.encode(&[&window]).unwrap_err().to_string();
            assert!(error.contains("not finite"), "{isa} {}: {error}", dtype.name());
        }
    }
}

#[test]
fn int8_gives_the_labels_of_the_reference() {
    let labels = |engine: Engine| -> Vec<String> {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/articles.toml");
        let evaluation =
            Evaluation::run(&EvalSet::load(&set).unwrap(), bundled(), engine, &mut |_, _| {}).unwrap();
        evaluation.report(None).answers.into_iter().map(|answer| answer.predicted).collect()
    };
    let expected = labels(Engine::Packed { dtype: Dtype::F32, isa: Isa::detect() });
    for isa in available().filter(|&isa| isa != Isa::Portable) {
        let found = labels(Engine::Packed { dtype: Dtype::Int8, isa });
        let same = found.iter().zip(&expected).filter(|(found, expected)| found == expected).count();
        assert!(same * 100 >= expected.len() * 98, "{isa}: {same} of {}", expected.len());
    }
}

#[test]
fn the_instruction_set_can_be_forced() {
    let classify = |isa: &str| {
        let mut command = Command::cargo_bin("standpoint").unwrap();
        command.args(["classify", "--format", "jsonl", "-"]).env("STANDPOINT_ISA", isa);
        command.write_stdin("The last engineers left the island at noon.").output().unwrap()
    };
    for isa in available() {
        let output = classify(isa.name());
        assert!(output.status.success(), "{isa}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(r#""role":"claim""#), "{isa}");
    }
    let output = classify("mmx");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no instruction set \"mmx\"; this processor has "), "{said}");
    assert!(said.contains("portable"), "{said}");
}
