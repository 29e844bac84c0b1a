//! Who says what: finds the turns of a transcript by the labels before them. Pure, and total.
//!
//! The segmenter begins a sentence at every label. Here it is decided whether a text is a transcript at all, whose labels
//! its sentences begin with, and who goes on speaking in those without one.

use crate::segment::label::{self, Label};
use crate::text::{Document, Span};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Whether a text is a transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transcript {
    /// If it plainly looks like one.
    #[default]
    Auto,
    Yes,
    No,
}

/// A transcript names its first speaker among its first sentences: that many at least, or this share of all.
const FIRST: usize = 5;
const FIRST_SHARE: usize = 10;

/// The most sentences to a turn, on average.
const TURN: usize = 30;

/// A label, or what may be one.
struct Candidate<'a> {
    sentence: usize,
    label: Label<'a>,
    kind: Kind,
    begins_paragraph: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `MS. PYE:`, `>> HOST:`, and `Mr. VOSS.` of a parliament
    Capitals,
    /// `Mayor Roe:`
    Mixed,
    /// `Q.` and `A.`
    Question,
    Answer,
}

/// The document with the turns of its sentences, if it is a transcript. Notes like `[CROSSTALK]` are found in any text.
/// Speakers and times that are known already are kept.
pub fn with_turns(document: Document, whether: Transcript) -> Document {
    if whether == Transcript::No {
        return document;
    }
    let mut candidates = candidates(&document);
    keep_labels(&mut candidates, document.sentences().len(), whether == Transcript::Yes);
    let mut names: HashMap<&str, Arc<str>> = HashMap::new();
    let mut labels = candidates.into_iter().peekable();
    let mut speaker: Option<Arc<str>> = None;
    let mut turns = Vec::with_capacity(document.sentences().len());
    let mut is_known = !document.turns().is_empty();
    for (index, &sentence) in document.sentences().iter().enumerate() {
        let mut turn = document.turn(index).cloned().unwrap_or_default();
        let label = labels.next_if(|candidate| candidate.sentence == index).map(|candidate| candidate.label);
        let mut spoken = sentence.start();
        if let Some(label) = label {
            let name = label.name.strip_prefix("BY ").unwrap_or(label.name).trim();
            let named = || Arc::clone(names.entry(name).or_insert_with(|| one_line(name).into()));
            speaker = (!name.is_empty()).then(named);
            let rest = &document.text()[label.end..sentence.end()];
            spoken = sentence.end() - rest.trim_start().len();
            turn.speaker.clone_from(&speaker);
        } else if turn.speaker.is_some() {
            speaker.clone_from(&turn.speaker);
        } else {
            turn.speaker.clone_from(&speaker);
        }
        let is_note = is_note(document.text(), Span::new(spoken, sentence.end()));
        if is_note {
            spoken = sentence.end();
            turn.speaker = turn.speaker.filter(|_| label.is_some());
        }
        turn.unspoken = spoken - sentence.start();
        is_known |= label.is_some() || is_note;
        turns.push(turn);
    }
    if is_known { document.with_turns(turns) } else { document }
}

/// The document with a speaker for the sentences that have none, but for notes.
pub fn spoken_by(document: Document, speaker: &str) -> Document {
    let speaker: Arc<str> = one_line(speaker).into();
    let named = |index: usize| {
        let mut turn = document.turn(index).cloned().unwrap_or_default();
        if turn.speaker.is_none() && (turn.unspoken == 0 || !document.spoken(index).is_empty()) {
            turn.speaker = Some(Arc::clone(&speaker));
        }
        turn
    };
    let turns = (0..document.sentences().len()).map(named).collect();
    document.with_turns(turns)
}

fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there is nothing but the note of a transcript: `[CROSSTALK]`, `(APPLAUSE)`
fn is_note(text: &str, span: Span) -> bool {
    let text = &text[..span.end()];
    label::note(text, span.start()).is_some_and(|end| !text[end..].contains(char::is_alphanumeric))
}

