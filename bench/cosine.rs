//! The cosine of each sentence's vector to that of candle's f32 encoder, on the gold dev rows, as JSON. bench/dtypes.py
//! runs it.
//!
//! `cargo bench --bench cosine`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use serde_json::json;
use standpoint::encoder::{Batch, Dtype, Encoder, Engine, Isa};
use standpoint::evaluation::EvalSet;
use standpoint::heads::{mean_state, sentence_tokens};
use standpoint::model::Model;
use standpoint::window::{self, Window};
use std::path::Path;

fn main() {
    let model = || {
        Model::load(&standpoint::bundled().expect("the model is bundled"))
            .expect("the bundled model can be loaded")
    };
    let windows = windows(&model());
    let vectors = |engine: Engine| {
        let model = model();
        let config = model.config().clone();
        let encoder = engine.build(&config, model.into_weights(), 0).expect("the encoder can be built");
        vectors(&*encoder, &windows)
    };
    let reference = vectors(Engine::Reference);
    let best = Isa::detect();
    let runs = [(Dtype::F32, best), (Dtype::Bf16, best), (Dtype::Int8, best), (Dtype::Int8, Isa::Avx2)];
    let mut rows = Vec::new();
    for (dtype, isa) in runs.into_iter().filter(|(_, isa)| isa.is_available()) {
        let engine = Engine::Packed { dtype, isa };
        let found = vectors(engine);
        let mut cosines: Vec<f64> = found.iter().zip(&reference).map(|(a, b)| cosine(a, b)).collect();
        cosines.sort_unstable_by(f64::total_cmp);
        rows.push(json!({
            "encoder": engine.to_string(),
            "mean": cosines.iter().sum::<f64>() / cosines.len() as f64,
            "lowest_percent": cosines[cosines.len() / 100],
            "least": cosines[0],
        }));
    }
    println!("{:#}", json!({ "sentences": reference.len(), "rows": rows }));
}

/// Those of all documents of the set.
fn windows(model: &Model) -> Vec<Window> {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/gold-dev.toml");
    let data = EvalSet::load(&set).and_then(|set| set.data()).expect("the set can be read");
    let tokenizer = model.tokenizer();
    let documents = data.iter().flat_map(|data| &data.documents);
    documents
        .flat_map(|gold| {
            let sentences: Vec<&str> = gold.sentences().map(|(sentence, _)| sentence).collect();
            let target = tokenizer.encode(&gold.target).expect("targets can be tokenized");
            let sentences = tokenizer.encode_batch(&sentences).expect("sentences can be tokenized");
            window::windows(&target, &sentences, model.settings().max_tokens, tokenizer.special())
        })
        .collect()
}

/// The vector of each answered sentence.
fn vectors(encoder: &dyn Encoder, windows: &[Window]) -> Vec<Vec<f32>> {
    let mut vectors = Vec::new();
    for window in windows {
        let states = encoder.encode(&Batch::of_windows([window])).expect("windows can be encoded").remove(0);
        for sentence in window.sentences.iter().filter(|sentence| sentence.answered) {
            vectors.push(mean_state(states.values(), states.hidden_size(), sentence_tokens(sentence)));
        }
    }
    vectors
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
