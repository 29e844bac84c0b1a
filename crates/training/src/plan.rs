//! The windows that each optimizer step reads. The plan of an epoch follows from the configuration's seed and the epoch alone, so
//! that a resumed run makes the same plan.

use crate::config::{OtherTarget, TrainConfig};
use crate::error::Result;
use crate::labels::{HolderLabel, Labels, Tags, TokenizedDocument, tokenize};
use crate::teacher::Taught;
use standpoint_core::label::Stance;
use standpoint_core::model::Tokenizer;
use standpoint_core::window::{SpecialTokens, Window, WindowSentence, windows};
use standpoint_evaluation::gold::GoldDocument;
use standpoint_kernels::random::{SplitMix, scramble};
use std::ops::Range;

/// A window with the labels of its sentences.
#[derive(Clone, Debug)]
pub struct Example {
    pub window: Window,
    /// For each sentence of the window. A sentence without any label is context.
    pub labels: Vec<Labels>,
    /// For each token of the window, its tags, or none if it is not in an answered sentence. Empty for a text whose attributions
    /// were not annotated.
    pub tags: Vec<Option<Tags>>,
}

impl Example {
    fn new(window: Window, labels: &[Labels], tags: Option<&[Vec<Tags>]>) -> Self {
        let label = |sentence: &WindowSentence| {
            if !sentence.answered {
                return Labels::default();
            }
            let labels = labels[sentence.index];
            let is_cut = |holder: &HolderLabel| match holder {
                HolderLabel::Tokens { last, .. } => *last >= sentence.tokens.len(),
                HolderLabel::Elsewhere => false,
            };
            Labels { holder: labels.holder.filter(|holder| !is_cut(holder)), ..labels }
        };
        let labels = window.sentences.iter().map(label).collect();
        let tags = tags.map_or_else(Vec::new, |tags| {
            let mut placed = vec![None; window.tokens.len()];
            for sentence in window.sentences.iter().filter(|sentence| sentence.answered) {
                let (of_sentence, range) = (&tags[sentence.index], sentence.tokens.clone());
                let separator = of_sentence.last().copied();
                for (place, &tags) in placed[range.clone()].iter_mut().zip(of_sentence) {
                    *place = Some(tags);
                }
                placed[range.end] = separator;
            }
            placed
        });
        Self { window, labels, tags }
    }

    fn is_labelled(&self) -> bool {
        !self.tags.is_empty() || self.labels.iter().any(|labels| *labels != Labels::default())
    }
}

/// Gold rows of up to this many sentences are a sentence and its neighbours.
const LONGEST_SINGLE: usize = 3;

/// The number of sentences of a short window of a longer document.
const SHORT_WINDOW: Range<usize> = 2..6;

/// The windows of a document that have labels.
fn examples(document: &TokenizedDocument, max_tokens: usize, special: SpecialTokens) -> Vec<Example> {
    examples_toward(document, &document.target, &document.labels, max_tokens, special)
}

fn examples_toward(
    document: &TokenizedDocument,
    target: &[u32],
    labels: &[Labels],
    max_tokens: usize,
    special: SpecialTokens,
) -> Vec<Example> {
    windows(target, &document.sentences, max_tokens, special)
        .into_iter()
        .map(|window| Example::new(window, labels, document.tags.as_deref()))
        .filter(Example::is_labelled)
        .collect()
}

/// The windows of documents, in order, each with the index of its document.
///
/// # Errors
/// If a text cannot be tokenized.
pub fn document_examples(
    documents: &[GoldDocument],
    tokenizer: &Tokenizer,
    max_tokens: usize,
) -> Result<Vec<(usize, Example)>> {
    let tokenized = tokenize(documents, tokenizer, max_tokens)?;
    let numbered = |(index, document): (usize, &TokenizedDocument)| {
        let examples = examples(document, max_tokens, tokenizer.special());
        examples.into_iter().map(move |example| (index, example))
    };
    Ok(tokenized.iter().enumerate().flat_map(numbered).collect())
}