/// What may be a label at the beginning of a sentence.
fn candidates(document: &Document) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    let mut end = 0;
    for (sentence, span) in document.sentences().iter().enumerate() {
        // Nothing behind the sentence belongs to its label.
        let text = &document.text()[..span.end()];
        let begins_paragraph = sentence == 0 || text[end..span.start()].contains(['\n', '\r']);
        end = span.end();
        let read = || {
            if let Some(label) = label::question(text, span.start(), begins_paragraph) {
                return Some((label, Kind::Question));
            }
            if let Some(label) = label::answer(text, span.start()) {
                return Some((label, Kind::Answer));
            }
            let member = || label::member(text, span.start()).filter(|_| begins_paragraph);
            if let Some(label) = label::at(text, span.start()).or_else(member) {
                return Some((label, Kind::Capitals));
            }
            label::mixed(text, span.start()).map(|label| (label, Kind::Mixed))
        };
        let is_speaker = |(label, _): &(Label, Kind)| !label::is_heading(label.name);
        found.extend(read().filter(is_speaker).map(|(label, kind)| Candidate {
            sentence,
            label,
            kind,
            begins_paragraph,
        }));
    }
    found
}

/// Leaves the candidates that are labels.
fn keep_labels(candidates: &mut Vec<Candidate>, sentences: usize, is_transcript: bool) {
    let asks = candidates.iter().any(|candidate| candidate.kind == Kind::Question);
    candidates.retain(|candidate| candidate.kind != Kind::Answer || asks);
    let mixed = names(candidates, |candidate| candidate.kind == Kind::Mixed);
    if is_transcript {
        candidates.retain(|candidate| {
            let name = candidate.label.name;
            let is_plain = candidate.begins_paragraph || name.contains(' ') || mixed[name] > 1;
            candidate.kind != Kind::Mixed || is_plain
        });
        return;
    }
    if !alternate(candidates, &mixed, sentences) {
        candidates.retain(|candidate| candidate.kind != Kind::Mixed);
    }
    if !is_plain(candidates, sentences) {
        candidates.clear();
    }
}

