//! Which windows each optimizer step reads. The plan of an epoch is a function of the configuration's seed
//! and the epoch alone, so that a resumed run finds it again.

use crate::error::Result;
use crate::gold::GoldDocument;
use crate::label::{Role, Stance};
use crate::model::Tokenizer;
use crate::random::{SplitMix, scramble};
use crate::train::config::TrainConfig;
use crate::window::{SpecialTokens, Window, windows};
use rayon::prelude::*;
use std::collections::HashMap;

/// A window with the labels of its sentences.
#[derive(Clone, Debug)]
pub struct Example {
    pub window: Window,
    /// For each sentence of the window; without any label, it is context.
    pub labels: Vec<Labels>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub role: Option<Role>,
    pub stance: Option<Stance>,
}

/// A document as token ids.
struct TokenizedDocument {
    target: Vec<u32>,
    sentences: Vec<Vec<u32>>,
    labels: Vec<Labels>,
}

impl TokenizedDocument {
    fn examples(&self, max_tokens: usize, special: SpecialTokens) -> Vec<Example> {
        self.examples_toward(&self.target, &self.labels, max_tokens, special)
    }

    fn examples_toward(
        &self,
        target: &[u32],
        labels: &[Labels],
        max_tokens: usize,
        special: SpecialTokens,
    ) -> Vec<Example> {
        windows(target, &self.sentences, max_tokens, special)
            .into_iter()
            .map(|window| {
                let label = |sentence: &crate::window::WindowSentence| {
                    if sentence.answered { labels[sentence.index] } else { Labels::default() }
                };
                Example { labels: window.sentences.iter().map(label).collect(), window }
            })
            .filter(|example| example.labels.iter().any(|labels| *labels != Labels::default()))
            .collect()
    }
}

fn tokenize(
    documents: &[GoldDocument],
    tokenizer: &Tokenizer,
    max_tokens: usize,
) -> Result<Vec<TokenizedDocument>> {
    let mut targets: HashMap<&str, Vec<u32>> = HashMap::new();
    for document in documents {
        if !targets.contains_key(document.target.as_str()) {
            let mut tokens = tokenizer.encode(&document.target)?;
            // Debate motions can be long; the pipeline refuses such targets, training shortens them.
            tokens.truncate(max_tokens / 4);
            targets.insert(&document.target, tokens);
        }
    }
    documents
        .par_iter()
        .map(|document| {
            let texts: Vec<&str> = document.sentences.iter().map(|sentence| sentence.text.as_str()).collect();
            Ok(TokenizedDocument {
                target: targets[document.target.as_str()].clone(),
                sentences: tokenizer.encode_batch(&texts)?,
                labels: document
                    .sentences
                    .iter()
                    .map(|sentence| Labels { role: sentence.role, stance: sentence.stance })
                    .collect(),
            })
        })
        .collect()
}

/// The examples of whole documents, in order, each with the index of its document.
///
/// # Errors
/// If a text cannot be tokenized.
pub fn document_examples(
    documents: &[GoldDocument],
    tokenizer: &Tokenizer,
    max_tokens: usize,
) -> Result<Vec<(usize, Example)>> {
    let tokenized = tokenize(documents, tokenizer, max_tokens)?;
    let examples = |(index, document): (usize, &TokenizedDocument)| {
        let examples = document.examples(max_tokens, tokenizer.special());
        examples.into_iter().map(move |example| (index, example))
    };
    Ok(tokenized.iter().enumerate().flat_map(examples).collect())
}

/// A file of which each epoch reads a sample.
struct Auxiliary {
    documents: Vec<TokenizedDocument>,
    sample: usize,
    unrelated: f64,
}

/// All training data, tokenized, and the rule that orders it.
pub struct Plan {
    gold: Vec<Example>,
    auxiliary: Vec<Auxiliary>,
    special: SpecialTokens,
    max_tokens: usize,
    step_tokens: usize,
    seed: u64,
}

