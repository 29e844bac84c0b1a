//! The date of a page, which extractors leave in the line of the headline or of the first paragraph.

use super::characters::skip_blanks;
use super::words::{self, Table};
use std::ops::Range;

/// The longest date in full, in bytes: `Wednesday, September 30, 2026`, with room for a wide space.
const LENGTH: usize = 36;

/// The end of the date with which the paragraph begins, if another sentence follows it at once:
/// `Monday, June 1, 2026 | The pier is closed.`
pub(super) fn first(text: &str) -> Option<usize> {
    let start = skip_blanks(text, 0);
    let date = date(text, start)?;
    let rest = text[date.end..].strip_prefix(' ')?;
    let mut words = rest.split(' ');
    let begins = words.next()?.starts_with(char::is_uppercase) && words.next().is_some();
    (date.start == start && begins).then_some(date.end)
}

/// The start of the date with which the paragraph ends, if it belongs to nothing before it:
/// `The pier is closed | Monday, June 1, 2026`
pub(super) fn last(text: &str) -> Option<usize> {
    let text = text.trim_end();
    if !text.ends_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let from = text.floor_char_boundary(text.len().saturating_sub(LENGTH));
    let start = text[from..]
        .match_indices(' ')
        .map(|(at, _)| from + at + 1)
        .find(|&at| date(text, at).is_some_and(|date| date.end == text.len()))?;
    let before = text[..start].trim_end();
    let word = before.rsplit(' ').next()?;
    (!before.ends_with([',', ';', ':', '-', '–', '—', '(']) && !words::is_in(Table::Lead, word))
        .then_some(start)
}

/// The date in full that begins there: a day of the week, a month, a day, a year.
fn date(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    let rest = &rest[..rest.floor_char_boundary(LENGTH)];
    let mut parts = rest.splitn(3, ", ");
    let (day, date, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (month, number) = date.split_once(' ')?;
    let is_name = |word: &str| word.starts_with(char::is_uppercase) && words::is_in(Table::Calendar, word);
    let is_date = day.ends_with("day")
        && is_name(day)
        && is_name(month)
        && number.len() <= 2
        && number.bytes().all(|byte| byte.is_ascii_digit());
    let has_year = year.bytes().take_while(u8::is_ascii_digit).count() == 4;
    (is_date && has_year).then(|| start..start + day.len() + 2 + date.len() + 2 + 4)
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::cut;

    #[test]
    fn the_date_of_a_page_is_no_part_of_its_headline() {
        cut("Old pier to close, mayor says |Monday, June 1, 2026");
        cut("Monday, June 1, 2026 |The old pier is to close. |Nobody minds.");
    }

    #[test]
    fn a_date_in_a_sentence_is_part_of_it() {
        cut("The pier closed on Monday, June 1, 2026");
        cut("Monday, June 1, 2026, was the last day.");
        cut("Monday, June 1, 2026");
    }
}
