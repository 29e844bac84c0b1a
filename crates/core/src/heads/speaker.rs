//! Who speaks in a sentence: pointers from the sentence to the first and the last token of a mention, anywhere in the window.

use super::{LinearLayer, sentence_tokens};
use crate::encoder::States;
use crate::model::{POINTER_WIDTH, SPEAKER, Settings, Weights};
use crate::window::Window;
use std::ops::Range;

/// A mention has at most this many tokens.
const LONGEST: usize = 24;

/// A token that is less probable than this as an end of a mention is none.
const LEAST: f32 = 0.003;

/// A mention of whoever may speak in a sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct MentionedSpeaker {
    /// The index of the sentence that the mention is in, among those of the window.
    pub sentence: usize,
    /// Counted from that sentence's first token.
    pub tokens: Range<usize>,
    /// All mentions of a window, and the case that it mentions no speaker, have a sum of 1.
    pub probability: f32,
}

/// The layers of [`SPEAKER`].
#[derive(Clone, Debug)]
pub(super) struct SpeakerPointers {
    query: LinearLayer<POINTER_WIDTH>,
    /// Of the first and of the last token.
    ends: [LinearLayer<POINTER_WIDTH>; 2],
    temperature: f32,
}

/// How well each of some tokens fits a sentence. `query` is `[POINTER_WIDTH]`, and `keys` `[tokens, POINTER_WIDTH]`.
pub fn pointer_scores(query: &[f32], keys: &[f32]) -> Vec<f32> {
    let scale = 1.0 / (POINTER_WIDTH as f32).sqrt();
    keys.chunks_exact(POINTER_WIDTH).map(|key| super::dot(key, query) * scale).collect()
}

/// The softmax of scores.
pub fn pointer_probabilities(scores: &[f32]) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut powers: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter_mut().for_each(|power| *power /= sum);
    powers
}

impl SpeakerPointers {
    /// `None` if the model lacks this head.
    pub fn new(settings: &Settings, weights: &Weights) -> Option<Self> {
        let temperature = settings.heads.get(&SPEAKER)?.temperature;
        let mut layers = LinearLayer::of_head(&SPEAKER, weights);
        let (query, first, last) = (layers.next()?, layers.next()?, layers.next()?);
        Some(Self { query, ends: [first, last], temperature })
    }

    /// For each answered sentence of a window, the mentions of whoever may speak in it, in their order. None for the others.
    pub fn of_window(
        &self,
        states: &States,
        window: &Window,
        is_subword: impl Fn(u32) -> bool,
    ) -> Vec<Vec<MentionedSpeaker>> {
        let is_subword: Vec<bool> = window.tokens.iter().map(|&token| is_subword(token)).collect();
        let keys = self.ends.each_ref().map(|layer| -> Vec<f32> {
            states.rows(0..window.tokens.len()).flat_map(|row| layer.apply(row)).collect()
        });
        let of_sentence = |at: usize| {
            let sentence = &window.sentences[at];
            if !sentence.answered {
                return Vec::new();
            }
            let mean = super::mean_state(states.values(), states.hidden_size(), sentence_tokens(sentence));
            let query = self.query.apply(&mean);
            let [first, last] = keys.each_ref().map(|keys| {
                let scores = pointer_scores(&query, keys);
                pointer_probabilities(
                    &scores.iter().map(|score| score / self.temperature).collect::<Vec<_>>(),
                )
            });
            let sentences = window.sentences.iter().map(|sentence| sentence.tokens.clone());
            mentions(&first, &last, &sentences.collect::<Vec<_>>(), &is_subword)
        };
        (0..window.sentences.len()).map(of_sentence).collect()
    }
}

/// The mentions whose first and last tokens are probable. `first` and `last` have a probability for each token of a window; that of
/// its first token says that the window mentions no speaker. Mentions are whole words: `is_subword` says of each token whether it
/// continues the word of the token before.
pub fn mentions(
    first: &[f32],
    last: &[f32],
    sentences: &[Range<usize>],
    is_subword: &[bool],
) -> Vec<MentionedSpeaker> {
    let mut found = Vec::new();
    let mut sum = first[0] * last[0];
    for (sentence, tokens) in sentences.iter().enumerate() {
        let begins = |&token: &usize| first[token] >= LEAST && !is_subword[token];
        let ends = |&token: &usize| last[token] >= LEAST && is_subword.get(token + 1) != Some(&true);
        for begin in tokens.clone().filter(begins) {
            for end in (begin..tokens.end).take(LONGEST).filter(ends) {
                let probability = first[begin] * last[end];
                sum += probability;
                found.push(MentionedSpeaker {
                    sentence,
                    tokens: begin - tokens.start..end + 1 - tokens.start,
                    probability,
                });
            }
        }
    }
    let sum = sum.max(f32::MIN_POSITIVE);
    found.iter_mut().for_each(|mention| mention.probability /= sum);
    found
}

/// The likeliest speaker, and with what probability: that of all mentions with the same `key` together. `None` if it is likelier that
/// the window mentions no speaker. Of mentions with the same key, it is the first.
pub fn likeliest<K: PartialEq>(
    mentions: &[MentionedSpeaker],
    key: impl Fn(&MentionedSpeaker) -> K,
) -> Option<(&MentionedSpeaker, f32)> {
    let mut nobody = 1.0;
    let mut speakers: Vec<(K, &MentionedSpeaker, f32)> = Vec::new();
    for mention in mentions {
        nobody -= mention.probability;
        let key = key(mention);
        match speakers.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, probability)) => *probability += mention.probability,
            None => speakers.push((key, mention, mention.probability)),
        }
    }
    let best = speakers.into_iter().max_by(|one, other| one.2.total_cmp(&other.2))?;
    (best.2 > nobody).then_some((best.1, best.2.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_begins_before_it_ends_within_a_sentence() {
        // [CLS] a b [SEP] c d [SEP]
        let first = [0.1, 0.0, 0.6, 0.0, 0.3, 0.0, 0.0];
        let last = [0.1, 0.2, 0.0, 0.0, 0.0, 0.7, 0.0];
        let found = mentions(&first, &last, &[1..3, 4..6], &[false; 7]);
        assert_eq!(found.len(), 1, "b begins, but nothing ends after it in its sentence: {found:?}");
        assert_eq!((found[0].sentence, found[0].tokens.clone()), (1, 0..2));
        assert!((found[0].probability - 0.21 / 0.22).abs() < 1e-6);
        let mut is_subword = [false; 7];
        is_subword[4] = true;
        assert!(mentions(&first, &last, &[1..3, 4..6], &is_subword).is_empty(), "c continues a word");
    }

    #[test]
    fn a_window_without_a_speaker_has_no_mention() {
        assert!(mentions(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0], &[1..2, 2..2], &[false; 3]).is_empty());
    }

    #[test]
    fn mentions_of_one_name_count_together() {
        let mention = |sentence, probability| MentionedSpeaker { sentence, tokens: 0..1, probability };
        let name = |mention: &MentionedSpeaker| ["Lund", "Osei", "Lund"][mention.sentence];
        let all = [mention(0, 0.25), mention(1, 0.3), mention(2, 0.25)];
        let (speaker, probability) = likeliest(&all, name).unwrap();
        assert_eq!((speaker.sentence, probability), (0, 0.5));
        assert_eq!(likeliest(&[mention(0, 0.4)], name), None, "nobody is likelier");
        assert_eq!(likeliest(&[], name), None);
    }

    #[test]
    fn probabilities_have_a_sum_of_one() {
        let sum: f32 = pointer_probabilities(&[3.0, 900.0, 899.0]).iter().sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }
}