impl Plan {
    /// `auxiliary` stands in the order of `config.data.auxiliary`.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(
        config: &TrainConfig,
        tokenizer: &Tokenizer,
        gold: &[GoldDocument],
        auxiliary: &[Vec<GoldDocument>],
    ) -> Result<Self> {
        let max_tokens = config.max_tokens;
        let gold = document_examples(gold, tokenizer, max_tokens)?;
        let auxiliary = auxiliary
            .iter()
            .zip(&config.data.auxiliary)
            .map(|(documents, settings)| {
                Ok(Auxiliary {
                    documents: tokenize(documents, tokenizer, max_tokens)?,
                    sample: settings.sample,
                    unrelated: settings.unrelated,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            gold: gold.into_iter().map(|(_, example)| example).collect(),
            auxiliary,
            special: tokenizer.special(),
            max_tokens,
            step_tokens: config.schedule.step_tokens,
            seed: config.seed,
        })
    }

    /// The steps of an epoch, counted from 0: examples of about `step_tokens` tokens each.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<Example>> {
        let mut random = SplitMix::new(scramble(self.seed ^ scramble(epoch as u64)));
        let mut examples = self.gold.clone();
        for index in 0..self.auxiliary.len() {
            self.draw(index, &mut random, &mut examples);
        }
        random.shuffle(&mut examples);
        let mut steps: Vec<Vec<Example>> = Vec::new();
        let mut tokens = self.step_tokens;
        for example in examples {
            if tokens + example.window.tokens.len() > self.step_tokens {
                steps.push(Vec::new());
                tokens = 0;
            }
            tokens += example.window.tokens.len();
            steps.last_mut().expect("the first example opens a step").push(example);
        }
        steps
    }

    fn draw(&self, index: usize, random: &mut SplitMix, examples: &mut Vec<Example>) {
        let file = &self.auxiliary[index];
        let others: Vec<&Auxiliary> = self
            .auxiliary
            .iter()
            .enumerate()
            .filter(|(other, auxiliary)| *other != index && !auxiliary.documents.is_empty())
            .map(|(_, auxiliary)| auxiliary)
            .collect();
        let mut order: Vec<usize> = (0..file.documents.len()).collect();
        random.shuffle(&mut order);
        for &row in order.iter().take(file.sample) {
            let document = &file.documents[row];
            if random.unit() < file.unrelated && !others.is_empty() {
                let other = others[random.below(others.len())];
                let target = &other.documents[random.below(other.documents.len())].target;
                // Context sentences take no stance toward it either, so that they are labelled too.
                let none: Vec<Labels> = document
                    .labels
                    .iter()
                    .map(|labels| Labels { role: labels.role, stance: Some(Stance::None) })
                    .collect();
                examples.extend(document.examples_toward(target, &none, self.max_tokens, self.special));
            } else {
                examples.extend(document.examples(self.max_tokens, self.special));
            }
        }
    }
}

/// Deals a step's examples into `shards` of about equal length, each cut into passes of at most `pass_tokens`
/// tokens: `[shard][pass][example]`.
pub fn deal(step: &[Example], shards: usize, pass_tokens: usize) -> Vec<Vec<Vec<&Example>>> {
    let mut sorted: Vec<&Example> = step.iter().collect();
    sorted.sort_by_key(|example| std::cmp::Reverse(example.window.tokens.len()));
    let mut dealt: Vec<(usize, Vec<&Example>)> = vec![(0, Vec::new()); shards];
    for example in sorted {
        let lightest = dealt.iter_mut().min_by_key(|(tokens, _)| *tokens).expect("there is a shard");
        lightest.0 += example.window.tokens.len();
        lightest.1.push(example);
    }
    dealt
        .into_iter()
        .map(|(_, examples)| {
            let mut passes: Vec<Vec<&Example>> = Vec::new();
            let mut tokens = pass_tokens;
            for example in examples {
                if tokens + example.window.tokens.len() > pass_tokens {
                    passes.push(Vec::new());
                    tokens = 0;
                }
                tokens += example.window.tokens.len();
                passes.last_mut().expect("the first example opens a pass").push(example);
            }
            passes
        })
        .collect()
}
