//! From windows to answers: the encoder, then the heads.

use super::Stages;
use super::speakers::SpokenBy;
use super::windows::Job;
use crate::encoder::States;
use crate::error::{Error, Result};
use crate::heads::{Mark, MentionedSpeaker, TextPredictions, TokenMark};
use crate::label::{Prediction, Stance};
use crate::text::Span;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a window says of one sentence.
#[derive(Clone)]
pub(super) struct Answer {
    pub text: TextPredictions,
    /// Spans that attributions are made of.
    pub marks: Vec<Mark>,
    /// Mentions of whoever may speak.
    pub speakers: Vec<SpokenBy>,
    pub truncated: bool,
    /// For each target of the window, in order.
    pub stances: Vec<StanceAnswer>,
}

impl Answer {
    /// One answer of those of windows that were read with different targets, in the order of these. What does not concern a
    /// target is the first one's.
    pub fn join(answers: impl IntoIterator<Item = Self>) -> Option<Self> {
        answers.into_iter().reduce(|mut first, other| {
            first.truncated |= other.truncated;
            first.stances.extend(other.stances);
            first
        })
    }
}

/// What a window says of one sentence toward a target.
#[derive(Clone, Copy)]
pub(super) struct StanceAnswer {
    pub prediction: Prediction<Stance>,
    pub holder: Option<Span>,
}

/// An answer, and where it belongs.
pub(super) struct SentenceAnswer {
    /// The piece's index in its unit.
    pub piece: usize,
    /// The window's first target.
    pub target: usize,
    /// The sentence's index in its piece.
    pub sentence: usize,
    pub answer: Answer,
}

impl Stages {
    /// Reads some windows together.
    pub(super) fn answer(&self, jobs: &[Job]) -> Result<Vec<SentenceAnswer>> {
        let batch = self.batch(jobs);
        let begun = Instant::now();
        let states = self.encoder.encode(&batch)?;
        self.encoder_time.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let mut answers = Vec::new();
        let mut rest = states.as_slice();
        let reads_text_alone = usize::from(self.settings.text_layers.is_some());
        for job in jobs {
            let (readings, others) = rest.split_at(reads_text_alone + job.targets.len());
            self.answer_window(job, &readings[0], &readings[reads_text_alone..], &mut answers)?;
            rest = others;
        }
        Ok(answers)
    }

    /// The answers of a window, from the states of its text read alone, and read with each target.
    fn answer_window(
        &self,
        job: &Job,
        text: &States,
        of_targets: &[States],
        answers: &mut Vec<SentenceAnswer>,
    ) -> Result<()> {
        // Attributions do not depend on the target.
        let mut marked = match job.targets.start {
            0 => self.heads.marked(text, &job.window, |token| self.tokenizer.is_subword(token)),
            _ => Vec::new(),
        };
        let mut speakers = match job.targets.start {
            0 => self.heads.speakers(text, &job.window, |token| self.tokenizer.is_subword(token)),
            _ => Vec::new(),
        };
        for (at, sentence) in job.window.sentences.iter().enumerate().filter(|(_, s)| s.answered) {
            let token_spans = &job.token_spans[sentence.index];
            let span = |tokens: Range<usize>| {
                Span::new(token_spans[tokens.start].start(), token_spans[tokens.end - 1].end())
            };
            let stance = |states: &States| {
                let prediction = self.heads.stance(states, sentence);
                let holder = match prediction.label() {
                    Stance::None => None,
                    _ => self.heads.holder(states, sentence).map(span),
                };
                StanceAnswer { prediction, holder }
            };
            let predictions = self.heads.text(text, sentence);
            let stances: Vec<StanceAnswer> = of_targets.iter().map(stance).collect();
            let are_finite = stances.iter().all(|stance| stance.prediction.confidence().is_finite());
            if !(are_finite && predictions.are_finite()) {
                let problem = "the answers are not finite numbers: weights are too large";
                return Err(Error::Encoder(problem.into()));
            }
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
            let spoken_by = |mention: MentionedSpeaker| {
                let MentionedSpeaker { sentence, tokens, probability } = mention;
                let token_spans = &job.token_spans[job.window.sentences[sentence].index];
                let span = Span::new(token_spans[tokens.start].start(), token_spans[tokens.end - 1].end());
                SpokenBy { span, probability }
            };
            let speakers = speakers.get_mut(at).map(std::mem::take).unwrap_or_default();
            let answer = Answer {
                text: predictions,
                marks: marks.collect(),
                speakers: speakers.into_iter().map(spoken_by).collect(),
                truncated: sentence.truncated,
                stances,
            };
            answers.push(SentenceAnswer {
                piece: job.piece,
                target: job.targets.start,
                sentence: index,
                answer,
            });
        }
        Ok(())
    }
}
