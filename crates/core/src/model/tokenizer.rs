//! The WordPiece tokenizer of BERT or MPNet, as `tokenizer.json` describes it. It gives plain token ids: [`crate::window`]
//! adds the special tokens, and nothing is padded or truncated here.

use crate::error::{Error, ModelProblem, Result};
use crate::model::architecture::SpecialTokenNames;
use crate::model::config::BertConfig;
use crate::reading::Reading;
use crate::text::Span;
use crate::window::SpecialTokens;
use rayon::prelude::*;
use std::borrow::Cow;
use tokenizers::ModelWrapper;

/// A checked tokenizer. Cheap to share by reference, costly to copy.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// For each id, whether the token continues a word.
    subwords: Vec<bool>,
    json: Cow<'static, [u8]>,
}

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<u32>,
    /// The bytes of the text that each token stands for.
    pub spans: Vec<Span>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` and checks that it belongs to a model with this `config`.
    ///
    /// # Errors
    /// If `json` cannot be read, is no WordPiece tokenizer, lacks a special token, or does not have as many tokens as the
    /// model has embeddings for.
    pub fn from_json(json: Cow<'static, [u8]>, config: &BertConfig) -> Result<Self, ModelProblem> {
        let invalid = |source| ModelProblem::Parse { file: "tokenizer.json", source };
        let mut inner = tokenizers::Tokenizer::from_bytes(&json).map_err(invalid)?;
        if !matches!(inner.get_model(), ModelWrapper::WordPiece(_)) {
            return Err(invalid("its model is not a WordPiece, as BERT's is".into()));
        }
        inner.with_padding(None);
        inner.with_truncation(None).map_err(invalid)?;
        // An article may contain "[SEP]": those are ordinary tokens, not the end of a sentence.
        inner.set_encode_special_tokens(true);

        let id = |token| inner.token_to_id(token).ok_or(ModelProblem::MissingToken { token });
        let SpecialTokenNames { pad, cls, sep } = config.architecture().special_tokens();
        id(pad)?;
        id("[UNK]")?;
        let special = SpecialTokens { cls: id(cls)?, sep: id(sep)? };

        let vocabulary = inner.get_vocab(true);
        let tokens = vocabulary.values().max().map_or(0, |&last| last as usize + 1);
        // The number of rows in an embedding table is often rounded up, never by more than this.
        const SPARE: usize = 128;
        if tokens > config.vocab_size || tokens + SPARE < config.vocab_size {
            return Err(ModelProblem::Vocabulary { tokens, embeddings: config.vocab_size });
        }
        let mut subwords = vec![false; tokens];
        for (token, id) in vocabulary {
            subwords[id as usize] = token.starts_with(SUBWORD_PREFIX);
        }
        Ok(Self { inner, special, subwords, json })
    }

    /// The ids of `text`'s tokens, without special tokens; none for an empty or blank text.
    ///
    /// # Errors
    /// If the tokenizer's rules fail on the text. BERT's do not.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let reading = self.read(text);
        let encoding = self.inner.encode_fast(reading.text(), false).map_err(Error::Encoder)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of `text`'s tokens, and the bytes that each stands for.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_with_spans(&self, text: &str) -> Result<Tokens> {
        let reading = self.read(text);
        let encoding = self.inner.encode(reading.text(), false).map_err(Error::Encoder)?;
        let span = |&(start, end): &(usize, usize)| reading.raw(Span::new(start, end));
        let spans = encoding.get_offsets().iter().map(span).collect();
        Ok(Tokens { ids: encoding.get_ids().to_vec(), spans })
    }

    /// The text as a person reads it; the vocabulary tells what is a word.
    fn read<'a>(&self, text: &'a str) -> Reading<'a> {
        Reading::new(text, |word| self.inner.token_to_id(word).is_some())
    }

    /// The first tokens of a text, with their spans: at least `enough` of them, or all. Reads only the beginning of a long
    /// text.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_start(&self, text: &str, enough: usize) -> Result<Tokens> {
        let mut tokens = Tokens::default();
        let mut read = 0;
        while read < text.len() && tokens.ids.len() < enough {
            let stretch = stretch(&text[read..]);
            let Tokens { ids, spans } = self.encode_with_spans(&text[read..read + stretch])?;
            tokens.ids.extend(ids);
            tokens.spans.extend(spans.into_iter().map(|span| span.moved(read)));
            read += stretch;
        }
        Ok(tokens)
    }

    /// The ids of each text's tokens, as [`Tokenizer::encode`] gives them.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// Whether a token continues the word of the token before it, as "##s" does.
    pub fn is_subword(&self, token: u32) -> bool {
        self.subwords.get(token as usize).is_some_and(|&subword| subword)
    }

    /// The special tokens of a window.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// The `tokenizer.json` that this was read from.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// What WordPiece writes before tokens that continue a word.
const SUBWORD_PREFIX: &str = "##";

/// How many bytes of a text are tokenized at once: more than nearly all sentences have.
const STRETCH: usize = 4096;

/// A word with more bytes is tokenized in several stretches, each of which becomes an unknown token.
const LONGEST_WORD: usize = 64 << 10;

/// The length in bytes of the text's first stretch. It ends before white space, where a token ends too.
fn stretch(text: &str) -> usize {
    let searched = text.floor_char_boundary(STRETCH)..text.floor_char_boundary(LONGEST_WORD);
    match text[searched.clone()].find(|c: char| c.is_ascii_whitespace()) {
        Some(offset) => searched.start + offset,
        None => searched.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_before_white_space_or_where_a_word_gets_too_long() {
        assert_eq!(stretch("short text"), 10);
        let words = "word ".repeat(4096);
        assert_eq!(words[..stretch(&words)].len(), 4099);
        assert_eq!(stretch(&"é".repeat(LONGEST_WORD)), LONGEST_WORD);
        assert_eq!(stretch(&"語".repeat(LONGEST_WORD)), LONGEST_WORD - 1);
    }
}
