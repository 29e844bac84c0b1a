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
    let (verdict, _rule) = decide(place);
    #[cfg(test)]
    testing::note(_rule);
    verdict == Verdict::Cut
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
    use super::RULES;
    use crate::segment::{Options, Quotes, sentences_with};
    use std::cell::RefCell;

    thread_local! {
        /// The rules that decided, of the texts that this thread has cut.
        static DECIDED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(rule: &'static str) {
        DECIDED.with_borrow_mut(|decided| decided.push(rule));
    }

    /// For each rule two texts, cut at their bars, in which it decides.
    const EXAMPLES: [(&str, [&str; 2]); 32] = [
        ("nothing_said", ["...and then they left.", "!!! Nobody saw it."]),
        (
            "whole_quote",
            ["Voss said: “We go. Nobody stays.” |She left.", "“They left. So did we,” Roe said."],
        ),
        ("within_word", ["It grew by 3.5 percent.", "The ferry stayed.|The crew left."]),
        ("own_label", ["DR. WREN: So do I.", "Q. Why? |A. I was there."]),
        ("label_follows", ["So do I. |MR. CASS: Why?", ">> HOST: Good evening. |>> GUEST: Thank you."]),
        ("note_follows", ["Thank you. |(APPLAUSE) |We leave in June.", "We go. |[Music]"]),
        ("list_marker", ["1. Close the pier.\n|2. Send the men home.", "II. The cost"]),
        ("users_abbreviation", ["Zugf. Roe saw it. |He left.", "He met a Zugf. Roe there."]),
        ("punctuation_follows", ["He shouted “Go!” , and left.", "Voss & Co. & Sons bake it."]),
        ("within_bracket", ["They met (“Hello! How are you?”) and left.", "He left (at 5 p.m.) Monday."]),
        ("item_follows", ["(a) Close the pier. |(b) Send the men home.", "Wait here. |(2) Go home."]),
        (
            "address_follows",
            ["It is the largest. |(http://example.org).", "See the map. |www.example.org has it."],
        ),
        ("name_in_lower_case", ["Night fell. |al-Nahr fighters left.", "They left. |van Dorn stayed."]),
        (
            "chat",
            [
                "the boat left. |i saw it go.",
                "its over. |i saw it. |they went.\n|well i did. |so what.\n|anyone else?",
            ],
        ),
        ("lower_case_follows", ["Some troops, approx. half, flew home.", "“It is over!” he shouted."]),
        (
            "reported_clause",
            ["Voss wrote that “we go. Nobody stays.”", "Roe said that “it is over. All left.” |He is glad."],
        ),
        ("source_follows", ["“The gate was locked.” — Mira Voss", "“We go.” – Lev Roe, Port Halden"]),
        ("speaker_follows", ["“Will they go?” Mira Voss asked.", "“Get out!” Al-Hadi told the crowd."]),
        ("marked_name", ["He works for Yahoo! News.", "She reads Yahoo! Finance. |He does not."]),
        ("bracket_runs_on", ["Lev Roe Jr. (D-Mich.) had left.", "Acme Inc. (Halden), a bakery, closed."]),
        ("short_bracket_follows", ["The gate in Halden. (Examplewire)", "The bar in Halden. (2012)."]),
        ("dash_follows", ["TUCSON, Ariz. — The convoy left.", "RENO, Nev. - It was late."]),
        ("clock", ["The gate closed at 5 p.m. |Soldiers waved.", "It leaves at 9 a.m. Monday."]),
        ("initial", ["John F. Voss met J. K. Roe.", "He chose plan B. |Parliament agreed."]),
        ("nation", ["The U.S. Army sent a plane.", "Three came from the U.S. |Officials gave no names."]),
        ("dotted", ["She has a Ph.D. |Nobody asked.", "He told K.C. Voss so."]),
        ("number_follows", ["He lives at No. 10 Elm Road.", "See Fig. 4."]),
        ("title", ["Gen. Poe left.", "He met Atty. Gen. Lev Roe there."]),
        ("inner", ["It was Roe vs. Voss.", "It is approx. Nine miles."]),
        (
            "suffix",
            ["He sued Acme Inc. |Shares fell by 3 percent.", "The base is on Elm Ave. |Police came at dawn."],
        ),
        ("state", ["He lives in Tucson, Ariz. |Police found him.", "Ariz. Gov. Ana Poe signed it."]),
        ("no_vowel", ["Bdr. Poe met Roe.", "He met Mssr. Roe. |They left."]),
    ];

    #[test]
    fn every_rule_decides_its_examples() {
        assert_eq!(EXAMPLES.map(|(rule, _)| rule), RULES.map(|(rule, _)| rule));
        let mut wrong = Vec::new();
        for (rule, texts) in EXAMPLES {
            let options = Options {
                abbreviations: ["Zugf"].iter().filter(|_| rule == "users_abbreviation").collect(),
                quotes: if rule == "whole_quote" { Quotes::Whole } else { Quotes::Cut },
                ..Options::default()
            };
            for text in texts {
                DECIDED.with_borrow_mut(Vec::clear);
                let is_cut_right = found(text, &options) == right(text);
                let decided = DECIDED.with_borrow(|decided| decided.clone());
                if !is_cut_right || !decided.contains(&rule) {
                    wrong.push((rule, text, is_cut_right, decided));
                }
            }
        }
        assert!(wrong.is_empty(), "decided otherwise: {wrong:#?}");
    }

    /// Checks that a text is cut at its bars, which are no part of it, and nowhere else. Quotes are cut within.
    pub(in crate::segment) fn cut(marked: &str) {
        check(marked, &Options { quotes: Quotes::Cut, ..Options::default() });
    }

    /// The same with quotes kept whole.
    pub(in crate::segment) fn whole(marked: &str) {
        check(marked, &Options { quotes: Quotes::Whole, ..Options::default() });
    }

    pub(in crate::segment) fn check(marked: &str, options: &Options) {
        assert_eq!(found(marked, options), right(marked));
    }

    /// The sentences of a text without its bars.
    fn found(marked: &str, options: &Options) -> Vec<String> {
        let text = marked.replace('|', "");
        let spans = sentences_with(&text, options);
        spans.into_iter().map(|span| span.slice(&text).to_owned()).collect()
    }

    /// What stands between the bars.
    fn right(marked: &str) -> Vec<&str> {
        marked.split('|').map(str::trim).collect()
    }
}
