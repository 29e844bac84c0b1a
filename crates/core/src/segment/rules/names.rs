//! Rules about full stops of names: of people, countries, companies, streets, states.

use super::Verdict::{self, Cut, Keep};
use crate::segment::place::Place;
use crate::segment::word::{Shape, Word};
use crate::segment::words::{self, Table};

/// A name that ends with a mark goes on before another: `Yahoo! Finance`.
pub(super) fn marked_name(place: &Place) -> Option<Verdict> {
    let is_marked = place.stop_char == '!' && place.stop_end == place.stop + 1 && !place.closes_quote;
    let is_name = is_marked && place.word.is_capital() && words::is_in(Table::Marked, place.word.text);
    (is_name && !place.begins_with_starter()).then_some(Keep)
}

/// `J. Voss`, `John F. Voss`, `J. K. Voss`: an initial stands before a name. A lone `I.` is one only behind a
/// name, and no letter is one in `plan B.`
pub(super) fn initial(place: &Place) -> Option<Verdict> {
    let mut chars = place.word.text.chars();
    let letter = chars.next().filter(|char| char.is_uppercase() && chars.next().is_none())?;
    if !place.is_full_stop() || place.closes_quote || place.closes_bracket {
        return None;
    }
    if place.after.shape() == Shape::Number {
        // `S. 574`, a bill.
        return Some(if matches!(letter, 'H' | 'S') { Keep } else { Cut });
    }
    let before = place.before();
    let is_lettered = words::is_in(Table::Lettered, before.text);
    let follows_name = before.is_capital() && !words::is_in(Table::Starter, before.text);
    let is_pronoun = letter == 'I' && !follows_name && !before.is_none();
    let begins_sentence = place.begins_with_starter() && !(place.after.text.len() == 1 && follows_name);
    let is_initial = place.after.is_capital() && !is_lettered && !is_pronoun && !begins_sentence;
    Some(if is_initial { Keep } else { Cut })
}

/// `the U.S. Army` and `in the U.S. Lawmakers left`: a country's dotted name goes on before an office of its own.
/// It ends the sentence before a function word, and, where it is a noun, before any other word.
pub(super) fn nation(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    let is_town = matches!(word, "D.C" | "L.A");
    let is_nation = is_town || words::is_in(Table::Nation, word) && place.word.is_capital();
    if !place.is_full_stop() || !is_nation {
        return None;
    }
    let before = place.before();
    let is_article = before.text.eq_ignore_ascii_case("the") || before.text.eq_ignore_ascii_case("a");
    let opener = if is_article { place.word_before(before.start) } else { before };
    // `in U.S. Politics`, but `in the U.S. Lawmakers left`; `the D.C. Circuit`, but `in D.C. Lawmakers left`.
    let holds_office = words::is_in(Table::Holder, place.word_before(opener.start).text);
    let is_noun = words::is_in(Table::Ending, opener.text) && is_article != is_town && !holds_office
        || is_town && before.text == "Washington";
    if place.after.shape() == Shape::Number {
        let is_sum = place.next_char().is_some_and(|char| matches!(char, '$' | '£' | '€'));
        return Some(if is_noun && !is_sum { Cut } else { Keep });
    }
    if !place.after.is_capital() {
        return None;
    }
    // `The U.S. Lawmakers` is no sentence and the next, nor is `U.S. To Send Planes`.
    if place.is_first_word() || is_article && before.start == place.start {
        return Some(Keep);
    }
    if place.begins_with_starter() {
        return Some(Cut);
    }
    if is_town && place.follows_comma() {
        return Some(if words::is_in(Table::Leader, place.after.stem()) { Keep } else { Cut });
    }
    let goes_on = !is_noun || words::is_day(place.after.text) || names_office(place);
    Some(if goes_on { Keep } else { Cut })
}

/// Whether one of the capital words that follow, four at most, belongs to an office.
fn names_office(place: &Place) -> bool {
    let mut word: Word = place.after;
    for _ in 0..4 {
        if !word.is_capital() {
            return false;
        }
        if words::is_in(Table::Office, word.text) || words::is_in(Table::Office, word.stem()) {
            return true;
        }
        word = place.word_after(&word);
    }
    false
}

