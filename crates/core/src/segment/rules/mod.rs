//! The rules, in the order in which they are asked. The first that has an answer decides; where none has, the
//! sentence ends.

mod abbreviations;
mod brackets;
mod follows;
mod labels;
mod names;
mod speech;

use super::place::Place;

pub(super) use labels::label_within;

/// What a rule says of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A sentence ends there.
    Cut,
    /// The sentence goes on.
    Keep,
}

type Rule = fn(&Place) -> Option<Verdict>;

/// Each rule with its name. What it says, and of what, stands with it.
const RULES: [(&str, Rule); 32] = [
    ("nothing_said", follows::nothing_said),
    ("whole_quote", speech::whole_quote),
    ("within_word", follows::within_word),
    ("own_label", labels::own_label),
    ("label_follows", labels::label_follows),
    ("note_follows", labels::note_follows),
    ("list_marker", labels::list_marker),
    ("users_abbreviation", abbreviations::users_abbreviation),
    ("punctuation_follows", follows::punctuation_follows),
    ("within_bracket", brackets::within_bracket),
    ("item_follows", labels::item_follows),
    ("address_follows", follows::address_follows),
    ("name_in_lower_case", follows::name_in_lower_case),
    ("chat", follows::chat),
    ("lower_case_follows", follows::lower_case_follows),
    ("reported_clause", speech::reported_clause),
    ("source_follows", speech::source_follows),
    ("speaker_follows", speech::speaker_follows),
    ("marked_name", names::marked_name),
    ("bracket_runs_on", brackets::bracket_runs_on),
    ("short_bracket_follows", brackets::short_bracket_follows),
    ("dash_follows", abbreviations::dash_follows),
    ("clock", abbreviations::clock),
    ("initial", names::initial),
    ("nation", names::nation),
    ("dotted", names::dotted),
    ("number_follows", abbreviations::number_follows),
    ("title", names::title),
    ("inner", abbreviations::inner),
    ("suffix", names::suffix),
    ("state", names::state),
    ("no_vowel", abbreviations::no_vowel),
];

/// Whether a sentence ends at the place.
pub(super) fn ends(place: &Place) -> bool {
    decide(place).0 == Verdict::Cut
}

/// The verdict, and the name of the rule that gave it.
fn decide(place: &Place) -> (Verdict, &'static str) {
    for (name, rule) in RULES {
        if let Some(verdict) = rule(place) {
            return (verdict, name);
        }
    }
    (Verdict::Cut, "none")
}

#[cfg(test)]
pub(super) mod testing {
    use crate::segment::{Options, Quotes, sentences_with};

    /// Checks that a text is cut at its bars, which are no part of it, and nowhere else. Quotes are cut within.
    pub(in crate::segment) fn cut(marked: &str) {
        check(marked, &Options { quotes: Quotes::Cut, ..Options::default() });
    }

    /// The same with quotes kept whole.
    pub(in crate::segment) fn whole(marked: &str) {
        check(marked, &Options { quotes: Quotes::Whole, ..Options::default() });
    }

    pub(in crate::segment) fn check(marked: &str, options: &Options) {
        let text = marked.replace('|', "");
        let spans = sentences_with(&text, options);
        let found: Vec<&str> = spans.into_iter().map(|span| span.slice(&text)).collect();
        let right: Vec<&str> = marked.split('|').map(str::trim).collect();
        assert_eq!(found, right);
    }
}
