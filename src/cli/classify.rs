//! `standpoint classify`: label every sentence of files, folders or standard input.
//!
//! Documents are read, labelled and written a batch at a time, in the order of the input, so that memory does
//! not grow with the number of documents. What fails is named at once and counted at the end.

use super::model::ModelArgs;
use super::to_stdout;
use crate::error::{Error, Result, UsageError};
use crate::input::{Documents, InputFormat};
use crate::label::Target;
use crate::model::Model;
use crate::output::atomic::AtomicFile;
use crate::output::{jsonl, table};
use crate::pipeline::Pipeline;
use crate::text::Document;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A batch ends at this many documents or bytes of text, whichever comes first.
const BATCH_DOCUMENTS: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  standpoint classify article.txt
  standpoint classify --target \"a ban on land mines\" --target \"sanctions\" articles/
  standpoint classify --format jsonl --output labels.jsonl archive.jsonl
  pdftotext report.pdf - | standpoint classify -

JSON Lines in: {\"id\": ..., \"text\": ...} or {\"id\": ..., \"sentences\": [...]}, whose sentences are taken as they \
stand; other fields are passed through. Out: one object for every sentence; start and end count bytes.

Exit codes: 0 all done, 1 something could not be read or written (the rest was), 2 wrong usage.";

/// Label every sentence: its role in the text and its stance toward each target.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Classify {
    /// Files, folders (their .txt, .text, .jsonl and .ndjson files), or - for standard input.
    paths: Vec<PathBuf>,

    /// A policy, as a noun phrase, toward which stances are taken; may be given several times. [default: the
    /// model's own, of the bundled model "withdrawal of foreign troops"]
    #[arg(long, value_name = "PHRASE")]
    target: Vec<Target>,

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
    pub(super) fn run(self) -> Result<ExitCode> {
        let paths = self.paths()?;
        let mut targets = self.targets();
        let source = self.model.source()?;
        super::set_threads(self.threads)?;

        let mut output = Output::open(&self.output, self.format, self.color)?;
        let pipeline = Pipeline::with_engine(Model::load(&source)?, self.model.engine())?;
        if targets.is_empty() {
            targets.push(Target::new(&pipeline.settings().default_target)?);
        }
        let mut documents = Documents::new(&paths, self.input_format());
        let progress = progress(&documents, output.is_terminal());
        let mut tally = Tally::default();
        loop {
            let batch = next_batch(&mut documents, &progress, &mut tally);
            if batch.is_empty() {
                break;
            }
            let analyses = pipeline.analyze(&batch, &targets)?;
            for (document, analysis) in batch.iter().zip(&analyses) {
                output.write(|writer, form| match form {
                    Form::Jsonl => jsonl::write(writer, document, analysis),
                    Form::Table(layout) => table::write(writer, document, analysis, &targets, layout),
                })?;
            }
            progress.set_position(documents.bytes_read());
        }
        progress.finish_and_clear();
        output.finish()?;
        Ok(tally.report())
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

/// The next documents that could be read; of the others it is said why not.
fn next_batch(documents: &mut Documents, progress: &ProgressBar, tally: &mut Tally) -> Vec<Document> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
        let Some(document) = documents.next() else { break };
        for warning in documents.take_warnings() {
            progress.suspend(|| eprintln!("warning: {warning}"));
        }
        match document {
            Ok(document) => {
                tally.done += 1;
                bytes += document.text().len();
                batch.push(document);
            }
            Err(error) => {
                tally.failed += 1;
                progress.suspend(|| eprintln!("error: {error}"));
            }
        }
    }
    batch
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
enum Form {
    Jsonl,
    Table(table::Layout),
}

/// Where the labels go, and in which form.
struct Output {
    path: PathBuf,
    form: Form,
    sink: Sink,
}

enum Sink {
    Stdout(BufWriter<io::Stdout>),
    File(AtomicFile),
}

impl Output {
    fn open(path: &Path, format: OutputChoice, color: ColorChoice) -> Result<Self> {
        let sink = match path.as_os_str() == "-" {
            true => Sink::Stdout(BufWriter::new(io::stdout())),
            false => Sink::File(AtomicFile::create(path)?),
        };
        let is_terminal = matches!(sink, Sink::Stdout(_)) && io::stdout().is_terminal();
        let form = match format {
            OutputChoice::Auto if !is_terminal => Form::Jsonl,
            OutputChoice::Jsonl => Form::Jsonl,
            OutputChoice::Auto | OutputChoice::Table => Form::Table(layout(is_terminal, color)),
        };
        Ok(Self { path: path.to_owned(), form, sink })
    }

    fn is_terminal(&self) -> bool {
        matches!(self.sink, Sink::Stdout(_)) && io::stdout().is_terminal()
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write, Form) -> io::Result<()>) -> Result<()> {
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

fn layout(is_terminal: bool, color: ColorChoice) -> table::Layout {
    let width = match is_terminal {
        true => super::width(),
        false => super::DEFAULT_WIDTH,
    };
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    table::Layout { width, color }
}
