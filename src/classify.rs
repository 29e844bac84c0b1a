//! `standpoint classify`: label every sentence of files, folders or standard input.
//!
//! Documents are read ahead of what is labelled and written in the order of the input; memory does not grow with
//! their number. What fails is named at once and counted at the end.

use super::model::ModelArgs;
use super::outcome::{Outcome, OutcomeArgs, RULES};
use super::to_stdout;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use standpoint::atomic::AtomicFile;
use standpoint::error::{Error, Result, UsageError};
use standpoint::input::{Documents, InputFormat};
use standpoint::label::Target;
use standpoint::machine;
use standpoint::model::Model;
use standpoint::output::table;
use standpoint::pipeline::{LabelledPiece, Pipeline};
use standpoint::text::Document;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, iter};

const EXAMPLES: &str = "\
Examples:
  standpoint classify article.txt
  standpoint classify --target \"a ban on land mines\" --target \"sanctions\" articles/
  standpoint classify --format jsonl --output labels.jsonl archive.jsonl
  pdftotext report.pdf - | standpoint classify -
  standpoint classify --positions --format table archive.jsonl

JSON Lines in: {\"id\": ..., \"text\": ...} or {\"id\": ..., \"sentences\": [...]}, whose sentences are taken as they \
stand; other fields are passed through. Out: one object for every sentence; start and end count bytes.

Exit codes: 0 all done, 1 something could not be read or written (the rest was), 2 wrong usage.";

/// Label every sentence: its role in the text and its stance toward each target.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{RULES}"))]
pub(crate) struct Classify {
    /// Files, folders (their .txt, .text, .jsonl and .ndjson files), or - for standard input.
    paths: Vec<PathBuf>,

    /// A policy, as a noun phrase, toward which stances are taken; may be given several times. [default: the
    /// model's own, of the bundled model "withdrawal of foreign troops"]
    #[arg(long, value_name = "PHRASE")]
    target: Vec<Target>,

    #[command(flatten)]
    outcome: OutcomeArgs,

    #[command(flatten)]
    model: ModelArgs,

    /// How to read the input; auto goes by the file's extension and takes standard input for text.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_INPUT_FORMAT")]
    input_format: InputChoice,

    /// How to write the labels; auto is a table on a terminal and JSON Lines elsewhere.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_FORMAT")]
    format: OutputChoice,

    /// Where to write, - for standard output. A file appears whole or not at all.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS")]
    threads: Option<NonZeroUsize>,

    /// Colours in the table; auto is on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", default_value = "auto", env = "STANDPOINT_COLOR")]
    color: ColorChoice,

    /// Say on standard error how long it took, and how much of it outside of the encoder.
    #[arg(long)]
    timings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputChoice {
    Auto,
    Text,
    Jsonl,
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

        let mut output = Output::open(&self.output, self.format, self.color, self.outcome.attributions)?;
        let pipeline = Pipeline::with_engine(Model::load(&source)?, self.model.engine())?;
        if targets.is_empty() {
            targets.push(Target::new(&pipeline.settings().default_target)?);
        }
        let mut documents = Documents::new(&paths, self.input_format());
        let mut outcome = Outcome::new(&self.outcome, &targets, &pipeline.settings().name);
        let progress = progress(&documents, output.is_terminal());
        let mut tally = Tally::default();
        let read = iter::from_fn(|| next_document(&mut documents, &progress, &mut tally).map(Arc::new));
        pipeline.stream(read, &targets, |LabelledPiece { document, first, analysis }| {
            outcome.take(&document, first, &analysis, &mut output)
        })?;
        progress.finish_and_clear();
        let complete = outcome.finish(&mut output)?;
        output.finish()?;
        if self.timings {
            eprintln!("{}", timings(begun.elapsed(), pipeline.encoder_time()));
        }
        let code = tally.report();
        Ok(if complete { code } else { ExitCode::FAILURE })
    }

    fn paths(&self) -> Result<Vec<PathBuf>, UsageError> {
        if !self.paths.is_empty() {
            return Ok(self.paths.clone());
        }
        if io::stdin().is_terminal() {
            let message = "nothing to read: name files or folders, as in `standpoint classify article.txt`, \
                           or pipe text in";
            return Err(UsageError::Other(message.to_owned()));
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

    fn input_format(&self) -> InputFormat {
        match self.input_format {
            InputChoice::Auto => InputFormat::Auto,
            InputChoice::Text => InputFormat::Text,
            InputChoice::Jsonl => InputFormat::Jsonl,
        }
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

/// Of the time of all threads, what was not spent in the encoder: reading, tokenizing, writing, and waiting.
fn timings(wall: Duration, encoder: Duration) -> String {
    let (wall, encoder, threads) = (wall.as_secs_f64(), encoder.as_secs_f64(), rayon::current_num_threads());
    let outside = 100.0 * (1.0 - encoder / (wall * threads as f64));
    let peak =
        machine::peak_memory().map_or_else(String::new, |bytes| format!("; peak memory {} MiB", bytes >> 20));
    format!(
        "timings: {wall:.3} s on {threads} threads, {encoder:.3} s of thread time in the encoder, {outside:.1}% outside{peak}"
    )
}

/// The next document that could be read; of those before it, it is said why not.
fn next_document(documents: &mut Documents, progress: &ProgressBar, tally: &mut Tally) -> Option<Document> {
    loop {
        let document = documents.next()?;
        progress.set_position(documents.bytes_read());
        for warning in documents.take_warnings() {
            progress.suspend(|| eprintln!("warning: {warning}"));
        }
        match document {
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

/// A bar over the bytes of the input, on standard error; none where it would be in the way of the output or
/// where nobody looks.
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

#[derive(Clone, Copy)]
pub(crate) enum Form {
    Jsonl,
    Table(table::Layout),
}

/// Where the labels go, and in which form.
pub(crate) struct Output {
    path: PathBuf,
    form: Form,
    sink: Sink,
}

enum Sink {
    Stdout(BufWriter<io::Stdout>),
    File(AtomicFile),
}

impl Output {
    fn open(path: &Path, format: OutputChoice, color: ColorChoice, attributions: bool) -> Result<Self> {
        let sink = match path.as_os_str() == "-" {
            true => Sink::Stdout(BufWriter::new(io::stdout())),
            false => Sink::File(AtomicFile::create(path)?),
        };
        let is_terminal = matches!(sink, Sink::Stdout(_)) && io::stdout().is_terminal();
        let form = match format {
            OutputChoice::Auto if !is_terminal => Form::Jsonl,
            OutputChoice::Jsonl => Form::Jsonl,
            OutputChoice::Auto | OutputChoice::Table => Form::Table(layout(is_terminal, color, attributions)),
        };
        Ok(Self { path: path.to_owned(), form, sink })
    }

    fn is_terminal(&self) -> bool {
        matches!(self.sink, Sink::Stdout(_)) && io::stdout().is_terminal()
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn write(&mut self, write: impl FnOnce(&mut dyn Write, Form) -> io::Result<()>) -> Result<()> {
        match &mut self.sink {
            Sink::Stdout(stdout) => write(stdout, self.form).map_err(to_stdout),
            Sink::File(file) => {
                write(file, self.form).map_err(|source| Error::Write { path: self.path.clone(), source })
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self.sink {
            Sink::Stdout(mut stdout) => stdout.flush().map_err(to_stdout),
            Sink::File(file) => file.commit(),
        }
    }
}

fn layout(is_terminal: bool, color: ColorChoice, attributions: bool) -> table::Layout {
    let width = match is_terminal {
        true => super::width(),
        false => super::DEFAULT_WIDTH,
    };
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    table::Layout { width, color, attributions }
}
