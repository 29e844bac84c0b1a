//! `standpoint eval` and `standpoint agreement` as their users run them.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn standpoint(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("STANDPOINT_MODEL");
    command.args(arguments).output().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const ROWS: &str = r#"{"doc_id":"a","target":"withdrawal of foreign troops","sentences":[{"text":"The soldiers must go, the minister said.","role":"attributed","stance":"favor"},{"text":"The base was built in 1963.","role":"background","stance":"none"}]}
{"doc_id":"b","target":"withdrawal of foreign troops","sentences":[{"text":"Two rockets hit the airport on Friday.","role":"claim","stance":"none"}]}
"#;

/// A folder with a set of two small documents, whose file may be spoilt.
fn workplace(rows: &str, more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let hash = standpoint::hash::sha256([rows.as_bytes()]);
    let set = format!(
        "name = \"tiny\"\nversion = 1\ndescription = \"Two documents.\"\ntasks = [\"role\", \"stance\"]\n{more}\n\
         [[data]]\npath = \"rows.jsonl\"\nsha256 = \"{hash}\"\n"
    );
    fs::write(folder.path().join("set.toml"), set).unwrap();
    folder
}

fn eval(folder: &TempDir, arguments: &[&str]) -> std::process::Output {
    let set = folder.path().join("set.toml");
    standpoint(&[&["eval", set.to_str().unwrap()], arguments].concat())
}

