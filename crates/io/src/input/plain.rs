//! A text file is one document.

use super::encoding;
use super::notes::Notes;
use super::open::Opened;
use super::{DocumentReader, InputOptions};
use crate::error::InputProblem;
use standpoint_core::segment;
use standpoint_core::text::{Document, Span};
use standpoint_core::transcript;
use std::sync::Arc;

/// The largest text that is read, in bytes, of the file and as UTF-8.
pub const LIMIT: u64 = 64 << 20;

/// The most sentences of a document, so that memory has a bound for text of any kind.
pub const SENTENCES: usize = 1 << 21;

/// Reads a file as one document.
pub(super) struct Text {
    file: Option<Opened>,
    options: Arc<InputOptions>,
}

impl Text {
    pub fn new(file: Opened, options: &Arc<InputOptions>) -> Self {
        Self { file: Some(file), options: Arc::clone(options) }
    }
}

impl DocumentReader for Text {
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        let file = self.file.take()?;
        Some((None, read(file, &self.options, notes)))
    }
}

fn read(file: Opened, options: &InputOptions, notes: &mut Notes) -> Result<Document, InputProblem> {
    let id = file.name.clone();
    let text = encoding::decode(file.read_all(LIMIT)?, options.encoding, LIMIT, notes)?;
    cut(&id, text, options)
}

/// The document of a text, cut into sentences. If it is a transcript, its turns are found.
///
/// # Errors
/// If there are none, or too many.
pub(super) fn cut(id: &str, text: String, options: &InputOptions) -> Result<Document, InputProblem> {
    let sentences: Vec<Span> = segment::each_with(&text, &options.segmentation).take(SENTENCES + 1).collect();
    if sentences.is_empty() {
        return Err(InputProblem::Empty);
    }
    if sentences.len() > SENTENCES {
        return Err(InputProblem::TooManySentences { limit: SENTENCES });
    }
    Ok(transcript::with_turns(Document::new(id, text, sentences), options.transcript))
}
