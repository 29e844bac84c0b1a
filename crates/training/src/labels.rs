//! The labels of sentences and tokens, in token positions: what a window needs.

use crate::error::Result;
use crate::targets::{Phrases, Reversed, Wording};
use rayon::prelude::*;
use standpoint_core::heads::AttributionPart;
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::model::{Tokenizer, Tokens};
use standpoint_core::tags::Tag;
use standpoint_core::text::Span;
use standpoint_evaluation::gold::{GoldDocument, GoldLabels};
use std::ops::Range;

/// The labels of a sentence that do not concern a target. A sentence without any is context.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Labels {
    pub role: Option<Role>,
    /// Whether the role is `attributed`, for sentences of which only that is known.
    pub attributed: Option<bool>,
    pub checkworthy: Option<bool>,
    /// The teacher's probabilities of roles, for text whose labels are ignored.
    pub taught: Option<[f32; 3]>,
    pub speaker: Option<SpeakerLabel>,
}

/// Who speaks in an attributed sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeakerLabel {
    /// Somebody whom the document does not name.
    Unnamed,
    /// One of [`TokenizedDocument::names`].
    Named(usize),
}

/// Tokens of a sentence that name somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    pub sentence: usize,
    /// The first and the last token, counted from the sentence's first.
    pub first: usize,
    pub last: usize,
    /// They are the whole name, and not only its last word.
    pub is_full: bool,
}

/// The labels of a sentence toward a target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StanceLabels {
    pub stance: Option<Stance>,
    pub holder: Option<HolderLabel>,
    /// The teacher's probabilities of stances.
    pub taught: Option<[f32; 3]>,
}

impl StanceLabels {
    pub const NONE: Self = Self { stance: Some(Stance::None), holder: None, taught: None };

    /// The labels toward the opposite target.
    pub fn reversed(self) -> Self {
        Self {
            stance: self.stance.map(Stance::reversed),
            holder: self.holder,
            taught: self.taught.map(Reversed::reversed),
        }
    }
}

/// The tokens that name the holder of a stance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderLabel {
    /// The sentence does not name the holder.
    Elsewhere,
    /// The first and the last token, counted from the sentence's first.
    Tokens { first: usize, last: usize },
}

/// The tags of a token, in the order of [`AttributionPart::ALL`].
pub type Tags = [Tag; 3];

/// A target in all its wordings, the one that labels are toward first, and the stances of all sentences.
#[derive(Clone, Debug)]
pub struct Question {
    pub wordings: Vec<Wording>,
    pub labels: Vec<StanceLabels>,
}

/// A document as token ids.
#[derive(Clone)]
pub struct TokenizedDocument {
    pub sentences: Vec<Vec<u32>>,
    pub labels: Vec<Labels>,
    /// For each sentence, the tags of its tokens and of the separator after them. None if attributions were not annotated.
    pub tags: Option<Vec<Vec<Tags>>>,
    /// None for a document whose stances were not annotated.
    pub questions: Vec<Question>,
    /// The mentions of everybody who speaks, by name.
    pub names: Vec<Vec<Mention>>,
}

impl TokenizedDocument {
    /// A document of some of the sentences.
    pub fn part(&self, sentences: Range<usize>) -> Self {
        let question = |question: &Question| Question {
            wordings: question.wordings.clone(),
            labels: question.labels[sentences.clone()].to_vec(),
        };
        Self {
            questions: self.questions.iter().map(question).collect(),
            sentences: self.sentences[sentences.clone()].to_vec(),
            labels: self.labels[sentences.clone()].to_vec(),
            tags: self.tags.as_ref().map(|tags| tags[sentences.clone()].to_vec()),
            names: self.names.iter().map(|mentions| within(mentions, &sentences)).collect(),
        }
    }

    /// The phrase that sentences are joined by: documents of one target alone can be read together.
    pub fn only_target(&self) -> Option<&[u32]> {
        match self.questions.as_slice() {
            [Question { wordings, .. }] if wordings.len() == 1 => Some(&wordings[0].tokens),
            _ => None,
        }
    }

