//! Offsets in the unit that a reader counts in. Spans count bytes; Python counts characters, and JavaScript, Java and C#
//! count UTF-16 units.

use standpoint_core::text::{Document, Span};
use std::sync::Arc;

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Bytes of UTF-8.
    #[default]
    Bytes,
    /// Unicode characters (code points).
    Chars,
    /// UTF-16 code units.
    Utf16,
}

impl OffsetUnit {
    /// What it is called in flags and in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Chars => "chars",
            Self::Utf16 => "utf16",
        }
    }

    /// How many units a part of a text has. It may begin and end within a character, which counts where it begins.
    fn count(self, bytes: &[u8]) -> usize {
        let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
        match self {
            Self::Bytes => bytes.len(),
            Self::Chars => bytes.iter().filter(begins).count(),
            // What takes four bytes is written as two surrogates.
            Self::Utf16 => {
                bytes.iter().filter(begins).count() + bytes.iter().filter(|byte| **byte >= 0xf0).count()
            }
        }
    }
}

/// A text's offsets in a unit. Made in one pass over the text; an offset then costs no more than a pass over `STEP` bytes,
/// wherever it stands.
#[derive(Clone, Debug)]
pub struct OffsetTable {
    unit: OffsetUnit,
    /// Units before each [`STEP`] bytes; empty if a unit is a byte throughout.
    before: Vec<usize>,
}

const STEP: usize = 256;

impl OffsetTable {
    pub fn new(text: &str, unit: OffsetUnit) -> Self {
        if unit == OffsetUnit::Bytes || text.is_ascii() {
            return Self { unit, before: Vec::new() };
        }
        let mut reached = 0;
        let before = text.as_bytes().chunks(STEP).map(|bytes| {
            let before = reached;
            reached += unit.count(bytes);
            before
        });
        Self { unit, before: before.collect() }
    }

    pub fn unit(&self) -> OffsetUnit {
        self.unit
    }

    /// The start and the end of a span of the text that the table was made for.
    pub fn of(&self, text: &str, span: Span) -> (usize, usize) {
        (self.at(text, span.start()), self.at(text, span.end()))
    }

    fn at(&self, text: &str, byte: usize) -> usize {
        // The end of a text may stand at the beginning of a step that is none any more.
        let step = (byte / STEP).min(self.before.len().saturating_sub(1));
        match self.before.get(step) {
            Some(before) => before + self.unit.count(&text.as_bytes()[step * STEP..byte]),
            None => byte,
        }
    }
}

/// The table of whichever document comes next: records of one stand together.
pub(super) struct OffsetTables {
    unit: OffsetUnit,
    last: Option<(Arc<Document>, OffsetTable)>,
}

impl OffsetTables {
    pub fn new(unit: OffsetUnit) -> Self {
        Self { unit, last: None }
    }

    pub fn of(&mut self, document: &Arc<Document>) -> &OffsetTable {
        if self.last.as_ref().is_none_or(|(last, _)| !Arc::ptr_eq(last, document)) {
            self.last = None;
        }
        let table = || (Arc::clone(document), OffsetTable::new(document.text(), self.unit));
        &self.last.get_or_insert_with(table).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_tests;
    use proptest::prelude::*;

    #[test]
    fn emoji_line_ends_and_a_byte_order_mark_count_as_readers_count_them() {
        let text = "\u{feff}A 🇺🇳 flag\r\nwas naïve.";
        let span = Span::new(text.find("was").unwrap(), text.len());
        assert_eq!(OffsetTable::new(text, OffsetUnit::Bytes).of(text, span), (20, 31));
        assert_eq!(OffsetTable::new(text, OffsetUnit::Chars).of(text, span), (12, 22));
        assert_eq!(OffsetTable::new(text, OffsetUnit::Utf16).of(text, span), (14, 24));
    }

    proptest! {
        #![proptest_config(random_tests::config())]

        #[test]
        fn a_table_says_what_counting_from_the_start_says(text in "(é|a|🦊|\r\n|\u{fe0f}){0,700}") {
            let ends: Vec<usize> = text.char_indices().map(|(byte, _)| byte).chain([text.len()]).collect();
            let (chars, utf16) =
                (OffsetTable::new(&text, OffsetUnit::Chars), OffsetTable::new(&text, OffsetUnit::Utf16));
            for (index, &end) in ends.iter().enumerate() {
                prop_assert_eq!(chars.of(&text, Span::new(0, end)), (0, index));
                if index % 16 == 0 || end == text.len() {
                    prop_assert_eq!(utf16.of(&text, Span::new(0, end)).1, text[..end].encode_utf16().count());
                }
            }
        }
    }
}
