//! What `standpoint classify` makes of its analyses: rows as they come, who stands where, or a ranking. The latter two
//! are written at the end, and hold no more than they say.

use super::classify::{Form, Output};
use clap::{Args, ValueEnum};
use standpoint::error::{Result, UsageError};
use standpoint::label::{Analysis, Target};
use standpoint::output::ranking::{self, Ranking, Row};
use standpoint::output::{attributions_by_sentence, jsonl, positions, table};
use standpoint::positions::{Full, MOST_STANCES, Positions};
use standpoint::text::Document;
use std::num::NonZeroUsize;

/// For the end of the help.
pub(crate) const RULES: &str = "\
Positions: within a document, a holder is its name without determiner and title, in any case of letters; a surname is the \
one full name that ends with it; a title alone is the one person who bears it there. Where there are two, they stay apart. \
Pronouns are never resolved: they, and stances without a holder, are listed document by document as not named. Over \
documents only equal names merge, but neither descriptions (\"lawmakers\") nor surnames behind a title. At most 1,000,000 \
stances are gathered; what comes after is left out.";

/// What is to become of the labels.
#[derive(Debug, Args)]
pub(crate) struct OutcomeArgs {
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

pub(crate) struct Outcome {
    gathering: Gathering,
    attributions: bool,
    targets: Vec<Target>,
    /// The model's name, for messages.
    model: String,
    /// How many documents, or parts of them, there was no room for.
    left_out: usize,
}

enum Gathering {
    /// Everything is written at once.
    Nothing,
    Positions(Box<Positions>),
    Ranking(Ranking<Item>),
}

/// A sentence of the ranking, in the form in which it will be written.
enum Item {
    Line(String),
    Row(Row),
}

impl Outcome {
    pub(crate) fn new(arguments: &OutcomeArgs, targets: &[Target], model: &str) -> Self {
        let gathering = match (arguments.positions, arguments.sort) {
            (true, _) => Gathering::Positions(Box::default()),
            (false, Some(SortBy::Checkworthy)) => Gathering::Ranking(Ranking::new(arguments.top.get())),
            (false, None) => Gathering::Nothing,
        };
        Self {
            gathering,
            attributions: arguments.attributions,
            targets: targets.to_vec(),
            model: model.to_owned(),
            left_out: 0,
        }
    }

    /// Takes what was said of a document's sentences from `first` on.
    pub(crate) fn take(
        &mut self,
        document: &Document,
        first: usize,
        analysis: &Analysis,
        output: &mut Output,
    ) -> Result<()> {
        let missing = |flag, what| UsageError::NotAnswered { flag, what, model: self.model.clone() };
        match &mut self.gathering {
            Gathering::Nothing => {
                if self.attributions && analysis.attributions.is_none() {
                    return Err(missing("--attributions", "source, cue and content").into());
                }
                output.write(|writer, form| match form {
                    Form::Jsonl => jsonl::write_piece(writer, document, first, analysis),
                    Form::Table(layout) => {
                        table::write_piece(writer, document, first, analysis, &self.targets, layout)
                    }
                })
            }
            Gathering::Positions(positions) => {
                if let Err(Full) = positions.add(document, first, analysis) {
                    self.left_out += 1;
                }
                Ok(())
            }
            Gathering::Ranking(ranking) => {
                let attributions = attributions_by_sentence(document, first, analysis);
                for (place, sentence) in analysis.sentences.iter().enumerate() {
                    let index = first + place;
                    let Some(score) = sentence.checkworthiness else {
                        return Err(missing("--sort checkworthy", "check-worthiness").into());
                    };
                    let attributions = attributions.as_ref().map(|all| all[place].as_slice());
                    ranking.add(score, || match output.form() {
                        Form::Jsonl => Item::Line(jsonl::line(document, index, sentence, attributions)),
                        Form::Table(_) => Item::Row(Row::new(document, index, sentence)),
                    });
                }
                Ok(())
            }
        }
    }

    /// Writes what was gathered. Says on standard error what was left out, and whether that was nothing.
    pub(crate) fn finish(self, output: &mut Output) -> Result<bool> {
        match self.gathering {
            Gathering::Nothing => {}
            Gathering::Positions(gathered) => {
                let gathered = gathered.gathered(&self.targets);
                output.write(|writer, form| match form {
                    Form::Jsonl => positions::write_jsonl(writer, &gathered),
                    Form::Table(layout) => positions::write_table(writer, &gathered, &self.targets, layout),
                })?;
                if !gathered.is_empty() && gathered.iter().all(|position| position.holder.is_none()) {
                    eprintln!("warning: \"{}\" named no holder: no stance has a name", self.model);
                }
            }
            Gathering::Ranking(ranking) => {
                let seen = ranking.seen();
                let (mut lines, mut rows) = (Vec::new(), Vec::new());
                for item in ranking.into_items() {
                    match item {
                        Item::Line(line) => lines.push(line),
                        Item::Row(row) => rows.push(row),
                    }
                }
                output.write(|writer, form| match form {
                    Form::Jsonl => lines.iter().try_for_each(|line| writeln!(writer, "{line}")),
                    Form::Table(layout) => ranking::write_table(writer, rows, seen, &self.targets, layout),
                })?;
            }
        }
        if self.left_out > 0 {
            eprintln!(
                "error: there are more than {MOST_STANCES} stances: {} documents are left out; label fewer at once",
                self.left_out
            );
        }
        Ok(self.left_out == 0)
    }
}
