//! From documents to analyses: tokenize, cut windows, encode, apply the heads, put together. The only place
//! that joins those stages; takes and gives the types of [`crate::text`] and [`crate::label`].

mod stream;

use crate::encoder::{Encoder, Engine};
use crate::error::{Error, Result, UsageError};
use crate::heads::{self, Heads, Mark, SentencePredictions, TokenMark};
use crate::label::{Analysis, SentenceAnalysis, Stance, Target, TargetStance};
use crate::model::{Model, Settings, Tokenizer};
use crate::text::{Document, Span};
use crate::window::Window;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A model that is ready to label documents. Immutable: share it between threads as you like.
pub struct Pipeline {
    tokenizer: Arc<Tokenizer>,
    encoder: Box<dyn Encoder>,
    heads: Heads,
    settings: Settings,
    /// Nanoseconds that threads were in the encoder.
    encoding: AtomicU64,
}

/// Some sentences of a document, from `first` on, and what a model says of them.
#[derive(Clone, Debug)]
pub struct LabelledPiece<D> {
    pub document: D,
    pub first: usize,
    pub analysis: Analysis,
}

/// One window of one piece of a document, to be read for one target.
struct Job {
    piece: usize,
    target: usize,
    /// The sentence of the window's count that is the piece's first.
    first: usize,
    window: Window,
    /// The bytes of the document that the tokens of each sentence of the window's count stand for.
    places: Arc<[Vec<Span>]>,
}

/// What a window says of one sentence.
#[derive(Clone)]
struct Answer {
    predictions: SentencePredictions,
    holder: Option<Span>,
    /// Pieces of attributions; only asked for in the first pass. Their sentences are counted as the piece's.
    pieces: Vec<Mark>,
    truncated: bool,
}

/// The answer to one sentence, and where it belongs.
struct SentenceAnswer {
    piece: usize,
    target: usize,
    sentence: usize,
    answer: Answer,
}

/// The most tokens that are encoded together: enough for weights to be worth fetching.
const BATCH_TOKENS: usize = 512;

/// Batches for each thread, at least, where there are enough windows: so that all threads end at about the same time.
const BATCHES_PER_THREAD: usize = 4;

impl Pipeline {
    /// Readies a model, whose weights it takes over, to be run by the default [`Engine`].
    ///
    /// # Errors
    /// If the encoder cannot be built.
    pub fn new(model: Model) -> Result<Self> {
        Self::with_engine(model, Engine::default())
    }

    /// Readies a model, whose weights it takes over.
    ///
    /// # Errors
    /// If the encoder cannot be built.
    pub fn with_engine(model: Model, engine: Engine) -> Result<Self> {
        let tokenizer = Arc::clone(model.tokenizer());
        let settings = model.settings().clone();
        let heads = Heads::new(&settings, model.weights());
        let config = model.config().clone();
        let encoder = engine.build(&config, model.into_weights())?;
        Ok(Self { tokenizer, encoder, heads, settings, encoding: AtomicU64::default() })
    }

    /// The settings of the model.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How long threads were in the encoder so far, all of them together.
    pub fn encoder_time(&self) -> Duration {
        Duration::from_nanos(self.encoding.load(Ordering::Relaxed))
    }

    /// Labels every sentence: an analysis for each document and in it an entry for each sentence, in order.
    /// The stances are in the order of `targets`; roles are read with the first of them in front, or with the
    /// model's default target where there is none. What is said of a document does not depend on the
    /// others, nor on the number of threads.
    ///
    /// # Errors
    /// If a target has more tokens than a quarter of a window, or the encoder fails.
    pub fn analyze(&self, documents: &[Document], targets: &[Target]) -> Result<Vec<Analysis>> {
        let mut analyses: Vec<Analysis> = Vec::with_capacity(documents.len());
        self.stream(documents, targets, |part| {
            match analyses.last_mut() {
                Some(analysis) if part.first > 0 => analysis.append(part.analysis),
                _ => analyses.push(part.analysis),
            }
            Ok(())
        })?;
        Ok(analyses)
    }

    /// The tokens of each target that windows are read with.
    fn passes(&self, targets: &[Target]) -> Result<Vec<Vec<u32>>> {
        match targets {
            [] => Ok(vec![self.target_tokens(&self.settings.default_target)?]),
            _ => targets.iter().map(|target| self.target_tokens(target.as_str())).collect(),
        }
    }

