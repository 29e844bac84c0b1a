//! From windows to answers: the encoder, then the heads.

use super::Stages;
use super::windows::Job;
use crate::error::{Error, Result};
use crate::heads::{Mark, SentencePredictions, TokenMark};
use crate::label::Stance;
use crate::text::Span;
use crate::window::Window;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a window says of one sentence.
#[derive(Clone)]
pub(super) struct Answer {
    pub predictions: SentencePredictions,
    pub holder: Option<Span>,
    /// Spans that attributions are made of. Only the windows of the first target are asked for them.
    pub marks: Vec<Mark>,
    pub truncated: bool,
}

/// An answer, and where it belongs.
pub(super) struct SentenceAnswer {
    /// The piece's index in its unit.
    pub piece: usize,
    pub target: usize,
    /// The sentence's index in its piece.
    pub sentence: usize,
    pub answer: Answer,
}

impl Stages {
    /// Reads some windows together.
    pub(super) fn answer(&self, jobs: &[Job]) -> Result<Vec<SentenceAnswer>> {
        let windows: Vec<&Window> = jobs.iter().map(|job| &job.window).collect();
        let begun = Instant::now();
        let states = self.encoder.encode(&windows)?;
        self.encoder_time.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let mut answers = Vec::new();
        for (job, states) in jobs.iter().zip(states) {
            // Attributions do not depend on the target.
            let mut marked = match job.target {
                0 => self.heads.marked(&states, &job.window, |token| self.tokenizer.is_subword(token)),
                _ => Vec::new(),
            };
            for (at, sentence) in job.window.sentences.iter().enumerate().filter(|(_, s)| s.answered) {
                let predictions = self.heads.predict(&self.heads.logits(&states, sentence));
                if !predictions.are_finite() {
                    let problem = "the answers are not finite numbers: weights are too large";
                    return Err(Error::Encoder(problem.into()));
                }
                let token_spans = &job.token_spans[sentence.index];
                let span = |tokens: Range<usize>| {
                    Span::new(token_spans[tokens.start].start(), token_spans[tokens.end - 1].end())
                };
                let holder = match predictions.stance.label() {
                    Stance::None => None,
                    _ => self.heads.holder(&states, sentence),
                };
                let index = sentence.index - job.first;
                let marked = marked.get_mut(at).map(std::mem::take).unwrap_or_default();
                let marks = marked.into_iter().map(|TokenMark { part, tokens, continues }| Mark {
                    part,
                    sentence: index,
                    continues,
                    from_start: tokens.start == 0,
                    to_end: tokens.end == sentence.tokens.len(),
                    span: span(tokens),
                });
                let answer = Answer {
                    predictions,
                    holder: holder.map(span),
                    marks: marks.collect(),
                    truncated: sentence.truncated,
                };
                answers.push(SentenceAnswer {
                    piece: job.piece,
                    target: job.target,
                    sentence: index,
                    answer,
                });
            }
        }
        Ok(answers)
    }
}
