//! `standpoint bench`: how fast a model is on this machine, as a table or as JSON.

mod measure;

use super::model::ModelArgs;
use crate::count;
use crate::failure::{Failure, Result};
use crate::message::say;
use clap::ValueEnum;
use comfy_table::{CellAlignment, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};
use measure::{BenchReport, Plan};
use standpoint::atomic::write_whole;
use standpoint::error::Error;
use standpoint::machine;
use standpoint::model::Model;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Measure the speed of a model on this machine
///
/// Throughput by number of threads and by documents at once, latency of one article, cold start, and memory. Figures are
/// medians. Run nothing else meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  standpoint bench
  standpoint bench eval/gold-dev.toml --seconds 20 --format json --output speed.json")]
pub(crate) struct Bench {
    /// The text: an evaluation set (.toml), or a file or folder as `classify` reads it [default: the articles of
    /// examples/, which are in the binary]
    text: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArgs,

    /// Numbers of threads to measure, separated by commas [default: 1, 2 and all cores]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = count::threads)]
    threads: Vec<NonZeroUsize>,

    /// How many documents to hand over at once, separated by commas
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values = ["1", "8", "64"], value_parser = count::count)]
    batch: Vec<NonZeroUsize>,

    /// How long each measurement takes, all its repetitions together
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: f64,

    /// How often each is repeated, if its time allows; the median is given
    #[arg(long, value_name = "N", default_value = "5", value_parser = count::count)]
    repetitions: NonZeroUsize,

    /// How to write the figures
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,

    /// Where to write, - for standard output. A file appears whole or not at all
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Bench {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let source = self.model.source()?;
        let documents = match &self.text {
            Some(path) => measure::documents(path)?,
            None => measure::examples(),
        };
        let program = std::env::current_exe().map_err(|source| {
            let program = PathBuf::from("standpoint");
            Failure::Start { program, source }
        })?;
        let report = measure::run(
            Model::load(&source)?,
            self.model.engine(),
            &documents,
            self.plan(),
            |article| self.classify(&program, article),
            &mut |next| {
                if io::stderr().is_terminal() {
                    say!("{next}");
                }
            },
        )?;
        self.write(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn plan(&self) -> Plan {
        let numbers = |given: &[NonZeroUsize]| given.iter().map(|number| number.get()).collect::<Vec<_>>();
        let mut threads = numbers(&self.threads);
        if threads.is_empty() {
            let all = machine::threads();
            threads = vec![1, all.min(2), all];
        }
        let mut batches = numbers(&self.batch);
        for numbers in [&mut threads, &mut batches] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        Plan { seconds: self.seconds, repetitions: self.repetitions.get(), threads, batches }
    }

    /// The command that labels an article with the same model.
    fn classify(&self, program: &Path, article: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["classify", "--format", "jsonl", "--input-format", "text"]).arg(article);
        self.model.pass_on(&mut command);
        command
    }

    fn write(&self, report: &BenchReport) -> Result<()> {
        let text = match self.format {
            Format::Table => render(report),
            Format::Json => {
                let json = serde_json::to_string_pretty(report);
                let failed = |error: serde_json::Error| Error::Write {
                    path: self.output.clone(),
                    source: error.into(),
                };
                json.map_err(failed)? + "\n"
            }
        };
        match self.output.as_os_str() == "-" {
            true => io::stdout().write_all(text.as_bytes()).map_err(Failure::Stdout),
            false => Ok(write_whole(&self.output, text.as_bytes())?),
        }
    }
}

/// From a millisecond to a day.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "expected a number of seconds, as in --seconds 5".to_owned())
}

fn render(report: &BenchReport) -> String {
    let BenchReport { text, article, plan, model, .. } = report;
    let mut rendered = format!(
        "{}, {} {} (weights {})\n{}, {}\n{} documents, {} sentences, {} tokens; medians of {} repetitions in {} s\n",
        report.program,
        model.name,
        model.version,
        model.sha256.get(..12).unwrap_or(&model.sha256),
        report.machine,
        report.date,
        text.documents,
        text.sentences,
        text.tokens,
        plan.repetitions,
        plan.seconds,
    );
    let throughput = report.throughput.iter().map(|row| {
        vec![
            row.threads.to_string(),
            row.batch_documents.to_string(),
            format!("{:.0}", row.sentences_per_second),
            format!("{:.0}", row.tokens_per_second),
        ]
    });
    rendered +=
        &section("throughput", &["threads", "documents at once", "sentences/s", "tokens/s"], throughput);

    let latency = report.latency.iter().map(|row| {
        let milliseconds = [row.p50, row.p90, row.p99].map(|value| format!("{value:.1}"));
        [vec![row.threads.to_string(), row.runs.to_string()], milliseconds.into()].concat()
    });
    let title = format!("latency of an article of {} sentences, ms", article.sentences);
    rendered += &section(&title, &["threads", "runs", "p50", "p90", "p99"], latency);

    let start = &report.cold_start;
    rendered += &format!(
        "\ncold start: {:.3} s for that article ({:.3} to {:.3} in {} runs)\n",
        start.median, start.fastest, start.slowest, start.runs
    );
    match report.peak_memory_bytes {
        Some(bytes) => rendered += &format!("peak memory: {:.0} MiB\n", bytes as f64 / f64::from(1 << 20)),
        None => rendered += "peak memory: not known on this system\n",
    }
    rendered
}

fn section(title: &str, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(header);
    rows.for_each(|row| {
        table.add_row(row);
    });
    table.column_iter_mut().for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    format!("\n{title}\n{table}\n")
}
