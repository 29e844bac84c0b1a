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
            "error: binary.txt: looks like a program: give text",
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
fn a_file_of_another_kind_is_refused_unless_text_was_asked_for() {
    let table = "id,text\n1,\"They left. Nobody stayed.\"\n";
    let page = "<!DOCTYPE html>\n<html><body><p>They left.</p></body></html>\n";
    let folder = folder(&[("table.txt", table.as_bytes()), ("page.txt", page.as_bytes())]);
    for (name, content, what) in [("table.txt", table, "CSV"), ("page.txt", page, "a web page")] {
        // From a pipe, a page is read as what it is; a table could be meant as text.
        let places: &[&str] = if what == "CSV" { &[name, "-"] } else { &[name] };
        for &place in places {
            let run = classify(folder.path(), &[place], content);
            assert_eq!((run.code, run.stdout.len()), (1, 0));
            let expected = format!("error: {place}: looks like {what}: ");
            assert!(run.stderr[0].starts_with(&expected), "{:?}", run.stderr);
            assert!(
                run.stderr[0].ends_with("--input-format text to read it as it stands"),
                "{:?}",
                run.stderr
            );
            let run = classify(folder.path(), &[place, "--input-format", "text"], content);
            assert_eq!(run.code, 0);
            assert!(!run.stdout.is_empty());
        }
    }
}

#[test]
fn a_folder_says_what_it_left_out_and_a_pattern_is_ours_to_match() {
    let folder = folder(&[("a.txt", b"They left."), ("b.pdf", b"%PDF-1.7"), ("c.docx", b"PK\x03\x04")]);
    let run = classify(folder.path(), &["."], "");
    assert_eq!((run.code, run.stdout.len()), (0, 1));
    assert_eq!(run.stderr, ["warning: .: 2 files left out: 1 .docx, 1 .pdf"]);
    let run = classify(folder.path(), &["*.txt"], "");
    assert_eq!((run.code, run.stdout.len(), run.stderr.len()), (0, 1, 0));
}

#[test]
fn a_record_may_have_a_target_of_its_own() {
    let folder = folder(&[]);
    let records = "{\"body\":\"They left.\",\"policy\":\"a ban on land mines\"}\n{\"body\":\"They came.\"}\n";
    let flags = ["-", "--text-field", "body", "--target-field", "policy", "--target", "a new base"];
    let run = classify(folder.path(), &flags, records);
    assert_eq!(run.code, 0, "{:?}", run.stderr);
    let targets: Vec<&str> =
        run.stdout.iter().map(|line| line["stance"][0]["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["a ban on land mines", "a new base"]);
    let run = classify(folder.path(), &["-"], records);
    assert_eq!(run.code, 1);
    assert!(run.stderr[0].ends_with("give --text-field body if that is its text"), "{:?}", run.stderr);
}

#[test]
fn entities_and_parted_words_are_read_as_a_person_does() {
    let folder = folder(&[
        ("raw.txt", "&ldquo;We go,&rdquo; the general said.&nbsp;The with-\ndrawal is over.".as_bytes()),
        ("plain.txt", "“We go,” the general said.\u{a0}The withdrawal is over.".as_bytes()),
    ]);
    let raw = classify(folder.path(), &["raw.txt", "--wrapped", "yes"], "");
    let plain = classify(folder.path(), &["plain.txt", "--wrapped", "yes"], "");
    assert_eq!((raw.code, raw.stdout.len(), plain.stdout.len()), (0, 2, 2));
    assert!(
        raw.stderr[0].starts_with("warning: raw.txt: holds HTML entities, as &ldquo;: "),
        "{:?}",
        raw.stderr
    );
    assert_eq!(raw.stderr.len(), 1);
    for (raw, plain) in raw.stdout.iter().zip(&plain.stdout) {
        assert_eq!(
            (&raw["role_probs"], &raw["stance"][0]["probs"]),
            (&plain["role_probs"], &plain["stance"][0]["probs"])
        );
    }
    assert_eq!(raw.stdout[1]["text"], "The with-\ndrawal is over.");
}

#[test]
fn one_line_of_output_is_one_record_for_every_reader() {
    let folder = folder(&[]);
    let run =
        classify(folder.path(), &["-"], "{\"text\":\"They\u{2028}left.\",\"note\":\"a\u{2029}b\u{85}\"}\n");
    assert_eq!((run.code, run.stdout.len()), (0, 2), "{:?}", run.stderr);
    assert_eq!(run.stdout[0]["note"], "a\u{2029}b\u{85}");
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
