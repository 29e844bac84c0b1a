//! Records out: a table for people, JSON Lines for programs, positions and rankings. Each output is a [`Sink`]. Sinks
//! decide what is written; the caller decides where, and knows the terminal.

pub mod jsonl;
pub mod offsets;
mod one_line;
pub mod positions;
pub mod ranking;
pub mod repeats;
pub mod sentences;
pub mod table;

use standpoint_core::record::Record;
use std::fmt;
use std::io;

/// Takes the records of a run, one after the other.
pub trait Sink {
    /// Takes the next record. Records of a document come together, in order.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write(&mut self, record: Record) -> io::Result<()>;

    /// Passes on what is written, for whoever reads it while it grows. What has to be held is still held.
    ///
    /// # Errors
    /// If it cannot be written.
    fn flush(&mut self) -> io::Result<()>;

    /// Writes what is still held. Nothing is to be written after it.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(&mut self) -> io::Result<Vec<SinkNote>>;
}

/// How positions and rankings are written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Jsonl,
    Table(table::Layout),
}

/// Something that the reader of an output should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkNote {
    /// There are positions, and none has a name.
    NoHolderNamed,
    /// There were more stances than are gathered.
    StancesLeftOut { sentences: usize, limit: usize },
    /// There were more sentences than are remembered.
    RepeatsUnknown { limit: usize },
}

impl SinkNote {
    /// Whether the output lacks something because of it.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::StancesLeftOut { .. })
    }
}

impl fmt::Display for SinkNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHolderNamed => f.write_str("the model named no holder: no stance has a name"),
            Self::RepeatsUnknown { limit } => write!(
                f,
                "--unique remembers about {limit} different sentences, and there are more: later ones are labelled \
                 each time"
            ),
            Self::StancesLeftOut { sentences, limit } => write!(
                f,
                "there are more than {limit} stances: those of {sentences} sentences are left out; label fewer \
                 documents at once"
            ),
        }
    }
}

/// A document of three sentences and what a model might say of it.
#[cfg(test)]
fn example() -> Vec<Record> {
    use standpoint_core::label::{Prediction, Target, TargetStance};
    use standpoint_core::text::{Document, Span};
    use std::sync::Arc;

    let text = "Troops begin leaving the east\n“They should have gone long ago,” said the governor, who has asked \
                for it \x1b[31msince\x1b[0m\tspring.\nThe base was built in 1987.";
    let holder = text.find("the governor").map(|start| Span::new(start, start + "the governor".len()));
    let end = text.rfind('\n').unwrap_or(0);
    let spans = vec![Span::new(0, 29), Span::new(30, end), Span::new(end + 1, text.len())];
    let document = Arc::new(Document::new("example.txt", text, spans));
    let record = |index, role, stance, holder, checkworthiness, truncated| Record {
        document: Arc::clone(&document),
        index,
        role: Prediction::new(role),
        stances: vec![TargetStance {
            target: Target::default(),
            prediction: Prediction::new(stance),
            holder,
        }],
        checkworthiness: Some(checkworthiness),
        attributions: None,
        speaker: None,
        truncated,
    };
    vec![
        record(0, [0.91, 0.03, 0.06], [0.75, 0.05, 0.2], None, 0.82, false),
        record(1, [0.02, 0.96, 0.02], [0.88, 0.02, 0.1], holder, 0.4, false),
        record(2, [0.2, 0.01, 0.79], [0.01, 0.01, 0.98], None, 0.1, true),
    ]
}

/// The same with two attributions: a quote in two pieces, of which the second lies in the third sentence, and the
/// headline, whose source is not said.
#[cfg(test)]
fn attributed_example() -> Vec<Record> {
    use standpoint_core::label::Attribution;
    use standpoint_core::record::LocatedAttribution;
    use standpoint_core::text::Span;
    use std::sync::Arc;

    let mut records = example();
    let document = Arc::clone(&records[0].document);
    let span = |words: &str| {
        let start = document.text().find(words).expect("the words stand in the example");
        Span::new(start, start + words.len())
    };
    let attributions = [
        Attribution { content: vec![span("Troops begin leaving the east")], ..Attribution::default() },
        Attribution {
            source: vec![span("the governor")],
            cue: vec![span("said")],
            content: vec![span("“They should have gone long ago,”"), span("built in 1987")],
        },
    ];
    let located = attributions.map(|attribution| Arc::new(LocatedAttribution::new(attribution, &document)));
    for record in &mut records {
        let own = located.iter().filter(|located| located.sentences.contains(&record.index));
        record.attributions = Some(own.cloned().collect());
    }
    records
}

/// What a sink writes of some records.
#[cfg(test)]
fn written(records: Vec<Record>, sink: impl FnOnce(&mut Vec<u8>) -> Box<dyn Sink + '_>) -> String {
    let mut bytes = Vec::new();
    let mut sink = sink(&mut bytes);
    for record in records {
        sink.write(record).expect("a vector takes everything");
    }
    sink.finish().expect("a vector takes everything");
    drop(sink);
    String::from_utf8(bytes).expect("outputs are UTF-8")
}
