//! From a text to its paragraphs: what one line says of the next.

use super::Wrapped;
use super::characters::{is_blank, skip_blanks, unit_at};
use std::iter;
use std::ops::Range;

/// Widths, in characters, of text that was wrapped: from a newspaper's column to a mail program.
const WIDTHS: std::ops::RangeInclusive<usize> = 18..=120;

/// A column narrower than this is believed only of a text with several such lines.
const NARROW: usize = 40;

/// What a paragraph's first line may be longer than the width at which the text was wrapped, for a long word.
const OVERHANG: usize = 24;

/// The paragraphs of a text. In agency copy each line is one, and neither a headline nor a dateline ends in a
/// full stop: so every line break ends a paragraph, except where a text was wrapped at a fixed width.
pub(super) fn paragraphs(text: &str, wrapped: Wrapped) -> impl Iterator<Item = Range<usize>> + '_ {
    let width = match wrapped {
        Wrapped::Auto => width(text),
        Wrapped::Yes | Wrapped::No => None,
    };
    let joins = move |first: &str, line: &str, next: &str| {
        let goes_on = match (wrapped, width) {
            (Wrapped::Yes, _) => true,
            (_, Some(width)) => characters(line) <= width + OVERHANG && is_full(line, next, width),
            (_, None) => false,
        };
        let new_item = begins_item(next) && (begins_item(first) || ends_clause(line));
        let goes_on = goes_on || wrapped != Wrapped::No && is_hyphenated(line, next);
        let goes_on = goes_on && !is_blank_line(line) && !new_item || is_bare_marker(line) && !new_item;
        goes_on && !is_blank_line(next)
    };
    let mut lines = lines(text).peekable();
    iter::from_fn(move || {
        let first = lines.next()?;
        let mut last = first.clone();
        let read = |line: &Range<usize>| &text[line.clone()];
        while let Some(next) = lines.next_if(|next| joins(read(&first), read(&last), read(next))) {
            last = next;
        }
        Some(first.start..last.end)
    })
}

/// The lines of the text without what ends them; `\r\n` ends one line.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> + Clone {
    let mut next = Some(0);
    iter::from_fn(move || {
        let start = next?;
        let Some(length) = line_length(&text.as_bytes()[start..]) else {
            next = None;
            return Some(start..text.len());
        };
        let end = start + length;
        let rest = &text[end..];
        let line_break =
            if rest.starts_with("\r\n") { 2 } else { rest.chars().next().map_or(0, char::len_utf8) };
        next = Some(end + line_break);
        Some(start..end)
    })
}

/// The bytes with which a line break can begin.
const MAY_BREAK: [bool; 256] = {
    let mut table = [false; 256];
    let known = b"\n\x0b\x0c\r\xC2\xE2";
    let mut i = 0;
    while i < known.len() {
        table[known[i] as usize] = true;
        i += 1;
    }
    table
};

/// The bytes before the first of the [`LINE_BREAKS`], if there is one.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|&byte| MAY_BREAK[usize::from(byte)])?;
        match bytes[at..] {
            [b'\n'..=b'\r', ..] | [0xC2, 0x85, ..] | [0xE2, 0x80, 0xA8 | 0xA9, ..] => return Some(at),
            _ => from = at + 1,
        }
    }
}

/// The width at which the text was wrapped, if it was: if at least a quarter of the lines that had no room
/// for the next one's first word are followed by a lower-case letter. Paragraphs, one a line, hardly ever are.
fn width(text: &str) -> Option<usize> {
    let lines = lines(text).map(|line| &text[line]);
    let pairs = || {
        lines
            .clone()
            .zip(lines.clone().skip(1))
            .filter(|(line, next)| !is_blank_line(line) && !is_blank_line(next))
    };
    // An address, or a table's row, may be longer than the rest.
    let (mut width, mut all, mut long) = (0, 0, 0);
    for (line, _) in pairs() {
        let length = characters(line);
        all += 1;
        match WIDTHS.contains(&length) {
            true => width = width.max(length),
            false => long += usize::from(length > *WIDTHS.end()),
        }
    }
    if width == 0 || long * 10 > all {
        return None;
    }
    let (mut full, mut lower, mut loose, mut words) = (0, 0, 0, 0);
    for (line, next) in pairs() {
        let is_lower =
            next.trim_start().starts_with(char::is_lowercase) && !line.trim_end().ends_with(['.', '!', '?']);
        if is_full(line, next, width) {
            full += 1;
            words += line.split_whitespace().count();
            lower += usize::from(is_lower);
        } else {
            loose += usize::from(is_lower);
        }
    }
    let is_prose = width >= NARROW || (full >= 3 && words >= 3 * full && loose * 4 <= lower);
    (lower > 0 && lower * 4 >= full && is_prose).then_some(width)
}

/// Whether the next line's first word had no room on this one.
fn is_full(line: &str, next: &str, width: usize) -> bool {
    let first_word = next.split_whitespace().next().map_or(0, characters);
    first_word > 0 && characters(line) + 1 + first_word > width
}

