//! The packed encoder against candle's: the same states in f32, close ones in bf16 and int8, on every instruction set
//! that this machine has, and the same bits whatever a window is encoded with.

use crate::tiny;
use assert_cmd::Command;
use standpoint::encoder::{Batch, Dtype, Encoder, Engine, Isa, PackedEncoder, ReferenceEncoder, States};
use standpoint::evaluation::{EvalSet, Evaluation};
use standpoint::model::{Model, WeightFormat, round_to_int8};
use standpoint::window::{self, Window, WindowShape};
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
    let shape = WindowShape { max_tokens: 256, lead_tokens: 0 };
    [1, 2, 3, 9, 30, 47, 48, 60, 120, 199]
        .into_iter()
        .flat_map(|length| window::text_windows(&[sentence(length)], shape, special))
        .collect()
}

/// The windows, each read alone and with two targets.
fn readings(windows: &[Window]) -> Batch {
    let mut batch = Batch::default();
    let targets = [vec![1, 6, 7, 2], vec![1, 9, 2]].map(|target| batch.add_sequence(&target, target.len()));
    for window in windows {
        let text = batch.add_sequence(&window.tokens, window.opening_tokens);
        batch.add_reading(std::slice::from_ref(&text), 0);
        for target in &targets {
            batch.add_reading(&[target.clone(), text.clone()], target.len());
        }
    }
    batch
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
        let batch = readings(&windows(&make()));
        let model = make();
        let config = model.config().clone();
        let text_layers = config.num_hidden_layers / 2;
        let reference = ReferenceEncoder::new(&config, model.into_weights(), text_layers).unwrap();
        let expected = reference.encode(&batch).unwrap();
        for isa in available() {
            let encoder = packed(make(), Dtype::F32, isa).with_text_layers(text_layers);
            let found = encoder.encode(&batch).unwrap();
            assert_eq!(found.len(), expected.len());
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
    let windows = readings(&windows(&bundled()));
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
fn what_a_reading_is_encoded_with_changes_no_bit() {
    let windows = windows(&tiny::wide_model());
    let models: [fn() -> Model; 2] = [tiny::wide_model, int8_model];
    for (isa, make) in available().flat_map(|isa| models.map(|make| (isa, make))) {
        for dtype in Dtype::ALL {
            let layers = make().config().num_hidden_layers;
            let encoder = packed(make(), dtype, isa).with_text_layers(layers / 2);
            let together = encoder.encode(&readings(&windows)).unwrap();
            let backwards: Vec<Window> = windows.iter().rev().cloned().collect();
            let reversed = encoder.encode(&readings(&backwards)).unwrap();
            let reversed: Vec<States> = reversed.rchunks(3).flatten().cloned().collect();
            assert_eq!(together, reversed, "{isa} {}", dtype.name());
            for (window, together) in windows.iter().zip(together.chunks(3)) {
                let alone = encoder.encode(&readings(std::slice::from_ref(window))).unwrap();
                assert_eq!(alone, together, "{isa} {}", dtype.name());
                assert_eq!(encoder.encode(&Batch::of_windows([window])).unwrap()[0], together[0]);
            }
        }
    }
}

#[test]
fn windows_that_cannot_be_encoded_are_refused() {
    let encoder = packed(tiny::model(), Dtype::Int8, Isa::detect());
    let refused = |tokens: Vec<u32>| {
        let window = Window { tokens, opening_tokens: 0, sentences: Vec::new() };
        encoder.encode(&Batch::of_windows([&window])).unwrap_err().to_string()
    };
    assert!(refused(Vec::new()).contains("a text or target has 0 tokens, but the model reads 1 to 256"));
    assert!(refused(vec![1; 257]).contains("a text or target has 257 tokens"));
    assert!(refused(vec![1, 9999]).contains("token id 9999 is not in the vocabulary"));
    assert_eq!(encoder.encode(&Batch::default()).unwrap(), []);
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
            let window = Window { tokens: vec![1, 5, 6, 2], opening_tokens: 2, sentences: Vec::new() };
            let error = encoder.encode(&Batch::of_windows([&window])).unwrap_err().to_string();
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
