//! The committed figures are those of the committed model, and the README says the same.

use serde_json::Value;
use standpoint::model::{Model, ModelSource};
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_committed_evaluation_is_of_the_bundled_model() {
    let result: Value = serde_json::from_str(&read("eval/results/small-gold-dev.json")).unwrap();
    let model = Model::load(&ModelSource::Bundled).unwrap();
    assert_eq!(result["model"]["sha256"], model.fingerprint().unwrap(), "run standpoint eval again");

    let (readme, card) = (read("README.md"), read("models/small/MODEL_CARD.md"));
    let all = &result["sections"][0];
    for head in ["role", "stance"] {
        let figures = &all[head];
        let score = format!("{:.3}", figures["macro_f1"].as_f64().unwrap());
        let [low, high] = [0, 1].map(|end| figures["macro_f1_interval"][end].as_f64().unwrap());
        let row = format!("| {head} | **{score}** | {low:.3} to {high:.3} |");
        assert!(readme.contains(&row), "README.md lacks {row:?}");
        // The card is written by the trainer's encoder, the result by the reference encoder: they may differ
        // by a sentence.
        let on_card =
            card.split(&format!("**{}{}**: macro-F1 ", head[..1].to_uppercase(), &head[1..])).nth(1);
        let on_card: f64 = on_card.unwrap()[..5].parse().unwrap();
        assert!(
            (on_card - figures["macro_f1"].as_f64().unwrap()).abs() < 0.003,
            "{head}: {on_card} on the card"
        );
    }
}
