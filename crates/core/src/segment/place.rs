//! A place where a sentence may end, as the rules see it: the mark, what stands before it, what comes after.

use super::Options;
use super::characters::{
    is_blank, is_closer, is_dash, is_opener, is_terminator, is_transparent, skip_blanks, skip_blanks_back,
    unit_at, unit_before,
};
use super::marks::{Marks, Role};
use super::style::Style;
use super::word::{WORD, Word, has_vowel, word_before, word_from};
use super::words::{self, Table};
use std::ops::Range;

/// How many marks before the first word of a sentence are looked through.
const OPENERS: usize = 12;

pub(super) struct Place<'a> {
    /// The paragraph.
    pub(super) text: &'a str,
    pub(super) marks: &'a Marks,
    pub(super) options: &'a Options,
    pub(super) style: &'a Style<'a>,
    /// Where the sentence begins.
    pub(super) start: usize,
    /// Whether a letter or digit was seen in the sentence so far.
    pub(super) has_words: bool,
    /// The number of the list's item in which the sentence lies, or 0.
    pub(super) item: u32,
    /// Where the first run of stops begins and the last one ends: both of `?”.`
    pub(super) stop: usize,
    pub(super) stop_end: usize,
    /// Whether something is closed between two stops.
    pub(super) is_doubled: bool,
    /// The last stop.
    pub(super) stop_char: char,
    /// Whether there are several dots, or one of three.
    pub(super) is_ellipsis: bool,
    /// Where the sentence would end: behind what is closed.
    pub(super) end: usize,
    /// Whether a quote was closed, whether a bracket was.
    pub(super) closes_quote: bool,
    pub(super) closes_bracket: bool,
    /// Where the next sentence would begin.
    pub(super) next: usize,
    /// The word before the mark, with the dots in it and without the one behind it: `U.S`, `Gen`.
    pub(super) word: Word<'a>,
    /// The first word behind it, behind whatever is opened there.
    pub(super) after: Word<'a>,
}

/// Where to begin, and what is known of the sentence.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) at: usize,
    pub(super) has_words: bool,
    pub(super) item: u32,
}

impl<'a> Place<'a> {
    /// The place of the stop that begins at `stop`.
    pub(super) fn read(
        text: &'a str,
        marks: &'a Marks,
        options: &'a Options,
        style: &'a Style<'a>,
        start: Start,
        stop: usize,
    ) -> Self {
        let mut place = Self {
            text,
            marks,
            options,
            style,
            start: start.at,
            has_words: start.has_words,
            item: start.item,
            stop,
            stop_end: stop,
            is_doubled: false,
            stop_char: '.',
            is_ellipsis: false,
            end: stop,
            closes_quote: false,
            closes_bracket: false,
            next: stop,
            word: Word::none(stop),
            after: Word::none(stop),
        };
        place.read_stops();
        place.next = skip_blanks(text, place.end);
        if place.next > place.end {
            place.read_detached_closers();
        }
        place.word = word_before(text, start.at.min(stop), stop);
        place.after = word_from(text, place.skip_openers(place.next));
        place
    }

    /// Runs of stops and of what is closed behind them, as in `(“Why?!”).`
    fn read_stops(&mut self) {
        let mut at = self.stop;
        loop {
            let before = at;
            let mut dots = 0;
            while let Some(unit) = unit_at(self.text, at).filter(|unit| is_terminator(unit.char)) {
                at += unit.len;
                self.stop_char = unit.char;
                dots += usize::from(unit.char == '.');
                self.is_ellipsis |= unit.char == '…' || dots > 1;
                // `. . .`
                if unit.char == '.' && self.text[at..].starts_with(" .") && !starts_word(&self.text[at + 2..])
                {
                    at += 1;
                }
            }
            if at > before {
                self.is_doubled = before > self.stop;
                self.stop_end = at;
            }
            while let Some(length) = self.closer(at) {
                at += length;
            }
            if at == before {
                break;
            }
        }
        self.end = at;
    }

