//! A text as a person reads it: entities stand for their characters, what is invisible is nothing, and a word that a line end
//! parts is one word. Spans of what is read lead back to the raw text.

use crate::segment::characters::{is_invisible, unit_at};
use crate::text::Span;
use std::borrow::Cow;
use std::ops::Range;

/// What is read of a text, and where it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    text: Cow<'a, str>,
    /// What was read in place of what, in order.
    edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    /// Bytes of what is read; none where something was left out.
    read: Range<usize>,
    /// Bytes of the raw text.
    raw: Range<usize>,
}

impl<'a> Reading<'a> {
    /// Reads a text. `is_word` knows the words of the language in lower case: it tells `with-` and `drawal`, which are one
    /// word, from `foreign-` and `led`, which are joined by a hyphen.
    pub fn new(raw: &'a str, is_word: impl Fn(&str) -> bool) -> Self {
        let mut reading = Self { text: Cow::Borrowed(raw), edits: Vec::new() };
        let mut text = String::new();
        let mut copied = 0;
        let mut at = 0;
        while let Some(found) = next_special(raw, at) {
            let (raw_range, read) = special(raw, found, &is_word);
            at = raw_range.end.max(found + 1);
            let Some(read) = read else {
                at = raw.ceil_char_boundary(at);
                continue;
            };
            text.push_str(&raw[copied..raw_range.start]);
            let start = text.len();
            text.extend(read);
            copied = raw_range.end;
            reading.edits.push(Edit { read: start..text.len(), raw: raw_range });
        }
        if !reading.edits.is_empty() {
            text.push_str(&raw[copied..]);
            reading.text = Cow::Owned(text);
        }
        reading
    }

    /// What is read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a span of what is read stands in the raw text: from the beginning of its first character to the end of its last
    /// one, entities whole.
    pub fn raw(&self, read: Span) -> Span {
        let start = self.raw_start(read.start());
        match read.is_empty() {
            true => Span::new(start, start),
            false => Span::new(start, self.raw_end(read.end())),
        }
    }

    fn edit_before(&self, read: usize) -> Option<&Edit> {
        let after = self.edits.partition_point(|edit| edit.read.start <= read);
        after.checked_sub(1).map(|last| &self.edits[last])
    }

    fn raw_start(&self, read: usize) -> usize {
        match self.edit_before(read) {
            Some(edit) if read < edit.read.end => edit.raw.start,
            Some(edit) => edit.raw.end + (read - edit.read.end),
            None => read,
        }
    }

    fn raw_end(&self, read: usize) -> usize {
        let last = read - 1;
        match self.edit_before(last) {
            Some(edit) if last < edit.read.end => edit.raw.end,
            Some(edit) => edit.raw.end + (last - edit.read.end) + 1,
            None => read,
        }
    }
}

/// The first entity of a text, as `&rdquo;`.
pub fn first_entity(text: &str) -> Option<&str> {
    text.match_indices('&').find_map(|(at, _)| {
        let unit = unit_at(text, at).filter(|unit| unit.len > 1)?;
        Some(&text[at..at + unit.len])
    })
}

/// Where something may stand that is not read as it is written.
fn next_special(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    // Invisible characters begin with one of these bytes.
    let may = |&(at, &byte): &(usize, &u8)| match byte {
        b'&' | 0xc2 | 0xe1 | 0xe2 | 0xef => true,
        b'-' => matches!(bytes.get(at + 1), Some(b'\n' | b'\r')),
        _ => false,
    };
    bytes.iter().enumerate().skip(from).find(may).map(|(at, _)| at)
}

/// What stands there, and what is read in its place: `None` if it is read as it is.
fn special(text: &str, at: usize, is_word: &impl Fn(&str) -> bool) -> (Range<usize>, Option<Option<char>>) {
    if text.as_bytes()[at] == b'-' {
        return match parted_word(text, at) {
            Some((first, second, end)) => {
                let (first, second) = (first.to_lowercase(), second.to_lowercase());
                let is_compound =
                    !is_word(&format!("{first}{second}")) && is_word(&first) && is_word(&second);
                (at..end, Some(is_compound.then_some('-')))
            }
            None => (at..at + 1, None),
        };
    }
    match unit_at(text, at) {
        Some(unit) if is_invisible(unit.char) => (at..at + unit.len, Some(None)),
        // An entity, which is longer than the character it stands for.
        Some(unit) if unit.len != unit.char.len_utf8() || text.as_bytes()[at] == b'&' && unit.len > 1 => {
            (at..at + unit.len, Some(Some(unit.char)))
        }
        _ => (at..at + 1, None),
    }
}

