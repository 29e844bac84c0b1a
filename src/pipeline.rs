//! From documents to analyses: tokenize, cut windows, encode, apply the heads, put together. The only place
//! that joins those stages; takes and gives the types of [`crate::text`] and [`crate::label`].

mod stream;

use crate::encoder::{Encoder, Engine};
use crate::error::{Error, Result, UsageError};
use crate::heads::Heads;
use crate::label::{Analysis, Prediction, Role, SentenceAnalysis, Stance, Target, TargetStance};
use crate::model::{Model, Settings, Tokenizer};
use crate::text::Document;
use crate::window::Window;
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
}

/// What a window says of one sentence.
#[derive(Clone, Copy)]
struct Answer {
    role: Prediction<Role>,
    stance: Prediction<Stance>,
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
        self.stream(documents, targets, |piece| {
            match analyses.last_mut() {
                Some(analysis) if piece.first > 0 => analysis.append(piece.analysis),
                _ => analyses.push(piece.analysis),
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
            for sentence in job.window.sentences.iter().filter(|sentence| sentence.answered) {
                let predictions = self.heads.predict(&self.heads.logits(&states, sentence));
                let (role, stance) = (predictions.role, predictions.stance);
                if !(role.confidence().is_finite() && stance.confidence().is_finite()) {
                    return Err(Error::Encoder(
                        "the answers are not finite numbers: weights are too large".into(),
                    ));
                }
                answers.push(SentenceAnswer {
                    piece: job.piece,
                    target: job.target,
                    sentence: sentence.index - job.first,
                    answer: Answer { role, stance, truncated: sentence.truncated },
                });
            }
        }
        Ok(answers)
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

/// Puts together what was said of some sentences: the answers of each pass, one pass after the other.
fn analysis(sentences: usize, answers: &[Option<Answer>], targets: &[Target]) -> Analysis {
    let answer = |pass: usize, sentence: usize| {
        answers[pass * sentences + sentence].expect("every sentence is answered by one window of each pass")
    };
    let sentences = (0..sentences)
        .map(|sentence| SentenceAnalysis {
            role: answer(0, sentence).role,
            stances: targets
                .iter()
                .enumerate()
                .map(|(pass, target)| TargetStance {
                    target: target.clone(),
                    prediction: answer(pass, sentence).stance,
                    holder: None,
                })
                .collect(),
            checkworthiness: None,
            truncated: (0..answers.len() / sentences).any(|pass| answer(pass, sentence).truncated),
        })
        .collect();
    Analysis { sentences, attributions: None }
}
