//! Rules about quotes and their speakers.

use super::Verdict::{self, Keep};
use crate::segment::Quotes;
use crate::segment::characters::{is_blank, is_dash};
use crate::segment::place::Place;
use crate::segment::words::{self, Table};

/// A quote that is longer than this, in bytes, is no clause.
const CLAUSE: usize = 300;

/// A source that stands in a line of its own is no longer than this, in bytes.
const SOURCE: usize = 80;

/// How far a speaker's name and verb may reach, in words and in bytes.
const WORDS: usize = 12;
const REACH: usize = 120;

/// How many small words may follow a possessive: `Voss’s two younger sisters`.
const OWNED: usize = 3;

/// A quote of several sentences stays whole, if that is asked for and it is closed in its paragraph.
pub(super) fn whole_quote(place: &Place) -> Option<Verdict> {
    (place.options.quotes == Quotes::Whole && place.quote().is_some()).then_some(Keep)
}

/// `wrote that “it is over. We go.”`: behind `that` a quote is a clause of the sentence, all of it.
pub(super) fn reported_clause(place: &Place) -> Option<Verdict> {
    let quote = place.quote()?;
    let is_clause = quote.start > place.start && place.text[..quote.start].ends_with(" that ");
    (is_clause && quote.len() <= CLAUSE).then_some(Keep)
}

/// The name of a source behind a dash, with nothing behind it, belongs to the quote: `“…” — Mira Voss`
pub(super) fn source_follows(place: &Place) -> Option<Verdict> {
    let rest = &place.text[place.next..];
    let has_dash =
        place.next_char().is_some_and(is_dash) && !rest.starts_with("--") && !rest.starts_with('~');
    if !has_dash || rest.len() > SOURCE {
        return None;
    }
    let name = rest.trim_start_matches(|char: char| is_dash(char) || is_blank(char)).trim_end();
    let in_name = |word: &str| {
        word.len() <= 3 || word.starts_with(|char: char| char.is_uppercase() || char.is_numeric())
    };
    (!name.is_empty() && name.split_whitespace().all(in_name) && !name.ends_with(['!', '?'])).then_some(Keep)
}

/// `“Will they go?” Mira Voss asked.`: the name behind the quote is that of its speaker, not the beginning of a
/// new sentence. The quote must end with a question or an exclamation; a full stop would be a comma there.
pub(super) fn speaker_follows(place: &Place) -> Option<Verdict> {
    let may_go_on = place.closes_quote && (matches!(place.stop_char, '?' | '!') || place.is_ellipsis);
    if !may_go_on || place.after.start != place.next || words::is_in(Table::Starter, place.after.text) {
        return None;
    }
    names_speaker(&place.text[place.next..]).then_some(Keep)
}

