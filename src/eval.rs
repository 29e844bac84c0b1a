//! `standpoint eval`: sets and a model in, figures out.

use super::model::ModelArgs;
use crate::count;
use crate::failure::{BELOW_FLOOR, Failure, Result};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use standpoint::atomic::{AtomicFile, write_whole};
use standpoint::error::Error;
use standpoint::evaluation::{EvalSet, Evaluation, Report, log, render};
use standpoint::model::Model;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  standpoint eval eval/articles.toml
  standpoint eval eval/articles.toml eval/challenge.toml --model runs/my-model --report reports/ --log-samples
  standpoint eval eval/articles.toml --compare reports/other/articles.json
  standpoint eval my-set.toml --predictions theirs.jsonl --compare reports/my-set.json
  standpoint eval rescore reports/articles.samples.jsonl

Exit codes: 0 all floors hold, 1 something could not be read, written or run, 2 wrong usage, 3 a figure is below its \
floor.";

/// What reports call this program.
const PROGRAM: &str = concat!("standpoint ", env!("CARGO_PKG_VERSION"));

/// Score a model on labelled sentences
///
/// A set is a TOML file that names labelled files and their hashes, tasks and floors. Intervals are 95%, by bootstrap
/// over documents.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Eval {
    #[command(subcommand)]
    command: Option<EvalCommand>,

    /// The evaluation sets
    #[arg(required = true, value_name = "SET")]
    sets: Vec<PathBuf>,

    #[command(flatten)]
    model: ModelArgs,

    /// Score the answers in this file, whoever gave them, and no model: JSON Lines as classify writes them, or rows of
    /// id and index, or text, and role, stance, checkworthy
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,

    #[command(flatten)]
    reporting: Reporting,

    /// Also log each sentence with gold and answer, in the report's folder
    #[arg(long, requires = "report")]
    log_samples: bool,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS", value_parser = count::threads)]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum EvalCommand {
    /// Recompute a report from a log of samples, without a model
    Rescore(Rescore),
}

#[derive(Debug, Args)]
struct Rescore {
    /// What `standpoint eval --log-samples` wrote
    samples: PathBuf,

    #[command(flatten)]
    reporting: Reporting,
}

/// Where the figures go.
#[derive(Debug, Args)]
struct Reporting {
    /// Write <set>.json, <set>.md and <set>.html into this folder
    #[arg(long, value_name = "FOLDER")]
    report: Option<PathBuf>,

    /// Compare with another run: the .json of its report
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,

    /// Also write the figures alone to this file, as JSON; of one set only
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Table,
    Json,
    Markdown,
}

impl Eval {
    pub(crate) fn run(self) -> Result<ExitCode> {
        if let Some(EvalCommand::Rescore(rescore)) = self.command {
            let (header, samples) = log::read(&rescore.samples)?;
            let evaluation = Evaluation::from_log(header, samples);
            let holds = rescore.reporting.write(&evaluation, rescore.reporting.other()?.as_ref())?;
            return Ok(exit_code(holds));
        }
        super::set_threads(self.threads)?;
        if self.sets.len() > 1 && self.reporting.output.is_some() {
            return Err(Failure::usage("--output takes the figures of one set: use --report for several"));
        }
        let sets = self.sets.iter().map(|set| Ok(EvalSet::load(set)?)).collect::<Result<Vec<_>>>()?;
        let other = self.reporting.other()?;
        if self.predictions.is_some() {
            if self.sets.len() > 1 {
                return Err(Failure::usage("--predictions holds the answers to one set: name one"));
            }
            if self.model.is_on_command_line() {
                return Err(Failure::usage("--predictions scores a file and no model: leave --model out"));
            }
        }
        let mut holds = true;
        for set in &sets {
            let mut evaluation = self.evaluation(set)?;
            evaluation.set_program(PROGRAM, option_env!("STANDPOINT_COMMIT"));
            if self.log_samples
                && let Some(folder) = &self.reporting.report
            {
                write_log(folder, &evaluation)?;
            }
            holds &= self.reporting.write(&evaluation, other.as_ref())?;
        }
        Ok(exit_code(holds))
    }

    fn evaluation(&self, set: &EvalSet) -> Result<Evaluation> {
        if let Some(predictions) = &self.predictions {
            return Ok(Evaluation::of_predictions(set, predictions)?);
        }
        let model = Model::load(&self.model.source()?)?;
        let bar = bar(&set.name);
        let evaluation = Evaluation::run(set, model, self.model.engine(), &mut |done, total| {
            bar.set_length(total as u64);
            bar.inc(done as u64);
        })?;
        bar.finish_and_clear();
        Ok(evaluation)
    }
}

fn exit_code(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::from(BELOW_FLOOR) }
}

/// A bar over the documents that are done.
pub(crate) fn bar(set: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} documents, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(set.to_owned())
}

fn write_log(folder: &Path, evaluation: &Evaluation) -> Result<()> {
    let path = folder.join(format!("{}.samples.jsonl", evaluation.header().set.name));
    create(folder)?;
    let mut file = AtomicFile::create(&path)?;
    log::write(&mut file, evaluation.header(), evaluation.samples())
        .map_err(|source| Error::Write { path: path.clone(), source })?;
    Ok(file.commit()?)
}

fn create(folder: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: folder.to_owned(), source };
    Ok(std::fs::create_dir_all(folder).map_err(failed)?)
}

impl Reporting {
    /// The run to compare with.
    fn other(&self) -> Result<Option<Report>> {
        Ok(self.compare.as_deref().map(Report::load).transpose()?)
    }

    /// Prints and writes the report; says whether all floors hold.
    fn write(&self, evaluation: &Evaluation, other: Option<&Report>) -> Result<bool> {
        let report = evaluation.report(other);
        let summary = report.figures();
        let printed = match self.format {
            ReportFormat::Table => render::text(&report, super::width()),
            ReportFormat::Json => summary.to_json(),
            ReportFormat::Markdown => render::markdown(&report),
        };
        if let Some(path) = &self.output {
            write_whole(path, summary.to_json().as_bytes())?;
        }
        if let Some(folder) = &self.report {
            create(folder)?;
            let file = |extension: &str| folder.join(format!("{}.{extension}", report.set.name));
            write_whole(&file("json"), report.to_json().as_bytes())?;
            write_whole(&file("md"), render::markdown(&report).as_bytes())?;
            write_whole(&file("html"), render::html(&report).as_bytes())?;
        }
        // Files come first: whoever reads standard output may have gone.
        print(&printed)?;
        let mut floors = report.tasks.iter().flat_map(|task| &task.floors);
        Ok(floors.all(|floor| floor.holds))
    }
}

/// The verdict stands whatever becomes of the output, so that a reader that has gone is no failure.
fn print(text: &str) -> Result<()> {
    match write!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
}
