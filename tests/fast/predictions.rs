//! `standpoint eval --predictions` as its users run it: it needs no model.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use tempfile::TempDir;

const ROWS: &str = r#"{"doc_id":"a","target":"t","sentences":[{"text":"The soldiers must go, the minister said.","role":"attributed","stance":"favor","holder":"the minister"},"Naïve, 🦊 perhaps.",{"text":"The base was built in 1963.","role":"background","stance":"none"}],"attributions":[{"source":[[22,34]],"cue":[[35,39]],"content":[[0,20]]}]}
{"doc_id":"b","target":"t","sentences":[{"text":"Two rockets hit the airport.","role":"claim","stance":"none"}]}
{"doc_id":"c","target":"t","text":"They left.","stance":"favor"}
{"doc_id":"c","target":"u","text":"They left.","stance":"against"}
"#;

/// A folder with a set.
fn workplace(tasks: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), ROWS).unwrap();
    let hash = standpoint::hash::sha256([ROWS.as_bytes()]);
    let set = format!(
        "name = \"tiny\"\nversion = 1\ndescription = \"Documents.\"\ntasks = [{tasks}]\n[[data]]\n\
         path = \"rows.jsonl\"\nsha256 = \"{hash}\"\n"
    );
    fs::write(folder.path().join("set.toml"), set).unwrap();
    folder
}

