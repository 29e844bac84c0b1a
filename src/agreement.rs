//! `standpoint agreement`: how far two readings of the same sentences agree.

use crate::failure::{Failure, Result};
use clap::Args;
use comfy_table::{CellAlignment, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use standpoint::evaluation::agreement::{Agreement, SpanAgreement, agreement};
use standpoint::evaluation::report::Figure;
use standpoint::gold::GoldFormat;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure how far readings of the same sentences agree
///
/// Each file is an export of an annotation tool, what classify writes, or JSON Lines of {"id", "index", "role",
/// "stance"}: a document, a sentence of it counted from 0, and the labels that a reader gave; a label may be missing.
/// Prints Cohen's kappa (of two readers), Krippendorff's alpha and the share of equal labels, and exact and overlap F1 of
/// sources, cues and contents, with 95% intervals by bootstrap over documents.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  standpoint agreement eval/data/reading-1.jsonl eval/data/reading-2.jsonl
  standpoint agreement --json a.jsonl b.jsonl c.jsonl
  standpoint agreement anna.jsonl ben.jsonl --format doccano
  standpoint agreement project-7.json")]
pub(crate) struct AgreementCommand {
    /// The readings, two or more; folders are read as brat's. A single Label Studio export is parted by its annotators
    #[arg(required = true, value_name = "FILE")]
    readings: Vec<PathBuf>,

    /// The format of all files: labelstudio, doccano, prodigy, brat or another of labelled text [default: what each looks
    /// like]
    #[arg(long, value_name = "FORMAT")]
    format: Option<GoldFormat>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl AgreementCommand {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let found = agreement(&self.readings, self.format)?;
        let text = match self.json {
            true => {
                let labels = found.labels.iter().map(Entry::Labels);
                let all: Vec<Entry<'_>> = labels.chain(found.spans.iter().map(Entry::Spans)).collect();
                format!("{}\n", serde_json::to_string_pretty(&all).expect("figures are JSON"))
            }
            false => {
                let tables = found.labels.iter().map(table).chain(found.spans.iter().map(spans_table));
                tables.collect::<Vec<_>>().join("\n")
            }
        };
        write!(std::io::stdout().lock(), "{text}").map_err(Failure::Stdout)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// An element of the JSON array.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Labels(&'a Agreement),
    Spans(&'a SpanAgreement),
}

fn figure(figure: Figure) -> String {
    match (figure.value, figure.interval) {
        (None, _) => "–".to_owned(),
        (Some(value), None) => format!("{value:.3}"),
        (Some(value), Some([low, high])) => format!("{value:.3} ({low:.3} to {high:.3})"),
    }
}

/// A table with figures in all columns but the first.
fn figures<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(header);
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn spans_table(found: &SpanAgreement) -> String {
    let rows = found.kinds.iter().map(|kind| {
        [kind.kind.clone(), kind.spans.to_string(), figure(kind.exact_f1), figure(kind.overlap_f1)]
    });
    let table = figures(["", "spans", "exact F1", "overlap F1"], rows);
    format!("{}: {} documents, {} readers\n{table}\n", found.task, found.documents, found.readers)
}

fn table(found: &Agreement) -> String {
    let all = ["all".to_owned(), figure(found.observed), figure(found.kappa), figure(found.alpha)];
    let labels = found
        .labels
        .iter()
        .map(|label| [label.label.clone(), String::new(), figure(label.kappa), figure(label.alpha)]);
    let table =
        figures(["", "equal", "Cohen's kappa", "Krippendorff's alpha"], [all].into_iter().chain(labels));
    format!(
        "{}: {} sentences of {} documents, {} readers\n{table}\n",
        found.task, found.sentences, found.documents, found.readers
    )
}
