//! Memory has a bound, whatever is read: the peak of a run on a large input, beyond that of a run on a small one.

use crate::tiny;
use assert_cmd::Command;
use standpoint::model::WeightFormat;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const MIB: usize = 1 << 20;

/// The peak of `standpoint classify` on a file with a tiny model, in MiB, and how many lines it wrote. Nothing where the
/// system does not say the peak.
fn classify(folder: &Path, name: &str, content: &str) -> Option<(usize, usize)> {
    fs::write(folder.join(name), content).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .current_dir(folder)
        .args(["classify", name, "--model", "model", "--output", "labels.jsonl", "--format", "jsonl"])
        .args(["--threads", "2", "--timings"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let (_, peak) = said.rsplit_once("peak memory ")?;
    let lines = fs::read_to_string(folder.join("labels.jsonl")).unwrap().lines().count();
    Some((peak.trim().trim_end_matches(" MiB").parse().unwrap(), lines))
}

fn folder() -> (tempfile::TempDir, usize) {
    let folder = tempfile::tempdir().unwrap();
    tiny::model().save(&folder.path().join("model"), WeightFormat::F16).unwrap();
    let small = classify(folder.path(), "small.txt", "The troops leave. They said so.\n");
    (folder, small.map_or(0, |(peak, _)| peak))
}

/// Sentences of one line each, of many lengths.
fn text(bytes: usize) -> String {
    let words =
        ["the troops", "leave", "by the year", "said the minister", "and", "\"must not stay\"", "in bases"];
    let mut text = String::with_capacity(bytes + 256);
    for number in 0.. {
        for word in 0..3 + number % 17 {
            let _ = write!(text, "{} ", words[(number * 5 + word * 3) % words.len()]);
        }
        text.push_str(".\n");
        if text.len() >= bytes {
            break;
        }
    }
    text
}

#[test]
fn a_huge_document_is_held_as_text_only() {
    let (folder, small) = folder();
    let text = text(12 * MIB);
    let record = serde_json::json!({ "id": 1, "text": text }).to_string();
    let sentences = serde_json::json!({ "sentences": text.lines().collect::<Vec<_>>() }).to_string();
    // The text and, while a record is parsed, a copy of it and the beginning of its line; spans of sentences.
    for (name, content, room) in
        [("huge.txt", &text, 32), ("huge.jsonl", &record, 40), ("sentences.jsonl", &sentences, 40)]
    {
        let Some((peak, lines)) = classify(folder.path(), name, content) else { return };
        assert_eq!(lines, text.lines().count());
        assert!(peak < small + room, "{name}: {peak} MiB, and {small} MiB for a small text");
    }
}

#[test]
fn many_documents_take_no_more_than_a_few() {
    let (folder, small) = folder();
    let text = text(2 * MIB);
    let mut records = String::new();
    for (number, lines) in text.lines().collect::<Vec<_>>().chunks(3).enumerate() {
        records += &serde_json::json!({ "id": number, "text": lines.join("\n") }).to_string();
        records.push('\n');
    }
    let Some((peak, lines)) = classify(folder.path(), "many.jsonl", &records) else { return };
    assert_eq!(lines, text.lines().count());
    assert!(peak < small + 16, "{peak} MiB, and {small} MiB for a small text");
}

#[test]
fn one_sentence_of_many_megabytes_is_not_tokenized_to_its_end() {
    let (folder, small) = folder();
    let text = "the troops leave ".repeat(12 * MIB / 17);
    let Some((peak, lines)) = classify(folder.path(), "long.txt", &text) else { return };
    assert_eq!(lines, 1);
    // It is written whole, which takes a copy in memory of no more than it.
    assert!(peak < small + 48, "{peak} MiB, and {small} MiB for a small text");
}
