//! From a piece to the windows that the encoder reads: one set for each target.

use super::pieces::Piece;
use super::{Stages, Targets};
use crate::error::Result;
use crate::text::Span;
use crate::window::{self, Window};
use std::ops::Range;
use std::sync::Arc;

/// The most tokens that are encoded together: enough for weights to be worth fetching.
const BATCH_TOKENS: usize = 512;

/// Batches for each thread, at least, where there are enough windows: all threads then end at about the same time.
const BATCHES_PER_THREAD: usize = 4;

/// One window of one piece, for one target.
pub(super) struct Job {
    /// The piece's index in its unit.
    pub piece: usize,
    /// The target's index.
    pub target: usize,
    pub window: Window,
    /// The window's sentence that is the piece's first: windows also count the sentence in front of the piece.
    pub first: usize,
    /// For each sentence that windows of the piece may hold, the bytes of the document that each token stands for.
    pub token_spans: Arc<[Vec<Span>]>,
}

impl Stages {
    /// The windows of a piece. The sentence in front of it and the one behind it may be context.
    pub(super) fn jobs(&self, index: usize, piece: &Piece, targets: &Targets) -> Result<Vec<Job>> {
        let (document, Range { start, end }) = (&piece.document, piece.sentences.clone());
        let seen = start.saturating_sub(1)..document.sentences().len().min(end + 1);
        let (max_tokens, special) = (self.settings.max_tokens, self.tokenizer.special());
        let mut sentences = Vec::with_capacity(seen.len());
        let mut token_spans = Vec::with_capacity(seen.len());
        for spoken in seen.clone().map(|index| document.spoken(index)) {
            let tokens = self.tokenizer.encode_start(spoken.slice(document.text()), max_tokens)?;
            sentences.push(tokens.ids);
            token_spans.push(tokens.spans.into_iter().map(|span| span.moved(spoken.start())).collect());
        }
        let token_spans: Arc<[Vec<Span>]> = token_spans.into();
        let answered = start - seen.start..end - seen.start;
        let mut jobs = Vec::new();
        for (target, tokens) in targets.tokens(document, self)?.iter().enumerate() {
            let windows = window::windows_of(answered.clone(), tokens, &sentences, max_tokens, special);
            jobs.extend(windows.into_iter().map(|window| Job {
                piece: index,
                target,
                window,
                first: answered.start,
                token_spans: Arc::clone(&token_spans),
            }));
        }
        Ok(jobs)
    }
}

/// Runs of jobs whose windows are encoded together, small enough that all threads have work. A window that is longer than
/// a batch is one alone. Answers do not depend on it.
pub(super) fn batches(jobs: Vec<Job>) -> impl Iterator<Item = Vec<Job>> {
    let tokens: usize = jobs.iter().map(|job| job.window.tokens.len()).sum();
    let most = (tokens / (BATCHES_PER_THREAD * rayon::current_num_threads())).min(BATCH_TOKENS);
    let mut jobs = jobs.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut batch = vec![jobs.next()?];
        let mut tokens = batch[0].window.tokens.len();
        while let Some(job) = jobs.next_if(|job| tokens + job.window.tokens.len() <= most) {
            tokens += job.window.tokens.len();
            batch.push(job);
        }
        Some(batch)
    })
}
