//! `standpoint agreement`: how far two readings of the same sentences agree.

use crate::failure::{Failure, Result};
use clap::Args;
use comfy_table::{CellAlignment, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};
use standpoint::evaluation::agreement::{Agreement, agreement};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure how far readings of the same sentences agree
///
/// Each file is JSON Lines of {"id", "index", "role", "stance"}: a document, a sentence of it counted from 0, and the
/// labels that a reader gave; a label may be missing. Prints Cohen's kappa (of two readers), Krippendorff's alpha
/// and the share of equal labels, with 95% intervals by bootstrap over documents.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  standpoint agreement eval/data/reading-1.jsonl eval/data/reading-2.jsonl
  standpoint agreement --json a.jsonl b.jsonl c.jsonl")]
pub(crate) struct AgreementCommand {
    /// The readings, two or more
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    readings: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl AgreementCommand {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let found = agreement(&self.readings)?;
        let text = match self.json {
            true => format!("{}\n", serde_json::to_string_pretty(&found).expect("figures are JSON")),
            false => found.iter().map(table).collect::<Vec<_>>().join("\n"),
        };
        write!(std::io::stdout().lock(), "{text}").map_err(Failure::Stdout)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(found: &Agreement) -> String {
    let figure = |figure: standpoint::evaluation::report::Figure| match (figure.value, figure.interval) {
        (None, _) => "–".to_owned(),
        (Some(value), None) => format!("{value:.3}"),
        (Some(value), Some([low, high])) => format!("{value:.3} ({low:.3} to {high:.3})"),
    };
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(["", "equal", "Cohen's kappa", "Krippendorff's alpha"]);
    table.add_row(["all".to_owned(), figure(found.observed), figure(found.kappa), figure(found.alpha)]);
    for label in &found.labels {
        table.add_row([label.label.clone(), String::new(), figure(label.kappa), figure(label.alpha)]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!(
        "{}: {} sentences of {} documents, {} readers\n{table}\n",
        found.task, found.sentences, found.documents, found.readers
    )
}
