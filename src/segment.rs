//! `standpoint segment`: the sentences of files, folders or standard input, without a model.

use super::input::InputArgs;
use crate::destination::{self, Destination};
use crate::failure::{Failure, Result};
use crate::message::{failed_inputs, say};
use clap::ValueEnum;
use standpoint::input::Documents;
use standpoint::output::sentences::{write_jsonl, write_text};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  standpoint segment article.txt
  standpoint segment --quotes whole --format jsonl articles/ > sentences.jsonl
  standpoint segment --transcript yes --format jsonl debate.vtt
  standpoint segment --abbreviations ranks.txt --wrapped yes report.txt
  pdftotext report.pdf - | standpoint segment -

Exit codes: 0 all done, 1 something could not be read or written (the rest was done), 2 wrong usage.";

/// Print the sentences that classify would label, and where each stands. Needs no model.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Segment {
    /// Files, folders, or - for standard input.
    paths: Vec<PathBuf>,

    #[command(flatten)]
    input: InputArgs,

    /// How to write sentences. auto is text on a terminal, JSON Lines elsewhere.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: OutputChoice,

    /// Where to write, - for standard output. A file appears whole or not at all.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputChoice {
    Auto,
    Text,
    Jsonl,
}

impl Segment {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let paths = match &self.paths[..] {
            [] if io::stdin().is_terminal() => {
                let message = "nothing to read: name files or folders, as in `standpoint segment article.txt`, \
                               or pipe text in";
                return Err(Failure::usage(message));
            }
            [] => vec![PathBuf::from("-")],
            paths => paths.to_vec(),
        };
        let mut documents = Documents::new(&paths, self.input.options()?);
        let mut destination = Destination::open(&self.output)?;
        let is_text = match self.format {
            OutputChoice::Auto => destination::is_terminal(&self.output),
            OutputChoice::Text => true,
            OutputChoice::Jsonl => false,
        };
        let failed = |source| destination::failure(&self.output, source);
        let (mut done, mut bad) = (0, 0);
        while let Some(document) = documents.next() {
            for warning in documents.take_warnings() {
                say!("warning: {warning}");
            }
            match document {
                Ok(document) => {
                    done += 1;
                    let write = if is_text { write_text } else { write_jsonl };
                    write(&mut destination, &document).map_err(failed)?;
                }
                Err(error) => {
                    bad += 1;
                    say!("error: {error}");
                }
            }
        }
        destination.flush().map_err(failed)?;
        if done > 0 || bad == 0 {
            destination.commit()?;
        }
        if let Some(failures) = failed_inputs(bad, done) {
            say!("error: {failures}");
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}