/// Other words with dots in them: `Ph.D.`, `N.J.`, `B.C.`, `i.e.`, and initials written without spaces.
pub(super) fn dotted(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    if !place.is_full_stop() || !word.contains('.') || !is_dotted(word) {
        return None;
    }
    // `i.e. Voss`: within a sentence, whatever comes.
    if word.starts_with(char::is_lowercase) {
        return Some(Keep);
    }
    // `H.R. 4020`, but `in Durham, N.C. 20 people`
    if place.after.shape() == Shape::Number {
        let is_state = words::is_in(Table::DottedState, word) && place.follows_comma();
        return (!is_state && !place.opens_quote()).then_some(Keep);
    }
    if !place.after.is_capital() {
        return None;
    }
    if place.is_first_word() && word != "O.K" {
        return Some(Keep);
    }
    if place.begins_with_starter() {
        return Some(Cut);
    }
    if words::is_day(place.after.text) {
        return Some(Keep);
    }
    // `in Newark, N.J. Police`, `D-N.M. Voss`
    if words::is_in(Table::DottedState, word) && (place.follows_comma() || is_member(place)) {
        return Some(Cut);
    }
    // `works for the F.B.I. Agents came`, but `the F.B.I. Director`
    let before = place.before();
    let is_noun = before.text.eq_ignore_ascii_case("the")
        && words::is_in(Table::Ending, place.word_before(before.start).text);
    if is_noun && place.second().shape() == Shape::Lower && !words::is_in(Table::Leader, place.after.stem()) {
        return Some(Cut);
    }
    // `told J.K. Voss`, `the D.A. Mira Voss`, but `a Ph.D. Nobody asked`
    let is_initials = word.split('.').all(|part| part.len() == 1) && word.len() <= 5;
    if is_initials { Some(Keep) } else { Some(by_second(place)) }
}

/// Whether a party's letter stands before the state, as in `D-N.M.`
fn is_member(place: &Place) -> bool {
    matches!(place.char_before_word(), Some('-' | '(' | '‑' | '–'))
}

/// Whether a word is letters, or beginnings of words, with dots between: no address.
fn is_dotted(word: &str) -> bool {
    word.split('.').all(|part| {
        let is_letter = part.chars().count() == 1;
        let is_beginning = part.len() <= 3 && part.starts_with(char::is_uppercase);
        (is_letter || is_beginning) && part.chars().all(char::is_alphabetic)
    })
}

/// `Gen. Poe`, `Tech. Sgt. Ada Poe`: a title ends no sentence, unless a pronoun follows.
pub(super) fn title(place: &Place) -> Option<Verdict> {
    let (word, after) = (place.word.text, place.after);
    if !place.is_full_stop() || !words::is_kind(Table::Title, word) || after.is_none() {
        return None;
    }
    // `Virginia Tech. Nobody`, `the SEC. We`
    let is_school = word == "Tech" && !words::is_kind(Table::Title, after.text);
    if is_school || place.word.shape() == Shape::Capitals && after.shape() != Shape::Capitals {
        return None;
    }
    if words::is_in(Table::Pronoun, after.stem()) {
        return Some(Cut);
    }
    // `on Main St. Police came`, but `in St. Louis` and `from Port St. Lucie`.
    if word == "St" && after.is_capital() {
        let before = place.before();
        let lead = place.word_before(before.start);
        let is_led = lead.shape() == Shape::Number || words::is_in(Table::Street, lead.text);
        let is_place =
            ["Port", "Mount", "Fort", "Lake", "East", "West", "North", "South"].contains(&before.text);
        if before.is_capital() && is_led && !is_place {
            return Some(behind_road(place));
        }
    }
    Some(Keep)
}

/// `Acme Inc. Chairman Lev Roe`, `works for Acme Inc. Shares fell`, `on Elm Ave. Police came`: a company, a son, a road.
pub(super) fn suffix(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    let is_road = words::is_kind(Table::Road, word);
    if !place.is_full_stop() || !place.after.is_capital() || !is_road && !words::is_kind(Table::Suffix, word)
    {
        return None;
    }
    // `in Co. Durham`
    if matches!(word, "Co" | "Assoc") && place.before().shape() == Shape::Lower {
        return Some(Keep);
    }
    Some(if is_road { behind_road(place) } else { by_second(place) })
}

/// A road is led by nobody.
fn behind_road(place: &Place) -> Verdict {
    let is_day = words::is_day(place.after.text);
    let begins = place.begins_with_starter() || place.second().shape() == Shape::Lower;
    if begins && !is_day { Cut } else { Keep }
}

