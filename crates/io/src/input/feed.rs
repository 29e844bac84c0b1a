//! Documents read on a thread of their own, so that whoever waits for one can do something else meanwhile.

use super::{Documents, InputWarning};
use crate::error::{InputError, InputProblem, Place};
use standpoint_core::text::{Document, Span};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// How far the thread reads ahead, in bytes: enough that it seldom sleeps, and little beside what the pipeline holds.
const AHEAD_BYTES: u64 = 256 << 10;

/// What a document costs, however short it is.
const DOCUMENT_BYTES: u64 = 256;

/// What [`Documents`] give, as it comes.
pub struct Feed {
    arrivals: Receiver<Arrival>,
    ahead: Ahead,
    /// What the document cost that was given last. Until the next one is asked for, nothing is read in its stead: it may be
    /// as large as all that is to be held.
    last_cost: u64,
    has_panicked: bool,
}

/// A document, or why there is none in its place.
pub struct Arrival {
    /// `None` at the end.
    pub document: Option<Result<Document, InputError>>,
    /// The warnings since the arrival before.
    pub warnings: Vec<InputWarning>,
    /// Bytes of the input that have been read so far.
    pub bytes_read: u64,
    cost: u64,
}

/// What has been read and not yet been paid back.
#[derive(Clone)]
struct Ahead {
    bytes: Arc<AtomicU64>,
    /// Wakes the thread.
    wanted: SyncSender<()>,
}

impl Feed {
    /// Begins to read. Once dropped, the thread ends with the document that it is at.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn new(documents: Documents) -> io::Result<Self> {
        let (sender, arrivals) = channel();
        let (wanted, is_wanted) = sync_channel(1);
        let ahead = Ahead { bytes: Arc::default(), wanted };
        let bytes = Arc::clone(&ahead.bytes);
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || read(documents, &sender, &bytes, &is_wanted))?;
        Ok(Self { arrivals, ahead, last_cost: 0, has_panicked: false })
    }

    /// What comes next. Waits for it, but no longer than `patience` if there is one: `None` if nothing has come by then.
    /// Not to be called again after the end.
    pub fn next(&mut self, patience: Option<Duration>) -> Option<Arrival> {
        self.ahead.pay_back(std::mem::take(&mut self.last_cost));
        let arrival = match patience {
            None => self.arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(patience) => self.arrivals.recv_timeout(patience),
        };
        match arrival {
            Ok(arrival) => {
                self.last_cost = arrival.cost;
                Some(arrival)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) if self.has_panicked => Some(Arrival::end()),
            Err(RecvTimeoutError::Disconnected) => {
                self.has_panicked = true;
                Some(Arrival::panicked())
            }
        }
    }
}

impl Ahead {
    fn pay_back(&self, cost: u64) {
        let before = self.bytes.fetch_sub(cost, Ordering::AcqRel);
        if before - cost < AHEAD_BYTES / 2 {
            // If it is full, the thread will wake up anyway.
            let _ = self.wanted.try_send(());
        }
    }
}

impl Arrival {
    fn end() -> Self {
        Self { document: None, warnings: Vec::new(), bytes_read: 0, cost: 0 }
    }

    /// Reading a document was too much for the thread, which is gone.
    fn panicked() -> Self {
        let problem =
            InputProblem::Read(io::Error::other("the reader panicked, which is a fault of this program"));
        let error = InputError { place: Place { file: "input".to_owned(), line: None }, problem };
        Self { document: Some(Err(error)), ..Self::end() }
    }
}

/// Reads as far ahead as it may, and sleeps until it may again.
fn read(mut documents: Documents, arrivals: &Sender<Arrival>, ahead: &AtomicU64, is_wanted: &Receiver<()>) {
    let mut bytes_before = 0;
    loop {
        if ahead.load(Ordering::Acquire) >= AHEAD_BYTES {
            while ahead.load(Ordering::Acquire) >= AHEAD_BYTES / 2 {
                if is_wanted.recv().is_err() {
                    return;
                }
            }
        }
        let document = documents.next();
        let bytes_read = documents.bytes_read();
        // What was read counts as well: it may have become fields that travel along.
        let text = match &document {
            Some(Ok(document)) => document.text().len() + size_of_val::<[Span]>(document.sentences()),
            _ => 0,
        };
        let cost = DOCUMENT_BYTES + text as u64 + (bytes_read - bytes_before);
        bytes_before = bytes_read;
        ahead.fetch_add(cost, Ordering::AcqRel);
        let is_end = document.is_none();
        let arrival = Arrival { document, warnings: documents.take_warnings(), bytes_read, cost };
        if arrivals.send(arrival).is_err() || is_end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::InputOptions;
    use super::*;
    use std::fs;

    /// The ids of all documents; `!` for what could not be read.
    fn ids(feed: &mut Feed) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(document) = feed.next(None).unwrap().document {
            ids.push(document.map_or("!".to_owned(), |document| document.id().to_owned()));
        }
        ids
    }

    #[test]
    fn everything_arrives_in_order_however_far_it_reads_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let long = "They left the camp. ".repeat(20_000);
        let mut lines = String::new();
        for id in 0..3000 {
            let text = if id % 1000 == 7 { &long } else { "They left." };
            lines += &format!("{{\"id\":{id},\"text\":\"{text}\"}}\n");
        }
        lines += "no\n";
        fs::write(&path, &lines).unwrap();
        let mut feed = Feed::new(Documents::new(&[path], InputOptions::default())).unwrap();
        let mut expected: Vec<String> = (0..3000).map(|id| id.to_string()).collect();
        expected.push("!".to_owned());
        assert_eq!(ids(&mut feed), expected);
    }

    #[test]
    fn a_large_document_is_read_only_when_the_one_before_is_done_with() {
        let folder = tempfile::tempdir().unwrap();
        let long = "They left the camp. ".repeat(20_000);
        for name in ["a.txt", "b.txt"] {
            fs::write(folder.path().join(name), &long).unwrap();
        }
        let mut feed = Feed::new(Documents::new(&[folder.path()], InputOptions::default())).unwrap();
        let first = feed.next(None).unwrap();
        assert!(first.document.unwrap().is_ok());
        assert_eq!(feed.ahead.bytes.load(Ordering::Acquire), first.cost, "the second is not read yet");
        assert_eq!(ids(&mut feed).len(), 1);
    }
}
