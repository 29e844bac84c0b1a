//! The windows that each optimizer step reads. The plan of an epoch follows from the configuration's seed and the epoch alone, so
//! that a resumed run makes the same plan.

use crate::config::{OtherTarget, TrainConfig};
use crate::error::Result;
use crate::labels::{
    HolderLabel, Labels, Mention, Question, SpeakerLabel, StanceLabels, Tags, TokenizedDocument, tokenize,
    wordings,
};
use crate::targets::{Phrases, Wording};
use crate::teacher::Taught;
use standpoint_core::model::Tokenizer;
use standpoint_core::window::{
    SpecialTokens, Window, WindowSentence, WindowShape, target_sequence, text_windows,
};
use standpoint_evaluation::gold::GoldDocument;
use standpoint_kernels::random::{SplitMix, scramble};
use std::ops::Range;

/// A window of text with the labels of its sentences, and the targets that it is read toward.
#[derive(Clone, Debug)]
pub struct Example {
    pub window: Window,
    /// For each sentence of the window. A sentence without any label is context.
    pub labels: Vec<Labels>,
    /// For each token of the window, its tags, or none if it is not in an answered sentence. Empty for a text whose attributions
    /// were not annotated.
    pub tags: Vec<Option<Tags>>,
    pub speakers: Vec<Speaker>,
    pub queries: Vec<Query>,
}

/// Where a window names who speaks in one of its sentences.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// Counted from the window's first.
    pub sentence: usize,
    /// The first and the last token of each mention, counted from the window's first. The window's first token alone, `[CLS]`, if
    /// the window does not name the speaker.
    pub mentions: Vec<[usize; 2]>,
}

/// A target, and the labels toward it of each sentence of a window.
#[derive(Clone, Debug)]
pub struct Query {
    /// `[CLS] target [SEP]`
    pub target: Vec<u32>,
    /// It is the opposite of the document's target. Labels are toward the phrase itself.
    pub reversed: bool,
    pub labels: Vec<StanceLabels>,
}

