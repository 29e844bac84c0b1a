//! Where documents come from. A source may have none at hand, as a pipe that somebody still writes to: what has been
//! gathered then runs without waiting for more.

use crate::text::Document;
use std::sync::Arc;
use std::time::Duration;

/// Gives documents, one after the other.
pub trait Source {
    /// The next document. Waits for it, but no longer than `patience` if there is one.
    fn next(&mut self, patience: Option<Duration>) -> Supply;
}

/// What a [`Source`] has to give.
#[derive(Clone, Debug)]
pub enum Supply {
    Document(Arc<Document>),
    /// There may be more, but it has not come in time.
    NotYet,
    End,
}

/// The documents of an iterator: the next one is always at hand.
pub struct AtHand<I>(pub(super) I);

impl<I: Iterator<Item: Into<Arc<Document>>>> Source for AtHand<I> {
    fn next(&mut self, _: Option<Duration>) -> Supply {
        self.0.next().map_or(Supply::End, |document| Supply::Document(document.into()))
    }
}
