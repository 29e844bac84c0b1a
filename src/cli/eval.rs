//! `standpoint eval`: a set and a model in, figures out.

use crate::error::{Error, Result};
use crate::eval::{EvalSet, HeadFigures, Report, evaluate};
use crate::model::{Model, ModelSource};
use crate::output::atomic::write_whole;
use clap::Args;
use clap::builder::BoolishValueParser;
use comfy_table::{CellAlignment, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Score a model on labelled sentences
///
/// A set is a TOML file that names labelled JSON Lines files and their hashes. Intervals are 95%, by bootstrap
/// over documents.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  standpoint eval eval/gold-dev.toml
  standpoint eval eval/gold-dev.toml --model runs/my-model --output result.json")]
pub(super) struct Eval {
    /// The evaluation set
    set: PathBuf,

    /// A model folder or a hub id (owner/name) [default: the bundled model]
    #[arg(long, env = "STANDPOINT_MODEL")]
    model: Option<String>,

    /// The revision of a model on the Hub
    #[arg(long)]
    revision: Option<String>,

    /// Never use the network: a model from the Hub must be in the local cache. HF_HUB_OFFLINE=1 means the same
    #[arg(long, env = "STANDPOINT_OFFLINE", value_parser = BoolishValueParser::new())]
    offline: bool,

    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS")]
    threads: Option<NonZeroUsize>,
}

impl Eval {
    pub(super) fn run(self) -> Result<ExitCode> {
        super::set_threads(self.threads)?;
        let set = EvalSet::load(&self.set)?;
        let source = ModelSource::parse(self.model.as_deref(), self.revision.as_deref(), self.offline)?;
        let report = evaluate(&set, Model::load(&source)?)?;
        write!(std::io::stdout().lock(), "{}", render(&report)).map_err(super::to_stdout)?;
        if let Some(path) = &self.output {
            let json = serde_json::to_string_pretty(&report)
                .map_err(|error| Error::Write { path: path.clone(), source: error.into() })?;
            write_whole(path, format!("{json}\n").as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn render(report: &Report) -> String {
    let mut text = format!(
        "{} version {}: {} {} (weights {})\n",
        report.set,
        report.set_version,
        report.model.name,
        report.model.version,
        &report.model.sha256[..12]
    );
    for section in &report.sections {
        for (head, figures) in [("role", &section.role), ("stance", &section.stance)] {
            let Some(figures) = figures else { continue };
            text.push_str(&format!(
                "\n{}, {head}: {} sentences of {} documents\n{}\n",
                section.name,
                figures.sentences,
                figures.documents,
                table(figures)
            ));
        }
    }
    text
}

fn table(figures: &HeadFigures) -> Table {
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(["", "precision", "recall", "F1", "support"]);
    for label in &figures.labels {
        table.add_row([
            label.label.to_owned(),
            figure(label.precision),
            figure(label.recall),
            figure(label.f1),
            label.support.to_string(),
        ]);
    }
    let interval =
        figures.macro_f1_interval.map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
    table.add_row([
        "macro".to_owned(),
        String::new(),
        String::new(),
        format!("{}{interval}", figure(figures.macro_f1)),
        figures.sentences.to_string(),
    ]);
    table.add_row([
        "accuracy".to_owned(),
        String::new(),
        String::new(),
        figure(figures.accuracy),
        String::new(),
    ]);
    table.add_row([
        "calibration error".to_owned(),
        String::new(),
        String::new(),
        figure(figures.calibration_error),
        String::new(),
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
