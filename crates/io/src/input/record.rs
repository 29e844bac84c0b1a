//! One record of any format that has records: a map of fields becomes a document.
//!
//! A record of JSON Lines is parsed straight into what a document is made of: at no time is there a value for each of its
//! sentences, which would take many times its length. Other formats [`set`](Record::set) one field after the other.

use super::InputOptions;
use super::plain::{self, SENTENCES};
use crate::error::{InputProblem, NoText};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use standpoint_core::fields::Fields;
use standpoint_core::label::Target;
use standpoint_core::text::{Document, Span};
use standpoint_core::transcript;
use std::fmt;
use std::io::Read;

/// The most targets of one record: it is read once for each.
const TARGETS: usize = 64;

/// The field that names who says all of a text. It comes out as the speaker of each sentence.
const SPEAKER: &str = "speaker";

/// The fields of a record.
pub(super) struct Record<'a> {
    options: &'a InputOptions,
    id: Option<String>,
    text: Option<String>,
    sentences: Option<List>,
    targets: Vec<Target>,
    others: Fields,
    /// The parts that were there, null or not.
    seen: Vec<Part>,
    /// What is wrong if what is read next is not what it should be.
    problem: Option<InputProblem>,
}

/// Strings, joined by newlines, and where each stands.
#[derive(Default)]
struct List {
    joined: String,
    spans: Vec<Span>,
}

/// What a field is to a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Id,
    Text,
    Sentences,
    Target,
    Other,
}

impl<'a> Record<'a> {
    pub fn new(options: &'a InputOptions) -> Self {
        Self {
            options,
            id: None,
            text: None,
            sentences: None,
            targets: Vec::new(),
            others: Fields::default(),
            seen: Vec::new(),
            problem: None,
        }
    }

    /// # Errors
    /// If it is not JSON, or a field is not what it should be.
    pub fn parse(line: &str, options: &'a InputOptions) -> Result<Self, InputProblem> {
        let mut record = Self::new(options);
        let mut json = serde_json::Deserializer::from_str(line);
        let parsed = record.deserialize(&mut json).and_then(|()| json.end());
        record.checked(parsed)
    }

    /// As [`parse`](Record::parse), without holding the line.
    ///
    /// # Errors
    /// As for [`parse`](Record::parse).
    pub fn parse_from(line: impl Read, options: &'a InputOptions) -> Result<Self, InputProblem> {
        let mut record = Self::new(options);
        let mut json = serde_json::Deserializer::from_reader(line);
        let parsed = record.deserialize(&mut json).and_then(|()| json.end());
        record.checked(parsed)
    }

    fn checked(mut self, parsed: serde_json::Result<()>) -> Result<Self, InputProblem> {
        match (parsed, self.problem.take()) {
            (Ok(()), _) => Ok(self),
            (Err(error), Some(problem)) if error.is_data() => Err(of_record(self.id, problem)),
            (Err(error), _) if error.io_error_kind().is_some() => Err(InputProblem::Read(error.into())),
            (Err(error), _) => Err(of_record(self.id, InputProblem::Json(error))),
        }
    }

    /// Takes a field of a record that was read by other means than as JSON. Numbers in `value` are written as they are read:
    /// give an id that must keep its form as a string.
    ///
    /// # Errors
    /// If it is not what it should be.
    pub fn set(&mut self, name: String, value: Value) -> Result<(), InputProblem> {
        let part = self.part(&name);
        self.once(part, &name)?;
        match (part, value) {
            (Part::Other, value) => self.others.set(name, &value),
            (_, Value::Null) => {}
            (Part::Id, Value::String(id)) => self.id = Some(id),
            (Part::Id, Value::Number(id)) => self.id = Some(id.to_string()),
            (Part::Id, _) => return Err(not_an_id(&name)),
            (Part::Text, Value::String(text)) => self.text = Some(text),
            (Part::Text, _) => return Err(field(&name, "is of another type", "a string")),
            (Part::Sentences, Value::Array(sentences)) => {
                let mut list = List::default();
                for sentence in sentences {
                    match sentence {
                        Value::String(sentence) => list.push(&sentence)?,
                        _ => return Err(field(&name, "holds something else than strings", STRINGS)),
                    }
                }
                self.sentences = Some(list);
            }
            (Part::Sentences, _) => return Err(field(&name, "is of another type", STRINGS)),
            (Part::Target, value) => self.targets = targets(&name, value)?,
        }
        Ok(())
    }