impl Example {
    fn new(window: Window, document: &TokenizedDocument, asked: &[Query]) -> Self {
        let label = |sentence: &WindowSentence| match sentence.answered {
            true => document.labels[sentence.index],
            false => Labels::default(),
        };
        let labels = window.sentences.iter().map(label).collect();
        let tags = document.tags.as_ref().map_or_else(Vec::new, |tags| {
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
        let speakers = speakers(&window, document);
        let query = |query: &Query| Query {
            labels: window.sentences.iter().map(|sentence| stance_labels(sentence, &query.labels)).collect(),
            ..query.clone()
        };
        let mut queries: Vec<Query> = asked.iter().map(query).collect();
        queries.retain(|query| query.labels.iter().any(|labels| *labels != StanceLabels::default()));
        Self { labels, tags, speakers, queries, window }
    }

    /// Whether any label does not concern a target, so that the text is read without one.
    pub fn has_text_labels(&self) -> bool {
        !self.tags.is_empty() || self.labels.iter().any(|labels| *labels != Labels::default())
    }

    fn is_labelled(&self) -> bool {
        !self.queries.is_empty() || self.has_text_labels()
    }

    /// The tokens that upper layers read: those of the text once without a target, and once with each.
    pub fn upper_tokens(&self) -> usize {
        let text = self.window.tokens.len();
        let alone = if self.has_text_labels() { text } else { 0 };
        alone + self.queries.iter().map(|query| query.target.len() + text).sum::<usize>()
    }
}

/// Who speaks in the answered sentences of a window. Mentions of the whole name come before those of a part of it.
fn speakers(window: &Window, document: &TokenizedDocument) -> Vec<Speaker> {
    let place = |mention: &Mention| {
        let sentence = window.sentences.iter().find(|sentence| sentence.index == mention.sentence)?;
        let first = sentence.tokens.start;
        (mention.last < sentence.tokens.len()).then_some([first + mention.first, first + mention.last])
    };
    let of_name = |name: usize, is_full: bool| -> Vec<[usize; 2]> {
        document.names[name].iter().filter(|mention| mention.is_full == is_full).filter_map(place).collect()
    };
    let mut speakers = Vec::new();
    for (at, sentence) in window.sentences.iter().enumerate().filter(|(_, sentence)| sentence.answered) {
        let Some(speaker) = document.labels[sentence.index].speaker else { continue };
        let mut mentions = match speaker {
            SpeakerLabel::Named(name) => of_name(name, true),
            SpeakerLabel::Unnamed => Vec::new(),
        };
        if let (true, SpeakerLabel::Named(name)) = (mentions.is_empty(), speaker) {
            mentions = of_name(name, false);
        }
        if mentions.is_empty() {
            mentions.push([0, 0]);
        }
        speakers.push(Speaker { sentence: at, mentions });
    }
    speakers
}

/// A sentence's labels, unless it is context. Without its holder where the window has cut it off.
fn stance_labels(sentence: &WindowSentence, labels: &[StanceLabels]) -> StanceLabels {
    if !sentence.answered {
        return StanceLabels::default();
    }
    let labels = labels[sentence.index];
    let is_cut = |holder: &HolderLabel| match holder {
        HolderLabel::Tokens { last, .. } => *last >= sentence.tokens.len(),
        HolderLabel::Elsewhere => false,
    };
    StanceLabels { holder: labels.holder.filter(|holder| !is_cut(holder)), ..labels }
}

/// Gold rows of up to this many sentences are a sentence and its neighbours.
const LONGEST_SINGLE: usize = 3;

/// The number of sentences of a short window of a longer document.
const SHORT_WINDOW: Range<usize> = 2..6;

/// How documents are cut into windows.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub shape: WindowShape,
    pub special: SpecialTokens,
}

impl Cut {
    /// The windows of a document that have labels, read toward some targets.
    fn examples(
        self,
        document: &TokenizedDocument,
        asked: impl IntoIterator<Item = (Wording, Vec<StanceLabels>)>,
    ) -> Vec<Example> {
        let query = |(wording, labels): (Wording, Vec<StanceLabels>)| Query {
            target: target_sequence(&wording.tokens, self.special),
            reversed: wording.reversed,
            labels,
        };
        let asked: Vec<Query> = asked.into_iter().map(query).collect();
        text_windows(&document.sentences, self.shape, self.special)
            .into_iter()
            .map(|window| Example::new(window, document, &asked))
            .filter(Example::is_labelled)
            .collect()
    }
}

/// The labels of a question in one of its wordings.
fn worded(question: &Question, wording: &Wording) -> (Wording, Vec<StanceLabels>) {
    let label = |labels: &StanceLabels| if wording.reversed { labels.reversed() } else { *labels };
    (wording.clone(), question.labels.iter().map(label).collect())
}

/// The windows of documents, in order, each with the index of its document. Documents are read toward all wordings of their
/// targets, in the order of [`TokenizedDocument::questions`].
///
/// # Errors
/// If a text cannot be tokenized.
pub fn document_examples(
    documents: &[GoldDocument],
    tokenizer: &Tokenizer,
    shape: WindowShape,
) -> Result<Vec<(usize, Example)>> {
    let tokenized = tokenize(documents, tokenizer)?;
    let cut = Cut { shape, special: tokenizer.special() };
    let numbered = |(index, document): (usize, &TokenizedDocument)| {
        let asked = document
            .questions
            .iter()
            .flat_map(|question| question.wordings.iter().map(|wording| worded(question, wording)));
        cut.examples(document, asked).into_iter().map(move |example| (index, example))
    };
    Ok(tokenized.iter().enumerate().flat_map(numbered).collect())
}

/// The documents of a file that each epoch reads a sample of.
struct SampledFile {
    documents: Vec<TokenizedDocument>,
    sample: usize,
    unrelated: f64,
}

/// All training data, tokenized, and how epochs are made of it.
pub struct Plan {
    gold: Vec<TokenizedDocument>,
    mixed: f64,
    unrelated: f64,
    auxiliary: Vec<SampledFile>,
    taught: Vec<SampledFile>,
    cut: Cut,
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
        let gold = tokenize(gold, tokenizer)?;
        let auxiliary = auxiliary
            .iter()
            .zip(&config.data.auxiliary)
            .map(|(documents, settings)| {
                let wording = |other: &OtherTarget| {
                    let phrases = Phrases { target: other.phrase.as_str().to_owned(), ..Phrases::default() };
                    let [wording] = wordings(&phrases, tokenizer)?.try_into().expect("there is one phrase");
                    Ok(Wording { reversed: other.reversed, ..wording })
                };
                let others: Vec<Wording> = settings.targets.iter().map(wording).collect::<Result<_>>()?;
                let mut documents = tokenize(documents, tokenizer)?;
                if !others.is_empty() {
                    for question in documents.iter_mut().flat_map(|document| &mut document.questions) {
                        question.wordings.clone_from(&others);
                    }
                }
                let unrelated = if others.is_empty() { settings.unrelated } else { 0.0 };
                Ok(SampledFile { documents, sample: settings.sample, unrelated })
            })
            .collect::<Result<_>>()?;
        let texts = config.data.teacher.iter().flat_map(|teacher| &teacher.text);
        let taught = taught
            .iter()
            .zip(texts)
            .map(|(taught, settings)| {
                let documents = taught.tokenized(tokenizer)?;
                Ok(SampledFile { documents, sample: settings.sample, unrelated: 0.0 })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            gold,
            mixed: config.data.mixed,
            unrelated: config.data.unrelated,
            auxiliary,
            taught,
            cut: Cut { shape: config.window_shape(), special: tokenizer.special() },
            step_tokens: config.schedule.step_tokens,
            seed: config.seed,
        })
    }

