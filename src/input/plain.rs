//! A text file is one document.

use super::encoding::{self, Decoded};
use crate::error::InputProblem;
use crate::segment;
use crate::text::Document;
use std::io::Read;

/// The largest text file that is read, in bytes.
pub const LIMIT: u64 = 64 << 20;

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
    let Decoded { text, from } = encoding::decode(bytes)?;
    Ok((cut(id, text)?, from))
}

/// The document of a text, cut into sentences.
pub(super) fn cut(id: &str, text: String) -> Result<Document, InputProblem> {
    let sentences = segment::sentences(&text);
    if sentences.is_empty() {
        return Err(InputProblem::Empty);
    }
    Ok(Document::new(id, text, sentences))
}