    fn target_tokens(&self, target: &str) -> Result<Vec<u32>> {
        let tokens = self.tokenizer.encode(target)?;
        let limit = self.settings.max_tokens / 4;
        if tokens.len() > limit {
            let target = target.to_owned();
            return Err(UsageError::TargetTokens { target, tokens: tokens.len(), limit }.into());
        }
        Ok(tokens)
    }

    fn answer(&self, jobs: &[Job]) -> Result<Vec<SentenceAnswer>> {
        let windows: Vec<&Window> = jobs.iter().map(|job| &job.window).collect();
        let begun = Instant::now();
        let states = self.encoder.encode(&windows)?;
        self.encoding.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let mut answers = Vec::new();
        for (job, states) in jobs.iter().zip(states) {
            // Attributions do not depend on the target: those of the first pass are taken.
            let mut marked = match job.target {
                0 => self.heads.marked(&states, &job.window, |token| self.tokenizer.is_subword(token)),
                _ => Vec::new(),
            };
            for (at, sentence) in job.window.sentences.iter().enumerate().filter(|(_, s)| s.answered) {
                let predictions = self.heads.predict(&self.heads.logits(&states, sentence));
                if !predictions.are_finite() {
                    return Err(Error::Encoder(
                        "the answers are not finite numbers: weights are too large".into(),
                    ));
                }
                let places = &job.places[sentence.index];
                let span = |tokens: Range<usize>| {
                    Span::new(places[tokens.start].start(), places[tokens.end - 1].end())
                };
                let holder = match predictions.stance.label() {
                    Stance::None => None,
                    _ => self.heads.holder(&states, sentence),
                };
                let index = sentence.index - job.first;
                let pieces = marked.get_mut(at).map(std::mem::take).unwrap_or_default();
                let pieces = pieces.into_iter().map(|TokenMark { part, tokens, continues }| Mark {
                    part,
                    sentence: index,
                    continues,
                    from_start: tokens.start == 0,
                    to_end: tokens.end == sentence.tokens.len(),
                    span: span(tokens),
                });
                answers.push(SentenceAnswer {
                    piece: job.piece,
                    target: job.target,
                    sentence: index,
                    answer: Answer {
                        predictions,
                        holder: holder.map(span),
                        pieces: pieces.collect(),
                        truncated: sentence.truncated,
                    },
                });
            }
        }
        Ok(answers)
    }

    /// Puts together what was said of some sentences: the answers of each pass, one pass after the other.
    fn analysis(&self, sentences: usize, answers: &[Option<Answer>], targets: &[Target]) -> Analysis {
        let answer = |pass: usize, sentence: usize| {
            let answer = answers[pass * sentences + sentence].as_ref();
            answer.expect("every sentence is answered by one window of each pass")
        };
        let pieces: Vec<Mark> =
            (0..sentences).flat_map(|sentence| answer(0, sentence).pieces.iter().copied()).collect();
        let stances = |sentence| {
            targets.iter().enumerate().map(move |(pass, target)| TargetStance {
                target: target.clone(),
                prediction: answer(pass, sentence).predictions.stance,
                holder: answer(pass, sentence).holder,
            })
        };
        let of_sentence = |sentence| SentenceAnalysis {
            role: answer(0, sentence).predictions.role,
            stances: stances(sentence).collect(),
            checkworthiness: answer(0, sentence).predictions.checkworthiness,
            truncated: (0..answers.len() / sentences).any(|pass| answer(pass, sentence).truncated),
        };
        Analysis {
            sentences: (0..sentences).map(of_sentence).collect(),
            attributions: self.heads.marks_attributions().then(|| heads::attributions(&pieces)),
        }
    }
}

/// How many tokens to encode together, so that all threads have work. What is answered does not depend on it.
fn batch_tokens(jobs: &[Job]) -> usize {
    let tokens: usize = jobs.iter().map(|job| job.window.tokens.len()).sum();
    (tokens / (BATCHES_PER_THREAD * rayon::current_num_threads())).min(BATCH_TOKENS)
}

/// Runs of jobs whose windows are encoded together, of up to `most` tokens; a longer window is a batch alone.
fn batches(jobs: Vec<Job>, most: usize) -> impl Iterator<Item = Vec<Job>> {
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