    /// The steps of an epoch, counted from 0: examples of at most `step_tokens` tokens each, counting what upper layers read.
    pub fn epoch(&self, epoch: usize) -> Vec<Vec<Example>> {
        let mut random = SplitMix::new(scramble(self.seed ^ scramble(epoch as u64)));
        let mut read = self.mixed_gold(&mut random);
        for index in 0..self.auxiliary.len() {
            self.add_auxiliary(index, &mut random, &mut read);
        }
        for file in &self.taught {
            for document in sampled(file, &mut random) {
                read.extend(self.cut.examples(document, asked(document, &mut random)));
            }
        }
        random.shuffle(&mut read);
        let mut steps: Vec<Vec<Example>> = Vec::new();
        let mut tokens = self.step_tokens;
        for example in read {
            if tokens + example.upper_tokens() > self.step_tokens {
                steps.push(Vec::new());
                tokens = 0;
            }
            tokens += example.upper_tokens();
            steps.last_mut().expect("the first example opens a step").push(example);
        }
        steps
    }

    /// The gold windows of an epoch: a share of single sentences is joined into long windows, a share of documents is cut into
    /// short ones, and all others are cut as for inference.
    fn mixed_gold(&self, random: &mut SplitMix) -> Vec<Example> {
        let mut joined: Vec<(&[u32], &TokenizedDocument)> = Vec::new();
        let mut read = Vec::new();
        for document in &self.gold {
            let is_single = document.sentences.len() <= LONGEST_SINGLE;
            match (random.unit() < self.mixed, document.only_target()) {
                (true, Some(target)) if is_single => joined.push((target, document)),
                (true, _) if !is_single => {
                    let mut start = 0;
                    while start < document.sentences.len() {
                        let length = SHORT_WINDOW.start + random.below(SHORT_WINDOW.len());
                        let end = (start + length).min(document.sentences.len());
                        self.add_gold(&document.part(start..end), random, &mut read);
                        start = end;
                    }
                }
                _ => self.add_gold(document, random, &mut read),
            }
        }
        random.shuffle(&mut joined);
        // They are read toward one target.
        joined.sort_by_key(|(target, _)| *target);
        let mut rest = joined.as_slice();
        while let Some((target, first)) = rest.first() {
            let room = self.cut.shape.max_tokens.saturating_sub(1);
            let mut tokens = 0;
            let fits = |(other, document): &&(&[u32], &TokenizedDocument)| {
                tokens += document.sentences.iter().map(|sentence| sentence.len() + 1).sum::<usize>();
                other == target && tokens <= room
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (together, others) = rest.split_at(count);
            let mut document = TokenizedDocument::clone(first);
            for (_, other) in &together[1..] {
                document.append(other);
            }
            self.add_gold(&document, random, &mut read);
            rest = others;
        }
        read
    }

    /// Adds the windows of a gold document. A share of them are also read toward the target of another gold document.
    fn add_gold(&self, document: &TokenizedDocument, random: &mut SplitMix, read: &mut Vec<Example>) {
        let mut asked = asked(document, random);
        if random.unit() < self.unrelated {
            let other = &self.gold[random.below(self.gold.len())];
            asked.extend(unrelated(document, other));
        }
        read.extend(self.cut.examples(document, asked));
    }

    /// Adds an epoch's sample of an auxiliary file. A share of it is also read toward a target of another file.
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
            let mut asked = asked(document, random);
            if random.unit() < file.unrelated && !others.is_empty() {
                let other = others[random.below(others.len())];
                asked.extend(unrelated(document, &other.documents[random.below(other.documents.len())]));
            }
            read.extend(self.cut.examples(document, asked));
        }
    }
}

