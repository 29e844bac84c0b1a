//! The flags that say whose sentences are written.

use clap::Args;
use standpoint::positions::is_meant;
use standpoint::record::Record;

#[derive(Debug, Args)]
#[command(next_help_heading = "Transcripts")]
pub(crate) struct SpeakersArgs {
    /// Write only what this speaker says; the others are read all the same. Title and case do not matter. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = name)]
    speaker: Vec<String>,

    /// Do not write what this speaker says. Repeatable.
    #[arg(long, value_name = "NAME", value_parser = name)]
    not_speaker: Vec<String>,
}

fn name(name: &str) -> Result<String, &'static str> {
    match name.contains(char::is_alphanumeric) {
        true => Ok(name.to_owned()),
        false => Err("give a name, as in --speaker \"Mayor Voss\""),
    }
}

impl SpeakersArgs {
    /// Whether the sentence is written.
    pub(crate) fn keep(&self, record: &Record) -> bool {
        let speaker = record.document.turn(record.index).and_then(|turn| turn.speaker.as_deref());
        let is_one = |names: &[String]| {
            speaker.is_some_and(|speaker| names.iter().any(|name| is_meant(speaker, name)))
        };
        (self.speaker.is_empty() || is_one(&self.speaker)) && !is_one(&self.not_speaker)
    }

    /// Whether some speakers are asked for.
    pub(crate) fn are_named(&self) -> bool {
        !self.speaker.is_empty()
    }
}
