//! Offsets in bytes, characters or UTF-16 units, turned into spans of bytes and checked against the text.

use crate::error::{GoldProblem, InputProblem};
use serde::Deserialize;
use standpoint_core::label::Attribution;
use standpoint_core::text::Span;

/// What an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Unicode code points, as Python counts.
    #[serde(rename = "chars")]
    Characters,
    /// UTF-16 code units, as JavaScript counts.
    Utf16,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes of UTF-8",
            Self::Characters => "characters",
            Self::Utf16 => "UTF-16 units",
        }
    }
}

/// Turns the offsets of one text into spans.
pub(crate) struct Offsets<'t> {
    text: &'t str,
    unit: Unit,
    /// The byte at which each unit starts, then the text's length. `None` for the second half of a surrogate pair, where
    /// no character starts. Empty if the unit is bytes.
    starts: Vec<Option<usize>>,
}

impl<'t> Offsets<'t> {
    pub fn new(text: &'t str, unit: Unit) -> Self {
        let mut starts = Vec::new();
        if unit != Unit::Bytes {
            for (byte, character) in text.char_indices() {
                starts.push(Some(byte));
                if unit == Unit::Utf16 && character.len_utf16() == 2 {
                    starts.push(None);
                }
            }
            starts.push(Some(text.len()));
        }
        Self { text, unit, starts }
    }

    pub fn text(&self) -> &'t str {
        self.text
    }

    /// How many units lie before a byte of the text.
    pub fn count(&self, byte: usize) -> usize {
        if self.unit == Unit::Bytes {
            return byte;
        }
        let (mut low, mut high) = (0, self.starts.len());
        while low < high {
            let middle = low.midpoint(high);
            // The second half of a surrogate pair goes with the first.
            let start = self.starts[middle].or_else(|| self.starts[middle - 1]);
            match start < Some(byte) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// The text's length, in units.
    fn length(&self) -> usize {
        if self.unit == Unit::Bytes { self.text.len() } else { self.starts.len() - 1 }
    }

    /// The byte at an offset within the text, if a character starts there.
    fn byte(&self, offset: usize) -> Option<usize> {
        match self.unit {
            Unit::Bytes => self.text.is_char_boundary(offset).then_some(offset),
            _ => self.starts[offset],
        }
    }

    /// The span between two offsets. `what` names it in errors.
    ///
    /// # Errors
    /// If the offsets lie outside of the text or within a character.
    pub fn span(&self, what: &'static str, start: usize, end: usize) -> Result<Span, InputProblem> {
        let (length, unit) = (self.length(), self.unit.name());
        if start > end || end > length {
            return Err(GoldProblem::OutOfText { what, start, end, length, unit }.into());
        }
        match (self.byte(start), self.byte(end)) {
            (Some(start), Some(end)) => Ok(Span::new(start, end)),
            _ => Err(GoldProblem::CutsCharacter { what, start, end, unit }.into()),
        }
    }

    /// As [`Offsets::span`], for a span whose text the data repeat.
    ///
    /// # Errors
    /// Also if the span covers other text than `said`, apart from white space.
    pub fn span_of(
        &self,
        what: &'static str,
        [start, end]: [usize; 2],
        said: &str,
    ) -> Result<Span, InputProblem> {
        let span = self.span(what, start, end)?;
        let covered = span.slice(self.text);
        if !covered.split_whitespace().eq(said.split_whitespace()) {
            let (covered, said) = (covered.to_owned(), said.to_owned());
            let unit = self.unit.name();
            return Err(GoldProblem::OtherText { what, start, end, covered, said, unit }.into());
        }
        Ok(span)
    }
}

/// An attribution in JSON Lines: pairs of offsets.
#[derive(Debug, Deserialize)]
pub(super) struct AttributionOffsets {
    #[serde(default)]
    source: Vec<[usize; 2]>,
    #[serde(default)]
    cue: Vec<[usize; 2]>,
    #[serde(default)]
    content: Vec<[usize; 2]>,
}

impl AttributionOffsets {
    /// The attribution as spans, in a text that begins at byte `base` of its document.
    pub fn spans(&self, offsets: &Offsets<'_>, base: usize) -> Result<Attribution, InputProblem> {
        let spans = |what, pairs: &[[usize; 2]]| -> Result<Vec<Span>, InputProblem> {
            let span = |&[start, end]: &[usize; 2]| {
                let span = offsets.span(what, start, end)?;
                Ok(Span::new(base + span.start(), base + span.end()))
            };
            pairs.iter().map(span).collect()
        };
        Ok(Attribution {
            source: spans("source", &self.source)?,
            cue: spans("cue", &self.cue)?,
            content: spans("content", &self.content)?,
        })
    }
}

/// All attributions of a text that begins at byte `base` of its document.
pub(super) fn attributions(
    attributions: &[AttributionOffsets],
    offsets: &Offsets<'_>,
    base: usize,
) -> Result<Vec<Attribution>, InputProblem> {
    attributions.iter().map(|attribution| attribution.spans(offsets, base)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_finds_the_same_word() {
        let text = "né 😀 go";
        for (unit, start, end) in [(Unit::Bytes, 9, 11), (Unit::Characters, 5, 7), (Unit::Utf16, 6, 8)] {
            let offsets = Offsets::new(text, unit);
            assert_eq!(offsets.span("cue", start, end).unwrap().slice(text), "go", "{unit:?}");
            assert!(offsets.span("cue", end, start).is_err(), "backwards");
            assert!(offsets.span("cue", end, end + 1).is_err(), "behind the end");
            assert_eq!((offsets.count(0), offsets.count(9), offsets.count(11)), (0, start, end), "{unit:?}");
        }
    }

    #[test]
    fn a_character_is_not_cut() {
        let cut =
            |unit, start, end| Offsets::new("né 😀", unit).span("cue", start, end).unwrap_err().to_string();
        assert!(cut(Unit::Bytes, 0, 2).contains("cue 0..2 cuts a character in two"));
        assert!(cut(Unit::Utf16, 4, 5).contains("offsets count UTF-16 units"));
    }
}