/// The documents of a file that each epoch reads a sample of.
struct SampledFile {
    documents: Vec<TokenizedDocument>,
    sample: usize,
    unrelated: f64,
    /// Other targets to read the documents with, and whether favor and against are swapped for them.
    targets: Vec<(Vec<u32>, bool)>,
}

/// All training data, tokenized, and how epochs are made of it.
pub struct Plan {
    gold: Vec<TokenizedDocument>,
    mixed: f64,
    auxiliary: Vec<SampledFile>,
    taught: Vec<SampledFile>,
    special: SpecialTokens,
    max_tokens: usize,
    step_tokens: usize,
    seed: u64,
}

impl Plan {
    /// Tokenizes everything. `auxiliary` and `taught` are in the order of the configuration.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(
        config: &TrainConfig,
        tokenizer: &Tokenizer,
        gold: &[GoldDocument],
        auxiliary: &[Vec<GoldDocument>],
        taught: &[Taught],
    ) -> Result<Self> {
        let max_tokens = config.max_tokens;
        let gold = tokenize(gold, tokenizer, max_tokens)?;
        let auxiliary = auxiliary
            .iter()
            .zip(&config.data.auxiliary)
            .map(|(documents, settings)| {
                let target = |other: &OtherTarget| {
                    let mut tokens = tokenizer.encode(other.phrase.as_str())?;
                    tokens.truncate(max_tokens / 4);
                    Ok((tokens, other.reversed))
                };
                Ok(SampledFile {
                    documents: tokenize(documents, tokenizer, max_tokens)?,
                    sample: settings.sample,
                    unrelated: settings.unrelated,
                    targets: settings.targets.iter().map(target).collect::<Result<_>>()?,
                })
            })
            .collect::<Result<_>>()?;
        let texts = config.data.teacher.iter().flat_map(|teacher| &teacher.text);
        let taught = taught
            .iter()
            .zip(texts)
            .map(|(taught, settings)| {
                let mut documents = tokenize(&taught.documents, tokenizer, max_tokens)?;
                for (document, predictions) in documents.iter_mut().zip(&taught.predictions) {
                    for (labels, prediction) in document.labels.iter_mut().zip(predictions) {
                        labels.taught = Some(*prediction);
                    }
                }
                Ok(SampledFile { documents, sample: settings.sample, unrelated: 0.0, targets: Vec::new() })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            gold,
            mixed: config.data.mixed,
            auxiliary,
            taught,
            special: tokenizer.special(),
            max_tokens,
            step_tokens: config.schedule.step_tokens,
            seed: config.seed,
        })
    }

    /// The steps of an epoch, counted from 0: examples of at most `step_tokens` tokens each.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<Example>> {
        let mut random = SplitMix::new(scramble(self.seed ^ scramble(epoch as u64)));
        let mut read = self.mixed_gold(&mut random);
        for index in 0..self.auxiliary.len() {
            self.add_auxiliary(index, &mut random, &mut read);
        }
        for file in &self.taught {
            read.extend(sampled(file, &mut random).flat_map(|document| self.examples(document)));
        }
        random.shuffle(&mut read);
        let mut steps: Vec<Vec<Example>> = Vec::new();
        let mut tokens = self.step_tokens;
        for example in read {
            if tokens + example.window.tokens.len() > self.step_tokens {
                steps.push(Vec::new());
                tokens = 0;
            }
            tokens += example.window.tokens.len();
            steps.last_mut().expect("the first example opens a step").push(example);
        }
        steps
    }

    /// The gold windows of an epoch: a share of single sentences is joined into long windows, a share of documents is cut into
    /// short ones, and all others are cut as for inference.
    fn mixed_gold(&self, random: &mut SplitMix) -> Vec<Example> {
        let mut joined: Vec<&TokenizedDocument> = Vec::new();
        let mut read = Vec::new();
        for document in &self.gold {
            let is_single = document.sentences.len() <= LONGEST_SINGLE;
            match random.unit() < self.mixed {
                true if is_single => joined.push(document),
                true => {
                    let mut start = 0;
                    while start < document.sentences.len() {
                        let length = SHORT_WINDOW.start + random.below(SHORT_WINDOW.len());
                        let end = (start + length).min(document.sentences.len());
                        read.extend(self.examples(&document.part(start..end)));
                        start = end;
                    }
                }
                false => read.extend(self.examples(document)),
            }
        }
        random.shuffle(&mut joined);
        // A window has one target.
        joined.sort_by(|left, right| left.target.cmp(&right.target));
        let mut rest = joined.as_slice();
        while let Some(first) = rest.first() {
            let room = self.max_tokens.saturating_sub(first.target.len() + 2);
            let mut tokens = 0;
            let fits = |document: &&&TokenizedDocument| {
                tokens += document.sentences.iter().map(|sentence| sentence.len() + 1).sum::<usize>();
                document.target == first.target && tokens <= room
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (together, others) = rest.split_at(count);
            let mut document = TokenizedDocument::clone(first);
            for other in &together[1..] {
                document.append(other);
            }
            read.extend(self.examples(&document));
            rest = others;
        }
        read
    }

    fn examples(&self, document: &TokenizedDocument) -> Vec<Example> {
        examples(document, self.max_tokens, self.special)
    }

    /// Adds an epoch's sample of an auxiliary file.
    fn add_auxiliary(&self, index: usize, random: &mut SplitMix, read: &mut Vec<Example>) {
        let file = &self.auxiliary[index];
        let others: Vec<&SampledFile> = self
            .auxiliary
            .iter()
            .enumerate()
            .filter(|(other, auxiliary)| *other != index && !auxiliary.documents.is_empty())
            .map(|(_, auxiliary)| auxiliary)
            .collect();
        for document in sampled(file, random) {
            if !file.targets.is_empty() {
                let (target, reversed) = &file.targets[random.below(file.targets.len())];
                let stance = |stance: Stance| if *reversed { stance.reversed() } else { stance };
                let labels = document
                    .labels
                    .iter()
                    .map(|labels| Labels { stance: labels.stance.map(stance), ..*labels });
                let labels: Vec<Labels> = labels.collect();
                read.extend(examples_toward(document, target, &labels, self.max_tokens, self.special));
            } else if random.unit() < file.unrelated && !others.is_empty() {
                let other = others[random.below(others.len())];
                let target = &other.documents[random.below(other.documents.len())].target;
                // Context sentences take no stance toward that target either, so they are labelled too.
                let none: Vec<Labels> = document
                    .labels
                    .iter()
                    .map(|labels| Labels { stance: Some(Stance::None), holder: None, ..*labels })
                    .collect();
                read.extend(examples_toward(document, target, &none, self.max_tokens, self.special));
            } else {
                read.extend(self.examples(document));
            }
        }
    }
}

