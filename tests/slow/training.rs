//! Training as its users meet it: a configuration in, a model folder out, whatever comes in between.

use crate::tiny;
use assert_cmd::Command;
use standpoint::encoder::{Batch, Encoder, ReferenceEncoder};
use standpoint::model::{Model, ModelSource, WeightFormat};
use standpoint::training::differentiable::{Layout, Trace};
use standpoint::window::{self, WindowShape};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONFIG: &str = r#"
name = "tiny"
version = "1"
base = "base"
output = "model"
run = "run"
seed = 5
max_tokens = 64

[data]
train = ["train.jsonl"]
dev = ["dev.jsonl"]

[data.auxiliary.pairs]
path = "pairs.jsonl"
sample = 10
unrelated = 0.5

[data.auxiliary.unrelated]
path = "train.jsonl"
sample = 4
unrelated = 1.0

[schedule]
epochs = 3
learning_rate = 1e-3
step_tokens = 96
average = 0.5
pass_tokens = 64
# At every step.
checkpoint_minutes = 1e-9
"#;

/// Gold in which the second word decides the role and the last one the stance.
fn gold(documents: usize) -> String {
    let kinds = [("said", "attributed"), ("will", "claim"), ("was", "background")];
    let ends = [("leave", "favor"), ("stay", "against"), ("on", "none")];
    let sentence = |number: usize| {
        let ((verb, role), (end, stance)) = (kinds[number % 3], ends[number / 3 % 3]);
        let text = format!("minister {verb} troops in the bases {end}");
        serde_json::json!({ "text": text, "role": role, "stance": stance })
    };
    let lines = (0..documents).map(|number| {
        let sentences: Vec<_> = (0..4).map(|index| sentence(number * 5 + index)).collect();
        serde_json::json!({ "doc_id": format!("d{number}"), "target": "withdrawal", "sentences": sentences })
            .to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A folder with a configuration and all that it names.
fn workplace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    tiny::model().save(&folder.path().join("base"), WeightFormat::F16).unwrap();
    write("train.toml", CONFIG);
    write("train.jsonl", &gold(60));
    write("dev.jsonl", &gold(9));
    let pairs = (0..20).map(|number| {
        let stance = ["favor", "against"][number % 2];
        serde_json::json!({ "id": number.to_string(), "target": "the army", "text": "says no", "stance": stance })
            .to_string()
    });
    write("pairs.jsonl", &pairs.collect::<Vec<_>>().join("\n"));
    folder
}

fn train(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(folder).args(["train", "train.toml"]).args(arguments);
    command
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("model"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The same for long enough to learn.
fn long(config: &str) -> String {
    config
        .replace("epochs = 3", "epochs = 15")
        .replace("learning_rate = 1e-3", "learning_rate = 4e-3")
        .replace("checkpoint_minutes = 1e-9", "checkpoint_minutes = 60.0")
}

/// Macro-F1 of roles, of which the card says "macro-F1 0.912 (0.871 to 0.950)".
fn role_on_dev(model: &Path) -> f64 {
    let card = std::fs::read_to_string(model.join("MODEL_CARD.md")).unwrap();
    card.split("**Role**: macro-F1 ").nth(1).unwrap()[..5].parse().unwrap()
}

fn names(files: &[(String, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

/// Starts a run, ends it with a signal once it has a checkpoint, and says how it ended.
#[cfg(unix)]
fn interrupt(folder: &Path, resume: bool, signal: &str) -> std::process::ExitStatus {
    let checkpoint = folder.join("run/checkpoint.safetensors");
    let written = || std::fs::metadata(&checkpoint).and_then(|file| file.modified()).ok();
    let before = written();
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .current_dir(folder)
        .args(["train", "train.toml", "--threads", "1"])
        .args(resume.then_some("--resume"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while written() == before {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint came");
        std::thread::sleep(Duration::from_millis(2));
    }
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    let status = process.wait().unwrap();
    assert!(!folder.join("model").exists(), "the run was over before it was interrupted");
    status
}

#[cfg(unix)]
#[test]
fn a_run_that_was_killed_and_stopped_ends_in_the_same_model() {
    let whole = workplace();
    train(whole.path(), &["--threads", "1"]).assert().success();

    let broken = workplace();
    let killed = interrupt(broken.path(), false, "-KILL");
    assert_eq!(killed.code(), None, "killed at once");
    let stopped = interrupt(broken.path(), true, "-INT");
    assert_eq!(stopped.code(), Some(130), "Ctrl-C saves and leaves");
    train(broken.path(), &["--threads", "1", "--resume"]).assert().success();

    let expected = files(whole.path());
    assert_eq!(
        names(&expected),
        ["MODEL_CARD.md", "config.json", "model.safetensors", "standpoint.toml", "tokenizer.json"]
    );
    for ((name, expected), (_, found)) in expected.iter().zip(&files(broken.path())) {
        assert!(expected == found, "{name} differs");
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_model() {
    let models = ["1", "2"].map(|threads| {
        let folder = workplace();
        train(folder.path(), &["--threads", threads]).assert().success();
        files(folder.path())
    });
    assert!(models[0] == models[1]);
}

#[test]
fn a_trained_model_has_learnt_and_can_be_used() {
    let folder = workplace();
    std::fs::write(folder.path().join("train.toml"), long(CONFIG)).unwrap();
    let output = train(folder.path(), &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("epoch 15: dev macro-F1"), "{said}");
    let role = role_on_dev(&folder.path().join("model"));
    assert!(role > 0.9, "the second word decides the role, but macro-F1 is {role}:\n{said}");

    let gold: Vec<serde_json::Value> =
        gold(60).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sentences = || gold.iter().flat_map(|document| document["sentences"].as_array().unwrap());
    let records: String = gold
        .iter()
        .map(|document| {
            let texts: Vec<_> =
                document["sentences"].as_array().unwrap().iter().map(|s| &s["text"]).collect();
            format!("{}\n", serde_json::json!({ "sentences": texts }))
        })
        .collect();
    let labelled = Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .current_dir(folder.path())
        .args(["classify", "-", "--input-format", "jsonl", "--model", "model", "--target", "withdrawal"])
        .write_stdin(records)
        .output()
        .unwrap();
    let lines: Vec<serde_json::Value> = String::from_utf8(labelled.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), sentences().count());
    let right = lines.iter().zip(sentences()).filter(|(line, gold)| line["role"] == gold["role"]).count();
    assert!(right * 10 > lines.len() * 9, "{right} of {} roles are right", lines.len());
}

#[test]
fn a_teacher_teaches_what_the_labels_do_not_say_and_a_run_goes_on_from_another() {
    let folder = workplace();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let run = |config: &str| {
        write("train.toml", config);
        let output = train(folder.path(), &[]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&long(CONFIG));

    // Labels of one kind only; all that is known of the others, the teacher says.
    let (before, after) =
        (CONFIG.find("[data.auxiliary.pairs]").unwrap(), CONFIG.find("[schedule]").unwrap());
    let alone = format!("default_target = \"withdrawal\"\n{}{}", &CONFIG[..before], &CONFIG[after..])
        .replace("train.jsonl", "claims.jsonl");
    let claim = r#"{"text": "minister will troops in the bases on", "role": "claim", "stance": "none"}"#;
    write("claims.jsonl", &format!(r#"{{"doc_id": "c", "target": "withdrawal", "sentences": [{claim}]}}"#));
    let unlabelled: Vec<String> = gold(60)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .flat_map(|document| {
            let texts = document["sentences"].as_array().unwrap().clone();
            let row = move |sentence: &serde_json::Value| {
                serde_json::json!({ "doc_id": document["doc_id"], "text": sentence["text"] }).to_string()
            };
            texts.iter().map(row).collect::<Vec<_>>()
        })
        .collect();
    write("unlabelled.jsonl", &unlabelled.join("\n"));
    // The labels of a labelled file are ignored.
    let mislabelled = gold(60).replace("background", "claim").replace("attributed", "claim");
    write("mislabelled.jsonl", &mislabelled);
    let taught = alone.replace(
        "[schedule]",
        "[data.teacher]\nmodel = \"model\"\n\n[data.teacher.text.unlabelled]\npath = \"unlabelled.jsonl\"\nsample = 40\n\n\
         [data.teacher.text.mislabelled]\npath = \"mislabelled.jsonl\"\nformat = \"standpoint\"\nsample = 40\n\n[schedule]",
    );
    run(&long(&taught).replace("\"model\"\nrun = \"run\"", "\"student\"\nrun = \"student-run\""));
    let role = role_on_dev(&folder.path().join("student"));
    assert!(role > 0.8, "macro-F1 is {role}");
    let settings = std::fs::read_to_string(folder.path().join("student/standpoint.toml")).unwrap();
    assert!(settings.contains("teacher_sha256"), "{settings}");

    write("train.toml", &taught.replace("sample = 40", "sample = 40\nattributions = true"));
    std::fs::remove_dir_all(folder.path().join("run")).unwrap();
    let said = String::from_utf8(train(folder.path(), &[]).output().unwrap().stderr).unwrap();
    assert!(said.contains("model finds no attributions"), "{said}");

    let standing = alone
        .replace("epochs = 3", "epochs = 1")
        .replace("learning_rate = 1e-3", "learning_rate = 1e-9\nhead_learning_rate = 1e-9")
        .replace(
            "\"model\"\nrun = \"run\"",
            "\"again\"\nrun = \"again-run\"\nstart = \"student-run\"\nblend = [\"student-run\"]",
        );
    run(&standing);
    let again = role_on_dev(&folder.path().join("again"));
    assert!((again - role).abs() < 0.02, "{again} is not {role}");
    // The mean of what has hardly moved and of where it started.
    let values = |model: &str, name: &str| {
        let model = Model::load(&ModelSource::Folder(folder.path().join(model))).unwrap();
        model.weights().values(name).to_vec()
    };
    let norm = |model: &str| values(model, "encoder.layer.0.output.LayerNorm.weight");
    let (student, mean) = (norm("student"), norm("again"));
    assert!(
        student.iter().zip(&mean).all(|(one, other)| (one - other).abs() < 1e-3),
        "{student:?}, {mean:?}"
    );

    // From a model instead of a run, and with its encoder as it is.
    let heads = alone
        .replace("learning_rate = 1e-3", "learning_rate = 0.0")
        .replace("\"model\"\nrun = \"run\"", "\"heads\"\nrun = \"heads-run\"\nstart = \"student\"");
    run(&heads);
    for part in ["intermediate.dense.weight", "output.dense.bias", "output.LayerNorm.weight"] {
        let name = format!("encoder.layer.0.{part}");
        let (found, before) = (values("heads", &name), values("student", &name));
        // A matrix is brought to bytes again, whose scale is that of its largest number in f16.
        let stands = |(found, before): (&f32, &f32)| (found - before).abs() <= 2e-3 * before.abs();
        assert!(found.iter().zip(&before).all(stands), "{part} has changed");
    }
    assert!(values("heads", "heads.role.weight") != values("student", "heads.role.weight"));

    std::fs::remove_dir_all(folder.path().join("again-run")).unwrap();
    write("train.toml", &standing.replace("blend = [\"student-run\"]", "blend = [\"nowhere\"]"));
    let output = train(folder.path(), &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("nowhere") && !said.contains("epoch 1"), "{said}");

    // A model without a head that the run trains.
    let holders = gold(9).replace("\"stance\":\"favor\"", "\"stance\":\"favor\",\"holder\":\"minister\"");
    write("holders.jsonl", &holders);
    let blended = standing.replace("blend = [\"student-run\"]", "blend = [\"student\"]");
    write("train.toml", &blended.replace("claims.jsonl", "holders.jsonl").replace("again-run", "holder-run"));
    let output = train(folder.path(), &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("student: the model has no head \"holder\""), "{said}");

    // A model of another shape.
    let small = format!("start = \"{}/models/small\"", env!("CARGO_MANIFEST_DIR"));
    write("train.toml", &heads.replace("heads-run", "other-run").replace("start = \"student\"", &small));
    let output = train(folder.path(), &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("models/small: the model does not have"), "{said}");
}

#[test]
fn what_cannot_be_trained_is_said_in_one_line() {
    let error = |spoil: &dyn Fn(&Path), arguments: &[&str]| {
        let folder = workplace();
        spoil(folder.path());
        let output = train(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!folder.path().join("model").exists());
        String::from_utf8(output.stderr).unwrap()
    };
    let edit = |folder: &Path, from: &str, to: &str| {
        std::fs::write(folder.join("train.toml"), CONFIG.replace(from, to)).unwrap();
    };
    let nothing = |_: &Path| {};
    let said = error(&|folder| edit(folder, "seed = 5", "sed = 5"), &[]);
    assert!(said.contains("train.toml: ") && said.contains("unknown field `sed`"), "{said}");
    let said = error(&|folder| edit(folder, "epochs = 3", "epochs = 0"), &[]);
    assert_eq!(said, "error: train.toml: schedule.epochs must be 1 or more\n");
    let said = error(&|folder| edit(folder, "max_tokens = 64", "max_tokens = 640"), &[]);
    assert!(said.contains("max_tokens"), "{said}");
    let said = error(&|folder| std::fs::write(folder.join("train.jsonl"), "{}\n").unwrap(), &[]);
    assert!(said.starts_with("error: train.jsonl:1: is not a stance pair"), "{said}");
    let said = error(&|folder| std::fs::remove_file(folder.join("dev.jsonl")).unwrap(), &[]);
    assert!(said.starts_with("error: dev.jsonl: no such file"), "{said}");
    let said = error(&nothing, &["--resume"]);
    assert_eq!(said, "error: run: holds no checkpoint: start without --resume\n");
    let said = error(&|folder| edit(folder, "learning_rate = 1e-3", "learning_rate = 1e30"), &[]);
    assert!(said.contains("lower the learning rate"), "{said}");
}

#[test]
fn a_run_of_another_configuration_is_not_resumed() {
    let folder = workplace();
    train(folder.path(), &[]).assert().success();
    let again = String::from_utf8(train(folder.path(), &[]).output().unwrap().stderr).unwrap();
    assert_eq!(again, "error: run: holds an earlier run: go on with --resume, or remove the folder\n");
    std::fs::write(folder.path().join("train.toml"), CONFIG.replace("seed = 5", "seed = 6")).unwrap();
    let other = String::from_utf8(train(folder.path(), &["--resume"]).output().unwrap().stderr).unwrap();
    assert!(other.contains("another configuration or other data"), "{other}");
}

/// The trainer's encoder and candle's, on the same windows.
fn assert_encoders_agree(model: Model, tolerance: f32) {
    let layers = model.config().num_hidden_layers;
    let layout = Layout::new(model.config().into(), &[]).with_text_layers(layers / 2);
    let mut parameters = vec![0.0; layout.len()];
    for segment in layout.tensors() {
        parameters[segment.range.clone()].copy_from_slice(model.weights().values(&segment.name));
    }
    let words = model.config().vocab_size as u32 - 10;
    let sentences: Vec<Vec<u32>> = (1..12)
        .map(|length| (0..length * 5).map(|token| 5 + (token * 37 + length) % words).collect())
        .collect();
    let special = model.tokenizer().special();
    let shape = WindowShape { max_tokens: 64, lead_tokens: 0 };
    let mut batch = Batch::default();
    let target = window::target_sequence(&[6, 7], special);
    let target = batch.add_sequence(&target, target.len());
    for window in window::text_windows(&sentences, shape, special) {
        let text = batch.add_sequence(&window.tokens, window.opening_tokens);
        batch.add_reading(std::slice::from_ref(&text), 0);
        batch.add_reading(&[target.clone(), text], 0);
    }
    let mut trace = Trace::default();
    trace.forward(&layout, &parameters, &batch, None);

    let hidden = layout.dimensions.hidden;
    let config = model.config().clone();
    let reference = ReferenceEncoder::new(&config, model.into_weights(), layout.text_layers).unwrap();
    for (expected, reading) in reference.encode(&batch).unwrap().iter().zip(batch.readings()) {
        let found = &trace.states()[reading.rows.start * hidden..reading.rows.end * hidden];
        for (found, expected) in found.iter().zip(expected.values()) {
            assert!((found - expected).abs() < tolerance, "{found}, but the reference has {expected}");
        }
    }
}

#[test]
fn the_trained_encoder_is_the_one_that_is_used() {
    assert_encoders_agree(tiny::model(), 1e-5);
    assert_encoders_agree(tiny::wide_model(), 1e-4);
    assert_encoders_agree(Model::load(&standpoint::bundled().unwrap()).unwrap(), 1e-4);
}
