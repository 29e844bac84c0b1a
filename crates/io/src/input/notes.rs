//! What the reader of the output should know about a file that was read. Each is said once a file.

use super::language;
use crate::error::Place;
use standpoint_core::reading;
use standpoint_core::text::Document;
use std::fmt;
use std::mem;

/// The most reasons that are named for which files were left out.
const REASONS: usize = 8;

/// Something that the reader of the output should know about a document that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputWarning {
    pub place: Place,
    pub kind: InputWarningKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputWarningKind {
    /// The text was taken to be in this encoding.
    AssumedEncoding(&'static str),
    /// Bytes that are no characters of the encoding that was asked for.
    Malformed(&'static str),
    /// The text holds HTML entities, of which this is the first.
    Entities { first: String },
    /// The text is in this language.
    NotEnglish(&'static str),
    /// Files of a folder that are not read: why, and how many.
    LeftOut { counts: Vec<(String, usize)> },
    /// A file that was among those before it.
    GivenTwice,
    /// The text was taken out of a page or a feed.
    ExtractedText,
}

impl fmt::Display for InputWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match &self.kind {
            InputWarningKind::AssumedEncoding(encoding) => write!(
                f,
                "is not plain UTF-8, read as {encoding}; start and end count the text as decoded to UTF-8; give \
                 --encoding if it is another"
            ),
            InputWarningKind::Malformed(encoding) => {
                write!(f, "holds bytes that are no {encoding}: they are read as U+FFFD")
            }
            InputWarningKind::Entities { first } => write!(
                f,
                "holds HTML entities, as {first}: they are read as what they stand for; start and end count the text as it \
                 is"
            ),
            InputWarningKind::NotEnglish(language) => {
                write!(f, "looks like {language}: models read English, so its labels may mean little")
            }
            InputWarningKind::LeftOut { counts } => {
                let all: usize = counts.iter().map(|(_, count)| count).sum();
                let noun = if all == 1 { "file" } else { "files" };
                write!(f, "{all} {noun} left out: ")?;
                let (named, others) = counts.split_at(counts.len().min(REASONS));
                for (index, (why, count)) in named.iter().enumerate() {
                    write!(f, "{}{count} {why}", if index == 0 { "" } else { ", " })?;
                }
                match others.iter().map(|(_, count)| count).sum::<usize>() {
                    0 => Ok(()),
                    others => write!(f, ", {others} of other kinds"),
                }
            }
            InputWarningKind::GivenTwice => f.write_str("was given twice: it is read once"),
            InputWarningKind::ExtractedText => f.write_str(
                "start and end count the text that was taken out of the page, as of all pages and feeds that follow",
            ),
        }
    }
}

/// The warnings about the file that is being read, and those before it that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    file: String,
    /// What was said of this file.
    said: Vec<InputWarningKind>,
    /// Whether it was said that text is taken out of pages.
    said_extracted: bool,
    pending: Vec<InputWarning>,
}

impl Notes {
    /// With warnings that belong to no file.
    pub fn new(pending: Vec<InputWarning>) -> Self {
        Self { pending, ..Self::default() }
    }

    /// Another file begins.
    pub fn begin(&mut self, file: &str) {
        file.clone_into(&mut self.file);
        self.said.clear();
    }

    /// Says it of the file, unless it was said before. `number` is the line or row that shows it.
    pub fn add(&mut self, number: Option<usize>, kind: InputWarningKind) {
        if self.said.iter().all(|said| mem::discriminant(said) != mem::discriminant(&kind)) {
            self.said.push(kind.clone());
            let place = Place { file: self.file.clone(), line: number };
            self.pending.push(InputWarning { place, kind });
        }
    }

    /// Says what of a document's text makes its labels less sure.
    pub fn look_at(&mut self, number: Option<usize>, document: &Document) {
        if !self.has_said(|kind| matches!(kind, InputWarningKind::Entities { .. }))
            && let Some(first) = reading::first_entity(document.text())
        {
            self.add(number, InputWarningKind::Entities { first: first.to_owned() });
        }
        if !self.has_said(|kind| matches!(kind, InputWarningKind::NotEnglish(_)))
            && let Some(language) = language::foreign(document.text())
        {
            self.add(number, InputWarningKind::NotEnglish(language));
        }
    }

    fn has_said(&self, is: impl Fn(&InputWarningKind) -> bool) -> bool {
        self.said.iter().any(is)
    }

    /// Says it of this file, and of no other.
    pub fn add_once(&mut self, kind: InputWarningKind) {
        if !mem::replace(&mut self.said_extracted, true) {
            self.add(None, kind);
        }
    }

    /// The warnings since the last call.
    pub fn take(&mut self) -> Vec<InputWarning> {
        mem::take(&mut self.pending)
    }
}
