//! A text file is one document.

use super::encoding::{self, Decoded};
use crate::error::InputProblem;
use standpoint_core::segment;
use standpoint_core::text::{Document, Span};
use std::io::Read;

/// The largest text that is read, in bytes, of the file and as UTF-8.
pub const LIMIT: u64 = 64 << 20;

/// The most sentences of a document, so that memory has a bound for text of any kind.
pub const SENTENCES: usize = 1 << 21;

/// Reads one document. Beside it comes the encoding that the text was decoded from, where it was not UTF-8.
///
/// # Errors
/// If the file cannot be read, is larger than [`LIMIT`], holds nothing but white space, or is no text.
pub fn read(id: &str, reader: impl Read) -> Result<(Document, Option<&'static str>), InputProblem> {
    let mut bytes = Vec::new();
    reader.take(LIMIT + 1).read_to_end(&mut bytes).map_err(InputProblem::Read)?;
    if bytes.len() as u64 > LIMIT {
        return Err(InputProblem::TooLarge { limit: LIMIT });
    }
    let Decoded { text, from } = encoding::decode(bytes, LIMIT)?;
    Ok((cut(id, text)?, from))
}

/// The document of a text, cut into sentences.
pub(super) fn cut(id: &str, text: String) -> Result<Document, InputProblem> {
    let sentences: Vec<Span> = segment::each(&text).take(SENTENCES + 1).collect();
    if sentences.is_empty() {
        return Err(InputProblem::Empty);
    }
    if sentences.len() > SENTENCES {
        return Err(InputProblem::TooManySentences { limit: SENTENCES });
    }
    Ok(Document::new(id, text, sentences))
}
