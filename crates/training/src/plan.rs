//! Which windows each optimizer step reads. The plan of an epoch is a function of the configuration's seed
//! and the epoch alone, so that a resumed run finds it again.

use crate::config::{OtherTarget, TrainConfig};
use crate::error::Result;
use crate::labels::{HolderLabel, Labels, Tags, TokenizedDocument, tokenize};
use crate::rename::Renaming;
use crate::teacher::Taught;
use standpoint_core::label::Stance;
use standpoint_core::model::Tokenizer;
use standpoint_core::text::Document;
use standpoint_core::window::{SpecialTokens, Window, WindowSentence, windows};
use standpoint_evaluation::gold::GoldDocument;
use standpoint_kernels::random::{SplitMix, scramble};
use std::ops::Range;

/// A window with the labels of its sentences.
#[derive(Clone, Debug)]
pub struct Example {
    pub window: Window,
    /// For each sentence of the window; without any label, it is context.
    pub labels: Vec<Labels>,
    /// For each token of the window, if it belongs to an answered sentence of a text whose attributions are known;
    /// empty where they are not.
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

/// Rows of up to this many sentences are a sentence and its neighbours.
const LONGEST_SINGLE: usize = 3;

/// How many sentences of a document a short window takes.
const SHORT_WINDOW: Range<usize> = 2..6;

/// The windows of a document that say anything.
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

/// All documents with their names exchanged, each by a draw of its own, as often as an epoch may choose from.
fn renamed(
    documents: &[GoldDocument],
    tokenizer: &Tokenizer,
    max_tokens: usize,
    seed: u64,
) -> Result<Vec<Vec<TokenizedDocument>>> {
    (0..RENAMED_READINGS)
        .map(|reading| {
            let renamed: Vec<GoldDocument> = documents
                .iter()
                .enumerate()
                .map(|(index, gold)| {
                    let key = scramble(seed ^ scramble((reading * documents.len() + index) as u64));
                    let renaming = Renaming::draw(&mut SplitMix::new(key));
                    let sentences: Vec<String> =
                        gold.sentences().map(|(text, _)| renaming.apply(text)).collect();
                    let document = Document::from_sentences(gold.document.id(), &sentences);
                    GoldDocument { document, attributions: None, ..gold.clone() }
                })
                .collect();
            let mut tokenized = tokenize(&renamed, tokenizer, max_tokens)?;
            // The holders' places are those of the names before.
            for labels in tokenized.iter_mut().flat_map(|document| &mut document.labels) {
                labels.holder = None;
            }
            Ok(tokenized)
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
    let numbered = |(index, document): (usize, &TokenizedDocument)| {
        let examples = examples(document, max_tokens, tokenizer.special());
        examples.into_iter().map(move |example| (index, example))
    };
    Ok(tokenized.iter().enumerate().flat_map(numbered).collect())
}

/// A file of which each epoch reads a sample.
struct Auxiliary {
    documents: Vec<TokenizedDocument>,
    sample: usize,
    unrelated: f64,
    /// Other targets to read them with, and whether these are the opposite of their own.
    targets: Vec<(Vec<u32>, bool)>,
}

/// How many renamed readings of each gold document an epoch draws from.
const RENAMED_READINGS: usize = 8;

/// All training data, tokenized, and the rule that orders it.
pub struct Plan {
    gold: Vec<TokenizedDocument>,
    /// The same documents with other names, several times.
    renamed_gold: Vec<Vec<TokenizedDocument>>,
    renamed: f64,
    mixed: f64,
    auxiliary: Vec<Auxiliary>,
    taught: Vec<Auxiliary>,
    special: SpecialTokens,
    max_tokens: usize,
    step_tokens: usize,
    seed: u64,
}

impl Plan {
    /// `auxiliary` and `taught` stand in the order of the configuration.
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
        let renamed_gold = match config.data.renamed > 0.0 {
            true => renamed(gold, tokenizer, max_tokens, config.seed)?,
            false => Vec::new(),
        };
        let gold = tokenize(gold, tokenizer, max_tokens)?;
        let sample = |sample: usize| (sample as f64 * config.data.share).ceil() as usize;
        let auxiliary = auxiliary
            .iter()
            .zip(&config.data.auxiliary)
            .map(|(documents, settings)| {
                let target = |other: &OtherTarget| {
                    let mut tokens = tokenizer.encode(other.phrase.as_str())?;
                    tokens.truncate(max_tokens / 4);
                    Ok((tokens, other.reversed))
                };
                Ok(Auxiliary {
                    documents: tokenize(documents, tokenizer, max_tokens)?,
                    sample: sample(settings.sample),
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
                for (document, judgements) in documents.iter_mut().zip(&taught.judgements) {
                    for (labels, judgement) in document.labels.iter_mut().zip(judgements) {
                        labels.taught = Some(*judgement);
                    }
                }
                Ok(Auxiliary {
                    documents,
                    sample: sample(settings.sample),
                    unrelated: 0.0,
                    targets: Vec::new(),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            gold,
            renamed_gold,
            renamed: config.data.renamed,
            mixed: config.data.mixed,
            auxiliary,
            taught,
            special: tokenizer.special(),
            max_tokens,
            step_tokens: config.schedule.step_tokens,
            seed: config.seed,
        })
    }

    /// The steps of an epoch, counted from 0: examples of about `step_tokens` tokens each.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<Example>> {
        let mut random = SplitMix::new(scramble(self.seed ^ scramble(epoch as u64)));
        let mut read = self.mixed_gold(&mut random);
        for index in 0..self.auxiliary.len() {
            self.draw(index, &mut random, &mut read);
        }
        for file in &self.taught {
            read.extend(drawn(file, &mut random).flat_map(|document| self.examples(document)));
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

    /// The gold windows of an epoch: a share of single sentences joined into long windows, a share of documents
    /// cut into short ones, all others as inference would cut them.
    fn mixed_gold(&self, random: &mut SplitMix) -> Vec<Example> {
        let mut joined: Vec<&TokenizedDocument> = Vec::new();
        let mut read = Vec::new();
        for index in 0..self.gold.len() {
            let document = self.reading(index, random);
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
        // Rows of several targets cannot share a window.
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

    /// A gold document as it is, or with other names.
    fn reading(&self, index: usize, random: &mut SplitMix) -> &TokenizedDocument {
        if !self.renamed_gold.is_empty() && random.unit() < self.renamed {
            &self.renamed_gold[random.below(self.renamed_gold.len())][index]
        } else {
            &self.gold[index]
        }
    }

    fn draw(&self, index: usize, random: &mut SplitMix, read: &mut Vec<Example>) {
        let file = &self.auxiliary[index];
        let others: Vec<&Auxiliary> = self
            .auxiliary
            .iter()
            .enumerate()
            .filter(|(other, auxiliary)| *other != index && !auxiliary.documents.is_empty())
            .map(|(_, auxiliary)| auxiliary)
            .collect();
        for document in drawn(file, random) {
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
                // Context sentences take no stance toward it either, so that they are labelled too.
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

/// The sample of an epoch.
fn drawn<'a>(
    file: &'a Auxiliary,
    random: &mut SplitMix,
) -> impl Iterator<Item = &'a TokenizedDocument> + use<'a> {
    let mut order: Vec<usize> = (0..file.documents.len()).collect();
    random.shuffle(&mut order);
    order.into_iter().take(file.sample).map(|row| &file.documents[row])
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

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::label::Role;

    const SPECIAL: SpecialTokens = SpecialTokens { cls: 1, sep: 2 };

    /// A document whose sentences are `length` times one number of their own, from `first` on.
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
            renamed_gold: Vec::new(),
            renamed: 0.0,
            mixed,
            auxiliary: Vec::new(),
            taught: Vec::new(),
            special: SPECIAL,
            max_tokens: 128,
            step_tokens: 256,
            seed: 4,
        }
    }

    /// The labelled sentences of an epoch, by the number that they are made of.
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
    fn a_step_is_dealt_evenly_and_whole() {
        let steps = plan(0.0).epoch(0);
        let dealt = deal(&steps[0], 2, 128);
        let tokens: Vec<usize> =
            dealt.iter().map(|passes| passes.iter().flatten().map(|e| e.window.tokens.len()).sum()).collect();
        let all: usize = steps[0].iter().map(|example| example.window.tokens.len()).sum();
        assert_eq!(tokens.iter().sum::<usize>(), all);
        assert!(tokens[0].abs_diff(tokens[1]) <= 128, "{tokens:?}");
        for pass in dealt.iter().flatten() {
            assert!(pass.iter().map(|e| e.window.tokens.len()).sum::<usize>() <= 128);
        }
    }
}