/// `in Tucson, Ariz. Police said` and `Ariz. Gov. Ana Poe`: behind a comma or a party's letter a state is the end.
pub(super) fn state(place: &Place) -> Option<Verdict> {
    let word = place.word.text;
    if !place.is_full_stop() || !words::is_kind(Table::State, word) || !place.after.is_capital() {
        return None;
    }
    if words::is_day(place.after.text) {
        return Some(Keep);
    }
    if place.follows_comma() || is_member(place) || place.begins_with_starter() {
        return Some(Cut);
    }
    // `Del. Bob Voss`: a delegate.
    let is_delegate = word == "Del" && place.second().is_capital();
    let has_office =
        words::is_abbreviation(place.after.text) || words::is_in(Table::Leader, place.after.stem());
    Some(if is_delegate || has_office { Keep } else { Cut })
}

/// Behind a name that may end a sentence a function word begins the next one, and so does a capital word before a
/// small one, unless it names who leads. Before two capital words the name goes on.
fn by_second(place: &Place) -> Verdict {
    if place.begins_with_starter() || place.opens_quote() {
        return Cut;
    }
    let goes_on = words::is_day(place.after.text) || words::is_in(Table::Leader, place.after.stem());
    if !goes_on && place.second().shape() == Shape::Lower { Cut } else { Keep }
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::cut;

    #[test]
    fn marked_name() {
        cut("He works for Yahoo! News. |She left Yahoo! |They miss her.");
        cut("He asked Yahoo! Finance. |“Go!” |Finance did not answer.");
    }

    #[test]
    fn initial() {
        cut(
            "John F. Voss met J. K. Roe, J.R.R. Poe and V. Lund. |A. Lund came by J. Ek’s boat. |H. Roe did not.",
        );
        cut(
            "He chose plan B. |Parliament agreed. |She took vitamin C. |Doctors agreed. |It was World War I. |Voss saw it.",
        );
        cut(
            "My brother and I. |Voss saw us. |So did I. |Roe did not. |He is taller than I. |Mira Voss is not.",
        );
    }

    #[test]
    fn nation() {
        cut(
            "Three came from the U.S. |Officials gave no names. |The U.S. Army sent a plane. |It was the U.S. Air Force.",
        );
        cut(
            "They met in Washington, D.C. |Lawmakers left. |The D.C. Circuit ruled. |He lives in D.C. |Nobody else does.",
        );
        cut(
            "She is the ambassador to the U.N. Mira Voss. |In the U.S. Monday, nobody voted. |He loves U.S. Politics.",
        );
        cut("It cost the U.S. $5. |He left the U.K. |It rained. |The U.S.-led force stayed.");
        cut(
            "He left for the U.S. |Police said he was armed. |The firm is based in L.A. |Voss declined to say why.",
        );
        cut("U.S. To Send Planes");
    }

    #[test]
    fn dotted() {
        cut(
            "Jane Roe, Ph.D., spoke. |She has a Ph.D. |Nobody asked. |He told K.C. Voss so. |K.C. Voss nodded.",
        );
        cut(
            "He was born in Newark, N.J. |Police found him, i.e. Voss did. |We passed the act, H.R. 4020. |O.K. |So be it.",
        );
        cut("He worked for the F.B.I. |Agents came at dawn. |She was told by the F.B.I. Director to go.");
        cut(
            "Sen. Ana Roe, D-N.M. |Voss is R-Ariz. |Poe is not. |It was built in 400 B.C. |Nobody knows why.",
        );
    }

    #[test]
    fn title() {
        cut(
            "Tech. Sgt. Ada Poe and Atty. Gen. Lev Roe met Cllr. Jo Ek, MR. VOSS and Lt. Gov. Ida Lund. |They left.",
        );
        cut("“It was time,” Ms. Roe told Spc. Poe. |Rep. Alma Voss, D-N.M., wrote to Amb. Poe.");
        cut("He lives at 12 Elm St. |Police came. |He lives in St. Louis. |She is from Port St. Lucie.");
        cut("He sued the SEC. |We did not. |She went to Halden Tech. |Nobody else did.");
        cut("U.S. Sen. John Doe, R-Ariz., said no. |Again Dr. Voss laughed.");
    }

    #[test]
    fn suffix() {
        cut(
            "He sued Acme Inc. |Shares fell by 3 percent. |Acme Corp. Chairman Lev Roe left. |It was Widget & Co. |The end.",
        );
        cut(
            "Martin Roe Jr. Day is in May. |John Doe Jr. |He ran. |He sued Acme Inc. Thursday. |He lives in Co. Durham.",
        );
        cut("The base is on Elm Ave. |Police came at dawn.");
    }

    #[test]
    fn state() {
        cut(
            "He lives in Tucson, Ariz. |Police found him. |Ariz. Gov. Ana Poe signed it. |It is in Reno, Nev. |The end.",
        );
        cut("Del. Bob Voss came. |They went to Mass. |Voss did not.");
    }
}