/// Whether the text begins with a name, and then a verb that makes it a speaker's: `Mira Voss asked`,
/// `Army spokesman Lev Roe, 44, asked`, `Parliament’s new speaker asked`.
fn names_speaker(text: &str) -> bool {
    let text = &text[..text.floor_char_boundary(REACH)];
    let mut words = text.split_whitespace().take(WORDS).peekable();
    // Between two commas, or brackets, anything may stand: `Mira Voss, who runs the pier, asked`.
    let (mut names, mut is_aside, mut in_brackets, mut owned) = (0, false, false, 0);
    while let Some(word) = words.next() {
        let plain = word.trim_end_matches([',', '.', ':', ';', '!', '?']);
        if !is_aside && names > 0 {
            if words::is_in(Table::Asking, plain)
                || plain == "went" && words.peek().is_some_and(|next| next.starts_with("on"))
            {
                // `Mira Voss asked whether they would go.`
                return !words.any(|word| ["whether", "if", "that", "for", "why", "how"].contains(&word));
            }
            if words::is_in(Table::Saying, plain) {
                // `Mira Voss said on Monday.`, but not `Mira Voss said the troops would go.`
                let next = words.next().map(|next| next.trim_end_matches([',', '.', ';', ':']));
                return plain.len() < word.len()
                    || next.is_none_or(|next| words::is_in(Table::Adjunct, next));
            }
        }
        in_brackets |= word.starts_with('(');
        if in_brackets {
            in_brackets = !word.contains(')');
            continue;
        }
        let first = plain.split('-').next().unwrap_or_default();
        let is_name = plain.starts_with(char::is_uppercase) || words::is_in(Table::Particle, first);
        let is_abbreviated = words::is_kind(Table::Title, plain) || plain.len() == 1 || plain.contains('.');
        let ends = word.ends_with(['.', '!', '?']) && !is_abbreviated;
        // `Voss’s two lawyers`, `Army spokesman`, `Voss and Roe`
        let belongs = owned > 0 || words::is_in(Table::Person, plain) || plain == "and";
        let goes_on = is_aside || is_name || names > 0 && belongs;
        if ends || !goes_on {
            return false;
        }
        names += usize::from(is_name);
        is_aside ^= word.ends_with(',');
        let is_possessive = plain.ends_with("’s") || plain.ends_with("'s") || plain.ends_with("s’");
        owned = if is_possessive { OWNED } else { owned.saturating_sub(1) };
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::segment::rules::testing::{cut, whole};

    #[test]
    fn whole_quote() {
        whole("“We go. Nobody stays,” Voss said. |“That is all.” |He left.");
        whole("Voss said: “We go. Nobody stays.” |She left.");
        whole("‘The soldiers’ families want it. It’s time,’ said Jo Ek. |‘That’s all.’");
        whole("'We go. Nobody stays,' Voss said. |He left.");
        whole("&ldquo;We go. Nobody stays,&rdquo; Voss said. |He left.");
        whole("“He told me ‘we go. All of us.’” |Parliament met.");
        cut("“We go. |Nobody stays,” Voss said. |“That is all.” |He left.");
    }

    #[test]
    fn a_quote_left_open_is_not_whole() {
        whole("“The base is empty. |We counted every crate. |“Nobody stays,” Col. Roe said. |He left.");
        whole("“We close it in June.\n\n|“Then we all go.”");
    }

    #[test]
    fn reported_clause() {
        cut("Voss wrote that “the pier is closed. Nobody goes there.” |She left.");
        cut("Voss wrote: “The pier is closed. |Nobody goes there.” |She left.");
    }

    #[test]
    fn source_follows() {
        cut("“The gate was never locked.” — Mira Voss, Port Halden");
        cut("“The gate was never locked.” |— Nobody believes it any more, of course.");
    }

    #[test]
    fn speaker_follows() {
        cut(
            "“Will they go?” Mira Voss asked. |“Get out!” Al-Hadi told the crowd. |\"Why?\" Lt. Gen. Roe asked.",
        );
        cut("“Will they go?” Mira Voss, who runs the pier, asked. |“Now!” Voss said on Monday. |They went.");
        cut("‘Will they go?’ van Dorn asked. |‘When?’ |Troops cheered.");
        cut("“Will they go?” |Mira Voss asked whether they would. |“Now?” |Voss said the pier was closed.");
        cut(
            "“Safe?” Parliament’s speaker asked. |“Sure?” Army spokesman Lev Roe said. |“Yes!” Roe’s wife, Ida, wrote.",
        );
        cut(
            "“Done?” Rep. Ann Roe (D-Ohio) asked. |“Never!” Roe and Ek shouted. |“Why?” Voss, 44, went on. |“No.”",
        );
        cut(
            "“Will they go?” |Officials in the north asked nobody. |“Now?” |Roe’s men asked whether they might.",
        );
        cut("“Will they go?” |The premier asked twice. |“No!” |She left.");
    }

    #[test]
    fn quotes_in_quotes() {
        cut(
            "“He told me ‘we go home.’” |Parliament met. |\"She said, 'Nobody stays.'\" |The premier nodded.",
        );
        cut("“They shouted ‘Out!’” Voss recalled. |“It was late.”");
    }

    #[test]
    fn inches_are_no_quotes() {
        whole("The ship’s 5\" gun fired twice. |The marines left. |A second 5\" shell hit the pier.");
    }
}
