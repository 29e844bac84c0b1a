//! The flags that say how far a run goes and what becomes of what fails.

use crate::count;
use crate::destination::is_stdout;
use crate::failure::{Failure, Result};
use crate::resume::{Input, Run};
use clap::{Args, CommandFactory};
use standpoint::encoder::Engine;
use standpoint::evaluation::report::ModelIdentity;
use standpoint::hash::canonical_sha256;
use standpoint::input::Documents;
use standpoint::label::Target;
use standpoint::model::Model;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Flags that do not change what is written, and those that a [`Run`] knows better: by the files and the model that they
/// mean.
const TOLD_OTHERWISE: [&str; 16] = [
    "paths",
    "target",
    "model",
    "revision",
    "offline",
    "dtype",
    "isa",
    "format",
    "output",
    "resume",
    "failures",
    "fail_fast",
    "threads",
    "color",
    "timings",
    "help",
];

#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    /// Keep what is done in FILE.part, and go on from there if an earlier run with --resume was stopped. Needs --output
    /// FILE, JSON Lines, and files to read
    #[arg(long)]
    pub resume: bool,

    /// Write what could not be read as JSON Lines: id, file, line and reason
    #[arg(long, value_name = "FILE")]
    pub failures: Option<PathBuf>,

    /// Stop at the first file or record that cannot be read
    #[arg(long)]
    pub fail_fast: bool,

    /// Label the first N documents only
    #[arg(long, value_name = "N", value_parser = count::count)]
    pub limit: Option<NonZeroUsize>,
}

impl BatchArgs {
    /// # Errors
    /// If a run could not be gone on with.
    pub(super) fn check(&self, paths: &[PathBuf], output: &Path, is_lines: bool) -> Result<()> {
        let refuse = |message: &str| Err(Failure::usage(message));
        if self.resume {
            if is_stdout(output) {
                return refuse("--resume needs a file to go on with: give --output FILE");
            }
            if output.exists() && !output.is_file() {
                return refuse("--resume needs a regular file as --output");
            }
            if !is_lines {
                return refuse("--resume goes with JSON Lines of all sentences only: give --format jsonl");
            }
            if paths.iter().any(|path| path.as_os_str() == "-") {
                return refuse("--resume cannot read standard input again: give files");
            }
        }
        let is_same = |path: &PathBuf| self.failures.as_ref() == Some(path);
        if is_same(&output.to_owned()) || paths.iter().any(is_same) {
            return refuse("--failures must be another file than the input and the output");
        }
        Ok(())
    }

    /// What a run is made of.
    ///
    /// # Errors
    /// If the model's files can no longer be read.
    pub(super) fn run(
        model: &Model,
        engine: Engine,
        targets: &[Target],
        documents: &Documents,
    ) -> Result<Run> {
        let identity = ModelIdentity::of(model)?;
        let name = format!("\"{}\" {}", identity.name, identity.version);
        Ok(Run {
            program: concat!("standpoint ", env!("CARGO_PKG_VERSION")).to_owned(),
            model: (name, canonical_sha256(&identity)),
            encoder: engine.to_string(),
            targets: targets.iter().map(Target::to_string).collect(),
            options: options(),
            inputs: documents.files().map(Input::of).collect(),
        })
    }
}

/// All flags that change what is written, with their values. New ones are among them by themselves.
fn options() -> BTreeMap<String, Vec<String>> {
    let command = crate::Arguments::command();
    let Some(flags) = command.find_subcommand("classify") else { return BTreeMap::new() };
    let matches = command.clone().get_matches();
    let Some((_, given)) = matches.subcommand() else { return BTreeMap::new() };
    let flags = flags.get_arguments().filter(|flag| !TOLD_OTHERWISE.contains(&flag.get_id().as_str()));
    let values = |id: &str| given.try_get_raw(id).ok().flatten().into_iter().flatten();
    flags
        .map(|flag| {
            let id = flag.get_id().as_str();
            let values = values(id).map(|value| value.to_string_lossy().into_owned());
            (flag.get_long().unwrap_or(id).to_owned(), values.collect())
        })
        .collect()
}
