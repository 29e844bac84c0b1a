//! Rules about full stops that are also those of an abbreviation; those of names are in `names`.

use super::Verdict::{self, Cut, Keep};
use crate::segment::characters::is_dash;
use crate::segment::place::Place;
use crate::segment::word::{Shape, has_vowel};
use crate::segment::words::{self, Table};

/// An abbreviation of the user's own ends no sentence.
pub(super) fn users_abbreviation(place: &Place) -> Option<Verdict> {
    (place.is_full_stop() && place.options.abbreviations.has(place.word.text)).then_some(Keep)
}

/// `TUCSON, Ariz. — The pier`: behind an abbreviation a dash goes on.
pub(super) fn dash_follows(place: &Place) -> Option<Verdict> {
    let has_dash = place.next_char().is_some_and(|char| is_dash(char) && char != '~');
    (has_dash && place.may_be_abbreviated()).then_some(Keep)
}

/// `9 a.m. Monday`, `9 a.m. EST (1400 GMT)`: a clock time runs on into a day or a zone. Before any other capital
/// letter it ends the sentence.
pub(super) fn clock(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    let is_clock = ["a.m", "p.m", "am", "pm"].iter().any(|known| known.eq_ignore_ascii_case(word));
    let is_time = word.contains('.') || place.before().shape() == Shape::Number;
    if !is_clock || !is_time || !place.is_full_stop() {
        return None;
    }
    let after = place.after.stem();
    let is_hour = place.next_char() == Some('(') && place.after.shape() == Shape::Number;
    // `9 a.m. Halden time`
    let is_zone = words::is_zone(after) || place.second().text == "time";
    let is_date = after == "May" && place.second().shape() == Shape::Number;
    let is_day = words::is_day(after) || words::is_kind(Table::Day, after);
    Some(if is_hour || is_zone || is_date || is_day { Keep } else { Cut })
}

/// `No. 10`, `Jan. 5`, `Art. 3`, `6 ft. 2 in.`, `Sat. Feb. 3`: before a number, or a day before a month.
pub(super) fn number_follows(place: &Place) -> Option<Verdict> {
    let (word, after) = (place.word.text, place.after);
    if !place.is_full_stop() || place.closes_quote {
        return None;
    }
    let is_number = words::is_kind(Table::Number, word);
    let is_day = words::is_kind(Table::Day, word);
    if after.shape() == Shape::Number {
        let is_unit = || words::is_kind(Table::Unit, word) && place.before().shape() == Shape::Number;
        return (is_number || is_day || is_unit()).then_some(Keep);
    }
    let is_date =
        is_day && (words::is_in(Table::Calendar, after.text) || words::is_kind(Table::Day, after.text));
    let is_roman = !matches!(after.text, "" | "I")
        && after.text.bytes().all(|byte| matches!(byte, b'I' | b'V' | b'X' | b'L'));
    // `H. Con. Res. 63`
    let is_bill = matches!(word, "Con" | "Jt") && after.text == "Res";
    (is_date || is_number && is_roman || is_bill).then_some(Keep)
}

/// `approx. 20`, `Roe vs. Voss`, `Defense Dept. Chief`: within a sentence.
pub(super) fn inner(place: &Place) -> Option<Verdict> {
    let is_inner = place.is_full_stop() && words::is_kind(Table::Inner, place.word.text);
    (is_inner && !place.begins_with_starter()).then_some(Keep)
}

/// `Mssr. Poe`, `Bdr. Poe`: a short word with a capital and no vowel is an abbreviation, if no table has it.
pub(super) fn no_vowel(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    let is_short = word.len() <= 5 && place.word.is_capital() && word.chars().skip(1).all(char::is_lowercase);
    let is_cut = is_short && !has_vowel(word) && !words::is_in(Table::Sound, word);
    (is_cut && place.is_full_stop() && place.after.is_capital() && !place.begins_with_starter())
        .then_some(Keep)
}

#[cfg(test)]
mod tests {
    use crate::segment::Options;
    use crate::segment::rules::testing::{check, cut};

    #[test]
    fn users_abbreviation() {
        let abbreviations = ["Zugf.", "obj"].into_iter().collect();
        let options = Options { abbreviations, ..Options::default() };
        check("Zugf. Roe saw Obj. Nine. |He left.", &options);
        cut("He met a Zugf. |Roe saw it.");
    }

    #[test]
    fn dash_follows() {
        cut("TUCSON, Ariz. — The convoy left. |It was late.");
        cut("BAGHDAD, March 3 (Examplewire) - The convoy left. |It was late.");
    }

    #[test]
    fn clock() {
        cut(
            "The ferry leaves at 9 a.m. Monday. |The vote is at 3 p.m. EST, or 9 p.m. local time (2100 GMT).",
        );
        cut("He called at 4 p.m. (1515 GMT) Tuesday. |She left at 7 p.m. Pacific Daylight Time. |He stayed.");
        cut("The convoy left at 6 a.m. |Soldiers waved. |The gate closed at 5 p.m. |“We go,” Voss said.");
        cut("It is 5 p.m. May 3. |It is 5 p.m. |May I come in?");
    }

    #[test]
    fn number_follows() {
        cut("He lives at No. 10 Elm Road, p. 12. |See Fig. IV, vol. 2, and Sec. 5. |It is Art. 3.");
        cut("They leave on Jan. 5. |They return on Sat. Feb. 3. |The wall is 6 ft. 2 in. high.");
        cut("We passed H. Con. Res. 63 and S. 574. |Nobody minds.");
    }

    #[test]
    fn words_that_are_also_abbreviations() {
        cut(
            "They leave in May. |Parliament agreed. |He said no. |Troops cheered. |She studies art. |Voss does not.",
        );
        cut(
            "She is ill. |He called me. |Voss came. |They mine ore. |It is a con. |Police came. |It is a miss. |So what.",
        );
        cut(
            "They return in Dec. |Nobody knows why. |They came on Sun. |Voss came, too. |They sat. |Roe stood.",
        );
    }

    #[test]
    fn inner() {
        cut("It was Roe vs. Voss, approx. 300 men and the Defense Dept. Police. |It began in 1990.");
        cut("She was from Halden, CA. |Voss was not.");
    }

    #[test]
    fn no_vowel() {
        cut("Bdr. Poe met Mssr. Roe. |They bought CDs. |Police came. |Hmm. |Nobody spoke.");
        cut("They saw Plts. Roe and Ek. |They left.");
    }
}
