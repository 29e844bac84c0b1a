//! Rules about brackets.

use super::Verdict::{self, Keep};
use crate::segment::characters::skip_blanks;
use crate::segment::place::Place;
use crate::segment::words;

/// A text in brackets that is no longer, in bytes, belongs to what it stands behind.
const SHORT: usize = 24;

/// What stands in brackets within a sentence is part of it, its full stops included.
pub(super) fn within_bracket(place: &Place) -> Option<Verdict> {
    let bracket = place.bracket()?;
    let lead = &place.text[place.start..bracket.start.max(place.start)];
    if !lead.chars().take(16).any(char::is_alphanumeric) {
        return None;
    }
    let is_closed_here = place.end > bracket.end;
    // `He left (at 5 p.m.) Monday.` The dot is the abbreviation's.
    let is_abbreviated = words::is_abbreviation(place.word.text) || place.word.text.contains('.');
    (!is_closed_here || place.is_full_stop() && is_abbreviated).then_some(Keep)
}

/// `Lev Roe Jr. (D-Mich.) had left`: a bracket behind which the clause goes on is part of it.
pub(super) fn bracket_runs_on(place: &Place) -> Option<Verdict> {
    let bracket = place.bracket_at(place.next)?;
    let rest = place.text.get(skip_blanks(place.text, bracket.end + 1)..)?;
    let goes_on = |char: char| char.is_lowercase() || matches!(char, ',' | ';' | ':' | '-' | '–' | '—');
    (rest.starts_with(goes_on) && place.may_be_abbreviated()).then_some(Keep)
}

/// `at the bar. (2012)`, `TUCSON, Ariz. (Examplewire)`: a year or a name in brackets belongs to what it stands
/// behind. `(Inaudible.)` is a sentence, and `(3)` and `(c)` begin items.
pub(super) fn short_bracket_follows(place: &Place) -> Option<Verdict> {
    if place.next_char() != Some('(') {
        return None;
    }
    let rest = &place.text[place.next + 1..];
    let end = rest.bytes().take(SHORT).position(|byte| byte == b')')?;
    let inner = &rest[..end];
    let is_number = inner.bytes().all(|byte| byte.is_ascii_digit());
    let ends = rest[end + 1..].starts_with(['.', '!', '?']);
    let belongs = if is_number { inner.len() == 4 } else { inner.len() > 1 && !ends };
    (belongs && !inner.contains([' ', '.', '!', '?'])).then_some(Keep)
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::cut;

    #[test]
    fn within_bracket() {
        cut("They met (“Hello! How are you?”) and left. |Nobody saw it.");
        cut("He left (at 5 p.m.) Monday. |She stayed.");
        cut("“We will win,” said Sen. Ana Roe (R-Ariz.). |“That is all.”");
        cut("(He left at dawn. |She stayed.) |Nobody saw it.");
    }

    #[test]
    fn bracket_runs_on() {
        cut("Lev Roe Jr. (D-Mich.) had left. |He was late.");
        cut("They fled to the U.S. |(Nobody knows how.) |They are safe.");
    }

    #[test]
    fn short_bracket_follows() {
        cut("The bar in Port Halden. (2012). |Image: Jo Ek.");
        cut("TUCSON, Ariz. (Examplewire) - The convoy left. |It was late.");
        cut("We go around. |(Inaudible.) |Yes.");
    }
}
