//! What cannot be read gets one clear line and the right exit code, and the other documents are still done.

use assert_cmd::Command;
use std::fs;
use std::path::Path;

struct Run {
    code: i32,
    stdout: Vec<serde_json::Value>,
    stderr: Vec<String>,
}

/// Runs `standpoint classify` in a folder.
fn classify(folder: &Path, arguments: &[&str], stdin: &str) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .current_dir(folder)
        .env_remove("STANDPOINT_MODEL")
        .arg("classify")
        .args(arguments)
        .write_stdin(stdin)
        .output()
        .unwrap();
    let lines = |bytes: &[u8]| str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    Run {
        code: output.status.code().expect("standpoint exits by itself"),
        stdout: lines(&output.stdout).iter().map(|line| serde_json::from_str(line).unwrap()).collect(),
        stderr: lines(&output.stderr),
    }
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn each_bad_file_is_named_and_the_good_ones_are_done() {
    let folder = folder(&[
        ("a.txt", b"The last soldiers left on Monday."),
        ("binary.txt", b"\x7fELF\0\0\0\x01"),
        ("empty.txt", b" \n"),
        ("z.txt", b"Nobody stayed."),
    ]);
    let run = classify(folder.path(), &["a.txt", "binary.txt", "empty.txt", "missing.txt", "z.txt"], "");
    assert_eq!(run.code, 1);
    let done: Vec<&str> = run.stdout.iter().map(|line| line["doc"].as_str().unwrap()).collect();
    assert_eq!(done, ["a.txt", "z.txt"]);
    assert_eq!(
        run.stderr,
        [
            "error: binary.txt: looks like a binary file (it holds NUL bytes): give plain text or JSON Lines",
            "error: empty.txt: is empty: there is nothing to label",
            "error: missing.txt: no such file or folder",
            "error: 3 of 5 inputs failed (named above)",
        ]
    );
}

#[test]
fn another_encoding_is_read_and_named() {
    let folder = folder(&[("latin.txt", b"Le pr\xe9sident fran\xe7ais a d\xe9cid\xe9 de rester l\xe0.")]);
    let run = classify(folder.path(), &["latin.txt"], "");
    assert_eq!(run.code, 0);
    assert_eq!(run.stdout[0]["text"], "Le président français a décidé de rester là.");
    assert_eq!(run.stderr.len(), 1);
    assert!(run.stderr[0].starts_with("warning: latin.txt: is not plain UTF-8, read as windows-1252"));
}

#[test]
fn a_bad_line_of_json_does_not_stop_the_others() {
    let lines = b"{\"id\":1,\"text\":\"They left.\"}\n{\"id\":2,\n{\"id\":3,\"text\":\"They came.\",\"outlet\":\"x\"}\n";
    let folder = folder(&[("in.jsonl", lines)]);
    let run = classify(folder.path(), &["in.jsonl"], "");
    assert_eq!(run.code, 1);
    let done: Vec<&str> = run.stdout.iter().map(|line| line["doc"].as_str().unwrap()).collect();
    assert_eq!(done, ["1", "3"]);
    assert_eq!(run.stdout[1]["outlet"], "x");
    assert_eq!(run.stderr.len(), 2);
    assert!(run.stderr[0].starts_with("error: in.jsonl:2: is not valid JSON: "), "{:?}", run.stderr);
}

#[test]
fn standard_input_is_a_document() {
    let folder = folder(&[]);
    let run = classify(folder.path(), &["-"], "\u{feff}They left. “We go,” she said.\r\n");
    assert_eq!(run.code, 0, "{:?}", run.stderr);
    assert_eq!(run.stdout.len(), 2);
    assert_eq!(run.stdout[0]["start"], 3);
    assert_eq!(run.stdout[1]["text"], "“We go,” she said.");
}

#[test]
fn json_lines_are_known_by_their_content() {
    let folder = folder(&[]);
    let record = "{\"id\": 1, \"text\": \"They left.\"}\n";
    for arguments in [&["-"][..], &["-", "--input-format", "jsonl"]] {
        let run = classify(folder.path(), arguments, record);
        assert_eq!((run.code, run.stderr.len(), &run.stdout[0]["doc"]), (0, 0, &"1".into()));
    }
    let run = classify(folder.path(), &["-", "--input-format", "text"], record);
    assert_eq!((run.code, run.stderr.len(), &run.stdout[0]["doc"]), (0, 0, &"-".into()));
}

#[test]
fn wrong_usage_is_said_to_be_that() {
    let folder = folder(&[("a.txt", b"They left.")]);
    for arguments in
        [&["a.txt", "--target", " "][..], &["a.txt", "--threads", "0"], &["a.txt", "--format", "csv"]]
    {
        let run = classify(folder.path(), arguments, "");
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.stderr[0].starts_with("error: "), "{:?}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn an_output_file_appears_whole_or_not_at_all() {
    let folder = folder(&[("a.txt", b"They left.")]);
    let run = classify(folder.path(), &["a.txt", "--output", "out.jsonl"], "");
    assert_eq!((run.code, run.stdout.len()), (0, 0));
    assert_eq!(fs::read_to_string(folder.path().join("out.jsonl")).unwrap().lines().count(), 1);
    let run = classify(folder.path(), &["b.txt", "--output", "out.jsonl"], "");
    assert_eq!(run.code, 1);
    let kept = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 1, "what an earlier run wrote is still there");
    let run = classify(folder.path(), &["a.txt", "--output", "no/out.jsonl"], "");
    assert_eq!(run.code, 1);
    assert!(run.stderr[0].starts_with("error: no/out.jsonl: could not be written"), "{:?}", run.stderr);
}

#[test]
fn a_sentence_of_a_megabyte_is_labelled() {
    let long = format!("{}end.", "word ".repeat(200_000));
    let folder = folder(&[("long.txt", long.as_bytes())]);
    let run = classify(folder.path(), &["long.txt"], "");
    assert_eq!((run.code, run.stdout.len()), (0, 1), "{:?}", run.stderr);
    assert_eq!(run.stdout[0]["end"], long.len());
}
