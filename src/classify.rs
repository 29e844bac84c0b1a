//! `standpoint classify`: label every sentence of files, folders or standard input.
//!
//! Records come out in the order of the input, and memory does not grow with the number of documents. What fails is named
//! at once and counted at the end.

mod batch;
mod failures;
mod intake;

use super::input::InputArgs;
use super::model::ModelArgs;
use super::speakers::SpeakersArgs;
use super::view::{RULES, View};
use crate::count;
use crate::destination::{self, Destination};
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::message::say;
use crate::resume::Part;
use batch::BatchArgs;
use clap::ValueEnum;
use intake::Intake;
use standpoint::input::Documents;
use standpoint::label::Target;
use standpoint::machine;
use standpoint::model::Model;
use standpoint::output::table::Layout;
use standpoint::output::{Form, SinkNote};
use standpoint::pipeline::Pipeline;
use std::env;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often what was written is passed on while it goes on and on.
const FLUSH: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  standpoint classify article.txt
  standpoint classify --target \"a ban on land mines\" --target \"sanctions\" articles/
  standpoint classify --format jsonl --output labels.jsonl archive.jsonl
  pdftotext report.pdf - | standpoint classify -
  standpoint classify --positions --format table archive.jsonl
  standpoint classify --resume --output labels.jsonl --failures failed.jsonl archive.jsonl

JSON Lines in: {\"id\": ..., \"text\": ...}, or {\"id\": ..., \"sentences\": [...]} to cut the text yourself; other fields are \
passed through. JSON Lines out: one object a sentence; start and end count bytes.

Exit codes: 0 all done, 1 something could not be read or written (the rest was done), 2 wrong usage.";

/// Label every sentence with its role in the text and its stance toward each target.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{RULES}"))]
pub(crate) struct Classify {
    /// Files, folders, patterns in quotes, or - for standard input. gzip and zstd are decompressed.
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

    #[command(flatten)]
    speakers: SpeakersArgs,

    #[command(flatten)]
    batch: BatchArgs,

    /// How to write the labels. auto is a table on a terminal, JSON Lines elsewhere.
    #[arg(long, value_name = "FORMAT", default_value = "auto", env = "STANDPOINT_FORMAT")]
    format: OutputChoice,

    /// Where to write, - for standard output. A file appears whole or not at all.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS", value_parser = count::threads)]
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

        if !self.batch.resume {
            destination::check(&self.output)?;
        }
        let is_terminal = destination::is_terminal(&self.output);
        let form = self.form(is_terminal);
        let is_lines = matches!(form, Form::Jsonl) && !self.view.is_written_at_the_end();
        self.view.check_form(&form)?;
        self.batch.check(&paths, &self.output, is_lines)?;
        let model = Model::load(&source)?;
        self.view.check(model.settings())?;
        if targets.is_empty() {
            targets.push(Target::new(&model.settings().default_target)?);
        }
        let documents = Documents::new(&paths, self.input.options()?);
        let part = match self.batch.resume {
            true => {
                let run = BatchArgs::run(&model, self.model.engine(), &targets, &documents)?;
                Some(Part::open(&self.output, &run)?)
            }
            false => None,
        };
        let pipeline = Pipeline::with_engine(model, self.model.engine())?;
        let interrupt = Interrupt::watch();
        let (mut destination, done) = match part {
            Some((part, done)) => (Destination::Part(part), Some(done)),
            None => (Destination::open(&self.output)?, None),
        };
        let intake = Intake::new(documents, &pipeline, interrupt.clone(), &self.batch, done, is_terminal)?;
        let mut records = pipeline.stream(intake, &targets)?;
        let failed = |source| destination::failure(&self.output, source);
        let mut sink = self.view.sink(&mut destination, &targets, form);
        let (mut labelled, mut kept, mut flushed) = (0, 0, Instant::now());
        while !interrupt.has_come() {
            if records.is_waiting() || flushed.elapsed() > FLUSH {
                sink.flush().map_err(failed)?;
                flushed = Instant::now();
            }
            let Some(record) = records.next() else { break };
            let record = record?;
            labelled += usize::from(record.is_last());
            if self.speakers.keep(&record) {
                kept += 1;
                sink.write(record).map_err(failed)?;
            }
        }
        let tally = records.source_mut().finish();
        drop(records);
        if interrupt.has_come() || tally.is_err() {
            sink.flush().map_err(failed)?;
        }
        let tally = tally?;
        if interrupt.has_come() {
            drop(sink);
            say!("{}", self.interrupted(tally.done_before + labelled));
            return Ok(interrupt.exit_code());
        }
        let notes = sink.finish().map_err(failed)?;
        drop(sink);
        // A typing mistake in a path must not empty what an earlier run has written.
        if tally.read > 0 || tally.failed == 0 {
            destination.commit()?;
        } else {
            destination.abandon();
        }
        if kept == 0 && labelled > 0 && tally.done_before == 0 && self.speakers.are_named() {
            say!("warning: nobody by that name speaks there: `standpoint segment` shows the speakers");
        }
        for note in &notes {
            match note {
                SinkNote::NoHolderNamed => {
                    let model = &pipeline.settings().name;
                    say!("warning: \"{model}\" named no holder: no stance has a name");
                }
                SinkNote::RepeatsUnknown { .. } => say!("warning: {note}"),
                SinkNote::StancesLeftOut { .. } => say!("error: {note}"),
            }
        }
        if self.timings {
            say!("{}", timings(begun.elapsed(), pipeline.encoder_time()));
        }
        let is_loss = notes.iter().any(|note| note.is_loss());
        if let Some(failures) = tally.report() {
            say!("error: {failures}");
        }
        Ok(if is_loss || tally.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// How far an interrupted run came.
    fn interrupted(&self, labelled: usize) -> String {
        let documents = if labelled == 1 { "document" } else { "documents" };
        let kept = match destination::is_stdout(&self.output) {
            true if self.view.is_written_at_the_end() => "nothing was written".to_owned(),
            true => "they were written".to_owned(),
            false if self.batch.resume => "the same command goes on from there".to_owned(),
            false => format!("{} was not written", self.output.display()),
        };
        format!("interrupted after {labelled} {documents}: {kept}")
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
                say!("warning: target \"{target}\" was given twice: it is answered once");
            } else {
                targets.push(target.clone());
            }
        }
        targets
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
