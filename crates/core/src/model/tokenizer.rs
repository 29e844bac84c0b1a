//! The WordPiece tokenizer of BERT or MPNet, as `tokenizer.json` describes it. Gives plain token ids: what frames a window
//! is added by [`crate::window`], and nothing is padded or cut off here.

use crate::error::{Error, ModelProblem, Result};
use crate::model::config::BertConfig;
use crate::model::kind::Kind;
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
    /// Of each id, whether it is the rest of a word.
    rests: Vec<bool>,
    json: Cow<'static, [u8]>,
}

/// Tokens, and the bytes of the text that each one stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub ids: Vec<u32>,
    pub places: Vec<Span>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json` and checks that it belongs to a model of `config`.
    ///
    /// # Errors
    /// If it cannot be read, is no WordPiece tokenizer, lacks a special token, or has more tokens than the
    /// model has embeddings for.
    pub fn from_json(json: Cow<'static, [u8]>, config: &BertConfig) -> Result<Self, ModelProblem> {
        let invalid = |source| ModelProblem::Parse { file: "tokenizer.json", source };
        let mut inner = tokenizers::Tokenizer::from_bytes(&json).map_err(invalid)?;
        if !matches!(inner.get_model(), ModelWrapper::WordPiece(_)) {
            return Err(invalid("its model is not a WordPiece, as BERT's is".into()));
        }
        inner.with_padding(None);
        inner.with_truncation(None).map_err(invalid)?;
        // "[SEP]" written in an article is four ordinary tokens, not the end of a sentence.
        inner.set_encode_special_tokens(true);

        let id = |token| inner.token_to_id(token).ok_or(ModelProblem::MissingToken { token });
        let (pad, cls, sep) = match config.kind() {
            Kind::Bert => ("[PAD]", "[CLS]", "[SEP]"),
            Kind::Mpnet { .. } => ("<pad>", "<s>", "</s>"),
        };
        id(pad)?;
        id("[UNK]")?;
        let special = SpecialTokens { cls: id(cls)?, sep: id(sep)? };

        let vocabulary = inner.get_vocab(true);
        let tokens = vocabulary.values().max().map_or(0, |&last| last as usize + 1);
        // Embedding tables are often rounded up, never by more than this.
        const SPARE: usize = 128;
        if tokens > config.vocab_size || tokens + SPARE < config.vocab_size {
            return Err(ModelProblem::Vocabulary { tokens, embeddings: config.vocab_size });
        }
        let mut rests = vec![false; tokens];
        for (token, id) in vocabulary {
            rests[id as usize] = token.starts_with(REST);
        }
        Ok(Self { inner, special, rests, json })
    }

    /// The ids of `text`'s tokens, without `[CLS]` and `[SEP]`; none for an empty or blank text.
    ///
    /// # Errors
    /// If the tokenizer's own rules fail on the text; those of BERT do not.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, false).map_err(Error::Encoder)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of `text`'s tokens, and which bytes of it each one stands for.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_placed(&self, text: &str) -> Result<Placed> {
        let encoding = self.inner.encode(text, false).map_err(Error::Encoder)?;
        let places = encoding.get_offsets().iter().map(|&(start, end)| Span::new(start, end)).collect();
        Ok(Placed { ids: encoding.get_ids().to_vec(), places })
    }

    /// As [`Tokenizer::encode_placed`] of the text's first tokens, at least `enough` of them where there are as many.
    /// Far less of a long text is looked at.
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_start(&self, text: &str, enough: usize) -> Result<Placed> {
        let mut tokens = Placed::default();
        let mut read = 0;
        while read < text.len() && tokens.ids.len() < enough {
            let stretch = stretch(&text[read..]);
            let Placed { ids, places } = self.encode_placed(&text[read..read + stretch])?;
            tokens.ids.extend(ids);
            tokens.places.extend(places.into_iter().map(|place| place.moved(read)));
            read += stretch;
        }
        Ok(tokens)
    }

    /// The ids of each text, in order; see [`Tokenizer::encode`].
    ///
    /// # Errors
    /// As for [`Tokenizer::encode`].
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// Whether a token is the rest of the word before it.
    pub fn goes_on(&self, token: u32) -> bool {
        self.rests.get(token as usize).is_some_and(|&rest| rest)
    }

    /// The tokens that frame a window.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// The `tokenizer.json` that this was read from.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// What WordPiece puts before tokens that are the rest of a word.
const REST: &str = "##";

/// How much of a text is tokenized at once, in bytes: more than the sentences of nearly all articles have.
const STRETCH: usize = 4096;

/// A word longer than this is tokenized in pieces, each of which is an unknown token.
const LONGEST_WORD: usize = 64 << 10;

/// The length of the text's first stretch. It ends before white space, which ends a token.
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