    /// Appends the sentences of another document with the same [`TokenizedDocument::only_target`].
    pub fn append(&mut self, other: &Self) {
        let (names, sentences) = (self.names.len(), self.sentences.len());
        self.names.extend(other.names.iter().map(|mentions| {
            let moved = |mention: &Mention| Mention { sentence: sentences + mention.sentence, ..*mention };
            mentions.iter().map(moved).collect()
        }));
        self.sentences.extend_from_slice(&other.sentences);
        self.labels.extend(other.labels.iter().map(|labels| Labels {
            speaker: labels.speaker.map(|speaker| match speaker {
                SpeakerLabel::Named(name) => SpeakerLabel::Named(names + name),
                SpeakerLabel::Unnamed => speaker,
            }),
            ..*labels
        }));
        for (question, other) in self.questions.iter_mut().zip(&other.questions) {
            question.labels.extend_from_slice(&other.labels);
        }
        self.tags = match (self.tags.take(), &other.tags) {
            (Some(mut tags), Some(others)) => {
                tags.extend_from_slice(others);
                Some(tags)
            }
            _ => None,
        };
    }
}

/// The mentions in some of the sentences, which are counted from the first of them.
fn within(mentions: &[Mention], sentences: &Range<usize>) -> Vec<Mention> {
    let kept = mentions.iter().filter(|mention| sentences.contains(&mention.sentence));
    kept.map(|mention| Mention { sentence: mention.sentence - sentences.start, ..*mention }).collect()
}

/// Turns phrases into token ids. Debate motions can be long: the pipeline refuses such targets, training shortens them.
///
/// # Errors
/// If a phrase cannot be tokenized.
pub fn wordings(phrases: &Phrases, tokenizer: &Tokenizer) -> Result<Vec<Wording>> {
    let Phrases { target, same, opposite } = phrases;
    let own = std::iter::once((target, false)).chain(same.iter().map(|phrase| (phrase, false)));
    own.chain(opposite.iter().map(|phrase| (phrase, true)))
        .map(|(phrase, reversed)| {
            let mut tokens = tokenizer.encode(phrase.as_str())?;
            tokens.truncate(LONGEST_TARGET);
            Ok(Wording { tokens, reversed })
        })
        .collect()
}

/// The longest target that training reads, in tokens.
const LONGEST_TARGET: usize = 64;

/// Turns documents into token ids, and their labels into labels of tokens.
///
/// # Errors
/// If a text cannot be tokenized.
pub fn tokenize(documents: &[GoldDocument], tokenizer: &Tokenizer) -> Result<Vec<TokenizedDocument>> {
    documents
        .par_iter()
        .map(|gold| {
            let mut tokenized = TokenizedDocument {
                sentences: Vec::with_capacity(gold.labels.len()),
                labels: Vec::with_capacity(gold.labels.len()),
                tags: gold.attributions.as_ref().map(|_| Vec::with_capacity(gold.labels.len())),
                questions: Vec::new(),
                names: Vec::new(),
            };
            let names: Vec<&str> = names_of_speakers(gold);
            tokenized.names = vec![Vec::new(); names.len()];
            let spans = gold.attributions.as_deref().map(spans_by_part);
            let mut stances = Vec::with_capacity(gold.labels.len());
            for (&sentence, labels) in gold.document.sentences().iter().zip(&gold.labels) {
                let Tokens { ids, spans: in_sentence } =
                    tokenizer.encode_with_spans(sentence.slice(gold.document.text()))?;
                let places: Vec<Span> = in_sentence.iter().map(|span| span.moved(sentence.start())).collect();
                let index = tokenized.sentences.len();
                tokenized.sentences.push(ids);
                for (name, mentions) in names.iter().zip(&mut tokenized.names) {
                    let words = Words { text: gold.document.text(), sentence, index, places: &places };
                    mentions.extend(words.mentions(name));
                }
                let &GoldLabels { role, attributed, checkworthy, .. } = labels;
                let speaker = speaker_label(labels, &names);
                tokenized.labels.push(Labels { role, attributed, checkworthy, taught: None, speaker });
                stances.push(stance_labels(labels, &places));
                if let (Some(tags), Some(spans)) = (&mut tokenized.tags, &spans) {
                    tags.push(sentence_tags(spans, sentence, &places));
                }
            }
            if stances.iter().any(|labels| *labels != StanceLabels::default()) {
                for phrases in Phrases::of(gold) {
                    let wordings = wordings(&phrases, tokenizer)?;
                    tokenized.questions.push(Question { wordings, labels: stances.clone() });
                }
            }
            Ok(tokenized)
        })
        .collect()
}