#[test]
fn a_report_is_written_and_can_be_made_again_without_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().to_str().unwrap();
    let output = standpoint(&["eval", "eval/challenge.toml", "--report", reports, "--log-samples"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let printed = said(&output.stdout);
    assert!(printed.contains("minimal pairs") && printed.contains("third-party-report"), "{printed}");

    let report = json(&folder.path().join("challenge.json"));
    assert_eq!(report["schema"], 1);
    assert_eq!(report["answers"].as_array().unwrap().len(), 2 * 440);
    let page = fs::read_to_string(folder.path().join("challenge.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"));
    assert!(fs::read_to_string(folder.path().join("challenge.md")).unwrap().contains("### stance"));

    let log = folder.path().join("challenge.samples.jsonl");
    let other = folder.path().join("challenge.json");
    let (again, figures) = (folder.path().join("again"), folder.path().join("figures.json"));
    let output = standpoint(&[
        "eval",
        "rescore",
        log.to_str().unwrap(),
        "--report",
        again.to_str().unwrap(),
        "--output",
        figures.to_str().unwrap(),
        "--compare",
        other.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let again = json(&again.join("challenge.json"));
    for (one, other) in report["tasks"].as_array().unwrap().iter().zip(again["tasks"].as_array().unwrap()) {
        for part in ["classes", "calibration", "slices", "pairs", "baselines"] {
            assert_eq!(one[part], other[part], "{part}");
        }
        let comparison = &other["comparison"];
        assert_eq!(comparison["difference"]["value"], 0.0, "a run does not differ from itself");
        assert_eq!(comparison["mcnemar"]["p"], 1.0);
    }

    let figures = json(&figures);
    assert!(figures.get("answers").is_none());
    for (task, full) in figures["tasks"].as_array().unwrap().iter().zip(report["tasks"].as_array().unwrap()) {
        assert_eq!(task["classes"]["macro_f1"], full["classes"]["macro_f1"]);
        assert!(task["classes"]["labels"][0].get("curve").is_none(), "curves can be computed again");
        assert!(full["classes"]["labels"][0]["curve"].is_array());
    }
}

#[test]
fn a_figure_below_its_floor_is_exit_code_three() {
    let folder = workplace(ROWS, "[floors.role]\nmacro_f1 = 1.0\n[floors.stance]\n\"f1.against\" = 0.1");
    let output = eval(&folder, &[]);
    let printed = said(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{printed}{}", said(&output.stderr));
    assert!(printed.contains("f1.against"), "{printed}");
    let folder = workplace(ROWS, "[floors.role]\naccuracy = 0.3");
    assert_eq!(eval(&folder, &[]).status.code(), Some(0));
}

#[test]
fn predicted_sentences_count_what_is_missed_and_made_up() {
    let text = "They left. She stayed.";
    let row = serde_json::json!({
        "id": "a", "target": "withdrawal of foreign troops", "text": text,
        "sentences": [{ "start": 0, "end": text.len(), "role": "claim", "stance": "none" }],
    });
    let folder = workplace(&row.to_string(), "sentences = \"predicted\"");
    let output = eval(&folder, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let segmentation = &report["tasks"][0]["segmentation"];
    assert_eq!([1, 2, 0], ["gold", "predicted", "matched"].map(|part| segmentation[part].as_i64().unwrap()));
    assert_eq!(report["tasks"][0]["classes"]["accuracy"]["value"], 0.0);
}

#[test]
fn what_is_wrong_with_a_set_is_said_in_one_line() {
    let error = |folder: &TempDir| {
        let output = eval(folder, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let error = said(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    };
    let spoilt = workplace(ROWS, "");
    fs::write(spoilt.path().join("rows.jsonl"), ROWS.replace("Two", "Six")).unwrap();
    assert!(error(&spoilt).contains("its SHA-256 is"));
    assert!(error(&workplace(ROWS, "colour = 1")).contains("set.toml: line 5: unknown field `colour`"));
    assert!(error(&workplace(ROWS, "[floors.role]\nf2 = 1.0")).contains("macro_f1"));
    assert!(
        error(&workplace(ROWS, "labels.stance = [\"favor\"]")).contains("fewer than two labels of stance")
    );
    assert!(
        error(&workplace(ROWS, "labels.role = [\"claim\", \"news\"]")).contains("the label \"news\" of role")
    );
    assert!(error(&workplace(ROWS, "labels.spans = []")).contains("spans, which is not among its tasks"));
    assert!(error(&workplace(&ROWS.replace("claim", "clam"), "")).contains("rows.jsonl:2"));
    assert!(error(&workplace(&ROWS.replace("\"b\"", "\"a\""), "")).contains("rows.jsonl:2"));
}

/// The set of a workplace, with some of its text replaced and some added at its end.
fn changed(folder: TempDir, from: &str, to: &str, more: &str) -> TempDir {
    let path = folder.path().join("set.toml");
    let set = fs::read_to_string(&path).unwrap();
    assert!(set.contains(from));
    fs::write(&path, format!("{}{more}\n", set.replace(from, to))).unwrap();
    folder
}

const TASKS: &str = r#"tasks = ["role", "stance"]"#;

#[test]
fn what_a_model_does_not_answer_is_said_and_misses_its_floor() {
    let tasks = r#"tasks = ["checkworthy", "spans", "holder"]"#;
    let folder = changed(workplace(ROWS, ""), TASKS, tasks, "");
    let plain = crate::tiny::plain_folder();
    let model = ["--model", plain.path().to_str().unwrap()];
    let output = eval(&folder, &[&["--format", "json"], &model[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["tasks"], Value::Array(Vec::new()));
    let notes: Vec<&str> =
        report["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(
        notes,
        [
            "The set asks for checkworthy, which this model does not answer.",
            "The set asks for spans, which this model does not answer.",
            "The set asks for holder, but this model names no holder.",
        ]
    );
    let floors = "[floors.spans]\n\"exact_f1.source\" = 0.1";
    let output = eval(&changed(workplace(ROWS, floors), TASKS, tasks, ""), &model);
    assert_eq!(output.status.code(), Some(3), "a figure that does not exist reaches no floor");
    assert!(said(&output.stdout).contains("exact_f1.source has no value"), "{}", said(&output.stdout));
}

#[test]
fn a_choice_of_labels_leaves_out_the_others() {
    let rows = ROWS.replace(r#""role":"claim","stance":"none""#, r#""role":"claim","stance":"against""#);
    let folder = workplace(&rows, "labels.stance = [\"favor\", \"against\"]");
    let log = folder.path().to_str().unwrap().to_owned();
    let output = eval(&folder, &["--report", &log, "--log-samples"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let report = json(&folder.path().join("tiny.json"));
    let stance = &report["tasks"][1];
    assert_eq!(stance["sentences"], 2, "of the three sentences one is none");
    assert_eq!(stance["classes"]["confusion"][0][2].as_u64(), Some(0));
    assert_eq!(report["tasks"][0]["sentences"], 3, "roles are all asked for");
    assert!(report["notes"][0].as_str().unwrap().contains("Only favor and against were allowed"));
    let samples = fs::read_to_string(folder.path().join("tiny.samples.jsonl")).unwrap();
    for sample in samples.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if sample["task"] == "stance" {
            let probs: Vec<f64> = serde_json::from_value(sample["probs"].clone()).unwrap();
            assert!((probs[0] + probs[1] - 1.0).abs() < 1e-5 && probs[2] == 0.0, "{probs:?}");
        }
    }
}

#[test]
fn a_part_of_the_data_and_fields_that_they_lack_are_taken() {
    let rows: String = (0..40)
        .map(|number| format!("{{\"id\":\"{number}\",\"target\":\"t\",\"text\":\"Ferry {number} sank.\",\"stance\":\"none\"}}\n"))
        .collect();
    let tasks = "tasks = [\"stance\"]\nslices = [\"genre\"]";
    let sentences = |part: &str| {
        let more = format!("part = \"{part}\"\nfields = {{ genre = \"news\" }}");
        let folder = changed(workplace(&rows, ""), TASKS, tasks, &more);
        let report = folder.path().to_str().unwrap().to_owned();
        let output = eval(&folder, &["--report", &report, "--log-samples"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
        let log = fs::read_to_string(folder.path().join("tiny.samples.jsonl")).unwrap();
        assert!(log.lines().skip(1).all(|line| line.contains(r#""fields":{"genre":"news"}"#)), "{log}");
        log.lines().count() - 1
    };
    let (one, others) = (sentences("1 of 4"), sentences("all but 1 of 4"));
    assert!(one > 0 && others > one && one + others == 40, "{one} and {others}");
    let output = eval(&changed(workplace(&rows, ""), TASKS, tasks, "part = \"1/4\""), &[]);
    let error = said(&output.stderr);
    assert!(error.contains("set.toml: line 10: unknown part \"1/4\": expected a share"), "{error}");
}

#[test]
fn a_calibration_is_fitted_on_a_set_and_put_into_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors", "standpoint.toml"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/small").join(file), model.join(file))
            .unwrap();
    }
    let (settings, folder_of_model) = (model.join("standpoint.toml"), model.to_str().unwrap());
    let before = fs::read_to_string(&settings).unwrap();
    let arguments = ["calibrate", "eval/articles.toml", "--model", folder_of_model];
    let output = standpoint(&[&arguments[..], &["--output", settings.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let printed = said(&output.stdout);
    // The fifth column of a head's row, behind its name: calibration error now.
    let errors: Vec<&str> = printed
        .lines()
        .filter(|line| line.trim_start().starts_with("role") || line.trim_start().starts_with("stance"))
        .map(|line| line.split_whitespace().nth(5).unwrap())
        .collect();
    let after = fs::read_to_string(&settings).unwrap();
    assert!(after != before && after.contains("temperature = "), "{after}");

    let figures = folder.path().join("figures.json");
    let arguments = ["eval", "eval/articles.toml", "--model", folder_of_model, "--output"];
    let output = standpoint(&[&arguments[..], &[figures.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", said(&output.stderr));
    let figures = json(&figures);
    for (task, error) in errors.iter().enumerate() {
        let found = figures["tasks"][task]["calibration"]["error"]["value"].as_f64().unwrap();
        assert_eq!(format!("{found:.3}"), *error, "{printed}");
    }
    assert_eq!(errors.len(), 2, "{printed}");
}

#[test]
fn a_set_without_roles_and_stances_cannot_calibrate() {
    let folder = changed(workplace(ROWS, ""), "[\"role\", \"stance\"]", "[\"attributed\"]", "");
    let set = folder.path().join("set.toml");
    let output = standpoint(&["calibrate", set.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output.stderr);
    assert!(said.contains("neither role nor stance") && said.lines().count() == 1, "{said}");
}

#[test]
fn agreement_of_the_two_readings_is_what_the_readme_says() {
    let output = standpoint(&["agreement", "eval/data/reading-1.jsonl", "eval/data/reading-2.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/README.md")).unwrap();
    assert!(readme.contains(said(&output.stdout).trim()), "{}", said(&output.stdout));
}
