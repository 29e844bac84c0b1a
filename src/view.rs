//! What `standpoint classify` shows of its records: each as it comes, who stands where, or a ranking.

use crate::failure::{Failure, Result};
use clap::{Args, ValueEnum};
use standpoint::label::Target;
use standpoint::model::Settings;
use standpoint::output::jsonl::JsonlSink;
use standpoint::output::positions::PositionsSink;
use standpoint::output::ranking::RankingSink;
use standpoint::output::table::TableSink;
use standpoint::output::{Form, Sink};
use std::io::Write;
use std::num::NonZeroUsize;

/// For the end of the help.
pub(crate) const RULES: &str = "\
Positions: within a document, a holder is its name without determiner and title, in any case of letters; a surname is the \
one full name that ends with it; a title alone is the one person who bears it there. Where there are two, they stay apart. \
Pronouns are never resolved: they, and stances without a holder, are listed document by document as not named. Over \
documents only equal names merge, but neither descriptions (\"lawmakers\") nor surnames behind a title. At most 1,000,000 \
stances are gathered; what comes after is left out.";

/// What is shown of the records.
#[derive(Debug, Args)]
pub(crate) struct View {
    /// Say who stands where instead: for each target and holder how many sentences are in favor and against, how sure
    /// that is, and which sentences they are
    #[arg(long)]
    positions: bool,

    /// Write the sentences that are worth checking most, the worthiest first, instead of all in their order.
    #[arg(long, value_name = "BY", conflicts_with = "positions")]
    sort: Option<SortBy>,

    /// How many sentences --sort writes: no more than these are held in memory.
    #[arg(long, value_name = "N", default_value = "10000", requires = "sort")]
    top: NonZeroUsize,

    /// In the table, put source, cue and content of its attributions beneath each sentence. JSON Lines always have them
    /// where the model marks them.
    #[arg(long, conflicts_with_all = ["positions", "sort"])]
    pub(crate) attributions: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortBy {
    Checkworthy,
}

impl View {
    /// # Errors
    /// If the model does not answer what is asked for.
    pub(crate) fn check(&self, model: &Settings) -> Result<()> {
        let missing = |flag: &str, what: &str| {
            let model = &model.name;
            Err(Failure::usage(format!(
                "{flag} needs a model that answers {what}, which \"{model}\" does not: name another with --model"
            )))
        };
        if self.attributions && model.attribution.is_none() {
            return missing("--attributions", "source, cue and content");
        }
        if self.sort == Some(SortBy::Checkworthy) && model.checkworthy.is_none() {
            return missing("--sort checkworthy", "check-worthiness");
        }
        Ok(())
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
                Box::new(RankingSink::new(writer, targets, form, self.top.get()))
            }
            (false, None, Form::Jsonl) => Box::new(JsonlSink::new(writer)),
            (false, None, Form::Table(layout)) => Box::new(TableSink::new(writer, targets, layout)),
        }
    }
}
