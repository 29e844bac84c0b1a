//! From a piece to the windows that the encoder reads.

use super::pieces::Piece;
use super::{Stages, Targets};
use crate::encoder::Batch;
use crate::error::Result;
use crate::model::Settings;
use crate::text::Span;
use crate::window::{self, Window, WindowShape};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The most tokens that are encoded together: enough for weights to be worth fetching.
const BATCH_TOKENS: usize = 512;

/// Batches for each thread, at least, where there are enough windows: all threads then end at about the same time.
const BATCHES_PER_THREAD: usize = 4;

/// One window of one piece, and the targets that it is read with: all of them. Where a model reads target and text as one, each
/// target has windows of its own, for it takes room.
pub(super) struct Job {
    /// The piece's index in its unit.
    pub piece: usize,
    pub targets: Range<usize>,
    /// The tokens of all targets of the document.
    target_tokens: Arc<[Vec<u32>]>,
    pub window: Window,
    /// The index of the piece's first sentence among those that windows of the piece may hold.
    pub first: usize,
    /// For each sentence that windows of the piece may hold, the bytes of the document that each token stands for.
    pub token_spans: Arc<[Vec<Span>]>,
}

impl Job {
    /// The tokens that upper layers read.
    fn tokens(&self) -> usize {
        (1 + self.targets.len()) * self.window.tokens.len()
    }
}

impl Stages {
    /// The windows of a piece. The sentence in front of it and the one behind it may be context, and so may the document's first
    /// sentences.
    pub(super) fn jobs(&self, index: usize, piece: &Piece, targets: &Targets) -> Result<Vec<Job>> {
        let (document, Range { start, end }) = (&piece.document, piece.sentences.clone());
        let Settings { max_tokens, lead_tokens, text_layers, .. } = self.settings;
        let before = start.saturating_sub(1);
        // Sentences of at least a byte each have at least a token each.
        let lead = before.min(lead_tokens);
        let seen = (0..lead).chain(before..document.sentences().len().min(end + 1));
        let mut sentences = Vec::new();
        let mut token_spans = Vec::new();
        for spoken in seen.map(|sentence| document.spoken(sentence)) {
            let tokens = self.tokenizer.encode_start(spoken.slice(document.text()), max_tokens)?;
            sentences.push(tokens.ids);
            token_spans.push(tokens.spans.into_iter().map(|span| span.moved(spoken.start())).collect());
        }
        let token_spans: Arc<[Vec<Span>]> = token_spans.into();
        let first = lead + start - before;
        let answered = first..first + piece.sentences.len();
        let windows = |taken: usize| {
            let shape = WindowShape { max_tokens: max_tokens - taken, lead_tokens };
            window::text_windows_of(answered.clone(), &sentences, shape, self.tokenizer.special())
        };
        let target_tokens = targets.tokens(document, self)?;
        let all = 0..target_tokens.len();
        let sets: Vec<(Range<usize>, Vec<Window>)> = match text_layers {
            Some(_) => vec![(all, windows(0))],
            None => all.map(|at| (at..at + 1, windows(target_tokens[at].len() + 1))).collect(),
        };
        let job = |targets: &Range<usize>, window| Job {
            piece: index,
            targets: targets.clone(),
            target_tokens: Arc::clone(&target_tokens),
            window,
            first,
            token_spans: Arc::clone(&token_spans),
        };
        Ok(sets
            .into_iter()
            .flat_map(|(targets, windows)| windows.into_iter().map(move |window| job(&targets, window)))
            .collect())
    }

    /// What the encoder reads for some jobs: for each, the text alone, then the text with each target. Where a model reads texts
    /// and targets as one, only the latter.
    pub(super) fn batch(&self, jobs: &[Job]) -> Batch {
        let mut batch = Batch::default();
        let special = self.tokenizer.special();
        let mut sequences: HashMap<&[u32], Range<usize>> = HashMap::new();
        for Job { window, targets, target_tokens, .. } in jobs {
            if self.settings.text_layers.is_none() {
                let target = window::target_sequence(&target_tokens[targets.start], special);
                let text = &window.tokens[window.opening_tokens..];
                let rows = batch.add_sequence(&[&target, text].concat(), target.len());
                // The target's last token stands for the `[CLS]` of the window.
                batch.add_reading(&[rows], target.len() - window.opening_tokens);
                continue;
            }
            let text = batch.add_sequence(&window.tokens, window.opening_tokens);
            batch.add_reading(std::slice::from_ref(&text), 0);
            for tokens in &target_tokens[targets.clone()] {
                let target = sequences.entry(tokens).or_insert_with(|| {
                    let target = window::target_sequence(tokens, special);
                    batch.add_sequence(&target, target.len())
                });
                batch.add_reading(&[target.clone(), text.clone()], target.len());
            }
        }
        batch
    }
}

/// Runs of jobs whose windows are encoded together, small enough that all threads have work. A window that is longer than
/// a batch is one alone. Answers do not depend on it.
pub(super) fn batches(jobs: Vec<Job>) -> impl Iterator<Item = Vec<Job>> {
    let tokens: usize = jobs.iter().map(|job| job.tokens()).sum();
    let most = (tokens / (BATCHES_PER_THREAD * rayon::current_num_threads())).min(BATCH_TOKENS);
    let mut jobs = jobs.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut batch = vec![jobs.next()?];
        let mut tokens = batch[0].tokens();
        while let Some(job) = jobs.next_if(|job| tokens + job.tokens() <= most) {
            tokens += job.tokens();
            batch.push(job);
        }
        Some(batch)
    })
}
