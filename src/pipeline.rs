//! From documents to analyses: tokenize, cut windows, encode, apply the heads, put together. The only place
//! that joins those stages; takes and gives the types of [`crate::text`] and [`crate::label`].

use crate::encoder::{Encoder, Engine};
use crate::error::{Result, UsageError};
use crate::heads::Heads;
use crate::label::{Analysis, Prediction, Role, SentenceAnalysis, Stance, Target, TargetStance};
use crate::model::{Model, Settings, Tokenizer};
use crate::text::Document;
use crate::window::{self, Window};
use rayon::prelude::*;
use std::sync::Arc;

/// A model that is ready to label documents. Immutable: share it between threads as you like.
pub struct Pipeline {
    tokenizer: Arc<Tokenizer>,
    encoder: Box<dyn Encoder>,
    heads: Heads,
    settings: Settings,
}

/// One window of one document, to be read for one target.
struct Job {
    document: usize,
    target: usize,
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
    document: usize,
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
        Ok(Self { tokenizer, encoder, heads, settings })
    }

    /// The settings of the model.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Labels every sentence: an analysis for each document and in it an entry for each sentence, in order.
    /// The stances are in the order of `targets`; roles are read with the first of them in front, or with the
    /// model's default target where there is none. What is said of a document does not depend on the
    /// others, nor on the number of threads.
    ///
    /// # Errors
    /// If a target has more tokens than a quarter of a window, or the encoder fails.
    pub fn analyze(&self, documents: &[Document], targets: &[Target]) -> Result<Vec<Analysis>> {
        let mut passes = Vec::with_capacity(targets.len().max(1));
        for target in targets {
            passes.push(self.target_tokens(target.as_str())?);
        }
        if passes.is_empty() {
            passes.push(self.target_tokens(&self.settings.default_target)?);
        }
        let answers = self.answers(documents, &passes)?;
        Ok(documents
            .iter()
            .zip(answers)
            .map(|(document, answers)| analysis(document.sentences().len(), &answers, targets))
            .collect())
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

    /// For each document the answers of each pass, one pass after the other: `[passes, sentences]`.
    fn answers(&self, documents: &[Document], passes: &[Vec<u32>]) -> Result<Vec<Vec<Option<Answer>>>> {
        let jobs = self.jobs(documents, passes)?;
        // Taken one by one from the front, all cores end at about the same time.
        let answered: Vec<Vec<SentenceAnswer>> = batches(&jobs, batch_tokens(&jobs))
            .par_bridge()
            .map(|jobs| self.answer(jobs))
            .collect::<Result<_>>()?;

        let mut answers: Vec<Vec<Option<Answer>>> =
            documents.iter().map(|document| vec![None; passes.len() * document.sentences().len()]).collect();
        for SentenceAnswer { document, target, sentence, answer } in answered.into_iter().flatten() {
            let first = target * documents[document].sentences().len();
            answers[document][first + sentence] = Some(answer);
        }
        Ok(answers)
    }

    /// All windows of all documents and passes, the longest first.
    fn jobs(&self, documents: &[Document], passes: &[Vec<u32>]) -> Result<Vec<Job>> {
        let cut = |(index, document): (usize, &Document)| -> Result<Vec<Job>> {
            let texts: Vec<&str> =
                document.sentences().iter().map(|span| span.slice(document.text())).collect();
            let sentences = self.tokenizer.encode_batch(&texts)?;
            let (max_tokens, special) = (self.settings.max_tokens, self.tokenizer.special());
            let windows = |(target, tokens): (usize, &Vec<u32>)| {
                let windows = window::windows(tokens, &sentences, max_tokens, special);
                windows.into_iter().map(move |window| Job { document: index, target, window })
            };
            Ok(passes.iter().enumerate().flat_map(windows).collect())
        };
        let jobs: Vec<Vec<Job>> = documents.par_iter().enumerate().map(cut).collect::<Result<_>>()?;
        let mut jobs: Vec<Job> = jobs.into_iter().flatten().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.window.tokens.len()));
        Ok(jobs)
    }

    fn answer(&self, jobs: &[Job]) -> Result<Vec<SentenceAnswer>> {
        let windows: Vec<&Window> = jobs.iter().map(|job| &job.window).collect();
        let mut answers = Vec::new();
        for (job, states) in jobs.iter().zip(self.encoder.encode(&windows)?) {
            for sentence in job.window.sentences.iter().filter(|sentence| sentence.answered) {
                let predictions = self.heads.predict(&self.heads.logits(&states, sentence));
                let (role, stance) = (predictions.role, predictions.stance);
                answers.push(SentenceAnswer {
                    document: job.document,
                    target: job.target,
                    sentence: sentence.index,
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
fn batches(jobs: &[Job], most: usize) -> impl Iterator<Item = &[Job]> {
    let mut rest = jobs;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = rest.iter().take_while(|job| {
            tokens += job.window.tokens.len();
            tokens <= most
        });
        let (batch, others) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

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