/// The two parts of a word around a hyphen and a line end, and where the second one begins.
fn parted_word(text: &str, hyphen: usize) -> Option<(&str, &str, usize)> {
    let is_letter = |c: char| c.is_alphabetic();
    let before = &text[..hyphen];
    let first = &before[before.trim_end_matches(is_letter).len()..];
    let behind = &text[hyphen + 1..];
    let line = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix(['\n', '\r']))?;
    let line = line.trim_start_matches([' ', '\t']);
    let second = &line[..line.len() - line.trim_start_matches(is_letter).len()];
    let is_parted = !first.is_empty() && second.starts_with(char::is_lowercase);
    is_parted.then_some((first, second, text.len() - line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_word(word: &str) -> bool {
        ["withdrawal", "foreign", "led", "with"].contains(&word)
    }

    fn read(raw: &str) -> String {
        Reading::new(raw, is_word).text().to_owned()
    }

    #[test]
    fn entities_and_invisible_characters_are_read_as_a_person_does() {
        assert_eq!(
            read("&ldquo;We go,&rdquo; he said.&nbsp;R&amp;D &#8212; &eacute;t&#xe9;"),
            "“We go,” he said.\u{a0}R&D — été"
        );
        assert_eq!(read("with\u{ad}draw\u{200b}al &shy;\u{feff}now"), "withdrawal now");
        assert_eq!(read("AT&T & Co; é — “x”"), "AT&T & Co; é — “x”");
        assert!(matches!(Reading::new("They left.", is_word).text, Cow::Borrowed(_)));
    }

    #[test]
    fn a_word_parted_by_a_line_end_is_whole_and_a_compound_keeps_its_hyphen() {
        assert_eq!(
            read("the with-\ndrawal of a foreign-\r\n  led force"),
            "the withdrawal of a foreign-led force"
        );
        assert_eq!(read("a peacekeep-\ners"), "a peacekeepers");
        assert_eq!(
            read("from 2001-\n2005, Jean-\nLuc, and -\nso -"),
            "from 2001-\n2005, Jean-\nLuc, and -\nso -"
        );
    }

    #[test]
    fn spans_lead_back_to_the_raw_text() {
        let raw = "&ldquo;We\u{200b} go&rdquo; with-\ndrawal";
        let reading = Reading::new(raw, is_word);
        let slice = |words: &str| {
            let start = reading.text().find(words).unwrap();
            reading.raw(Span::new(start, start + words.len())).slice(raw)
        };
        assert_eq!(slice("“We"), "&ldquo;We");
        assert_eq!(slice("We go"), "We\u{200b} go");
        assert_eq!(slice(" go”"), " go&rdquo;");
        assert_eq!(slice("withdrawal"), "with-\ndrawal");
        assert_eq!(slice("with"), "with");
        assert_eq!(slice("drawal"), "drawal");
        assert_eq!(reading.raw(Span::new(0, reading.text().len())), Span::new(0, raw.len()));
    }

    #[test]
    fn the_first_entity_is_named() {
        assert_eq!(first_entity("AT&T said: &rdquo; &amp;"), Some("&rdquo;"));
        assert_eq!(first_entity("AT&T; &foo;"), None);
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn every_span_is_on_boundaries_and_in_order(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "é", "&rdquo;", "&amp;", "&", ";", "\u{200b}", "\u{ad}", "-\n", "-\r\n", "with", "drawal", " ", "“", "😀",
                    "&nbsp;", "&#x1F600;", "\u{feff}", "-",
                ]),
                0..24,
            ),
        ) {
            let raw = parts.concat();
            let reading = Reading::new(&raw, is_word);
            let places: Vec<usize> =
                (0..=reading.text().len()).filter(|&at| reading.text().is_char_boundary(at)).collect();
            let mut reached = 0;
            for pair in places.windows(2) {
                let span = reading.raw(Span::new(pair[0], pair[1]));
                // Panics where it cuts a character.
                let slice = span.slice(&raw);
                prop_assert!(span.start() >= reached && !slice.is_empty());
                reached = span.end();
                // What is read of the slice alone is what was read there.
                let character = &reading.text()[pair[0]..pair[1]];
                prop_assert!(slice == character || slice.starts_with('&') || slice.starts_with('-'), "{slice:?}");
            }
            for (from, &start) in places.iter().enumerate() {
                for &end in &places[from..] {
                    let span = reading.raw(Span::new(start, end));
                    prop_assert!(raw.get(span.range()).is_some());
                }
            }
        }
    }
}
