//! From a text to the spans of its sentences. Pure, and total: any text has sentences, none makes it fail. The time
//! grows with the length of the text, whatever it holds.
//!
//! A text is parted into paragraphs (`lines`). In each the marks are found and paired (`marks`). At every mark
//! that may end a sentence the `rules` are asked, in order, about the `place` where it stands.

pub(crate) mod characters;
mod date;
pub(crate) mod label;
mod lines;
mod marks;
mod place;
mod rules;
mod style;
mod word;
mod words;

use crate::text::Span;
use characters::skip_blanks;
use marks::{Marks, Role};
use place::{Place, Start};
use std::collections::BTreeSet;
use std::{iter, mem};
use style::Style;

/// What to do with a quote of several sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quotes {
    /// Each of its sentences is one, as each makes a statement of its own: `“We go. | Nobody stays,” he said.`
    #[default]
    Cut,
    /// It is kept in one sentence with its speaker, if it is closed in its paragraph.
    Whole,
}

/// Whether a line break may lie within a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrapped {
    /// If the text looks as if it had been wrapped at a fixed width.
    #[default]
    Auto,
    /// Yes: only a blank line, or an item of a list, begins a new paragraph.
    Yes,
    /// No: each line is a paragraph.
    No,
}

/// How sentences are cut.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub abbreviations: Abbreviations,
    pub quotes: Quotes,
    pub wrapped: Wrapped,
}

/// Abbreviations of the user's own: the full stop behind one of them ends no sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abbreviations(BTreeSet<String>);

impl Abbreviations {
    const fn new() -> Self {
        Self(BTreeSet::new())
    }

    fn has(&self, word: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&normal(word))
    }
}

/// A word that is no abbreviation, in a list of such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAbbreviation {
    /// Counted from 1.
    pub line: usize,
    pub word: String,
}

impl Abbreviations {
    /// The longest abbreviation, in bytes.
    pub const LONGEST: usize = word::WORD;

    /// Reads a list: a word a line, with or without its full stop. What follows a `#` is a comment.
    ///
    /// # Errors
    /// If a word holds no letter, or is longer than any abbreviation.
    pub fn parse(list: &str) -> Result<Self, NoAbbreviation> {
        let mut words = Vec::new();
        for (index, line) in list.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            for word in line.split_whitespace() {
                if word.len() > Self::LONGEST || !word.contains(char::is_alphabetic) {
                    return Err(NoAbbreviation { line: index + 1, word: word.to_owned() });
                }
                words.push(word);
            }
        }
        Ok(words.into_iter().collect())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Abbreviations {
    /// With or without the last full stop, in any case; of several words each is one.
    fn from_iter<I: IntoIterator<Item = S>>(words: I) -> Self {
        let mut all = BTreeSet::new();
        for line in words {
            all.extend(line.as_ref().split_whitespace().map(normal).filter(|word| !word.is_empty()));
        }
        Self(all)
    }
}

fn normal(word: &str) -> String {
    word.trim_end_matches('.').to_lowercase()
}

static DEFAULT: Options =
    Options { abbreviations: Abbreviations::new(), quotes: Quotes::Cut, wrapped: Wrapped::Auto };

/// The sentences of a text: in order, apart, not empty, without white space at either end. All that lies
/// outside of them is white space, or as invisible: byte order marks, zero-width spaces, `&nbsp;`.
pub fn sentences(text: &str) -> Vec<Span> {
    each(text).collect()
}

/// The [`sentences`] one after the other, found as they are asked for.
pub fn each(text: &str) -> impl Iterator<Item = Span> {
    each_with(text, &DEFAULT)
}

/// The [`sentences`], cut as the options say.
pub fn sentences_with(text: &str, options: &Options) -> Vec<Span> {
    each_with(text, options).collect()
}

/// [`each`] sentence, cut as the options say.
pub fn each_with<'a>(text: &'a str, options: &'a Options) -> impl Iterator<Item = Span> + 'a {
    let mut paragraphs = lines::paragraphs(text, options.wrapped);
    let mut cutter = Cutter { options, style: Style::new(text), marks: Marks::default() };
    let mut found = Vec::new().into_iter();
    iter::from_fn(move || {
        loop {
            if let Some(span) = found.next() {
                return Some(span);
            }
            let paragraph = paragraphs.next()?;
            let spans = cutter.cut(&text[paragraph.clone()]);
            let moved = |span: Span| Span::new(span.start() + paragraph.start, span.end() + paragraph.start);
            found = spans.into_iter().map(moved).collect::<Vec<_>>().into_iter();
        }
    })
}

struct Cutter<'a> {
    options: &'a Options,
    style: Style<'a>,
    marks: Marks,
}

