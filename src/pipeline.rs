//! From documents to analyses: tokenize, cut windows, encode, apply the heads, put together. The only place
//! that joins those stages; takes and gives the types of [`crate::text`] and [`crate::label`].

use crate::encoder::{Encoder, ReferenceEncoder};
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

impl Pipeline {
    /// Readies a model, whose weights it takes over.
    ///
    /// # Errors
    /// If the encoder cannot be built.
    pub fn new(model: Model) -> Result<Self> {
        let tokenizer = Arc::clone(model.tokenizer());
        let settings = model.settings().clone();
        let heads = Heads::new(model.config(), &settings, model.weights());
        let config = model.config().clone();
        let encoder = ReferenceEncoder::new(&config, model.into_weights())?;
        Ok(Self { tokenizer, encoder: Box::new(encoder), heads, settings })
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
        // Taken one by one from the front, the longest first, all cores end at about the same time.
        let answered: Vec<(usize, Vec<(usize, Answer)>)> = jobs
            .iter()
            .enumerate()
            .par_bridge()
            .map(|(index, job)| Ok((index, self.answer(&job.window)?)))
            .collect::<Result<_>>()?;

        let mut answers: Vec<Vec<Option<Answer>>> =
            documents.iter().map(|document| vec![None; passes.len() * document.sentences().len()]).collect();
        for (index, sentences) in answered {
            let Job { document, target, .. } = jobs[index];
            let first = target * documents[document].sentences().len();
            for (sentence, answer) in sentences {
                answers[document][first + sentence] = Some(answer);
            }
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

    fn answer(&self, window: &Window) -> Result<Vec<(usize, Answer)>> {
        let states = self.encoder.encode(window)?;
        Ok(window
            .sentences
            .iter()
            .filter(|sentence| sentence.answered)
            .map(|sentence| {
                let (role, stance) = self.heads.predict(&self.heads.logits(&states, sentence));
                (sentence.index, Answer { role, stance, truncated: sentence.truncated })
            })
            .collect())
    }
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
    Analysis { sentences }
}