    /// As [`set`](Record::set), for a cell of a table that knows no lists.
    ///
    /// # Errors
    /// As for [`set`](Record::set).
    pub fn set_cell(&mut self, name: &str, cell: String) -> Result<(), InputProblem> {
        match self.part(name) {
            Part::Sentences => self.others.set(name.to_owned(), &Value::String(cell)),
            _ => self.set(name.to_owned(), Value::String(cell))?,
        }
        Ok(())
    }

    fn part(&self, name: &str) -> Part {
        let (text, id) = (self.options.text_field.as_deref(), self.options.id_field.as_deref());
        match name {
            _ if name == id.unwrap_or("id") => Part::Id,
            _ if name == text.unwrap_or("text") => Part::Text,
            _ if Some(name) == self.options.target_field.as_deref() => Part::Target,
            // Whoever names the field of the text means that one.
            "sentences" if text.is_none() => Part::Sentences,
            _ => Part::Other,
        }
    }

    /// A part may be there once: of two, readers differ in which they take.
    fn once(&mut self, part: Part, name: &str) -> Result<(), InputProblem> {
        if part != Part::Other {
            if self.seen.contains(&part) {
                return Err(field(name, "stands there twice", "each field once"));
            }
            self.seen.push(part);
        }
        Ok(())
    }

    /// The record's document, by the name of its line or row if it has no id.
    ///
    /// # Errors
    /// If there is no text, or not what `sentences` says of it.
    pub fn document(self, name: impl Fn() -> String) -> Result<Document, InputProblem> {
        let id = self.id.clone();
        self.unnamed_document(name).map_err(|problem| of_record(id, problem))
    }

    fn unnamed_document(self, name: impl Fn() -> String) -> Result<Document, InputProblem> {
        let Self { options, id, text, sentences, targets, mut others, seen, .. } = self;
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(name);
        let document = match (text, sentences) {
            (Some(text), None) => plain::cut(&id, text, options)?,
            (None, Some(List { joined, spans })) => {
                transcript::with_turns(Document::new(id, joined, spans), options.transcript)
            }
            (Some(text), Some(sentences)) => {
                let spans = sentences.locate(&text)?;
                transcript::with_turns(Document::new(id, text, spans), options.transcript)
            }
            (None, None) if seen.contains(&Part::Text) => {
                return Err(field(options.text_field.as_deref().unwrap_or("text"), "is null", "a string"));
            }
            (None, None) => {
                let strings = others.json().filter(|(_, json)| json.starts_with('"'));
                let names: Vec<&str> = strings.map(|(name, _)| name).collect();
                return Err(no_text(options, &["text", "sentences"], &names));
            }
        };
        let document = match others.text(SPEAKER).filter(|speaker| !speaker.trim().is_empty()) {
            Some(speaker) => {
                others.remove(SPEAKER);
                transcript::spoken_by(document, &speaker)
            }
            None => document,
        };
        Ok(document.with_fields(others).with_targets(targets))
    }
}

/// A problem, with the id of its record if that is known.
fn of_record(id: Option<String>, problem: InputProblem) -> InputProblem {
    match id {
        Some(id) if !id.is_empty() => InputProblem::OfRecord { id, problem: Box::new(problem) },
        _ => problem,
    }
}