impl Cutter<'_> {
    /// The sentences of a paragraph.
    fn cut(&mut self, text: &str) -> Vec<Span> {
        let mut marks = mem::take(&mut self.marks);
        marks.read(text);
        let mut found = Vec::new();
        let mut state = State {
            text,
            start: Start { at: skip_blanks(text, 0), has_words: false, item: 0 },
            seen: 0,
            found: &mut found,
        };
        let mut reached = 0;
        if let Some(end) = date::first(text) {
            state.end(end, end);
            reached = end;
        }
        for mark in &marks.marks {
            if mark.at < reached {
                continue;
            }
            match mark.role {
                Role::Stop => {
                    state.look(mark.at);
                    let place = Place::read(text, &marks, self.options, &self.style, state.start, mark.at);
                    reached = place.stop_end;
                    if rules::ends(&place) {
                        reached = place.end;
                        state.end(place.end, place.next);
                    } else {
                        state.note_item(&place);
                    }
                }
                Role::Colon => {
                    if let Some(start) = rules::label_within(text, state.start.at, mark.at) {
                        state.end(start, start);
                    }
                }
                // `(APPLAUSE) We will go.`, `So we -- [CROSSTALK]`
                Role::OpenBracket => {
                    let before = text[state.start.at..mark.at.max(state.start.at)].trim_end();
                    let is_apart = before.is_empty() || before.ends_with(['-', '–', '—', '…']);
                    if let Some(end) = label::note(text, mark.at).filter(|_| is_apart) {
                        state.end(mark.at, mark.at);
                        let closes = |end: usize| marks.mark_at(end).filter(|mark| mark.role == Role::Close);
                        let end = closes(end).map_or(end, |mark| end + mark.len);
                        state.end(end, end);
                        reached = end;
                    }
                }
                _ => {}
            }
        }
        if let Some(date) = date::last(text).filter(|&date| date > state.start.at) {
            state.end(date, date);
        }
        state.end(text.len(), text.len());
        self.marks = marks;
        found
    }
}

/// The sentence that is being read.
struct State<'a> {
    text: &'a str,
    start: Start,
    /// How far letters and digits were looked for.
    seen: usize,
    found: &'a mut Vec<Span>,
}

impl State<'_> {
    /// Looks for words up to there.
    fn look(&mut self, to: usize) {
        let from = self.seen.max(self.start.at);
        if !self.start.has_words && from < to {
            self.start.has_words = self.text[from..to].chars().any(char::is_alphanumeric);
        }
        self.seen = to;
    }

    /// Ends the sentence there, and begins the next.
    fn end(&mut self, end: usize, next: usize) {
        let end = characters::skip_blanks_back(self.text, end);
        if self.start.at < end {
            self.found.push(Span::new(self.start.at, end));
        }
        self.start = Start {
            at: skip_blanks(self.text, next.max(self.start.at)),
            has_words: false,
            item: self.start.item,
        };
    }

    /// Remembers the number of a list's item.
    fn note_item(&mut self, place: &Place) {
        let Ok(number) = place.word.text.parse::<u32>() else { return };
        if number == self.start.item + 1 || place.is_first_word() && number < 100 {
            self.start.item = number;
        }
    }
}

#[cfg(test)]
mod tests;
