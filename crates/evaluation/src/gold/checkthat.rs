//! CheckThat!, the check-worthiness of sentences and tweets: tables of the lab's editions, or JSON Lines.

use super::collector::{Collector, UncheckedDocument};
use super::table::{Dialect, Table};
use super::{GoldLabels, GoldSource, file, unknown};
use crate::error::{InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use std::path::Path;

/// A line of JSON.
#[derive(Deserialize)]
struct Sentence {
    id: String,
    text: String,
    label: String,
    split: Option<String>,
    target: Option<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    if file::is_jsonl(&source.path) {
        return read_jsonl(source, digest, collector);
    }
    let dialect = Dialect::of(&source.path);
    let is_quoted = dialect == Dialect::Tsv && is_quoted(&source.path)?;
    let table = Table::open(&source.path, dialect, digest)?;
    let id = table.column(&["Sentence_id", "tweet_id", "line_number", "id"])?;
    let text = table.column(&["Text", "tweet_text"])?;
    let label = table.column(&["class_label", "check_worthiness", "label"])?;
    table.rows(|at, row| {
        let labels = labels(row.cell(label))?;
        let document = UncheckedDocument::whole(
            row.cell(id).to_owned(),
            None,
            unquote(row.cell(text), is_quoted),
            labels,
        );
        collector.add(at, document.with_fields(row.fields(&[id, text, label])))
    })
}

fn read_jsonl(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "a sentence of CheckThat! (id, text, label)";
    file::json_lines(&source.path, digest, expected, |at, row: Sentence| {
        if !collector.wants(row.split.as_deref()) {
            return Ok(());
        }
        let labels = labels(&row.label)?;
        collector
            .add(at, UncheckedDocument::whole(row.id, row.target, row.text, labels).with_fields(row.fields))
    })
}

fn labels(label: &str) -> Result<GoldLabels, InputProblem> {
    let checkworthy = match label.to_ascii_lowercase().as_str() {
        "yes" | "1" => true,
        "no" | "0" => false,
        _ => return Err(unknown("label", label, &["Yes", "No", "1", "0"])),
    };
    Ok(GoldLabels { checkworthy: Some(checkworthy), ..GoldLabels::default() })
}

/// Whether whoever wrote the table put quotes around cells as CSV does: every cell with a comma or a quotation mark is in
/// quotes then. Some editions of the tables are written so, and others hold raw sentences, many of which begin and end
/// with a quotation mark of their own. No single row tells which.
fn is_quoted(path: &Path) -> Result<bool> {
    let takes_quotes = |text: &str| text.contains([',', '"']);
    let (mut quoted, mut bare) = (false, false);
    file::lines(path, &mut Digest::default(), |_, line| {
        for cell in line.split('\t') {
            match inside(cell) {
                Some(inside) => quoted |= takes_quotes(inside),
                None => bare |= takes_quotes(cell),
            }
        }
        Ok(())
    })?;
    Ok(quoted && !bare)
}

/// What stands between the quotes of a cell that could be a CSV writer's: quotation marks inside are doubled.
fn inside(cell: &str) -> Option<&str> {
    let inside = cell.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.replace("\"\"", "").contains('"')).then_some(inside)
}

/// Removes the quotes that a CSV writer put around a cell: all of them in a table that is quoted, and elsewhere those around
/// doubled quotation marks, which nobody writes by hand.
fn unquote(cell: &str, is_quoted: bool) -> String {
    match inside(cell) {
        Some(inside) if is_quoted || inside.contains("\"\"") => inside.replace("\"\"", "\""),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotes_of_the_writer_are_taken_off() {
        assert_eq!(unquote(r#""He said ""go"".""#, false), r#"He said "go"."#);
        for as_it_stands in [r#""Go home.""#, r#""Go," he said, "now.""#, "plain", "\""] {
            assert_eq!(unquote(as_it_stands, false), as_it_stands);
        }
    }

    /// The texts of a table that holds these cells.
    fn texts(cells: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.tsv");
        let rows: String = cells.iter().map(|cell| format!("1\t{cell}\tNo\r\n")).collect();
        std::fs::write(&path, format!("Sentence_id\tText\tclass_label\r\n{rows}")).unwrap();
        let is_quoted = is_quoted(&path).unwrap();
        cells.iter().map(|cell| unquote(cell, is_quoted)).collect()
    }

    #[test]
    fn whose_the_quotes_are_is_seen_in_the_whole_table() {
        let quoted =
            ["They left.", "\"They left, and soon.\"", "\"She said \"\"go\"\".\"", "\"\"\"Go.\"\"\""];
        let plain = ["They left.", "They left, and soon.", "She said \"go\".", "\"Go.\""];
        assert_eq!(texts(&quoted), plain);
        for raw in [&plain[..], &["\"Go home, now.\"", "They left, and soon."], &["\"Go.\"", "They left."]] {
            assert_eq!(texts(raw), raw, "as it stands");
        }
    }
}
