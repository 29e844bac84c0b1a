//! `standpoint classify`: label every sentence of files, folders or standard input.
//!
//! Records come out in the order of the input, and memory does not grow with the number of documents. What fails is named
//! at once and counted at the end.

use super::input::InputArgs;
use super::model::ModelArgs;
use super::view::{RULES, View};
use crate::failure::{Failure, Result};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use standpoint::atomic::AtomicFile;
use standpoint::error::Error;
use standpoint::input::Documents;
use standpoint::label::Target;
use standpoint::machine;
use standpoint::model::Model;
use standpoint::output::table::Layout;
use standpoint::output::{Form, SinkNote};
use standpoint::pipeline::Pipeline;
use standpoint::text::Document;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, iter};

const EXAMPLES: &str = "\
Examples:
  standpoint classify article.txt
  standpoint classify --target \"a ban on land mines\" --target \"sanctions\" articles/
  standpoint classify --format jsonl --output labels.jsonl archive.jsonl
  pdftotext report.pdf - | standpoint classify -
  standpoint classify --positions --format table archive.jsonl

JSON Lines in: {\"id\": ..., \"text\": ...}, or {\"id\": ..., \"sentences\": [...]} to cut the text yourself; other fields are \
passed through. JSON Lines out: one object a sentence; start and end count bytes.

Exit codes: 0 all done, 1 something could not be read or written (the rest was done), 2 wrong usage.";

/// Label every sentence with its role in the text and its stance toward each target.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{RULES}"))]
pub(crate) struct Classify {
    /// Files, folders (their .txt, .text, .jsonl and .ndjson files), or - for standard input.
    paths: Vec<PathBuf>,

    /// A policy as a noun phrase. Sentences are labelled with their stance toward it. Repeatable. [default: the
    /// model's own; "withdrawal of foreign troops" for the bundled model]
    #[arg(long, value_name = "PHRASE")]
    target: Vec<Target>,

    #[command(flatten)]
    view: View,

    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// How to write the labels. auto is a table on a terminal, JSON Lines elsewhere.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_FORMAT")]
    format: OutputChoice,

    /// Where to write, - for standard output. A file appears whole or not at all.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS")]
    threads: Option<NonZeroUsize>,

    /// Colours in the table. auto means on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", default_value = "auto", env = "STANDPOINT_COLOR")]
    color: ColorChoice,

    /// Print on standard error how long the run took, and how much of that outside the encoder.
    #[arg(long)]
    timings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputChoice {
    Auto,
    Table,
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl Classify {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let begun = Instant::now();
        let paths = self.paths()?;
        let mut targets = self.targets();
        let source = self.model.source()?;
        super::set_threads(self.threads)?;

        let mut destination = Destination::open(&self.output)?;
        let is_terminal = destination.is_terminal();
        let form = self.form(is_terminal);
        let pipeline = Pipeline::with_engine(Model::load(&source)?, self.model.engine())?;
        self.view.check(pipeline.settings())?;
        if targets.is_empty() {
            targets.push(Target::new(&pipeline.settings().default_target)?);
        }
        let mut documents = Documents::new(&paths, self.input.options()?);
        let progress = progress(&documents, is_terminal);
        let mut tally = Tally::default();
        let failed = |source| match self.output.as_os_str() == "-" {
            true => Failure::Stdout(source),
            false => Failure::Core(Error::Write { path: self.output.clone(), source }),
        };
        let mut sink = self.view.sink(&mut destination, &targets, form);
        let read = iter::from_fn(|| next_document(&mut documents, &pipeline, &progress, &mut tally));
        for record in pipeline.records(read, &targets)? {
            sink.write(record?).map_err(failed)?;
        }
        progress.finish_and_clear();
        let notes = sink.finish().map_err(failed)?;
        drop(sink);
        // A typing mistake in a path must not empty what an earlier run has written.
        if tally.done > 0 || tally.failed == 0 {
            destination.commit()?;
        }
        for note in &notes {
            match note {
                SinkNote::NoHolderNamed => {
                    let model = &pipeline.settings().name;
                    eprintln!("warning: \"{model}\" named no holder: no stance has a name");
                }
                SinkNote::StancesLeftOut { .. } => eprintln!("error: {note}"),
            }
        }
        if self.timings {
            eprintln!("{}", timings(begun.elapsed(), pipeline.encoder_time()));
        }
        let code = tally.report();
        Ok(if notes.iter().any(|note| note.is_loss()) { ExitCode::FAILURE } else { code })
    }

    /// How the output is drawn.
    fn form(&self, is_terminal: bool) -> Form {
        match self.format {
            OutputChoice::Auto if !is_terminal => Form::Jsonl,
            OutputChoice::Jsonl => Form::Jsonl,
            OutputChoice::Auto | OutputChoice::Table => Form::Table(Layout {
                width: if is_terminal { super::width() } else { super::DEFAULT_WIDTH },
                color: match self.color {
                    ColorChoice::Always => true,
                    ColorChoice::Never => false,
                    ColorChoice::Auto => {
                        is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    }
                },
                attributions: self.view.attributions,
            }),
        }
    }

    fn paths(&self) -> Result<Vec<PathBuf>> {
        if !self.paths.is_empty() {
            return Ok(self.paths.clone());
        }
        if io::stdin().is_terminal() {
            let message = "nothing to read: name files or folders, as in `standpoint classify article.txt`, \
                           or pipe text in";
            return Err(Failure::usage(message));
        }
        Ok(vec![PathBuf::from("-")])
    }

    /// The targets asked for, each once.
    fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::with_capacity(self.target.len());
        for target in &self.target {
            if targets.contains(target) {
                eprintln!("warning: target \"{target}\" was given twice: it is answered once");
            } else {
                targets.push(target.clone());
            }
        }
        targets
    }
}

/// How many documents were labelled, and how many files or records could not be.
#[derive(Default)]
struct Tally {
    done: usize,
    failed: usize,
}

impl Tally {
    fn report(&self) -> ExitCode {
        if self.failed == 0 {
            return ExitCode::SUCCESS;
        }
        eprintln!("error: {} of {} inputs failed (named above)", self.failed, self.done + self.failed);
        ExitCode::FAILURE
    }
}

/// The share of all threads' time outside the encoder: reading, tokenizing, writing, and waiting.
fn timings(wall: Duration, encoder: Duration) -> String {
    let (wall, encoder, threads) = (wall.as_secs_f64(), encoder.as_secs_f64(), rayon::current_num_threads());
    let outside = 100.0 * (1.0 - encoder / (wall * threads as f64));
    let peak =
        machine::peak_memory().map_or_else(String::new, |bytes| format!("; peak memory {} MiB", bytes >> 20));
    format!(
        "timings: {wall:.3} s on {threads} threads, {encoder:.3} s of thread time in the encoder, {outside:.1}% outside{peak}"
    )
}

/// The next document that can be read. Says why those before it could not.
fn next_document(
    documents: &mut Documents,
    pipeline: &Pipeline,
    progress: &ProgressBar,
    tally: &mut Tally,
) -> Option<Document> {
    loop {
        let document = documents.next()?;
        progress.set_position(documents.bytes_read());
        for warning in documents.take_warnings() {
            progress.suspend(|| eprintln!("warning: {warning}"));
        }
        let checked = document.map_err(|error| error.to_string()).and_then(|document| {
            let is_short = pipeline.check_targets(document.targets());
            is_short.map_err(|error| format!("{}: {error}", document.id())).map(|()| document)
        });
        match checked {
            Ok(document) => {
                tally.done += 1;
                return Some(document);
            }
            Err(error) => {
                tally.failed += 1;
                progress.suspend(|| eprintln!("error: {error}"));
            }
        }
    }
}

/// A bar over the bytes of the input, on standard error. Hidden where it would mix with the output or nobody would see it.
fn progress(documents: &Documents, output_is_terminal: bool) -> ProgressBar {
    if output_is_terminal || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match documents.total_bytes() {
        Some(total) => (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where labels are written: standard output, or a file that appears whole or not at all.
pub(super) enum Destination {
    Stdout(BufWriter<io::Stdout>),
    File(AtomicFile),
}

impl Destination {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(match path.as_os_str() == "-" {
            true => Self::Stdout(BufWriter::new(io::stdout())),
            false => Self::File(AtomicFile::create(path)?),
        })
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout(_)) && io::stdout().is_terminal()
    }

    /// Puts a file in its place.
    pub(super) fn commit(self) -> Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => Ok(file.commit()?),
        }
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}