/// How often each name comes up.
fn names<'a>(candidates: &[Candidate<'a>], of: impl Fn(&Candidate<'a>) -> bool) -> HashMap<&'a str, usize> {
    let mut names = HashMap::new();
    for candidate in candidates.iter().filter(|candidate| of(candidate)) {
        *names.entry(candidate.label.name).or_default() += 1;
    }
    names
}

/// Whether names in mixed case are labels: they begin the text and most of its paragraphs, and somebody comes up again.
fn alternate(candidates: &[Candidate], mixed: &HashMap<&str, usize>, sentences: usize) -> bool {
    let count: usize = mixed.values().sum();
    let begins = candidates.iter().any(|candidate| candidate.kind == Kind::Mixed && candidate.sentence <= 1);
    begins && mixed.len() > 1 && count > mixed.len() && count * TURN / 3 >= sentences
}

/// Whether the labels are those of a transcript: somebody is asked and answers, a speaker with a title begins, or there are
/// several speakers from the beginning on.
fn is_plain(candidates: &[Candidate], sentences: usize) -> bool {
    let Some(first) = candidates.first() else { return false };
    let has = |kind| candidates.iter().any(|candidate| candidate.kind == kind);
    if first.sentence == 0 && first.kind == Kind::Capitals && label::has_title(first.label.name) {
        return true;
    }
    let speakers: HashSet<&str> = candidates.iter().map(|candidate| candidate.label.name).collect();
    let chevrons = candidates.iter().filter(|candidate| candidate.label.has_chevrons).count();
    let begins = first.sentence < FIRST.max(sentences / FIRST_SHARE);
    let is_dense = candidates.len() * TURN >= sentences;
    begins && is_dense && (speakers.len() > 1 || chevrons > 1 || has(Kind::Question) && has(Kind::Answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment;

    fn read(text: &str, whether: Transcript) -> Document {
        with_turns(Document::new("d", text, segment::sentences(text)), whether)
    }

    /// Speaker and what is said, for each sentence.
    fn turns(text: &str, whether: Transcript) -> Vec<(String, String)> {
        let document = read(text, whether);
        let speaker = |index| document.turn(index).and_then(|turn| turn.speaker.as_deref());
        (0..document.sentences().len())
            .map(|index| {
                let spoken = document.spoken(index).slice(document.text());
                (speaker(index).unwrap_or("-").to_owned(), spoken.to_owned())
            })
            .collect()
    }

    fn is(text: &str, whether: Transcript, right: &[(&str, &str)]) {
        let right: Vec<_> =
            right.iter().map(|(name, said)| ((*name).to_owned(), (*said).to_owned())).collect();
        assert_eq!(turns(text, whether), right, "{text}");
    }

    fn is_found(text: &str, right: &[(&str, &str)]) {
        is(text, Transcript::Auto, right);
    }

    #[test]
    fn a_label_gives_the_speaker_until_the_next() {
        is_found(
            "MS. PYE: The pier will close. It is old. MR. CASS: Why? MS. PYE: I said why.",
            &[
                ("MS. PYE", "The pier will close."),
                ("MS. PYE", "It is old."),
                ("MR. CASS", "Why?"),
                ("MS. PYE", "I said why."),
            ],
        );
        is_found(
            ">> HOST: Good evening.\n>> GUEST: Thank you.\nIt is late.\n>> Louder!",
            &[("HOST", "Good evening."), ("GUEST", "Thank you."), ("GUEST", "It is late."), ("-", "Louder!")],
        );
        is_found("Q. Who came? A. Nobody.", &[("Q", "Who came?"), ("A", "Nobody.")]);
        is_found("Q: Who came?\nA: Nobody.", &[("Q", "Who came?"), ("A", "Nobody.")]);
        is_found("MS. PYE: The pier will close.", &[("MS. PYE", "The pier will close.")]);
        is_found(
            "SPEAKER_00: Who came?\nSPEAKER_01: Nobody.",
            &[("SPEAKER_00", "Who came?"), ("SPEAKER_01", "Nobody.")],
        );
    }

    #[test]
    fn names_in_mixed_case_are_labels_if_they_alternate() {
        let text = "Host: Will it close?\nMayor Roe: Yes. In May.\nHost: Why?";
        let right =
            [("Host", "Will it close?"), ("Mayor Roe", "Yes."), ("Mayor Roe", "In May."), ("Host", "Why?")];
        is_found(text, &right);
        is_found(&text.replace('\n', " "), &right);
        let short = "Host: Will it close?\nDr. Ann Roe: Yes.";
        is_found(short, &[("-", "Host: Will it close?"), ("-", "Dr. Ann Roe: Yes.")]);
        is(short, Transcript::Yes, &[("Host", "Will it close?"), ("Dr. Ann Roe", "Yes.")]);
        is(
            "Host: Go on. Remember: it is late.",
            Transcript::Yes,
            &[("Host", "Go on."), ("Host", "Remember: it is late.")],
        );
    }

    #[test]
    fn notes_are_not_said() {
        is_found(
            "MR. ROE: Thank you. (APPLAUSE) We go. [CROSSTALK]\nMR. POE: No.",
            &[("MR. ROE", "Thank you."), ("-", ""), ("MR. ROE", "We go."), ("-", ""), ("MR. POE", "No.")],
        );
        is_found("Thank you. (Applause.) We go.", &[("-", "Thank you."), ("-", ""), ("-", "We go.")]);
        assert!(read("The pier is shut (since May).", Transcript::Yes).turns().is_empty());
        assert!(read("Thank you. (Applause.)", Transcript::No).turns().is_empty());
    }

    #[test]
    fn prose_is_no_transcript() {
        for text in [
            "WATCH: The pier falls. The pier was shut. READ MORE: The mayor left.",
            "HALDEN: The pier was shut on Monday. Nobody came.",
            "Who: The mayor.\nWhat: A pier.\nWhen: Monday.",
            "He said one thing: nobody came. Then he said another: nobody left.",
            "CLAIM: The pier fell.\nTHE FACTS: It stands.\nCLAIM: It burned.",
        ] {
            assert!(read(text, Transcript::Auto).turns().is_empty(), "{text}");
        }
    }

    #[test]
    fn a_field_names_who_has_no_label() {
        let document = spoken_by(read("We go. (APPLAUSE) MR. POE: No.", Transcript::Yes), "Ann\nRoe");
        let speakers: Vec<_> = document.turns().iter().map(|turn| turn.speaker.as_deref()).collect();
        assert_eq!(speakers, [Some("Ann Roe"), None, Some("MR. POE")]);
    }

    #[test]
    fn any_text_has_turns_or_none() {
        for text in
            ["", ":", "Q.", "Q. ", ">>", ">> ", "A. \u{a0}", "ROE:", "ROE:\n\nPOE:\n", "(APPLAUSE", "é: x"]
        {
            for whether in [Transcript::Auto, Transcript::Yes] {
                read(text, whether);
            }
        }
    }
}