/// Everybody who speaks in a document, each once.
fn names_of_speakers(gold: &GoldDocument) -> Vec<&str> {
    let mut names: Vec<&str> = gold.labels.iter().filter_map(|labels| labels.speaker.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The label of a sentence of a document in which these speak. Only attributed sentences have one.
fn speaker_label(labels: &GoldLabels, names: &[&str]) -> Option<SpeakerLabel> {
    if names.is_empty() || labels.role != Some(Role::Attributed) {
        return None;
    }
    let named = labels.speaker.as_deref().and_then(|speaker| names.binary_search(&speaker).ok());
    Some(named.map_or(SpeakerLabel::Unnamed, SpeakerLabel::Named))
}

/// A sentence in which names are looked for.
struct Words<'a> {
    text: &'a str,
    sentence: Span,
    index: usize,
    /// Those of its tokens in the text.
    places: &'a [Span],
}

impl Words<'_> {
    /// The tokens that are a name or, where it has several words, the last of them.
    fn mentions(&self, name: &str) -> Vec<Mention> {
        let last = name
            .rsplit(' ')
            .next()
            .filter(|last| last.len() < name.len() && last.len() > 2 && last.starts_with(char::is_uppercase));
        let mut found = self.of(name, true);
        for mention in last.into_iter().flat_map(|last| self.of(last, false)) {
            if !found.iter().any(|full| full.is_full && full.last == mention.last) {
                found.push(mention);
            }
        }
        found
    }

    fn of(&self, name: &str, is_full: bool) -> Vec<Mention> {
        let sentence = self.sentence.slice(self.text);
        let is_whole = |start: usize| {
            let before = sentence[..start].chars().next_back();
            let after = sentence[start + name.len()..].chars().next();
            !before.into_iter().chain(after).any(char::is_alphanumeric)
        };
        let whole = sentence.match_indices(name).filter(|&(start, _)| is_whole(start));
        whole
            .filter_map(|(start, _)| {
                let start = self.sentence.start() + start;
                let tokens = tokens_of(Span::new(start, start + name.len()), self.places)?;
                Some(Mention { sentence: self.index, first: tokens.start, last: tokens.end - 1, is_full })
            })
            .collect()
    }
}

fn stance_labels(labels: &GoldLabels, places: &[Span]) -> StanceLabels {
    // Rows without a role have no holder annotated either.
    let takes_stance = labels.role.is_some() && labels.stance.is_some_and(|stance| stance != Stance::None);
    let holder = takes_stance.then(|| {
        let named = labels.holder.and_then(|span| tokens_of(span, places));
        named.map_or(HolderLabel::Elsewhere, |tokens| HolderLabel::Tokens {
            first: tokens.start,
            last: tokens.end - 1,
        })
    });
    StanceLabels { stance: labels.stance, holder, taught: None }
}

/// The tokens that overlap a span.
fn tokens_of(span: Span, places: &[Span]) -> Option<Range<usize>> {
    let first = places.partition_point(|place| place.end() <= span.start());
    let end = places.partition_point(|place| place.start() < span.end());
    (first < end).then_some(first..end)
}

