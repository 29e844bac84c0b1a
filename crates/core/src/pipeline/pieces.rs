//! Documents, cut into pieces; pieces, gathered into units of work.
//!
//! A long document is read in pieces, so that its first records come out while the rest is being read, and memory does not
//! grow with its length.

use super::source::{Source, Supply};
use crate::text::Document;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A piece ends with the sentence that reaches this many bytes. Answers depend on it: windows do not go over the end of a
/// piece, but for a sentence of context.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// No document is read on while others of this many bytes are not yet given out.
const READ_AHEAD_BYTES: usize = 4 << 20;

/// What a sentence costs beside its bytes: its answer, and the tokens that frame it.
const SENTENCE_BYTES: usize = 16;

/// How many bytes of fields weigh as much as one of text.
const FIELDS_SHARE: usize = 16;

/// How long a unit is gathered where documents come one at a time. Far more than a file needs to fill one, far less than
/// anybody notices.
const GATHERING: Duration = Duration::from_millis(50);

/// Some sentences of a document, to be read in windows of their own.
#[derive(Clone)]
pub(super) struct Piece {
    pub document: Arc<Document>,
    pub sentences: Range<usize>,
}

/// Pieces that threads work on together.
pub(super) struct Unit {
    pub pieces: Vec<Piece>,
    /// Bytes of the documents that end in it.
    pub bytes: usize,
}

/// Cuts documents as they come into units.
pub(super) struct Units<S> {
    source: S,
    /// The document that is being cut, and the sentence with which its next piece begins.
    open: Option<(Arc<Document>, usize)>,
    ended: bool,
}

impl<S: Source> Units<S> {
    pub fn new(source: S) -> Self {
        Self { source, open: None, ended: false }
    }

    /// The next unit of about `size` bytes, or what has come of it in [`GATHERING`]. `None` at the end, if nothing has come,
    /// and as long as the documents in flight have `in_flight` bytes and that is too many. If the threads are idle, it
    /// waits for the first document as long as that takes.
    pub fn next(&mut self, in_flight: usize, size: usize, idle: bool) -> Option<Unit> {
        let mut unit = Unit { pieces: Vec::new(), bytes: 0 };
        let mut cost = 0;
        let mut deadline = (!idle).then(|| Instant::now() + GATHERING);
        while cost < size {
            let (document, start) = match self.open.take() {
                Some(open) => open,
                None if self.ended || in_flight + unit.bytes >= READ_AHEAD_BYTES => break,
                None => match self.next_document(&mut deadline) {
                    Some(document) => (document, 0),
                    None => break,
                },
            };
            let (sentences, bytes) = piece(&document, start);
            // Fields cost no time, but they are held.
            cost += bytes + if start == 0 { document.fields().bytes() / FIELDS_SHARE } else { 0 };
            match sentences.end == document.sentences().len() {
                true => unit.bytes += document.bytes(),
                false => self.open = Some((Arc::clone(&document), sentences.end)),
            }
            unit.pieces.push(Piece { document, sentences });
        }
        (!unit.pieces.is_empty()).then_some(unit)
    }

    /// The next document, if it comes in time. The time begins with the first one, if it has not begun before.
    fn next_document(&mut self, deadline: &mut Option<Instant>) -> Option<Arc<Document>> {
        let patience = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match self.source.next(patience) {
            Supply::Document(document) => {
                deadline.get_or_insert_with(|| Instant::now() + GATHERING);
                Some(document)
            }
            Supply::NotYet => None,
            Supply::End => {
                self.ended = true;
                None
            }
        }
    }

    pub fn source_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Whether a document is not all in units yet.
    pub fn is_cutting(&self) -> bool {
        self.open.is_some()
    }
}

/// The piece of a document that begins with a sentence, and what it costs.
fn piece(document: &Document, start: usize) -> (Range<usize>, usize) {
    let (mut end, mut cost) = (start, SENTENCE_BYTES);
    for sentence in &document.sentences()[start..] {
        end += 1;
        cost += sentence.len() + SENTENCE_BYTES;
        if cost >= PIECE_BYTES {
            break;
        }
    }
    (start..end, cost)
}