/// The documents of a file that an epoch reads, in random order.
fn sampled<'a>(
    file: &'a SampledFile,
    random: &mut SplitMix,
) -> impl Iterator<Item = &'a TokenizedDocument> + use<'a> {
    let mut order: Vec<usize> = (0..file.documents.len()).collect();
    random.shuffle(&mut order);
    order.into_iter().take(file.sample).map(|row| &file.documents[row])
}

/// Divides a step's examples into `shards` of about equal length, and each shard into passes of at most `pass_tokens` tokens:
/// `[shard][pass][example]`.
pub fn into_shards(step: &[Example], shards: usize, pass_tokens: usize) -> Vec<Vec<Vec<&Example>>> {
    let mut sorted: Vec<&Example> = step.iter().collect();
    sorted.sort_by_key(|example| std::cmp::Reverse(example.window.tokens.len()));
    let mut by_shard: Vec<(usize, Vec<&Example>)> = vec![(0, Vec::new()); shards];
    for example in sorted {
        let lightest = by_shard.iter_mut().min_by_key(|(tokens, _)| *tokens).expect("there is a shard");
        lightest.0 += example.window.tokens.len();
        lightest.1.push(example);
    }
    by_shard
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

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::Role;

    const SPECIAL: SpecialTokens = SpecialTokens { cls: 1, sep: 2 };

    /// A document whose sentences repeat a number of their own `length` times. The numbers begin at `first`.
    fn document(first: u32, sentences: usize, length: usize) -> TokenizedDocument {
        TokenizedDocument {
            target: vec![7],
            sentences: (0..sentences).map(|index| vec![first + index as u32; length]).collect(),
            labels: vec![Labels { role: Some(Role::Claim), ..Labels::default() }; sentences],
            tags: None,
        }
    }

    fn plan(mixed: f64) -> Plan {
        let mut gold: Vec<TokenizedDocument> = (0..40).map(|row| document(100 + row * 3, 3, 5)).collect();
        gold.extend((0..10).map(|row| document(1000 + row * 20, 12, 6)));
        Plan {
            gold,
            mixed,
            auxiliary: Vec::new(),
            taught: Vec::new(),
            special: SPECIAL,
            max_tokens: 128,
            step_tokens: 256,
            seed: 4,
        }
    }

    /// The numbers of an epoch's labelled sentences.
    fn labelled(steps: &[Vec<Example>]) -> Vec<u32> {
        let mut numbers: Vec<u32> = steps
            .iter()
            .flatten()
            .flat_map(|example| {
                example.window.sentences.iter().zip(&example.labels).map(move |pair| (example, pair))
            })
            .filter(|(_, (_, labels))| labels.role.is_some())
            .map(|(example, (sentence, _))| example.window.tokens[sentence.tokens.start])
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn an_epoch_reads_every_label_once_however_windows_are_cut() {
        let all = labelled(&plan(0.0).epoch(0));
        assert_eq!(all.len(), 40 * 3 + 10 * 12);
        for mixed in [0.5, 1.0] {
            assert_eq!(labelled(&plan(mixed).epoch(0)), all);
        }
    }

    #[test]
    fn mixing_makes_windows_of_both_kinds_alike_in_length() {
        let lengths = |mixed: f64, single: bool| {
            let steps = plan(mixed).epoch(0);
            let of_kind = |example: &&Example| {
                (example.window.tokens[example.window.sentences[0].tokens.start] < 1000) == single
            };
            let lengths: Vec<usize> = steps
                .iter()
                .flatten()
                .filter(of_kind)
                .map(|example| example.window.sentences.len())
                .collect();
            lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
        };
        assert_eq!((lengths(0.0, true), lengths(0.0, false)), (3.0, 12.0));
        assert!(lengths(1.0, true) > 12.0, "single sentences are joined");
        assert!(lengths(1.0, false) < 5.0, "documents are cut");
    }

    #[test]
    fn epochs_differ_and_repeat_themselves() {
        let tokens = |epoch| -> Vec<Vec<u32>> {
            plan(0.5).epoch(epoch).into_iter().flatten().map(|example| example.window.tokens).collect()
        };
        assert_eq!(tokens(1), tokens(1));
        assert_ne!(tokens(1), tokens(2));
    }

    #[test]
    fn a_step_is_divided_evenly_and_completely() {
        let steps = plan(0.0).epoch(0);
        let shards = into_shards(&steps[0], 2, 128);
        let tokens: Vec<usize> = shards
            .iter()
            .map(|passes| passes.iter().flatten().map(|e| e.window.tokens.len()).sum())
            .collect();
        let all: usize = steps[0].iter().map(|example| example.window.tokens.len()).sum();
        assert_eq!(tokens.iter().sum::<usize>(), all);
        assert!(tokens[0].abs_diff(tokens[1]) <= 128, "{tokens:?}");
        for pass in shards.iter().flatten() {
            assert!(pass.iter().map(|e| e.window.tokens.len()).sum::<usize>() <= 128);
        }
    }
}
