//! One record of JSON Lines. It is parsed into what a document is made of: at no time is there a value for each of its
//! sentences, which would take many times its length.

use super::plain::{self, SENTENCES};
use crate::error::InputProblem;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use standpoint_core::text::{Document, Span};
use std::fmt;
use std::io::Read;

/// The fields of a record.
#[derive(Default)]
pub(super) struct Record {
    id: Option<Value>,
    text: Option<String>,
    sentences: Option<List>,
    others: Map<String, Value>,
    /// What is wrong if what is read next is not what it should be.
    problem: Option<InputProblem>,
}

/// Strings, joined by newlines, and where each stands.
#[derive(Default)]
struct List {
    joined: String,
    spans: Vec<Span>,
}

/// # Errors
/// If it is not JSON, or a field is not what it should be.
pub(super) fn parse(line: &str) -> Result<Record, InputProblem> {
    let mut record = Record::default();
    let mut json = serde_json::Deserializer::from_str(line);
    let parsed = record.deserialize(&mut json).and_then(|()| json.end());
    record.checked(parsed)
}

/// As [`parse`], without holding the line.
///
/// # Errors
/// As for [`parse`].
pub(super) fn parse_from(line: impl Read) -> Result<Record, InputProblem> {
    let mut record = Record::default();
    let mut json = serde_json::Deserializer::from_reader(line);
    let parsed = record.deserialize(&mut json).and_then(|()| json.end());
    record.checked(parsed)
}

impl Record {
    fn checked(mut self, parsed: serde_json::Result<()>) -> Result<Self, InputProblem> {
        match (parsed, self.problem.take()) {
            (Ok(()), _) => Ok(self),
            (Err(error), Some(problem)) if error.is_data() => Err(problem),
            (Err(error), _) if error.io_error_kind().is_some() => Err(InputProblem::Read(error.into())),
            (Err(error), _) => Err(InputProblem::Json(error)),
        }
    }

    /// The record's document, by the name of its line if it has no id.
    ///
    /// # Errors
    /// If there is no text, or not what `sentences` says of it.
    pub(super) fn document(self, name: impl Fn() -> String) -> Result<Document, InputProblem> {
        let id = match self.id {
            None => name(),
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err(field("id", "is of another type", "a string or a number")),
        };
        let document = match (self.text, self.sentences) {
            (Some(text), None) => plain::cut(&id, text)?,
            (None, Some(List { joined, spans })) => Document::new(id, joined, spans),
            (Some(text), Some(sentences)) => {
                let spans = sentences.locate(&text)?;
                Document::new(id, text, spans)
            }
            (None, None) => return Err(field("text", "is missing", "\"text\" or \"sentences\"")),
        };
        Ok(document.with_fields(self.others))
    }
}

impl List {
    fn push(&mut self, sentence: &str) {
        if !self.spans.is_empty() {
            self.joined.push('\n');
        }
        let start = self.joined.len();
        self.joined.push_str(sentence);
        self.spans.push(Span::new(start, self.joined.len()));
    }

    /// Where the sentences stand in a text, each after the one before.
    fn locate(self, text: &str) -> Result<Vec<Span>, InputProblem> {
        let Self { joined, mut spans } = self;
        let mut reached = 0;
        for (index, span) in spans.iter_mut().enumerate() {
            let Some(offset) = text[reached..].find(span.slice(&joined)) else {
                return Err(InputProblem::SentenceNotInText { index });
            };
            let start = reached + offset;
            reached = start + span.len();
            *span = Span::new(start, reached);
        }
        Ok(spans)
    }
}

fn field(name: &'static str, problem: &'static str, expected: &'static str) -> InputProblem {
    InputProblem::Field { name, problem, expected }
}

impl<'de> DeserializeSeed<'de> for &mut Record {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        const EXPECTED: &str = "one JSON object a line, with \"text\" or \"sentences\"";
        self.problem = Some(field("text", "is missing", EXPECTED));
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Record {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "id" => self.id = Some(map.next_value()?),
                "text" => {
                    self.problem = Some(field("text", "is of another type", "a string"));
                    self.text = Some(map.next_value()?);
                }
                "sentences" => self.sentences = Some(map.next_value_seed(Sentences(&mut self.problem))?),
                _ => drop(self.others.insert(name, map.next_value()?)),
            }
        }
        Ok(())
    }
}

/// Reads a list of strings, and says what is wrong with it.
struct Sentences<'a>(&'a mut Option<InputProblem>);

const STRINGS: &str = "a list of strings";

impl<'de> DeserializeSeed<'de> for Sentences<'_> {
    type Value = List;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<List, D::Error> {
        *self.0 = Some(field("sentences", "is of another type", STRINGS));
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Sentences<'_> {
    type Value = List;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(STRINGS)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut strings: A) -> Result<List, A::Error> {
        let mut list = List::default();
        *self.0 = Some(field("sentences", "holds something else than strings", STRINGS));
        while strings.next_element_seed(Sentence(&mut list))?.is_some() {
            if list.spans.len() > SENTENCES {
                *self.0 = Some(InputProblem::TooManySentences { limit: SENTENCES });
                return Err(A::Error::custom("there are too many"));
            }
        }
        if list.spans.is_empty() {
            *self.0 = Some(InputProblem::Empty);
            return Err(A::Error::custom("there are none"));
        }
        Ok(list)
    }
}

/// Reads a string of the list.
struct Sentence<'a>(&'a mut List);

impl<'de> DeserializeSeed<'de> for Sentence<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Sentence<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, sentence: &str) -> Result<(), E> {
        self.0.push(sentence);
        Ok(())
    }
}
