//! Which unit the offsets of a file count, where its format leaves that open. Characters and UTF-16 units part company
//! behind an emoji: the wrong one shifts every later span, and most of them still lie within the text.

use super::offsets::{Offsets, Unit};
use crate::error::GoldProblem;
use standpoint_core::text::Span;

/// How well the spans of a file fit either unit. Only spans count that the units place differently.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    telling: usize,
    misfits_of_characters: usize,
    misfits_of_utf16: usize,
}

impl Evidence {
    /// Takes the spans of a text.
    pub fn add(&mut self, text: &str, spans: impl IntoIterator<Item = (usize, usize)>) {
        if text.chars().all(|character| character.len_utf16() == 1) {
            return;
        }
        let [characters, utf16] = [Unit::Characters, Unit::Utf16].map(|unit| Offsets::new(text, unit));
        for (start, end) in spans {
            let span = |offsets: &Offsets<'_>| offsets.span("span", start, end).ok();
            let (as_characters, as_utf16) = (span(&characters), span(&utf16));
            if as_characters.is_some() && as_characters == as_utf16 {
                continue;
            }
            let is_misfit = |span: Option<Span>| !span.is_some_and(|span| is_of_words(text, span));
            self.telling += 1;
            self.misfits_of_characters += usize::from(is_misfit(as_characters));
            self.misfits_of_utf16 += usize::from(is_misfit(as_utf16));
        }
    }

    /// The unit in which all spans begin and end at words.
    ///
    /// # Errors
    /// If that is so in both or in neither.
    pub fn unit(&self) -> Result<Unit, GoldProblem> {
        match (self.telling, self.misfits_of_characters, self.misfits_of_utf16) {
            (0, ..) => Ok(Unit::Characters),
            (_, 0, 0) => Err(GoldProblem::UnknownUnit { fit_both: true }),
            (_, 0, _) => Ok(Unit::Characters),
            (_, _, 0) => Ok(Unit::Utf16),
            _ => Err(GoldProblem::UnknownUnit { fit_both: false }),
        }
    }
}

/// Whether a span begins and ends where a person would have marked it: at a word, not within one, and not at a space.
fn is_of_words(text: &str, span: Span) -> bool {
    let marked = span.slice(text);
    let goes_on = |before: &str, behind: &str| {
        let is_in_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
        is_in_word(before.chars().next_back()) && is_in_word(behind.chars().next())
    };
    !marked.is_empty()
        && marked.trim() == marked
        && !goes_on(&text[..span.start()], marked)
        && !goes_on(marked, &text[span.end()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str, spans: &[(usize, usize)]) -> Option<Unit> {
        let mut evidence = Evidence::default();
        evidence.add("No emoji is in this text.", [(1, 2)]);
        evidence.add(text, spans.iter().copied());
        evidence.unit().ok()
    }

    #[test]
    fn spans_that_begin_and_end_at_words_tell() {
        let text = "Go home 🦊🦊 said the fox.";
        assert_eq!(unit(text, &[(0, 2), (11, 15)]), Some(Unit::Characters));
        assert_eq!(unit(text, &[(0, 2), (13, 17)]), Some(Unit::Utf16));
        assert_eq!(unit(text, &[(0, 2), (3, 7)]), Some(Unit::Characters), "both mean the same");
        assert_eq!(unit(text, &[(11, 15), (13, 17)]), None, "neither fits all");
        assert_eq!(unit("🦊 a b c d", &[(2, 3), (4, 5)]), Some(Unit::Characters));
        assert_eq!(unit("🦊🦊 a b", &[(3, 6)]), Some(Unit::Characters));
    }

    #[test]
    fn what_cuts_a_character_or_leaves_the_text_fits_not() {
        assert_eq!(unit("🦊 go", &[(1, 2)]), None);
        assert_eq!(unit("🦊 go", &[(3, 5)]), Some(Unit::Utf16));
        assert_eq!(unit("🦊 go", &[(2, 4)]), Some(Unit::Characters));
    }
}
