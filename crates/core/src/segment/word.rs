//! A word of a paragraph, and how it is written.

use super::characters::is_transparent;

/// No word that matters is longer, in bytes.
pub(super) const WORD: usize = 48;

/// What the first letter or digit of a word says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `the`
    Lower,
    /// `The`, `iPhone`
    Capital,
    /// `THE`, `I`
    Capitals,
    /// `20`, `$20`
    Number,
    /// No word: a mark, an emoji, a letter without case, the end.
    Other,
}

/// A word of the paragraph: where it lies, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Word<'a> {
    pub(super) fn none(at: usize) -> Self {
        Self { text: "", start: at, end: at }
    }

    pub(super) fn is_none(&self) -> bool {
        self.text.is_empty()
    }

    /// The word without `’s`, `’re` and the like.
    pub(super) fn stem(&self) -> &'a str {
        self.text.split(['\'', '’', '&']).next().unwrap_or_default()
    }

    pub(super) fn shape(&self) -> Shape {
        let Some(first) = self.text.chars().next() else { return Shape::Other };
        if first.is_numeric() {
            return Shape::Number;
        }
        if first.is_lowercase() {
            // A name such as iPhone, with its capital within.
            let name = self.stem().chars().any(char::is_uppercase);
            return if name { Shape::Capital } else { Shape::Lower };
        }
        if !first.is_uppercase() {
            return Shape::Other;
        }
        let is_shouted = !self.stem().chars().any(char::is_lowercase);
        if is_shouted { Shape::Capitals } else { Shape::Capital }
    }

    pub(super) fn is_capital(&self) -> bool {
        matches!(self.shape(), Shape::Capital | Shape::Capitals)
    }
}

fn in_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '.' | '\'' | '’' | '&' | '@' | '\u{300}'..='\u{36f}')
}

/// The word that ends at `end` and begins at `from` or later, with dots and apostrophes in it, as far as it can matter.
pub(super) fn word_before(text: &str, from: usize, end: usize) -> Word<'_> {
    let mut start = end;
    for char in text[from..end].chars().rev() {
        if !in_word(char) && !is_transparent(char) || end - start > WORD {
            break;
        }
        start -= char.len_utf8();
    }
    let lead = text[start..end].len() - text[start..end].trim_start_matches(['\'', '’', '.', '&']).len();
    let text = text[start + lead..end].trim_end_matches('.');
    Word { text, start: start + lead, end: start + lead + text.len() }
}

/// The word that begins at `start`, with dots and apostrophes in it.
pub(super) fn word_from(text: &str, start: usize) -> Word<'_> {
    let mut end = start;
    for char in text[start..].chars() {
        if !in_word(char) && !is_transparent(char) || end - start > WORD {
            break;
        }
        end += char.len_utf8();
    }
    let text = text[start..end].trim_end_matches(['.', '\'', '’', '&']);
    Word { text, start, end: start + text.len() }
}

/// Whether a word can be spoken: one without a vowel or a digit is an abbreviation or an acronym.
pub(super) fn has_vowel(word: &str) -> bool {
    let sounds = |char: char| {
        !char.is_ascii() || matches!(char.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
    };
    word.contains(|char: char| sounds(char) || char.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let shape = |text: &str| word_from(text, 0).shape();
        assert_eq!(
            [shape("the"), shape("The"), shape("THE’S")],
            [Shape::Lower, Shape::Capital, Shape::Capitals]
        );
        assert_eq!(
            [shape("iPhone"), shape("20th"), shape("“")],
            [Shape::Capital, Shape::Number, Shape::Other]
        );
    }

    #[test]
    fn words_end_at_marks_but_not_at_dots() {
        assert_eq!(word_before("in the (U.S", 0, 11).text, "U.S");
        assert_eq!(word_before("well-known", 5, 10).text, "known");
        assert_eq!(word_from("Ana’s. So", 0).text, "Ana’s");
        assert_eq!(word_from("with\u{ad}drawal now", 0).end, 12);
    }
}