/// The spans of source, cue and content in all attributions, by start. The longest of those with the same start comes first.
fn spans_by_part(attributions: &[Attribution]) -> [Vec<Span>; 3] {
    AttributionPart::ALL.map(|part| {
        let spans_of = |attribution: &Attribution| match part {
            AttributionPart::Source => attribution.source.clone(),
            AttributionPart::Cue => attribution.cue.clone(),
            AttributionPart::Content => attribution.content.clone(),
        };
        let mut spans: Vec<Span> = attributions.iter().flat_map(spans_of).collect();
        spans.sort_by_key(|span| (span.start(), usize::MAX - span.end()));
        spans.dedup();
        spans
    })
}

/// The tags of a sentence's tokens and of its separator. If spans overlap, the first one is marked.
fn sentence_tags(spans: &[Vec<Span>; 3], sentence: Span, places: &[Span]) -> Vec<Tags> {
    let mut tags = vec![Tags::default(); places.len() + 1];
    for (part, spans) in spans.iter().enumerate() {
        let mut free = 0;
        for span in spans {
            if span.start() >= sentence.end() || span.end() <= sentence.start() {
                continue;
            }
            let Some(tokens) = tokens_of(*span, places).filter(|tokens| tokens.start >= free) else {
                continue;
            };
            free = tokens.end;
            let begins = span.start() >= sentence.start();
            for token in tokens.clone() {
                let first = token == tokens.start && begins;
                tags[token][part] = if first { Tag::Begin } else { Tag::Inside };
            }
            if span.end() > sentence.end() {
                tags[places.len()][part] = Tag::Inside;
            }
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spans of a text's words, as if each were a token. The text begins at byte `from`.
    fn words(text: &str, from: usize) -> Vec<Span> {
        text.split(' ')
            .map(|word| {
                let start = from + word.as_ptr() as usize - text.as_ptr() as usize;
                Span::new(start, start + word.len())
            })
            .collect()
    }

    #[test]
    fn a_span_begins_once_and_continues_over_sentences() {
        // "He said we go" and "now or later", one byte between them; the content is "we go now or".
        let (first, second) = (words("He said we go", 0), words("now or later", 14));
        let spans = [vec![Span::new(0, 2)], vec![Span::new(3, 7)], vec![Span::new(8, 20)]];
        let content = |tags: Vec<Tags>| tags.iter().map(|tags| tags[2]).collect::<Vec<_>>();
        let (o, b, i) = (Tag::Outside, Tag::Begin, Tag::Inside);
        let tags = sentence_tags(&spans, Span::new(0, 13), &first);
        assert_eq!(tags[0], [b, o, o]);
        assert_eq!(tags[1], [o, b, o]);
        assert_eq!(content(tags), [o, o, b, i, i], "the separator is inside a span that continues");
        assert_eq!(content(sentence_tags(&spans, Span::new(14, 26), &second)), [i, i, o, o]);
    }

    #[test]
    fn the_outer_one_of_nested_spans_is_marked() {
        let places = words("a b c d", 0);
        let attribution =
            |start, end| Attribution { content: vec![Span::new(start, end)], ..Attribution::default() };
        let spans = spans_by_part(&[attribution(2, 3), attribution(0, 5), attribution(6, 7)]);
        let tags: Vec<Tag> =
            sentence_tags(&spans, Span::new(0, 7), &places).iter().map(|tags| tags[2]).collect();
        assert_eq!(tags, [Tag::Begin, Tag::Inside, Tag::Inside, Tag::Begin, Tag::Outside]);
    }

    #[test]
    fn a_holder_is_asked_for_where_there_is_a_stance() {
        let places = words("The mayor wants them out", 0);
        let label = |stance, holder| {
            let role = Some(Role::Claim);
            stance_labels(
                &GoldLabels { role, stance: Some(stance), holder, ..GoldLabels::default() },
                &places,
            )
            .holder
        };
        let named = Some(Span::new(0, 9));
        assert_eq!(label(Stance::Favor, named), Some(HolderLabel::Tokens { first: 0, last: 1 }));
        assert_eq!(label(Stance::Favor, None), Some(HolderLabel::Elsewhere));
        assert_eq!(label(Stance::None, None), None);
    }
}