fn eval(folder: &TempDir, rows: &[Value], arguments: &[&str]) -> Output {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(folder.path().join("answers.jsonl"), lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(folder.path()).args(["eval", "set.toml", "--predictions", "answers.jsonl"]);
    command.args(arguments).output().unwrap()
}

fn report(folder: &TempDir, rows: &[Value]) -> Value {
    let output = eval(folder, rows, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(folder: &TempDir, rows: &[Value], expected: &str) {
    let output = eval(folder, rows, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected) && said.lines().count() == 1, "{said} should say {expected:?}");
    assert!(output.stdout.is_empty());
}

/// The simplest rows: by index, by the document alone, by text, by text and target.
fn simple() -> Vec<Value> {
    vec![
        json!({"text": "The  base was built in 1963.", "role": "background", "stance": "favor"}),
        json!({"id": "a", "index": 0, "role": "attributed", "stance": "favor", "holder": "the minister"}),
        json!({"doc": "b", "role": "claim", "stance": "none"}),
        json!({"id": "c", "text": "They left.", "target": "u", "stance": "against"}),
        json!({"id": "c", "text": "They left.", "target": "t", "stance": "favor"}),
    ]
}

#[test]
fn the_simplest_rows_are_scored() {
    let folder = workplace("\"role\", \"stance\", \"holder\"");
    let report = report(&folder, &simple());
    let [role, stance, holder] = [0, 1, 2].map(|task| &report["tasks"][task]);
    assert_eq!((&role["sentences"], &role["classes"]["macro_f1"]["value"]), (&json!(3), &json!(1.0)));
    assert_eq!((&stance["sentences"], &stance["classes"]["accuracy"]["value"]), (&json!(5), &json!(0.8)));
    assert!(stance["calibration"].is_null(), "labels alone have no calibration");
    assert_eq!(holder["spans"][0]["exact_f1"]["value"], 1.0);
    assert_eq!(report["model"]["name"], "answers.jsonl");
    assert_eq!(report["run"]["encoder"], "");
}

#[test]
fn rows_of_classify_are_scored_whatever_their_unit() {
    // Character offsets; the text begins three characters earlier than in the gold document.
    let row = |index: usize, text: &str, start: usize, role: &str| {
        let probs = |label: &str, labels: [&str; 3]| {
            labels.map(|one| (one.to_owned(), json!(if one == label { 0.8 } else { 0.1 })))
        };
        let stances = ["t", "u"].map(|target| {
            let probs: Value = probs("none", ["favor", "against", "none"]).into_iter().collect();
            json!({"target": target, "stance": "none", "probs": probs})
        });
        let role_probs: Value = probs(role, ["claim", "attributed", "background"]).into_iter().collect();
        json!({
            "doc": "elsewhere/a.txt", "index": index, "start": start, "end": start + text.chars().count(),
            "offsets": "chars", "text": text, "role": role,
            "role_probs": role_probs,
            "stance": stances,
            "attributions": [],
        })
    };
    let mut rows = vec![
        row(0, "The soldiers must go, the minister said.", 3, "attributed"),
        row(1, "Naïve, 🦊 perhaps.", 44, "background"),
        row(2, "The base was built in 1963.", 62, "claim"),
        row(0, "Two rockets hit the airport.", 0, "claim"),
        row(0, "They left.", 0, "claim"),
    ];
    let span = |start: usize, text: &str| json!([{"start": start, "end": start + text.len(), "text": text}]);
    let found =
        json!([{"source": span(25, "the minister"), "cue": span(38, "said"), "content": span(66, "base")}]);
    for row in &mut rows[..3] {
        row["attributions"] = found.clone();
    }
    rows[0]["stance"][0]["holder"] = json!({"start": 25, "end": 37, "text": "the minister"});
    let folder = workplace("\"role\", \"stance\", \"spans\", \"holder\"");
    let report = report(&folder, &rows);
    assert_eq!(report["tasks"][0]["classes"]["accuracy"]["value"], json!(2.0 / 3.0));
    assert!(report["tasks"][0]["calibration"]["error"]["value"].is_number());
    assert_eq!(report["tasks"][1]["sentences"], 5, "one row answers both targets of a text");
    let exact: Vec<&Value> =
        (0..3).map(|kind| &report["tasks"][2]["spans"][kind]["exact_f1"]["value"]).collect();
    assert_eq!(exact, [&json!(1.0), &json!(1.0), &json!(0.0)]);
    assert_eq!(report["tasks"][3]["spans"][0]["exact_f1"]["value"], 1.0);
    rows[0]["stance"][0]["holder"]["text"] = json!("a minister");
    refused(
        &folder,
        &rows,
        "answers.jsonl:1: holder 22..34 covers \"the minister\", but is said to be \"a minister\"",
    );
}

#[test]
fn what_is_missing_doubled_or_extra_is_said() {
    let folder = workplace("\"role\", \"stance\"");
    let with = |more: Value| [simple(), vec![more]].concat();
    refused(
        &folder,
        &simple()[1..],
        "answers.jsonl: lacks 1 of 3 labelled sentences of the set, the first being sentence 2 of \"a\", \"The base was",
    );
    let mut rows = simple();
    rows[2].as_object_mut().unwrap().remove("stance");
    refused(&folder, &rows, "has no answer for stance to 1 of 5 labelled sentences");
    refused(
        &folder,
        &with(json!({"doc": "b", "role": "claim"})),
        "answers.jsonl:6: answers a sentence again that line 3",
    );
    for (row, expected) in [
        (
            json!({"id": "a", "index": 7, "role": "claim"}),
            "answers sentence 7 of \"a\", which the set does not have",
        ),
        (json!({"id": "a", "text": "No.", "role": "claim"}), "answers a sentence of \"a\", \"No.\", which"),
        (json!({"id": "z", "role": "claim"}), "answers document \"z\", which the set does not have"),
        (json!({"id": "a", "role": "claim"}), "\"a\", of which the set has several sentences"),
        (json!({"role": "claim"}), "does not say which sentence it answers"),
        (json!({"id": "a", "index": 1, "target": "v", "stance": "none"}), "has no stance toward \"t\""),
        (json!({"id": "a", "index": 1, "role": "clam"}), "is not an answer"),
        (json!({"id": "a", "index": 1, "stance": "pro"}), "unknown variant `pro`"),
        (json!({"id": "a", "index": 1, "checkworthiness": 2}), "must be from 0 to 1"),
        (json!({"id": "a", "index": 1, "duplicate_of": {}}), "without --unique"),
        (
            json!({"id": "a", "index": 1, "role": "claim", "role_probs": {"claim": 1.0}}),
            "\"role_probs\" must give each of claim, attributed or background a probability",
        ),
        (json!(null), "is not an answer"),
    ] {
        refused(&folder, &with(row), expected);
    }
    let spans = workplace("\"spans\"");
    refused(&spans, &simple(), "answers none of the set's tasks: spans");
    let output = eval(&folder, &simple(), &["--model", "models/none"]);
    assert_eq!(output.status.code(), Some(2));
}
