//! CheckThat!, the check-worthiness of sentences and tweets: the tables of the lab's editions, or JSON Lines.

use super::collect::{Collector, Draft};
use super::table::{Dialect, Table};
use super::{GoldLabels, GoldSource, file, unknown};
use crate::error::{InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;

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
    let table = Table::open(&source.path, Dialect::of(&source.path), digest)?;
    let id = table.column(&["Sentence_id", "tweet_id", "line_number", "id"])?;
    let text = table.column(&["Text", "tweet_text"])?;
    let label = table.column(&["class_label", "check_worthiness", "label"])?;
    table.rows(|at, row| {
        let labels = labels(row.cell(label))?;
        let draft = Draft::whole(row.cell(id).to_owned(), None, unquote(row.cell(text)), labels);
        collector.add(at, draft.with_fields(row.fields(&[id, text, label])))
    })
}

fn read_jsonl(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let expected = "a sentence of CheckThat! (id, text, label)";
    file::json_lines(&source.path, digest, expected, |at, row: Sentence| {
        if !collector.wants(row.split.as_deref()) {
            return Ok(());
        }
        let labels = labels(&row.label)?;
        collector.add(at, Draft::whole(row.id, row.target, row.text, labels).with_fields(row.fields))
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

/// Takes off quotes that the program which wrote the table put around a cell. The tables are read without quoting,
/// for most hold sentences as they stand, of which many begin with a quotation mark; a quote that was put around a
/// cell is known by the doubled ones inside it, without which there was no need for it.
fn unquote(cell: &str) -> String {
    let inside = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
    match inside {
        Some(inside) if inside.contains("\"\"") && !inside.replace("\"\"", "").contains('"') => {
            inside.replace("\"\"", "\"")
        }
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quotes_of_the_writer_are_taken_off() {
        assert_eq!(unquote(r#""He said ""go"".""#), r#"He said "go"."#);
        for as_it_stands in [r#""Go home.""#, r#""Go," he said, "now.""#, "plain", "\""] {
            assert_eq!(unquote(as_it_stands), as_it_stands);
        }
    }
}
