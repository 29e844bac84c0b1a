//! The flags that say how text is cut into sentences.

use crate::failure::{Failure, Result};
use clap::{Args, ValueEnum};
use standpoint::segment::{Abbreviations, Options, Quotes, Wrapped};
use standpoint::transcript::Transcript;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A longer list of abbreviations is some other file, in bytes.
const LIST: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(next_help_heading = "Sentences")]
pub(crate) struct SegmentationArgs {
    /// What to do with a quote of several sentences: cut it within, or keep it whole with its speaker
    #[arg(long, value_name = "HOW", default_value = "cut")]
    quotes: QuotesChoice,

    /// A file of further abbreviations, one a line, after which no sentence ends; # begins a comment
    #[arg(long, value_name = "FILE")]
    abbreviations: Option<PathBuf>,

    /// Whether lines were broken at a fixed width, so that a sentence goes on over a line break
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    wrapped: Whether,

    /// Whether labels such as MR. CASS: name who speaks; auto recognises a plain transcript
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    transcript: Whether,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum QuotesChoice {
    Cut,
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whether {
    Auto,
    Yes,
    No,
}

impl SegmentationArgs {
    /// # Errors
    /// If the list of abbreviations cannot be read.
    pub(crate) fn options(&self) -> Result<Options> {
        Ok(Options {
            abbreviations: self.abbreviations.as_deref().map(read).transpose()?.unwrap_or_default(),
            quotes: match self.quotes {
                QuotesChoice::Cut => Quotes::Cut,
                QuotesChoice::Whole => Quotes::Whole,
            },
            wrapped: match self.wrapped {
                Whether::Auto => Wrapped::Auto,
                Whether::Yes => Wrapped::Yes,
                Whether::No => Wrapped::No,
            },
        })
    }

    pub(crate) fn transcript(&self) -> Transcript {
        match self.transcript {
            Whether::Auto => Transcript::Auto,
            Whether::Yes => Transcript::Yes,
            Whether::No => Transcript::No,
        }
    }
}

fn read(path: &Path) -> Result<Abbreviations> {
    let failed = |what: String| Failure::usage(format!("--abbreviations {}{what}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(LIST + 1).read_to_end(&mut bytes));
    file.map_err(|error| failed(format!(": could not be read: {error}")))?;
    if bytes.len() as u64 > LIST {
        return Err(failed(format!(": is larger than {} MiB: give a list with one word a line", LIST >> 20)));
    }
    let list = String::from_utf8(bytes)
        .map_err(|_| failed(": is not UTF-8: give a text file with one word a line".into()))?;
    Abbreviations::parse(&list).map_err(|wrong| {
        let word: String = wrong.word.escape_debug().take(Abbreviations::LONGEST).collect();
        failed(format!(
            ":{}: \"{word}\" is no abbreviation: give one word a line, and # before comments",
            wrong.line
        ))
    })
}
