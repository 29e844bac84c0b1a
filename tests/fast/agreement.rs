//! `standpoint agreement` on the exports of annotation tools and on what `classify` writes.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

const TEXT: &str = "🦊 Ann Roe said the pier would close. It opened in 1931.";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(folder).arg("agreement").args(arguments).output().unwrap()
}

fn agreement(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = run(folder, &[&["--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A labelled span: its label and its words.
type Marked = (&'static str, &'static str);

const ANN: [Marked; 5] = [
    ("attributed", "🦊 Ann Roe said the pier would close."),
    ("background", "It opened in 1931."),
    ("source", "Ann Roe"),
    ("cue", "said"),
    ("content", "the pier would close"),
];

/// The same but for a role, and a shorter content.
const BEN: [Marked; 5] = [ANN[0], ("claim", ANN[1].1), ANN[2], ANN[3], ("content", "the pier")];

/// Start and end of some words, in characters.
fn place(words: &str) -> (usize, usize) {
    let start = TEXT[..TEXT.find(words).unwrap()].chars().count();
    (start, start + words.chars().count())
}

fn doccano(id: usize, marked: &[Marked]) -> String {
    let label = |(label, words): &Marked| {
        let (start, end) = place(words);
        json!([start, end, label])
    };
    let labels: Vec<Value> = marked.iter().map(label).collect();
    format!("{}\n", json!({"id": id, "text": TEXT, "label": labels}))
}

fn prodigy(marked: &[Marked]) -> String {
    let span = |(label, words): &Marked| {
        let (start, end) = place(words);
        json!({"start": start, "end": end, "label": label})
    };
    let spans: Vec<Value> = marked.iter().map(span).collect();
    format!("{}\n", json!({"text": TEXT, "spans": spans, "answer": "accept"}))
}

fn annotation(by: usize, marked: &[Marked]) -> Value {
    let item = |(label, words): &Marked| {
        let (start, end) = place(words);
        json!({"type": "labels", "id": words, "value": {"start": start, "end": end, "text": words, "labels": [label]}})
    };
    json!({"completed_by": by, "result": marked.iter().map(item).collect::<Vec<_>>()})
}

fn brat(folder: &Path, marked: &[Marked]) {
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("pier.txt"), TEXT).unwrap();
    let lines = marked.iter().enumerate().map(|(number, (label, words))| {
        let (start, end) = place(words);
        format!("T{number}\t{label} {start} {end}\t{words}\n")
    });
    fs::write(folder.join("pier.ann"), lines.collect::<String>()).unwrap();
}

/// A folder with the two readings in every form.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, (name, marked)) in [("ann", ANN), ("ben", BEN)].into_iter().enumerate() {
        let path = |extension: &str| folder.path().join(format!("{name}.{extension}"));
        fs::write(path("doccano.jsonl"), doccano(number, &marked)).unwrap();
        fs::write(path("prodigy.jsonl"), prodigy(&marked)).unwrap();
        let task = json!([{"id": 7, "data": {"text": TEXT}, "annotations": [annotation(number, &marked)]}]);
        fs::write(path("json"), task.to_string()).unwrap();
        brat(&path("brat"), &marked);
    }
    let both = [annotation(4, &BEN), annotation(3, &ANN)];
    let task = json!([{"id": 7, "data": {"text": TEXT}, "annotations": both}]);
    fs::write(folder.path().join("both.json"), task.to_string()).unwrap();
    folder
}

#[test]
fn exports_are_compared_in_any_form() {
    let folder = folder();
    for (one, other) in [
        ("ann.doccano.jsonl", "ben.doccano.jsonl"),
        ("ann.prodigy.jsonl", "ben.prodigy.jsonl"),
        ("ann.json", "ben.json"),
        ("ann.brat", "ben.brat"),
        ("ann.doccano.jsonl", "ben.brat"),
    ] {
        check(&agreement(folder.path(), &[one, other]));
    }
    check(&agreement(folder.path(), &["both.json"]));
    check(&agreement(folder.path(), &["ann.doccano.jsonl", "ben.doccano.jsonl", "--format", "doccano"]));
    let output = run(folder.path(), &["ann.doccano.jsonl", "ben.doccano.jsonl"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("role: 2 sentences of 1 documents, 2 readers"), "{printed}");
    assert!(printed.contains("spans: 1 documents, 2 readers") && printed.contains("overlap F1"), "{printed}");
}

fn check(found: &[Value]) {
    let [roles, spans] = found else { panic!("{found:?}") };
    assert_eq!((&roles["task"], &roles["sentences"]), (&json!("role"), &json!(2)));
    assert_eq!(roles["observed"]["value"], 0.5);
    assert_eq!((&spans["task"], &spans["documents"]), (&json!("spans"), &json!(1)));
    let exact: Vec<&Value> = (0..3).map(|kind| &spans["kinds"][kind]["exact_f1"]["value"]).collect();
    assert_eq!(exact, [&json!(1.0), &json!(1.0), &json!(0.0)]);
    // Half of one side's bytes, 8 of 20, and all of the other's.
    let overlap = spans["kinds"][2]["overlap_f1"]["value"].as_f64().unwrap();
    assert!((overlap - 2.0 * 0.4 / 1.4).abs() < 1e-12, "{overlap}");
}

#[test]
fn what_classify_writes_is_a_reading() {
    let folder = folder();
    let span = |words: &str| {
        let start = TEXT.find(words).unwrap();
        json!({"start": start, "end": start + words.len(), "text": words})
    };
    let attribution =
        json!([{"source": [span("Ann Roe")], "cue": [span("said")], "content": [span("the pier")]}]);
    let line = |index: usize, words: &str, role: &str| {
        let mut line = span(words);
        line["doc"] = json!(0);
        line["index"] = json!(index);
        line["role"] = json!(role);
        line["stance"] = json!([{"target": "t", "stance": "none"}]);
        line["attributions"] = if index == 0 { attribution.clone() } else { json!([]) };
        line
    };
    let mut lines = [line(0, ANN[0].1, "attributed"), line(1, ANN[1].1, "claim")];
    let write = |lines: &[Value]| {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(folder.path().join("labels.jsonl"), lines).unwrap();
    };
    write(&lines);
    check(&agreement(folder.path(), &["ann.doccano.jsonl", "labels.jsonl"]));
    let refused = |files: &[&str], expected: &str| {
        let output = run(folder.path(), files);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{said} should say {expected:?}");
    };
    refused(&["ben.doccano.jsonl", "labels.jsonl"], "has nothing that another reading labels");
    refused(&["labels.jsonl"], "labels.jsonl: is one reading: name two");
    refused(&["labels.jsonl", "none.jsonl"], "none.jsonl: no such file");
    lines[1]["offsets"] = json!("utf16");
    write(&lines);
    refused(
        &["ann.doccano.jsonl", "labels.jsonl"],
        "labels.jsonl:2: counts offsets in another unit than bytes",
    );
    lines[1] = lines[0].clone();
    write(&lines);
    refused(&["ann.doccano.jsonl", "labels.jsonl"], "labels.jsonl:2: field \"index\" repeats a sentence");
}
