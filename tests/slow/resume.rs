//! `--resume`: a run that is killed again and again writes what one run writes. And what becomes of inputs that fail.

use crate::tiny;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a run is killed.
const KILLS: usize = 100;

/// What is waited for comes within moments. If it does not come by then, it does not come.
const PATIENCE: Duration = Duration::from_secs(120);

fn classify(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standpoint"));
    command.current_dir(folder).args(["classify", "--model", "model", "--threads", "2"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a tiny model and `in.jsonl`: documents of one to three sentences, some of one id, and bad lines.
fn folder(documents: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    tiny::model().save(&folder.path().join("model"), standpoint::model::WeightFormat::F16).unwrap();
    let line = |number: usize| match number % 50 {
        17 => format!("{{\"id\":{number},\"text\":7}}\n"),
        _ => {
            let text =
                ["The troops leave. ", "They said so in May. ", "Nobody stays. "][..=number % 3].concat();
            format!("{{\"id\":{},\"text\":\"{text}\",\"number\":{number}}}\n", number / 2)
        }
    };
    fs::write(folder.path().join("in.jsonl"), (0..documents).map(line).collect::<String>()).unwrap();
    folder
}

#[test]
fn a_run_that_is_killed_again_and_again_writes_what_one_run_writes() {
    let folder = folder(20_000);
    let whole = classify(folder.path(), &["in.jsonl", "--output", "whole.jsonl"]).output().unwrap();
    assert_eq!(whole.status.code(), Some(1), "{}", said(&whole));
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let is_whole =
        || assert!(read("labels.jsonl") == read("whole.jsonl"), "not that of one run, byte for byte");

    let resume = ["in.jsonl", "--output", "labels.jsonl", "--resume", "--failures", "failed.jsonl"];
    let length = || fs::metadata(folder.path().join("labels.jsonl.part")).map_or(0, |part| part.len());
    let (mut random, mut kills, mut before) = (7u64, 0, 0);
    while kills < KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = classify(folder.path(), &resume).stderr(Stdio::null()).spawn().unwrap();
        // Most are killed when some more bytes are written, and every fourth at any moment, as while it finds out what is done.
        let step = 1 + (random >> 33) % 50_000;
        let waits = !kills.is_multiple_of(4);
        let begun = Instant::now();
        let mut ended = None;
        while waits && length() < before + step && ended.is_none() {
            assert!(begun.elapsed() < PATIENCE, "the file does not grow beyond {before} bytes");
            thread::sleep(Duration::from_millis(1));
            ended = child.try_wait().unwrap();
        }
        if !waits {
            thread::sleep(Duration::from_millis((random >> 33) % 100));
            ended = child.try_wait().unwrap();
        }
        if let Some(ended) = ended {
            // It was done before it could be killed. Another one begins.
            assert_eq!(ended.code(), Some(1));
            is_whole();
            fs::remove_file(folder.path().join("labels.jsonl")).unwrap();
            before = 0;
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if waits {
            assert!(
                length() > before || folder.path().join("labels.jsonl").exists(),
                "it grew, and does not shrink"
            );
        }
        before = length();
        if folder.path().join("labels.jsonl").exists() {
            is_whole();
            fs::remove_file(folder.path().join("labels.jsonl")).unwrap();
        }
    }
    let last = classify(folder.path(), &resume).output().unwrap();
    assert_eq!(last.status.code(), Some(1), "{}", said(&last));
    is_whole();
    assert!(said(&last).ends_with("error: 400 of 20000 inputs failed (named above)\n"), "{}", said(&last));
    assert_eq!(read("failed.jsonl").split(|&byte| byte == b'\n').count(), 401);
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["failed.jsonl", "in.jsonl", "labels.jsonl", "model", "whole.jsonl"]);
}

/// Begins a run that takes seconds, and kills it as soon as something is written.
fn begun(folder: &Path) {
    let mut child = classify(folder, &["in.jsonl", "--output", "labels.jsonl", "--resume"]).spawn().unwrap();
    let part = folder.join("labels.jsonl.part");
    while fs::metadata(&part).map_or(0, |part| part.len()) < 10_000 {
        assert!(child.try_wait().unwrap().is_none(), "it is not done so soon");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn another_run_is_refused_and_says_what_differs() {
    let folder = folder(40_000);
    begun(folder.path());
    let part = fs::read(folder.path().join("labels.jsonl.part")).unwrap();
    let input = fs::read(folder.path().join("in.jsonl")).unwrap();
    fs::write(folder.path().join("other.jsonl"), &input).unwrap();
    let base = ["--output", "labels.jsonl", "--resume"];
    let refused = |arguments: &[&str], why: &str| {
        let output = classify(folder.path(), arguments).args(base).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(why), "{} should say {why:?}", said(&output));
        assert!(fs::read(folder.path().join("labels.jsonl.part")).unwrap() == part, "nothing is lost");
    };
    refused(&["in.jsonl", "--target", "mines"], "target \"withdrawal of foreign troops\", not \"mines\"");
    refused(&["other.jsonl"], "the input in.jsonl, not other.jsonl");
    refused(&["in.jsonl", "--limit", "3"], "without --limit, not with --limit 3");
    refused(&["in.jsonl", "--dtype", "f32"], "f32");
    fs::write(folder.path().join("in.jsonl"), [&input[..], b"{\"text\":\"More.\"}\n"].concat()).unwrap();
    refused(&["in.jsonl"], "another content of the input in.jsonl");
    fs::write(folder.path().join("in.jsonl"), &input).unwrap();
    let done = classify(folder.path(), &["in.jsonl"]).args(base).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(folder.path().join("labels.jsonl").exists());
}

#[test]
fn what_cannot_be_gone_on_with_is_wrong_usage() {
    let folder = folder(3);
    for arguments in [
        &["in.jsonl", "--resume"][..],
        &["-", "--resume", "--output", "x.jsonl"],
        &["in.jsonl", "--resume", "--output", "x.txt", "--format", "table"],
        &["in.jsonl", "--resume", "--output", "x.jsonl", "--positions"],
        &["in.jsonl", "--resume", "--output", "x.jsonl", "--unique"],
        &["in.jsonl", "--unique", "--format", "table"],
        &["in.jsonl", "--failures", "in.jsonl"],
        &["in.jsonl", "--limit", "0"],
    ] {
        let output = classify(folder.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is written");
}

#[test]
fn failures_are_listed_and_counted() {
    let folder = folder(100);
    let run = |arguments: &[&str]| classify(folder.path(), arguments).output().unwrap();
    let lines = |output: &Output| String::from_utf8_lossy(&output.stdout).lines().count();
    let output = run(&["in.jsonl", "missing.txt", "--failures", "failed.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).ends_with("error: 3 of 101 inputs failed (named above)\n"), "{}", said(&output));
    let failed = fs::read_to_string(folder.path().join("failed.jsonl")).unwrap();
    let failed: Vec<Value> = failed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> = failed
        .iter()
        .map(|line| (line["id"].as_str(), line["file"].as_str(), line["line"].as_u64()))
        .collect();
    assert_eq!(
        places,
        [
            (Some("17"), Some("in.jsonl"), Some(18)),
            (Some("67"), Some("in.jsonl"), Some(68)),
            (None, Some("missing.txt"), None),
        ]
    );
    assert_eq!(failed[2]["reason"], "no such file or folder");

    let output = run(&["missing.txt", "gone.txt"]);
    assert!(said(&output).ends_with("error: nothing could be read: all 2 inputs failed (named above)\n"));
    let output = run(&["in.jsonl", "--fail-fast"]);
    assert!(said(&output).ends_with("error: stopped at the first input that failed (--fail-fast)\n"));
    assert_eq!((output.status.code(), lines(&output)), (Some(1), 17 + 17 - 1));
    let output = run(&["in.jsonl", "--limit", "3"]);
    assert_eq!((output.status.code(), lines(&output)), (Some(0), 6));
}

#[test]
fn a_sentence_that_comes_again_points_to_the_first() {
    let folder = folder(0);
    let line = |id: &str, text: &str| format!("{{\"id\":\"{id}\",\"text\":\"{text}\"}}\n");
    let input = line("a", "Nobody stays. The troops leave.") + &line("b", "The TROOPS  leave. They said so.");
    fs::write(folder.path().join("in.jsonl"), input).unwrap();
    let output = classify(folder.path(), &["in.jsonl", "--unique"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let written = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let labelled: Vec<bool> = lines.iter().map(|line| line.get("role").is_some()).collect();
    assert_eq!(labelled, [true, true, false, true]);
    assert_eq!(lines[2]["duplicate_of"], serde_json::json!({"doc": "a", "index": 1}));
}
