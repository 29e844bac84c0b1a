//! What `standpoint classify` shows of its records: each as it comes, who stands where, or a ranking.

use crate::count;
use crate::failure::{Failure, Result};
use clap::{Args, ValueEnum};
use standpoint::label::Target;
use standpoint::model::{ATTRIBUTION, CHECKWORTHY, Settings};
use standpoint::output::jsonl::JsonlSink;
use standpoint::output::offsets::OffsetUnit;
use standpoint::output::positions::PositionsSink;
use standpoint::output::ranking::RankingSink;
use standpoint::output::table::TableSink;
use standpoint::output::{Form, Sink};
use std::io::Write;
use std::num::NonZeroUsize;

/// For the end of the help.
pub(crate) const RULES: &str = "\
Positions: within a document, names are compared without determiner, title and case. A surname stands for the one full name \
that ends with it, a title for the one person who bears it; if there are two, they stay apart. Pronouns are not resolved: \
they, and stances without a holder, are listed for each document as not named. Across documents only equal names merge, \
but neither descriptions (\"lawmakers\") nor surnames behind a title. At most 1,000,000 stances are gathered; the rest is \
left out.";

/// What is shown of the records.
#[derive(Debug, Args)]
pub(crate) struct View {
    /// Write who stands where instead: for each target and holder, the sentences in favor and against, and how sure they
    /// are
    #[arg(long)]
    positions: bool,

    /// Write the sentences most worth checking, the worthiest first, instead of all in their order.
    #[arg(long, value_name = "BY", conflicts_with = "positions")]
    sort: Option<SortBy>,

    /// How many sentences --sort writes. No more are held in memory.
    #[arg(long, value_name = "N", default_value = "10000", requires = "sort", value_parser = count::count)]
    top: NonZeroUsize,

    /// Show source, cue and content of attributions beneath each sentence of the table. JSON Lines always have them, if
    /// the model marks them.
    #[arg(long, conflicts_with_all = ["positions", "sort"])]
    pub(crate) attributions: bool,

    /// What start and end count in JSON Lines: bytes of UTF-8, characters as in Python, or UTF-16 units as in JavaScript
    /// and Java.
    #[arg(long, value_name = "UNIT", default_value = "bytes", conflicts_with = "positions")]
    offsets: Offsets,

    /// Label the first of sentences that are alike but for space, quotes and case; the others point to it. Needs JSON
    /// Lines of all sentences.
    #[arg(long, conflicts_with_all = ["positions", "sort", "resume"])]
    unique: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Offsets {
    Bytes,
    Chars,
    Utf16,
}

impl From<Offsets> for OffsetUnit {
    fn from(offsets: Offsets) -> Self {
        match offsets {
            Offsets::Bytes => Self::Bytes,
            Offsets::Chars => Self::Chars,
            Offsets::Utf16 => Self::Utf16,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortBy {
    Checkworthy,
}

impl View {
    /// # Errors
    /// If what is asked for cannot be written in that form.
    pub(crate) fn check_form(&self, form: &Form) -> Result<()> {
        match form {
            Form::Table(_) if self.unique => {
                Err(Failure::usage("--unique goes with JSON Lines only: give --format jsonl"))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// If the model does not answer what is asked for.
    pub(crate) fn check(&self, model: &Settings) -> Result<()> {
        let missing = |flag: &str, what: &str| {
            let model = &model.name;
            Err(Failure::usage(format!(
                "{flag} needs a model that answers {what}, which \"{model}\" does not: name another with --model"
            )))
        };
        if self.attributions && !model.heads.contains(&ATTRIBUTION) {
            return missing("--attributions", "source, cue and content");
        }
        if self.sort == Some(SortBy::Checkworthy) && !model.heads.contains(&CHECKWORTHY) {
            return missing("--sort checkworthy", "check-worthiness");
        }
        Ok(())
    }

    /// Whether nothing is written before all records are there.
    pub(crate) fn is_written_at_the_end(&self) -> bool {
        self.positions || self.sort.is_some()
    }

    /// The sink that writes it.
    pub(crate) fn sink<'a>(
        &self,
        writer: &'a mut dyn Write,
        targets: &[Target],
        form: Form,
    ) -> Box<dyn Sink + 'a> {
        match (self.positions, self.sort, form) {
            (true, _, form) => Box::new(PositionsSink::new(writer, targets, form)),
            (false, Some(SortBy::Checkworthy), form) => {
                let most = self.top.get();
                Box::new(RankingSink::new(writer, targets, form, most).counting(self.offsets.into()))
            }
            (false, None, Form::Jsonl) => {
                let sink = JsonlSink::new(writer).counting(self.offsets.into());
                Box::new(if self.unique { sink.unique() } else { sink })
            }
            (false, None, Form::Table(layout)) => Box::new(TableSink::new(writer, layout)),
        }
    }
}
