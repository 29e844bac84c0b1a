//! Runs the steps: units go to the threads a few ahead of the one whose answers are waited for; records come out in the
//! order of the input.
//!
//! A thread tokenizes a unit and leaves its batches to whichever threads are idle. Only the caller waits for a unit, so
//! that all threads have work until the last batch. Memory is bounded by the text of the units in flight and of the
//! documents that they belong to.

use super::answers::{Answer, SentenceAnswer};
use super::assemble::Assembler;
use super::pieces::{Piece, Unit, Units};
use super::source::Source;
use super::windows::{Job, batches};
use super::{Stages, Targets};
use crate::error::{Error, Result};
use crate::record::Record;
use rayon::Yield;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

/// Bytes of text for each thread in a unit: about as many batches for each as there should be at the end.
const UNIT_BYTES: usize = 8 << 10;

/// Units that threads work on at once: while one is waited for and written, the others give work.
const UNITS: usize = 4;

/// The records of documents, in order. Made by [`Pipeline::records`](super::Pipeline::records). Once dropped, it costs
/// the threads no more than the batches that they are at.
pub struct Records<S> {
    work: Arc<Work>,
    units: Units<S>,
    begun: VecDeque<Begun>,
    assembler: Assembler,
    /// Records that are done.
    ready: VecDeque<Record>,
    ended: bool,
}

/// What the threads share.
struct Work {
    stages: Arc<Stages>,
    targets: Arc<Targets>,
    /// Nobody waits for answers any more.
    cancelled: AtomicBool,
}

/// A unit that threads work on, and where its answers arrive, in any order.
struct Begun {
    unit: Unit,
    answers: Receiver<Result<Vec<SentenceAnswer>>>,
}

impl<S: Source> Records<S> {
    pub(super) fn new(stages: Arc<Stages>, targets: Arc<Targets>, source: S) -> Self {
        let assembler = Assembler::new(Arc::clone(&targets), stages.heads.marks_attributions());
        Self {
            work: Arc::new(Work { stages, targets, cancelled: AtomicBool::new(false) }),
            units: Units::new(source),
            begun: VecDeque::new(),
            assembler,
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// Whether the next record is one of a document that the source has still to give. That may take long where somebody
    /// writes it by hand: a good moment to flush.
    pub fn is_waiting(&self) -> bool {
        !self.ended && self.ready.is_empty() && self.begun.is_empty() && !self.units.is_cutting()
    }

    /// The source, to ask it what has become of its documents.
    pub fn source_mut(&mut self) -> &mut S {
        self.units.source_mut()
    }

    /// Hands units to the threads, then waits for the oldest one and makes its records.
    fn advance(&mut self) -> Result<()> {
        while self.begun.len() < UNITS {
            let in_flight = self.begun.iter().map(|begun| begun.unit.bytes).sum();
            let size = UNIT_BYTES * rayon::current_num_threads();
            let Some(unit) = self.units.next(in_flight, size, self.begun.is_empty()) else { break };
            let (sender, answers) = channel();
            let (work, pieces) = (Arc::clone(&self.work), unit.pieces.clone());
            rayon::spawn(move || Work::begin(&work, &pieces, &sender));
            self.begun.push_back(Begun { unit, answers });
        }
        let Some(Begun { unit, answers }) = self.begun.pop_front() else {
            self.ended = true;
            return Ok(());
        };
        let mut by_piece: Vec<Vec<Vec<(usize, Answer)>>> =
            unit.pieces.iter().map(|piece| vec![Vec::new(); piece.sentences.len()]).collect();
        while let Some(answers) = next(&answers) {
            for SentenceAnswer { piece, target, sentence, answer } in answers? {
                by_piece[piece][sentence].push((target, answer));
            }
        }
        for (piece, answers) in unit.pieces.into_iter().zip(by_piece) {
            let joined = answers.into_iter().map(|mut answers| {
                answers.sort_by_key(|(target, _)| *target);
                Answer::join(answers.into_iter().map(|(_, answer)| answer))
            });
            self.assembler.add(piece, joined.collect(), &mut self.ready);
        }
        Ok(())
    }
}

impl<S: Source> Iterator for Records<S> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.advance() {
                self.ended = true;
                self.ready.clear();
                return Some(Err(error));
            }
        }
    }
}

impl<S> Drop for Records<S> {
    fn drop(&mut self) {
        self.work.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Work {
    /// Cuts a unit into windows, and leaves these to the threads.
    fn begin(work: &Arc<Self>, pieces: &[Piece], answers: &Sender<Result<Vec<SentenceAnswer>>>) {
        let jobs = work.run(|| {
            let mut jobs = Vec::new();
            for (index, piece) in pieces.iter().enumerate() {
                jobs.append(&mut work.stages.jobs(index, piece, &work.targets)?);
            }
            Ok(jobs)
        });
        let jobs: Vec<Job> = match jobs {
            Some(Ok(jobs)) => jobs,
            // Whoever would have received an error has given up.
            Some(Err(error)) => return drop(answers.send(Err(error))),
            None => return,
        };
        for batch in batches(jobs) {
            let (work, answers) = (Arc::clone(work), answers.clone());
            rayon::spawn(move || {
                if let Some(answered) = work.run(|| work.stages.answer(&batch)) {
                    drop(answers.send(answered));
                }
            });
        }
    }

    /// Does some work unless nobody waits for it. A panic there ends this run with an error, not the process.
    fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Option<Result<T>> {
        if self.cancelled.load(Ordering::Relaxed) {
            return None;
        }
        let panicked = || Err(Error::Encoder("a thread panicked, which is a fault of this program".into()));
        Some(catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| panicked()))
    }
}

/// The next message; `None` once all senders are gone. A thread of the pool works meanwhile, as nobody else may be there
/// to do what it waits for.
fn next<T>(receiver: &Receiver<T>) -> Option<T> {
    loop {
        match receiver.try_recv() {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        match rayon::yield_now() {
            None => return receiver.recv().ok(),
            Some(Yield::Executed) => {}
            Some(Yield::Idle) => match receiver.recv_timeout(Duration::from_millis(1)) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            },
        }
    }
}
