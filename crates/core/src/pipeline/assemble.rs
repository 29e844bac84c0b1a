//! From answers to records: attributions joined over pieces.

use super::Targets;
use super::answers::{Answer, StanceAnswer};
use super::pieces::{PIECE_BYTES, Piece};
use super::speakers::{Speakers, SpokenBy};
use crate::heads::{self, AttributionPart, Mark};
use crate::label::{Prediction, Role, Target, TargetStance};
use crate::record::{LocatedAttribution, Record};
use crate::text::Document;
use std::collections::VecDeque;
use std::sync::Arc;

/// Makes records of pieces, which come in the order of their documents.
///
/// A quote may run over the end of a piece, and what follows may belong to the last cue before it. So the sentences from
/// that cue on are held back until the next piece is there.
pub(super) struct Assembler {
    targets: Arc<Targets>,
    /// The model has heads that mark attributions.
    marks_attributions: bool,
    /// The end of the open document as far as it is known.
    held: Vec<Held>,
    /// Who speaks in the open document.
    speakers: Speakers,
}

/// A sentence whose attributions are not known yet.
struct Held {
    record: Record,
    marks: Vec<Mark>,
    speakers: Vec<SpokenBy>,
}

impl Assembler {
    pub fn new(targets: Arc<Targets>, marks_attributions: bool) -> Self {
        Self { targets, marks_attributions, held: Vec::new(), speakers: Speakers::default() }
    }

    /// Takes a piece and its answers, and gives out the records that are done.
    ///
    /// # Panics
    /// If a sentence lacks its answer.
    pub fn add(&mut self, piece: Piece, answers: Vec<Option<Answer>>, ready: &mut VecDeque<Record>) {
        let Piece { document, sentences } = piece;
        let is_last = sentences.end == document.sentences().len();
        for (index, answer) in sentences.zip(answers) {
            let answer = answer.expect("every sentence is answered by one window");
            self.held.push(self.sentence(&document, index, answer));
        }
        let done = if is_last { self.held.len() } else { settled(&self.held) };
        let held = self.held.split_off(done);
        ready.extend(self.finished(&document));
        self.held = held;
        if is_last {
            self.speakers = Speakers::default();
        }
    }

    /// The record of a sentence, without attributions, and its marks.
    fn sentence(&self, document: &Arc<Document>, index: usize, mut answer: Answer) -> Held {
        if document.turn(index).is_some() && document.spoken(index).is_empty() {
            nothing_said(&mut answer);
        }
        let stance = |(target, answer): (&Target, &StanceAnswer)| TargetStance {
            target: target.clone(),
            prediction: answer.prediction,
            holder: answer.holder,
        };
        let record = Record {
            document: Arc::clone(document),
            index,
            role: answer.text.role,
            stances: self.targets.phrases(document).iter().zip(&answer.stances).map(stance).collect(),
            checkworthiness: answer.text.checkworthiness,
            attributions: self.marks_attributions.then(Vec::new),
            speaker: None,
            truncated: answer.truncated,
        };
        Held {
            marks: answer.marks.into_iter().map(|mark| Mark { sentence: index, ..mark }).collect(),
            speakers: answer.speakers,
            record,
        }
    }

    /// The records that are held, with their attributions.
    fn finished(&mut self, document: &Document) -> impl Iterator<Item = Record> {
        let mut held = std::mem::take(&mut self.held);
        if let Some(first) = held.first().map(|held| held.record.index) {
            let marks: Vec<Mark> = held.iter().flat_map(|held| held.marks.iter().copied()).collect();
            let attributions = heads::attributions(&marks).into_iter();
            for attribution in attributions.filter_map(|found| heads::disjoint(found, document)) {
                let located = Arc::new(LocatedAttribution::new(attribution, document));
                for &sentence in &located.sentences {
                    let record = sentence.checked_sub(first).and_then(|at| held.get_mut(at));
                    if let Some(attributions) = record.and_then(|held| held.record.attributions.as_mut()) {
                        attributions.push(Arc::clone(&located));
                    }
                }
            }
        }
        for held in held.iter().filter(|held| is_quoted(&held.record)) {
            self.speakers.learn(document.text(), &held.speakers);
        }
        for held in held.iter_mut().filter(|held| is_quoted(&held.record)) {
            held.record.speaker = self.speakers.likeliest(document.text(), &held.speakers);
        }
        held.into_iter().map(|held| held.record)
    }
}

/// Whether somebody is quoted whom the text names. In a transcript, the turn says who speaks.
fn is_quoted(record: &Record) -> bool {
    let turn = record.document.turn(record.index);
    record.role.label() == Role::Attributed && turn.is_none_or(|turn| turn.speaker.is_none())
}

/// The answer for a note of a transcript, as `[CROSSTALK]`: it is background, whatever a model makes of nothing.
fn nothing_said(answer: &mut Answer) {
    answer.text.role = Prediction::new([0.0, 0.0, 1.0]);
    answer.text.checkworthiness = answer.text.checkworthiness.map(|_| 0.0);
    for stance in &mut answer.stances {
        *stance = StanceAnswer { prediction: Prediction::new([0.0, 0.0, 1.0]), holder: None };
    }
    answer.marks.clear();
    answer.speakers.clear();
}

/// How many of some sentences have attributions that nothing behind them can change.
fn settled(held: &[Held]) -> usize {
    // No content goes on over the boundary,
    let runs_on = |held: &Held| held.marks.iter().any(|mark| mark.to_end);
    let apart = |mut boundary: usize| {
        while boundary > 0 && runs_on(&held[boundary - 1]) {
            boundary -= 1;
        }
        boundary
    };
    let mut settled = apart(held.len());
    // and every content behind it finds a cue there, if there is one.
    let last_cue = |boundary: usize| {
        let reached = &held[..held.len().min(boundary + 1)];
        reached.iter().rposition(has_free_cue).or_else(|| reached.iter().any(has_cue).then_some(0))
    };
    while let Some(cue) = last_cue(settled).filter(|&cue| cue < settled) {
        settled = apart(cue);
    }
    // A quote without end would hold back a whole document.
    let bytes: usize = held[settled..].iter().map(|held| held.record.span().len()).sum();
    if bytes > PIECE_BYTES { held.len() } else { settled }
}

fn has_cue(held: &Held) -> bool {
    held.marks.iter().any(|mark| mark.part == AttributionPart::Cue)
}

/// Whether a sentence has a cue that all contents in it and behind it can belong to. A content does not belong to a cue
/// within it, but it may belong to an earlier one.
fn has_free_cue(held: &Held) -> bool {
    let of = |part| held.marks.iter().filter(move |mark| mark.part == part);
    of(AttributionPart::Cue).any(|cue| {
        let contains =
            |content: &Mark| content.span.start() <= cue.span.start() && cue.span.end() <= content.span.end();
        !of(AttributionPart::Content).any(contains)
    })
}

#[cfg(test)]
mod tests;