    /// The length of what is closed at `at`, if something is.
    fn closer(&mut self, at: usize) -> Option<usize> {
        let unit = unit_at(self.text, at)?;
        let mark = self.marks.mark_at(at);
        match mark.map(|mark| mark.role) {
            Some(Role::Close | Role::CloseSingle) => {
                self.closes_quote = true;
                mark.map(|mark| mark.len)
            }
            Some(Role::CloseBracket) => {
                self.closes_bracket = true;
                Some(unit.len)
            }
            // A straight mark that ends the line, and was opened lines ago.
            Some(Role::Neither)
                if self.is_over(at + mark.map_or(1, |mark| mark.len)) && is_straight(unit.char) =>
            {
                self.closes_quote = true;
                mark.map(|mark| mark.len)
            }
            Some(Role::OpenBracket) => self.reference(at),
            Some(_) => None,
            None if is_closer(unit.char) || is_transparent(unit.char) => Some(unit.len),
            None => None,
        }
    }

    /// The length of a reference to a note: `[12]`.
    fn reference(&self, at: usize) -> Option<usize> {
        let bytes = &self.text.as_bytes()[at..];
        let digits = bytes.iter().skip(1).take(4).take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0 && bytes[0] == b'[' && bytes.get(digits + 1) == Some(&b']')).then_some(digits + 2)
    }

    /// Marks that close something behind a space: `Go ! "`, and faces: `Go! :)`.
    fn read_detached_closers(&mut self) {
        let Some(unit) = unit_at(self.text, self.next) else { return };
        let mark = self.marks.mark_at(self.next);
        let is_close = mark.is_some_and(|mark| matches!(mark.role, Role::Close | Role::CloseBracket));
        let length = if is_close { mark.map(|mark| mark.len) } else { face(&self.text[self.next..]) };
        let Some(length) = length.filter(|&length| self.is_over(self.next + length)) else { return };
        self.closes_quote |= is_close && unit.char != ')';
        self.end = self.next + length;
        self.next = skip_blanks(self.text, self.end);
    }

    fn is_over(&self, at: usize) -> bool {
        unit_at(self.text, at).is_none_or(|unit| is_blank(unit.char))
    }

    fn skip_openers(&self, mut at: usize) -> usize {
        for _ in 0..OPENERS {
            match unit_at(self.text, at) {
                Some(unit)
                    if self.opens(at, unit.char)
                        || matches!(unit.char, '$' | '£' | '€' | '#' | '>' | '@') =>
                {
                    at += unit.len;
                }
                Some(unit) if at > self.next && is_blank(unit.char) => at += unit.len,
                _ => break,
            }
        }
        at
    }

    fn opens(&self, at: usize, char: char) -> bool {
        let role = self.marks.role_at(at);
        is_opener(char)
            || is_dash(char)
            || matches!(char, '*' | '_' | '•' | '·')
            || matches!(role, Some(Role::Open | Role::OpenSingle | Role::OpenBracket | Role::Neither))
            || matches!(role, Some(Role::Stop)) && self.is_lead(at)
    }

    /// Whether nothing but dots lie between the next sentence's beginning and there: `...and then`.
    fn is_lead(&self, at: usize) -> bool {
        at - self.next <= OPENERS && self.text[self.next..at].bytes().all(|byte| byte == b'.')
    }

    /// The character that follows at once, or behind white space.
    pub(super) fn next_char(&self) -> Option<char> {
        unit_at(self.text, self.next).map(|unit| unit.char)
    }

    /// Whether nothing parts what comes next from what ends here.
    pub(super) fn is_glued(&self) -> bool {
        self.next == self.end
    }

    /// Whether a quote is opened right behind this place.
    pub(super) fn opens_quote(&self) -> bool {
        matches!(self.marks.role_at(self.next), Some(Role::Open | Role::OpenSingle))
    }

    /// Whether the full stop behind a word is all there is: not `?`, not `...`.
    pub(super) fn is_full_stop(&self) -> bool {
        self.stop_char == '.'
            && !self.is_ellipsis
            && !self.is_doubled
            && unit_at(self.text, self.stop).is_some_and(|u| u.char == '.')
    }

    /// The word before the word before the mark.
    pub(super) fn before(&self) -> Word<'a> {
        self.word_before(self.word.start)
    }

    pub(super) fn word_before(&self, at: usize) -> Word<'a> {
        let end = skip_blanks_back(&self.text[..at], at.max(self.start));
        if end <= self.start { Word::none(self.start) } else { word_before(self.text, self.start, end) }
    }

    /// The word that follows the first word of the next sentence.
    pub(super) fn second(&self) -> Word<'a> {
        self.word_after(&self.after)
    }

    /// The word behind another, if nothing but white space or the dot of an abbreviation parts them.
    pub(super) fn word_after(&self, word: &Word<'a>) -> Word<'a> {
        let mut at = word.end;
        if self.text[at..].starts_with('.') && words::is_abbreviation(word.text) {
            at += 1;
        }
        let start = skip_blanks(self.text, at);
        if start == at { Word::none(at) } else { word_from(self.text, start) }
    }

    /// The character right before the word before the mark.
    pub(super) fn char_before_word(&self) -> Option<char> {
        unit_before(self.text, self.word.start).map(|unit| unit.char)
    }

    /// Whether a comma stands before the word before the mark.
    pub(super) fn follows_comma(&self) -> bool {
        let before = skip_blanks_back(self.text, self.word.start);
        self.text[..before].ends_with(',')
    }

    /// Whether the word before a full stop is, or looks like, an abbreviation.
    pub(super) fn may_be_abbreviated(&self) -> bool {
        let word = self.word.text;
        let is_known = words::is_abbreviation(word) && !matches!(word, "no" | "in" | "art" | "app");
        let is_letter = word.len() <= 1 && !word.starts_with(|char: char| char.is_ascii_digit());
        let looks_so = is_known || is_letter || word.contains('.') || !has_vowel(word);
        looks_so && self.is_full_stop() && !self.closes_quote
    }

    /// Whether a function word follows, and no initial: `I. Voss`, `A. Roe`.
    pub(super) fn begins_with_starter(&self) -> bool {
        let is_initial = self.after.text.len() == 1 && self.text[self.after.end..].starts_with('.');
        words::is_in(Table::Starter, self.after.stem()) && !is_initial
    }

    /// Whether the word before the mark is the first of the sentence.
    pub(super) fn is_first_word(&self) -> bool {
        let lead = &self.text[self.start..self.word.start];
        lead.len() <= WORD && !lead.contains(char::is_alphanumeric)
    }

    /// The brackets in which the mark lies, if they are closed.
    pub(super) fn bracket(&self) -> Option<Range<usize>> {
        within(&self.marks.brackets, self.stop)
    }

    /// The brackets that are opened there, if they are closed.
    pub(super) fn bracket_at(&self, at: usize) -> Option<Range<usize>> {
        let index = self.marks.brackets.binary_search_by_key(&at, |bracket| bracket.start).ok()?;
        Some(self.marks.brackets[index].clone())
    }

    /// The quote in which the sentence would end, if it goes on and is closed.
    pub(super) fn quote(&self) -> Option<Range<usize>> {
        within(&self.marks.quotes, self.end)
    }
}

fn within(ranges: &[Range<usize>], at: usize) -> Option<Range<usize>> {
    let index = ranges.partition_point(|range| range.start < at);
    index.checked_sub(1).map(|index| ranges[index].clone()).filter(|range| at <= range.end)
}

fn is_straight(char: char) -> bool {
    matches!(char, '"' | '\'' | '’')
}

fn starts_word(text: &str) -> bool {
    text.starts_with(|char: char| char.is_alphanumeric())
}

/// The length of a face made of marks: `:)`, `;-)`, `:D`.
fn face(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !matches!(bytes.first()?, b':' | b';' | b'=') {
        return None;
    }
    let nose = usize::from(matches!(bytes.get(1)?, b'-' | b'o' | b'\'' | b'^'));
    let mouth = bytes.get(1 + nose)?;
    matches!(mouth, b')' | b'(' | b'D' | b'P' | b'p' | b'/' | b'|' | b'*' | b'3').then_some(2 + nose)
}