impl List {
    fn push(&mut self, sentence: &str) -> Result<(), InputProblem> {
        if sentence.trim().is_empty() {
            return Err(InputProblem::BlankSentence { index: self.spans.len() });
        }
        if !self.spans.is_empty() {
            self.joined.push('\n');
        }
        let start = self.joined.len();
        self.joined.push_str(sentence);
        self.spans.push(Span::new(start, self.joined.len()));
        Ok(())
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

fn field(name: &str, problem: &'static str, expected: &'static str) -> InputProblem {
    InputProblem::Field { name: name.to_owned(), problem, expected }
}

/// The targets that a field holds: one, or a list. A blank one is none.
fn targets(name: &str, value: Value) -> Result<Vec<Target>, InputProblem> {
    let other = || field(name, "is of another type", "a target, or a list of targets");
    let phrases = match value {
        Value::Null => Vec::new(),
        Value::String(phrase) => vec![phrase],
        Value::Array(phrases) => {
            let string = |value| if let Value::String(phrase) = value { Some(phrase) } else { None };
            phrases.into_iter().map(string).collect::<Option<_>>().ok_or_else(other)?
        }
        _ => return Err(other()),
    };
    if phrases.len() > TARGETS {
        return Err(InputProblem::TooManyTargets { limit: TARGETS });
    }
    let mut targets = Vec::new();
    for phrase in phrases.iter().filter(|phrase| !phrase.trim().is_empty()) {
        let target =
            Target::new(phrase).map_err(|source| InputProblem::Target { field: name.to_owned(), source })?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// What fields are called in which crawlers and exports keep the text, the likeliest first.
const TEXT_NAMES: [&str; 20] = [
    "maintext",
    "main_text",
    "fulltext",
    "full_text",
    "article_text",
    "articlebody",
    "article_body",
    "body_text",
    "raw_text",
    "plain_text",
    "page_content",
    "content",
    "body",
    "article",
    "story",
    "transcript",
    "statement",
    "sentence",
    "message",
    "description",
];

/// The most fields of a record that a message names.
const NAMED: usize = 8;

/// As much of a field's name as a message shows, in characters.
const NAME_LENGTH: usize = 60;

/// No text is read in silence from a field that may be something else: whoever runs it says which. `usual` are the fields
/// that hold the text where nobody said which one does, and `names` those that are there.
pub(super) fn no_text(options: &InputOptions, usual: &[&str], names: &[&str]) -> InputProblem {
    let named = |known: &&str| names.iter().find(|name| name.eq_ignore_ascii_case(known));
    let (expected, likely) = match &options.text_field {
        Some(wanted) => (format!("\"{wanted}\""), named(&wanted.as_str())),
        None => {
            (format!("\"{}\"", usual.join("\" or \"")), ["text"].iter().chain(&TEXT_NAMES).find_map(named))
        }
    };
    let short = |name: &&str| name.chars().take(NAME_LENGTH).collect();
    InputProblem::NoText(NoText {
        expected,
        likely: likely.map(|&name| name.to_owned()),
        others: names.iter().take(NAMED).map(short).collect(),
    })
}

fn not_an_id(name: &str) -> InputProblem {
    field(name, "is of another type", "a string or a number")
}

impl<'de> DeserializeSeed<'de> for &mut Record<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        const EXPECTED: &str = "one JSON object a line, with \"text\" or \"sentences\"";
        self.problem = Some(field("text", "is missing", EXPECTED));
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Record<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let part = self.part(&name);
            if let Err(problem) = self.once(part, &name) {
                self.problem = Some(problem);
                return Err(A::Error::custom("twice"));
            }
            match part {
                Part::Id => {
                    self.problem = Some(not_an_id(&name));
                    self.id = id(&map.next_value::<Box<RawValue>>()?)?;
                }
                Part::Text => {
                    self.problem = Some(field(&name, "is of another type", "a string"));
                    self.text = map.next_value()?;
                }
                Part::Sentences => self.sentences = map.next_value_seed(Sentences(&mut self.problem))?,
                Part::Target => {
                    self.targets = targets(&name, map.next_value()?).map_err(|problem| {
                        self.problem = Some(problem);
                        A::Error::custom("not a target")
                    })?;
                }
                Part::Other => self.others.insert(name, map.next_value()?),
            }
        }
        Ok(())
    }
}

/// An id as it was written: a number keeps its digits, of which there may be more than 64 bits hold.
fn id<E: Error>(json: &RawValue) -> Result<Option<String>, E> {
    match json.get().as_bytes()[0] {
        b'n' => Ok(None),
        b'"' => serde_json::from_str(json.get()).map(Some).map_err(E::custom),
        b'-' | b'0'..=b'9' => Ok(Some(json.get().to_owned())),
        _ => Err(E::custom("neither a string nor a number")),
    }
}

/// Reads a list of strings, and says what is wrong with it.
struct Sentences<'a>(&'a mut Option<InputProblem>);

const STRINGS: &str = "a list of strings";

impl<'de> DeserializeSeed<'de> for Sentences<'_> {
    type Value = Option<List>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<List>, D::Error> {
        *self.0 = Some(field("sentences", "is of another type", STRINGS));
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sentences<'_> {
    type Value = Option<List>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(STRINGS)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<List>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut strings: A) -> Result<Option<List>, A::Error> {
        let mut list = List::default();
        *self.0 = Some(field("sentences", "holds something else than strings", STRINGS));
        while strings.next_element_seed(Sentence(&mut list, &mut *self.0))?.is_some() {
            if list.spans.len() > SENTENCES {
                *self.0 = Some(InputProblem::TooManySentences { limit: SENTENCES });
                return Err(A::Error::custom("there are too many"));
            }
        }
        if list.spans.is_empty() {
            *self.0 = Some(InputProblem::Empty);
            return Err(A::Error::custom("there are none"));
        }
        Ok(Some(list))
    }
}

/// Reads a string of the list.
struct Sentence<'a>(&'a mut List, &'a mut Option<InputProblem>);

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
        self.0.push(sentence).map_err(|problem| {
            *self.1 = Some(problem);
            E::custom("blank")
        })
    }
}
