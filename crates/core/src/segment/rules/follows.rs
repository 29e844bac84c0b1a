//! Rules about what comes next, whatever the mark.

use super::Verdict::{self, Cut, Keep};
use crate::segment::characters::{is_dash, unit_at};
use crate::segment::place::Place;
use crate::segment::word::Shape;
use crate::segment::words::{self, Table};

/// Before the first letter or digit there is nothing that could end: `... and so`, `!!!`.
pub(super) fn nothing_said(place: &Place) -> Option<Verdict> {
    (!place.has_words).then_some(Keep)
}

/// A mark with no space behind it stands within a word, a number, an address: `3.5`, `example.org`, `Yahoo!'s`.
/// But the space is only missing in `stayed.The`, `“Go!”He`, `left.“We`.
pub(super) fn within_word(place: &Place) -> Option<Verdict> {
    if !place.is_glued() || place.next == place.text.len() {
        return None;
    }
    if matches!(place.stop_char, '。' | '！' | '？') {
        return Some(Cut);
    }
    let is_capital = place.after.is_capital();
    let has_dashes = place.text[place.next..].starts_with("--") && !place.is_ellipsis;
    if is_capital && (place.closes_quote || place.opens_quote() || has_dashes) {
        return None;
    }
    let word = place.word.text;
    let before_is_word = word.len() > 1 && word.chars().all(char::is_lowercase);
    let before_is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let begins = before_is_word
        || before_is_number && words::is_in(Table::Starter, place.after.text)
        || place.is_ellipsis;
    let in_address = |char| matches!(char, Some('/' | '@' | '_' | '=' | '-' | '~' | '\\' | '#'));
    let behind = unit_at(place.text, place.after.end).map(|unit| unit.char);
    let is_plain = !place.after.text.contains(['.', '@'])
        && !in_address(behind)
        && !in_address(place.char_before_word());
    let is_word = place.after.shape() == Shape::Capital || matches!(place.after.text, "I" | "A");
    Some(if begins && is_plain && is_word && place.after.start == place.next { Cut } else { Keep })
}

/// No sentence begins with a comma, a colon or the end of a bracket.
pub(super) fn punctuation_follows(place: &Place) -> Option<Verdict> {
    matches!(place.next_char()?, ',' | ';' | ':' | ')' | ']' | '}' | '%' | '&' | '/' | '=').then_some(Keep)
}

/// An address may begin a sentence, and begins in lower case: `(http://example.org)`.
pub(super) fn address_follows(place: &Place) -> Option<Verdict> {
    let rest = &place.text[place.after.start..];
    let is_address = ["http://", "https://", "www.", "pic."].iter().any(|begin| rest.starts_with(begin));
    let word = place.word.text;
    // `See e.g. www.example.org`
    let is_letters = word.contains('.') && word.split('.').all(|part| part.len() == 1);
    (is_address && !is_letters && !words::is_abbreviation(word)).then_some(Cut)
}

/// A name may begin a sentence in lower case, if its next part has a capital: `al-Nahr`, `van Dorn`.
pub(super) fn name_in_lower_case(place: &Place) -> Option<Verdict> {
    let asks = place.closes_quote && place.stop_char != '.';
    if place.after.shape() != Shape::Lower || place.is_ellipsis || asks {
        return None;
    }
    let mut rest = place.text[place.after.end..].chars();
    let is_parted = rest.next().is_some_and(|char| char == ' ' || char == '\u{a0}' || is_dash(char));
    let is_name = is_parted && rest.next().is_some_and(char::is_uppercase);
    (is_name && words::is_in(Table::Particle, place.after.text) && !place.may_be_abbreviated()).then_some(Cut)
}

/// Where people write without capitals, small letters begin sentences.
pub(super) fn chat(place: &Place) -> Option<Verdict> {
    let goes_on = place.is_ellipsis || place.closes_quote || place.may_be_abbreviated();
    if goes_on || place.after.shape() != Shape::Lower {
        return None;
    }
    (place.after.stem() == "i" || place.style.is_informal()).then_some(Cut)
}

/// A small letter begins no sentence: the mark belongs to an abbreviation, listed or not, to a title, to a quote.
pub(super) fn lower_case_follows(place: &Place) -> Option<Verdict> {
    (place.after.shape() == Shape::Lower).then_some(Keep)
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::cut;

    #[test]
    fn nothing_said() {
        cut("...and then they left. |!!! Nobody saw it.");
        cut("“… so they went,” Voss said. |“...and came back.”");
    }

    #[test]
    fn within_word() {
        cut("It grew by 3.5 percent, says example.org. |Yahoo!'s share was .5 percent.");
        cut("See https://example.org/a.html?To=Port.Halden&y=Z. |It is long.");
        cut("Write to jo.ek@Example.Org. |She answers.");
        cut("The ferry stayed.|The crew left.|“We go home,” Voss said.|“Now!”|Nobody waved.");
        cut("They waited...|Then they left. |It was well...known.");
        cut("The war ended in 1998.|The camp closed. |It weighs 1.Ab.");
    }

    #[test]
    fn punctuation_follows() {
        cut("The shop sells fish, bread, etc., at noon. |Voss & Co. & Sons bake it.");
        cut("They left (at 5 a.m.), and by 6 a.m.; by 7 a.m.: nobody. |All slept.");
    }

    #[test]
    fn address_follows() {
        cut("It is the largest port. |(http://example.org). |Nobody else counts.");
        cut("They put the list online. |www.example.org has it. |See e.g. www.example.org there.");
    }

    #[test]
    fn name_in_lower_case() {
        cut("Night fell. |al-Nahr fighters left. |van Dorn stayed. |de Vries died.");
        cut("They met Gen. van Dorn and J. de Vries. |“Why?” al-Nahr asked.");
    }

    #[test]
    fn chat() {
        cut("the boat left. |i saw it go.");
        cut("its over. |i saw it. |they went at dawn. |nobody waved.\n|well i did. |so what.\n|anyone else?");
    }

    #[test]
    fn lower_case_follows() {
        cut("Some 300 marines, approx. half the force, and reserv. troops flew home on Mon. morning.");
        cut("“It is over!” he shouted. |She reads Jeopardy! books. |“Why?” she asked.");
        cut("We waited ... and waited.");
        cut("iPhones are dear. |eBay is not.");
    }
}
