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
        Self {
            name: file.name.clone(),
            options: Arc::clone(options),
            unread: Some(file),
            source: None,
            entries,
            number: 0,
        }
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
        let text =
            content.filter(is_there).or(summary.filter(is_there)).or(title.clone()).unwrap_or_default();
        let url = entry.links.iter().find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"));
        let authors: Vec<&str> = entry.authors.iter().filter_map(|author| author.name.as_deref()).collect();
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
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.trim().is_empty())?)));
    given.map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

fn parse(bytes: &[u8]) -> Result<Feed, InputProblem> {
    // An entry without an id is called by its link.
    let first_link = |links: &[feed_rs::model::Link], _: &Option<Text>, _: Option<&str>| {
        links.first().map(|link| link.href.clone()).unwrap_or_default()
    };
    let parser = parser::Builder::new().id_generator(first_link).build();
    parser
        .parse(bytes)
        .map_err(|error| InputProblem::Damaged { what: "an RSS or Atom feed", why: error.to_string() })
}

fn text_of(text: Text) -> Result<String, InputProblem> {
    match text.content_type.subty().as_str() {
        // Many feeds escape their titles twice.
        "plain" if text.content.contains('<') || !text.content.contains('&') => Ok(text.content),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::test::{Outcome, opened, outcomes};

    fn read(bytes: impl Into<Vec<u8>>) -> Vec<Outcome> {
        outcomes(Entries::new(opened("f.xml", bytes), &Arc::default()))
    }

    const RSS: &str = r#"<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>The Valley &amp; Coast</title>
        <item><title>Troops &amp;amp; ferries</title><link>https://example.org/1</link><guid>a-1</guid><dc:creator>Ann Lee</dc:creator>
        <pubDate>Mon, 02 Sep 2024 10:00:00 +0200</pubDate><description>Short.</description>
        <content:encoded><![CDATA[<p>They <b>left</b>.</p><p>Nobody stayed.</p>]]></content:encoded></item>
        <item><title>Only a headline</title><link>https://example.org/2</link></item>
        <item><link>https://example.org/3</link></item></channel></rss>"#;

    const ATOM: &str = r#"<feed xmlns="http://www.w3.org/2005/Atom"><title>Desk</title><updated>2024-01-02T03:04:05Z</updated>
        <id>f</id><entry><id>urn:1</id><title>Go</title><link rel="self" href="https://example.org/x"/>
        <link href="https://example.org/1"/><updated>2024-01-02T03:04:05Z</updated><author><name>B. Oak</name></author>
        <summary type="html">&lt;p&gt;They left.&lt;/p&gt;</summary></entry></feed>"#;

    #[test]
    fn an_entry_is_a_document() {
        let fields = r#"{"title":"Troops & ferries","author":"Ann Lee","published":"2024-09-02T08:00:00+00:00","source":"The Valley & Coast","url":"https://example.org/1"}"#;
        let headline =
            r#"{"title":"Only a headline","source":"The Valley & Coast","url":"https://example.org/2"}"#;
        let outcomes = read(RSS);
        assert_eq!(outcomes[0], format!(r#"1: "a-1" "They left.\nNobody stayed." {fields}"#).as_str());
        assert_eq!(
            outcomes[1],
            format!(r#"2: "https://example.org/2" "Only a headline" {headline}"#).as_str()
        );
        assert_eq!(outcomes[2], "3: error: is empty: there is nothing to label");
        assert!(outcomes[3].is_warning());
        let fields = r#"{"title":"Go","author":"B. Oak","published":"2024-01-02T03:04:05+00:00","source":"Desk","url":"https://example.org/1"}"#;
        assert_eq!(read(ATOM)[0], format!(r#"1: "urn:1" "They left." {fields}"#).as_str());
    }

    #[test]
    fn a_feed_that_is_damaged_is_one_error() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><rss version=\"2.0\"><channel>\
                    <title>&b;</title><item><guid>1</guid><description>&b;</description></item></channel></rss>";
        let cut = RSS.len() / 2;
        let deep = format!("<rss version=\"2.0\"><channel><item>{}", "<a>".repeat(1_000_000));
        let many = format!("<rss version=\"2.0\"><channel><item {}>", "a=\"x\" ".repeat(100_000));
        assert!(format!("{:?}", read(bomb)).len() < 300, "nothing is unfolded");
        for feed in ["", "<rss", "<html><p>Go.</p></html>", "{}", "\0", &RSS[..cut], &deep, &many] {
            let outcomes = read(feed);
            assert!(outcomes.iter().any(Outcome::is_error), "{outcomes:?}");
        }
        for end in 0..RSS.len() {
            read(&RSS[..RSS.floor_char_boundary(end)]);
        }
    }

    #[test]
    fn hostile_html_in_an_entry_is_an_error_of_that_entry() {
        let item =
            |html: &str| format!("<item><guid>1</guid><description><![CDATA[{html}]]></description></item>");
        let items = [item(&"<div>".repeat(100_000)), item("<p>They left.</p>")].concat();
        let outcomes = read(format!("<rss version=\"2.0\"><channel><title>D</title>{items}</channel></rss>"));
        assert_eq!((outcomes[0].is_error(), outcomes[1].is_error()), (true, false));
    }
}