/// Whether a line ends within a word that the next one goes on with: `with-⏎drawal`.
fn is_hyphenated(line: &str, next: &str) -> bool {
    let is_word = |rest: &str| rest.ends_with(char::is_lowercase);
    line.trim_end().strip_suffix(['-', '\u{ad}', '\u{2010}']).is_some_and(is_word)
        && next.trim_start().starts_with(char::is_lowercase)
}

fn is_blank_line(line: &str) -> bool {
    line.chars().all(is_blank)
}

fn characters(line: &str) -> usize {
    line.trim_end().chars().count()
}

/// Whether a line ends as the one before a list does, or an item of it.
fn ends_clause(line: &str) -> bool {
    line.trim_end().ends_with([':', '.', ';', ',', '!', '?', '”', '"'])
}

/// Whether a line begins an item of a list.
fn begins_item(line: &str) -> bool {
    let start = skip_blanks(line, 0);
    marker(&line[start..])
        .is_some_and(|end| unit_at(line, start + end).is_some_and(|unit| is_blank(unit.char)))
}

/// Whether a line is nothing but the marker of a list: `1.` or `•`, with its item on the next line.
fn is_bare_marker(line: &str) -> bool {
    let start = skip_blanks(line, 0);
    marker(&line[start..]).is_some_and(|end| skip_blanks(line, start + end) == line.len())
}

/// The length of the marker of a list's item with which the line begins.
fn marker(line: &str) -> Option<usize> {
    let first = line.chars().next()?;
    if matches!(first, '•' | '◦' | '▪' | '‣' | '●' | '○' | '■' | '·' | '*') {
        return Some(first.len_utf8());
    }
    let bytes = line.as_bytes();
    let from = usize::from(bytes[0] == b'(');
    let digits = bytes[from..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let letters = usize::from(digits == 0 && bytes.get(from).is_some_and(u8::is_ascii_lowercase));
    let end = from + digits + letters;
    match bytes.get(end)? {
        b')' if digits + letters > 0 => Some(end + 1),
        b'.' if digits > 0 && from == 0 => Some(end + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::characters::LINE_BREAKS;
    use super::*;

    fn read(text: &str, wrapped: Wrapped) -> Vec<&str> {
        paragraphs(text, wrapped).map(|range| text[range].trim()).filter(|line| !line.is_empty()).collect()
    }

    #[test]
    fn every_line_break_ends_a_line() {
        let text = "a\nb\r\nc\rd\u{b}e\u{c}f\u{85}g\u{2028}h\u{2029}i é … \u{a9}";
        let found: Vec<&str> = lines(text).map(|line| &text[line]).collect();
        assert_eq!(found, ["a", "b", "c", "d", "e", "f", "g", "h", "i é … \u{a9}"]);
        for line_break in LINE_BREAKS {
            assert_eq!(lines(&format!("a{line_break}b")).count(), 2, "{line_break:?}");
        }
    }

    #[test]
    fn a_narrow_column_is_read_on() {
        let column = "The ferry left the pier at\nnoon with nine trucks and\nthe last of the engineers\non board. Nobody waved.\n";
        assert_eq!(read(column, Wrapped::Auto).len(), 1);
        assert_eq!(read(column, Wrapped::No).len(), 4);
    }

    #[test]
    fn short_lines_of_a_list_are_no_column() {
        assert_eq!(read("flour\nsugar\nbrown eggs\nolive oil\nsalt", Wrapped::Auto).len(), 5);
        assert_eq!(read("Yes.\nNo.\nWhy not?\nBecause of the ferry.\nAh.", Wrapped::Auto).len(), 5);
    }

    #[test]
    fn a_hyphen_at_the_end_of_a_line_is_read_on() {
        let text = "The board asked for the with-\ndrawal of all trucks.\nNobody waved.";
        assert_eq!(read(text, Wrapped::Auto).len(), 2);
        assert_eq!(read(text, Wrapped::No).len(), 3);
        assert_eq!(read("They left --\nall of them.\nLost: 4-\nnone.", Wrapped::Auto).len(), 4);
    }

    #[test]
    fn a_list_in_a_wrapped_text_keeps_its_items() {
        let list = "The plan of the harbour has two steps that nobody\ncan skip:\n1. Close the pier, and send all of the crews back\nhome.\n2. Wait.";
        assert_eq!(read(list, Wrapped::Auto).len(), 3);
        assert_eq!(read(list, Wrapped::Yes).len(), 3);
    }

    #[test]
    fn a_marker_alone_on_its_line_belongs_to_the_next() {
        assert_eq!(read("1.\nClose the pier.\n•\nSend the crew home.", Wrapped::No).len(), 2);
    }

    #[test]
    fn told_that_a_text_is_wrapped_only_blank_lines_part_it() {
        assert_eq!(read("The pier\nIs closed\n\nNobody came", Wrapped::Yes).len(), 2);
    }
}
