//! `standpoint segment` as a user runs it: it needs no model.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TEXT: &str = "The pier is shut. Zugf. Roe said: “We go. Nobody stays.”\nA second line\nruns on.\n";

fn segment(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(folder).arg("segment").args(arguments);
    command
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pier.txt"), TEXT).unwrap();
    folder
}

fn sentences(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = segment(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

#[test]
fn sentences_slice_the_file() {
    let folder = folder();
    let lines = sentences(folder.path(), &["pier.txt"]);
    assert_eq!(
        texts(&lines),
        ["The pier is shut.", "Zugf.", "Roe said: “We go.", "Nobody stays.”", "A second line", "runs on."]
    );
    for (index, line) in lines.iter().enumerate() {
        let [start, end] = ["start", "end"].map(|key| line[key].as_u64().unwrap() as usize);
        assert_eq!(line["text"], TEXT[start..end]);
        assert_eq!((&line["doc"], &line["index"]), (&json!("pier.txt"), &json!(index)));
    }
}

#[test]
fn flags_change_where_sentences_end() {
    let folder = folder();
    fs::write(folder.path().join("words.txt"), "# ranks\nZugf.\n").unwrap();
    let arguments = [
        "--quotes",
        "whole",
        "--abbreviations",
        "words.txt",
        "--wrapped",
        "yes",
        "--format",
        "jsonl",
        "pier.txt",
    ];
    assert_eq!(
        texts(&sentences(folder.path(), &arguments)),
        ["The pier is shut.", "Zugf. Roe said: “We go. Nobody stays.”", "A second line\nruns on."]
    );
}

#[test]
fn a_transcript_names_who_speaks() {
    let folder = folder();
    let speech = "MS. PYE: The pier will close. It is old. MR. CASS: Why? (LAUGHTER)\n";
    fs::write(folder.path().join("debate.txt"), speech).unwrap();
    let speakers = |arguments: &[&str]| {
        let lines = sentences(folder.path(), arguments);
        lines.iter().map(|line| line["speaker"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(speakers(&["debate.txt"]), ["MS. PYE", "MS. PYE", "MR. CASS", "-"]);
    assert_eq!(speakers(&["--transcript", "no", "debate.txt"]), ["-", "-", "-", "-"]);
    fs::write(folder.path().join("short.txt"), "Ann Roe: The pier will close.\n").unwrap();
    assert_eq!(speakers(&["short.txt"]), ["-"]);
    assert_eq!(speakers(&["--transcript", "yes", "short.txt"]), ["Ann Roe"]);
    let record = "{\"speaker\": \"Ann Roe\", \"text\": \"We go. Nobody stays.\", \"time\": \"noon\"}\n";
    fs::write(folder.path().join("records.jsonl"), record).unwrap();
    let lines = sentences(folder.path(), &["records.jsonl"]);
    for line in lines {
        assert_eq!((&line["speaker"], &line["input_time"]), (&json!("Ann Roe"), &json!("noon")));
        assert!(line.get("input_speaker").is_none());
    }
}

#[test]
fn captions_have_times() {
    let folder = folder();
    let cues = "00:01.000 --> 00:02.500\n<v Ann Roe>The pier will\n\n00:02.500 --> 00:04.000\n<v Ann Roe>close.\n\n\
                01:00:05.000 --> 01:00:06.000\n<v Lev Poe>Why?\n";
    fs::write(folder.path().join("debate.vtt"), format!("WEBVTT\n\n{cues}")).unwrap();
    let lines = sentences(folder.path(), &["debate.vtt"]);
    assert_eq!(texts(&lines), ["The pier will close.", "Why?"]);
    assert_eq!(
        (&lines[0]["speaker"], &lines[0]["time"]),
        (&json!("Ann Roe"), &json!({"start": 1.0, "end": 4.0}))
    );
    assert_eq!(
        (&lines[1]["speaker"], &lines[1]["time"]),
        (&json!("Lev Poe"), &json!({"start": 3605.0, "end": 3606.0}))
    );
    let srt = "1\n00:00:01,000 --> 00:00:02,500\n<i>The pier will</i>\n\n2\n00:00:02,500 --> 00:00:04,000\nclose.\n";
    fs::write(folder.path().join("debate.srt"), srt).unwrap();
    let lines = sentences(folder.path(), &["debate.srt"]);
    assert_eq!(texts(&lines), ["The pier will close."]);
    assert_eq!(lines[0]["time"], json!({"start": 1.0, "end": 4.0}));
}

#[test]
fn text_is_for_people() {
    let folder = folder();
    let output =
        segment(folder.path(), &["--format", "text", "-"]).write_stdin("They left. Nobody stayed.").output();
    let right = "-\n 0..10  They left.\n11..25  Nobody stayed.\n\n";
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), right);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let folder = folder();
    let output = segment(folder.path(), &["missing.txt", "pier.txt", "-o", "out.jsonl"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message,
        "error: missing.txt: no such file or folder\nerror: 1 of 2 inputs failed (named above)\n"
    );
    assert_eq!(fs::read_to_string(folder.path().join("out.jsonl")).unwrap().lines().count(), 6);
    let output = segment(folder.path(), &["missing.txt"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.ends_with("error: nothing could be read: the one input failed (named above)\n"),
        "{message}"
    );
}

#[test]
fn the_exit_code_stands_if_nobody_reads_messages() {
    let folder = folder();
    let run = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_standpoint"));
        let output = command.current_dir(folder.path()).args(arguments).stderr(writer).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count())
    };
    assert_eq!(run(&["segment", "missing.txt", "pier.txt"]), (Some(1), 6));
    assert_eq!(run(&["segment", "missing.txt"]), (Some(1), 0));
    assert_eq!(run(&["segment", "--abbreviations", "none.txt", "pier.txt"]), (Some(2), 0));
    assert_eq!(run(&["segment", "--quotes", "neither"]), (Some(2), 0));
    assert_eq!(run(&["eval", "none.toml"]), (Some(1), 0));
}

#[test]
fn a_bad_list_of_abbreviations_is_a_usage_error() {
    let folder = folder();
    fs::write(folder.path().join("words.txt"), "Zugf.\n--\n").unwrap();
    for (file, problem) in [
        ("words.txt", "words.txt:2: \"--\" is no abbreviation: give one word a line, and # before comments"),
        ("none.txt", "none.txt: could not be read: "),
        (".", "could not be read: "),
    ] {
        let output = segment(folder.path(), &["--abbreviations", file, "pier.txt"]).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.starts_with("error: --abbreviations ") && message.contains(problem), "{message}");
        assert!(output.stdout.is_empty());
    }
}
