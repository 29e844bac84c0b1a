//! RSS, Atom and JSON Feed: one document an entry, with its title, link, date and authors. What entries hold as HTML becomes
//! plain text; offsets count that text.

use super::notes::{InputWarningKind, Notes};
use super::open::Opened;
use super::{DocumentReader, InputOptions, markup, plain};
use crate::error::InputProblem;
use feed_rs::model::{Entry, Feed, Text};
use feed_rs::parser;
use serde_json::{Map, Value};
use standpoint_core::text::Document;
use std::sync::Arc;
use std::vec;

/// The entries of one file.
pub(super) struct Entries {
    name: String,
    options: Arc<InputOptions>,
    unread: Option<Opened>,
    /// The title of the feed.
    source: Option<String>,
    entries: vec::IntoIter<Entry>,
    number: usize,
}

impl Entries {
    pub fn new(file: Opened, options: &Arc<InputOptions>) -> Self {
        let entries = Vec::new().into_iter();
        Self { name: file.name.clone(), options: Arc::clone(options), unread: Some(file), source: None, entries, number: 0 }
    }

    fn open(&mut self, file: Opened) -> Result<(), InputProblem> {
        let Feed { title, entries, .. } = parse(&file.read_all(plain::LIMIT)?)?;
        if entries.is_empty() {
            return Err(InputProblem::Empty);
        }
        self.source = title.map(text_of).transpose()?;
        self.entries = entries.into_iter();
        Ok(())
    }

    fn document(&self, entry: Entry) -> Result<Document, InputProblem> {
        let title = entry.title.map(text_of).transpose()?;
        let content = entry.content.and_then(|content| content.body).map(|body| seen(&body)).transpose()?;
        let summary = entry.summary.map(text_of).transpose()?;
        let is_there = |text: &String| !text.trim().is_empty();
        let text = content.filter(is_there).or(summary.filter(is_there)).or(title.clone()).unwrap_or_default();
        let url = entry.links.iter().find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"));
        let authors: Vec<&str> = entry.authors.iter().map(|author| author.name.trim()).collect();
        let fields = [
            ("title", title),
            ("author", Some(authors.join(", "))),
            ("published", entry.published.or(entry.updated).map(|date| date.to_rfc3339())),
            ("source", self.source.clone()),
            ("url", url.or(entry.links.first()).map(|link| link.href.clone())),
        ];
        let id = match entry.id.is_empty() {
            true => format!("{}:{}", self.name, self.number),
            false => entry.id,
        };
        Ok(plain::cut(&id, text, &self.options)?.with_fields(given(fields)))
    }
}

/// The fields that have a value.
pub(super) fn given<const N: usize>(fields: [(&str, Option<String>); N]) -> Map<String, Value> {
    let given = fields.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.trim().is_empty())?)));
    given.map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn parse(bytes: &[u8]) -> Result<Feed, InputProblem> {
    // An entry without an id is called by its link.
    let first_link = |links: &[feed_rs::model::Link], _: &Option<Text>, _: Option<&str>| {
        links.first().map(|link| link.href.clone()).unwrap_or_default()
    };
    let parser = parser::Builder::new().id_generator(first_link).build();
    parser.parse(bytes).map_err(|error| InputProblem::Damaged { what: "an RSS or Atom feed", why: error.to_string() })
}

fn text_of(text: Text) -> Result<String, InputProblem> {
    match text.content_type.subty.as_str() {
        "plain" => Ok(text.content),
        _ => seen(&text.content),
    }
}

/// What a reader of HTML sees.
fn seen(html: &str) -> Result<String, InputProblem> {
    match html.contains(['<', '&']) {
        true => Ok(markup::text(&markup::parse(html)?)),
        false => Ok(html.to_owned()),
    }
}

impl DocumentReader for Entries {
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        if let Some(file) = self.unread.take() {
            if let Err(problem) = self.open(file) {
                return Some((None, Err(problem)));
            }
            notes.add_once(InputWarningKind::ExtractedText);
        }
        let entry = self.entries.next()?;
        self.number += 1;
        Some((Some(self.number), self.document(entry)))
    }
}
