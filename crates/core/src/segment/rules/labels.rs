//! Rules about what stands before a sentence: the label of a speaker, the marker of a list.

use super::Verdict::{self, Cut, Keep};
use crate::segment::characters::{is_blank, skip_blanks, unit_before};
use crate::segment::label::{self, LONGEST as LABEL};
use crate::segment::place::Place;
use crate::segment::words::{self, Table};

/// What may stand before the label of a speaker who breaks in.
const BREAKS: [char; 6] = ['-', '–', '—', '…', ']', ')'];

/// The speaker's label stays with what is said: `Q. Why?`, `MS. PYE: So do I.`, `Mr. VOSS. I yield.`
pub(super) fn own_label(place: &Place) -> Option<Verdict> {
    let end = label(place.text, place.start).or_else(|| member(place))?;
    (place.stop < end).then_some(Keep)
}

/// A new speaker's label begins a sentence: `Why? MS. PYE: Because.`
pub(super) fn label_follows(place: &Place) -> Option<Verdict> {
    // `Mr. KIRBY: We left.`
    let is_title = place.is_full_stop() && words::is_kind(Table::Title, place.word.text);
    if place.is_glued() || is_title {
        return None;
    }
    label(place.text, place.next).map(|_| Cut)
}

/// Where the label ends that begins there.
fn label(text: &str, at: usize) -> Option<usize> {
    label::at(text, at).map(|label| label.end)
}

/// What a transcript notes between brackets is no part of what is said before: `Thank you. (APPLAUSE)`
pub(super) fn note_follows(place: &Place) -> Option<Verdict> {
    label::note(place.text, place.next).map(|_| Cut)
}

/// Where the label begins that ends with that colon, if what is before it broke off: `So we -- MS. PYE: No.` Or where
/// the one behind it does: `BY MR. VOSS: Q. Why?`
pub(in crate::segment) fn label_within(text: &str, start: usize, colon: usize) -> Option<usize> {
    if label(text, start) == Some(colon + 1) {
        let next = skip_blanks(text, colon + 1);
        return label(text, next).map(|_| next);
    }
    let from = text.floor_char_boundary(colon.saturating_sub(LABEL).max(start));
    let mut end = colon;
    while let Some(blank) = text[from..end].rfind(char::is_whitespace) {
        let begin = skip_blanks(text, from + blank);
        let before = text[..from + blank].trim_end();
        let tail = &before[before.floor_char_boundary(before.len().saturating_sub(LABEL))..];
        let last = tail.rsplit(' ').next().unwrap_or_default();
        let is_broken_off = before.ends_with(BREAKS) || words::is_zone(last);
        if is_broken_off && begin < colon && label(text, begin) == Some(colon + 1) {
            return Some(begin);
        }
        end = from + blank;
    }
    None
}

/// Where the label of a member ends, which stands at the beginning of a paragraph.
fn member(place: &Place) -> Option<usize> {
    if place.start > 2 || !place.is_full_stop() {
        return None;
    }
    label::member(place.text, place.start).map(|label| label.end)
}

/// The marker of a list belongs to its item: `1. Close the pier`, `II. The plan`, `B. The cost`, `steps: 1. Close`.
pub(super) fn list_marker(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    if !place.is_full_stop() || place.closes_quote || word.is_empty() {
        return None;
    }
    let is_digits = word.len() <= 8 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_parted = unit_before(place.text, place.word.start).is_some_and(|unit| is_blank(unit.char));
    let is_behind_colon = || place.text[..place.word.start].trim_end().ends_with(':');
    if is_digits && word.len() <= 2 && place.after.is_capital() && is_parted && is_behind_colon() {
        return Some(Keep);
    }
    if !place.is_first_word() {
        return None;
    }
    let is_year = word.len() == 4 && !word.contains('.');
    if is_digits && !is_year {
        // Within a line a number may be a whole answer: only the next one of a list is a marker.
        let is_set_off = matches!(place.char_before_word(), Some('*' | '#' | '('));
        let is_next = place.start == 0 || is_set_off || word.parse() == Ok(place.item + 1);
        return is_next.then_some(Keep);
    }
    let is_letter = word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_roman = word.len() <= 4 && word.bytes().all(|byte| matches!(byte, b'I' | b'V' | b'X'));
    (is_letter || is_roman).then_some(Keep)
}

/// An item of a list begins a sentence: `Close the pier. (b) Send the men home.`
pub(super) fn item_follows(place: &Place) -> Option<Verdict> {
    let rest = place.text[place.next..].strip_prefix('(')?;
    let marker = rest.bytes().take(3).take_while(u8::is_ascii_alphanumeric).count();
    let is_item = marker == 1 || rest[..marker].bytes().all(|byte| byte.is_ascii_digit());
    let mut behind = rest[marker..].chars();
    let closes = behind.next() == Some(')') && behind.next().is_some_and(is_blank);
    (is_item && closes && behind.next().is_some_and(char::is_uppercase)).then_some(Cut)
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::cut;

    #[test]
    fn own_label() {
        cut("SEN. VOSS: I yield. |REP. ROE: Thank you. |DR. WREN: So do I.");
        cut("Mr. VOSS. Madam Speaker, I yield. |Thank you.");
        cut("Q. Why? |A. I was there. |Q. When? |A. In 1998. |Q. Alone? |A. With J. Voss.");
    }

    #[test]
    fn label_follows() {
        cut("So do I. |MR. CASS: Why? |THE PRESIDENT: Because. |Q: Sir? |A: No. |SPEAKER #2: Yes.");
        cut(">> HOST: Good evening. |>> GUEST: Thank you. |>> Hello.");
        cut("It began at 9 a.m. ET: nobody came.");
    }

    #[test]
    fn a_label_breaks_into_what_is_said() {
        cut(
            "We were going to -- |MS. PYE: No. |MR. CASS: I think… |MS. PYE: Yes [crosstalk] |MR. CASS: Why?",
        );
        cut("6:13 P.M. EDT |THE VICE PRESIDENT: Thank you.");
    }

    #[test]
    fn note_follows() {
        cut(
            "Thank you. |(APPLAUSE) |We leave in June. |(LAUGHTER) |MS. PYE: Let me -- |[CROSSTALK] |MR. CASS: No.",
        );
        cut("We go. |(Applause.) |And we will [applause] not come back. |[Music]");
        cut("BY MR. VOSS: |Q. Were you there? |A. I was.");
    }

    #[test]
    fn item_follows() {
        cut("(a) Close the pier. |(b) Send the men home. |(12) Wait.");
        cut("They want two things. |(1) A new pier. |(2) A ferry. |They got one (1).");
    }

    #[test]
    fn list_marker() {
        cut("1. Close the pier.\n|2. Send the men home.\n|3. Wait.");
        cut("There are three steps: 1. Close the pier. |2. Send the men home. |3. Wait.");
        cut("1.1. Close the pier.\n|II. The cost\n|b. Wait.");
        cut("How many came? |12. |The others stayed. |In which year? |2014.");
    }
}
