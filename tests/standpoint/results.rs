//! The committed figures are those of the committed model, and the README says the same.

use serde_json::Value;
use standpoint::encoder::Engine;
use standpoint::eval::{EvalSet, Evaluation};
use standpoint::model::{Model, ModelSource};
use std::fs;
use std::path::{Path, PathBuf};

fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap()
}

fn result(set: &str) -> Value {
    serde_json::from_str(&read(&format!("eval/results/small-{set}.json"))).unwrap()
}

fn task<'a>(result: &'a Value, name: &str) -> &'a Value {
    result["tasks"].as_array().unwrap().iter().find(|task| task["task"] == name).unwrap()
}

#[test]
fn the_committed_evaluations_are_of_the_bundled_model() {
    let model = Model::load(&ModelSource::Bundled).unwrap().fingerprint().unwrap();
    let sets = [
        "gold-dev",
        "articles",
        "challenge",
        "polnear-dev",
        "ct24-dev",
        "perspectrum-dev",
        "gwsd-vacstance-dev",
    ];
    for set in sets {
        let result = result(set);
        assert_eq!(result["model"]["sha256"], model, "run standpoint eval eval/{set}.toml again");
        let file = EvalSet::load(&path(&format!("eval/{set}.toml"))).unwrap();
        assert_eq!(result["set"]["sha256"], file.sha256, "the set {set} has changed");
        assert!(result.get("answers").is_none(), "{set}: figures alone are committed");
        for task in result["tasks"].as_array().unwrap() {
            assert_eq!(task["errors"], Value::Array(Vec::new()), "{set}: no text is committed");
        }
    }
}

#[test]
fn the_readme_and_the_card_say_what_was_measured() {
    let (readme, card) = (read("README.md"), read("models/small/MODEL_CARD.md"));
    let result = result("gold-dev");
    for head in ["role", "stance"] {
        let figure = &task(&result, head)["classes"]["macro_f1"];
        let value = figure["value"].as_f64().unwrap();
        let [low, high] = [0, 1].map(|end| figure["interval"][end].as_f64().unwrap());
        let row = format!("| {head} | **{value:.3}** | {low:.3} to {high:.3} |");
        assert!(readme.contains(&row), "README.md lacks {row:?}");
        // The card is written by the trainer's encoder, the result by the reference encoder: they may differ
        // by a sentence.
        let title = format!("**{}{}**: macro-F1 ", head[..1].to_uppercase(), &head[1..]);
        let on_card: f64 = card.split(&title).nth(1).unwrap()[..5].parse().unwrap();
        assert!((on_card - value).abs() < 0.003, "{head}: {on_card} on the card");
    }
}

#[test]
fn the_sets_of_this_repository_give_their_committed_figures_again() {
    for set in ["articles", "challenge"] {
        let model = Model::load(&ModelSource::Bundled).unwrap();
        let file = EvalSet::load(&path(&format!("eval/{set}.toml"))).unwrap();
        let evaluation = Evaluation::run(&file, model, Engine::default(), &mut |_, _| {}).unwrap();
        let (found, committed) = (serde_json::to_value(evaluation.report(None)).unwrap(), result(set));
        for name in ["role", "stance"] {
            let macro_f1 =
                |result: &Value| task(result, name)["classes"]["macro_f1"]["value"].as_f64().unwrap();
            // Another processor multiplies matrices in another order: a sentence or two may change sides.
            let gap = (macro_f1(&found) - macro_f1(&committed)).abs();
            assert!(gap < 0.01, "{set}, {name}: {} is not {}", macro_f1(&found), macro_f1(&committed));
        }
    }
}