/// What an epoch asks of a document: toward each target in one of its wordings, and toward one of its opposite.
fn asked(document: &TokenizedDocument, random: &mut SplitMix) -> Vec<(Wording, Vec<StanceLabels>)> {
    let mut asked = Vec::new();
    for question in &document.questions {
        let (opposite, own): (Vec<&Wording>, Vec<&Wording>) =
            question.wordings.iter().partition(|wording| wording.reversed);
        if !own.is_empty() {
            asked.push(worded(question, own[random.below(own.len())]));
        }
        if !opposite.is_empty() {
            asked.push(worded(question, opposite[random.below(opposite.len())]));
        }
    }
    asked
}

/// A document without a stance toward the target of another one; nothing if that is its own target, or there is none.
fn unrelated(
    document: &TokenizedDocument,
    other: &TokenizedDocument,
) -> Option<(Wording, Vec<StanceLabels>)> {
    let wording = other.questions.first()?.wordings.first()?;
    let is_own = |question: &Question| question.wordings.iter().any(|own| own.tokens == wording.tokens);
    let none = || vec![StanceLabels::NONE; document.sentences.len()];
    (!document.questions.iter().any(is_own)).then(|| (wording.clone(), none()))
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
    sorted.sort_by_key(|example| std::cmp::Reverse(example.upper_tokens()));
    let mut by_shard: Vec<(usize, Vec<&Example>)> = vec![(0, Vec::new()); shards];
    for example in sorted {
        let lightest = by_shard.iter_mut().min_by_key(|(tokens, _)| *tokens).expect("there is a shard");
        lightest.0 += example.upper_tokens();
        lightest.1.push(example);
    }
    by_shard
        .into_iter()
        .map(|(_, examples)| {
            let mut passes: Vec<Vec<&Example>> = Vec::new();
            let mut tokens = pass_tokens;
            for example in examples {
                if tokens + example.upper_tokens() > pass_tokens {
                    passes.push(Vec::new());
                    tokens = 0;
                }
                tokens += example.upper_tokens();
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
        let own = Wording { tokens: vec![7], reversed: false };
        TokenizedDocument {
            sentences: (0..sentences).map(|index| vec![first + index as u32; length]).collect(),
            labels: vec![Labels { role: Some(Role::Claim), ..Labels::default() }; sentences],
            tags: None,
            names: Vec::new(),
            questions: vec![Question { wordings: vec![own], labels: vec![StanceLabels::NONE; sentences] }],
        }
    }

    fn plan(mixed: f64) -> Plan {
        let mut gold: Vec<TokenizedDocument> = (0..40).map(|row| document(100 + row * 3, 3, 5)).collect();
        gold.extend((0..10).map(|row| document(1000 + row * 20, 12, 6)));
        Plan {
            gold,
            mixed,
            unrelated: 0.0,
            auxiliary: Vec::new(),
            taught: Vec::new(),
            cut: Cut { shape: WindowShape { max_tokens: 128, lead_tokens: 0 }, special: SPECIAL },
            step_tokens: 512,
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
        let shards = into_shards(&steps[0], 2, 272);
        let tokens: Vec<usize> =
            shards.iter().map(|passes| passes.iter().flatten().map(|e| e.upper_tokens()).sum()).collect();
        let all: usize = steps[0].iter().map(|example| example.upper_tokens()).sum();
        assert_eq!(tokens.iter().sum::<usize>(), all);
        assert!(tokens[0].abs_diff(tokens[1]) <= 272, "{tokens:?}");
        for pass in shards.iter().flatten() {
            assert!(pass.iter().map(|e| e.upper_tokens()).sum::<usize>() <= 272);
        }
    }
}
