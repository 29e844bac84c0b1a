//! Documents on their way into the pipeline: counted, with a bar that shows how far they are, and with what could not be
//! read named as it comes.

use super::batch::BatchArgs;
use super::failures::Failures;
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::message::{failed_inputs, say};
use crate::resume::Done;
use indicatif::{ProgressBar, ProgressStyle};
use standpoint::error::{InputError, InputProblem, Place};
use standpoint::input::Documents;
use standpoint::input::feed::{Arrival, Feed};
use standpoint::pipeline::{Pipeline, Source, Supply};
use standpoint::text::Document;
use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it takes at most until a signal is seen while nothing comes.
const SIGNALS: Duration = Duration::from_millis(100);

/// The documents of a run.
pub(super) struct Intake<'p> {
    pipeline: &'p Pipeline,
    feed: Feed,
    progress: ProgressBar,
    interrupt: Interrupt,
    /// What an earlier run has done.
    done: Option<Done>,
    failures: Option<Failures>,
    fail_fast: bool,
    /// How many documents there may be.
    limit: usize,
    tally: Tally,
    has_ended: bool,
    /// Why it ended before the input did.
    error: Option<Failure>,
}

/// How many documents were read, and how many files or records could not be.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub read: usize,
    pub failed: usize,
    /// How many of those read were labelled by an earlier run.
    pub done_before: usize,
}

impl Tally {
    /// What to say of inputs that failed.
    pub(super) fn report(self) -> Option<String> {
        failed_inputs(self.failed, self.read)
    }
}

impl<'p> Intake<'p> {
    /// # Errors
    /// If the system gives no thread to read on.
    pub(super) fn new(
        documents: Documents,
        pipeline: &'p Pipeline,
        interrupt: Interrupt,
        batch: &BatchArgs,
        done: Option<Done>,
        output_is_terminal: bool,
    ) -> Result<Self> {
        let progress = progress(&documents, output_is_terminal);
        Ok(Self {
            pipeline,
            feed: Feed::new(documents).map_err(Failure::Thread)?,
            progress,
            interrupt,
            done,
            failures: batch.failures.as_deref().map(Failures::create).transpose()?,
            fail_fast: batch.fail_fast,
            limit: batch.limit.map_or(usize::MAX, NonZeroUsize::get),
            tally: Tally::default(),
            has_ended: false,
            error: None,
        })
    }

    /// What the next document is, once it has come; `None` if it has not within `patience`, or at the end.
    fn arrival(&mut self, patience: Option<Duration>) -> Option<Arrival> {
        let begun = Instant::now();
        loop {
            let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
            let arrival = self.feed.next(Some(left.map_or(SIGNALS, |left| left.min(SIGNALS))));
            if self.interrupt.has_come() {
                self.has_ended = true;
                return None;
            }
            match arrival {
                None if left.is_none_or(|left| !left.is_zero()) => {}
                arrival => return arrival,
            }
        }
    }

    /// Takes the bar away, and says how many documents there were.
    ///
    /// # Errors
    /// If it ended before the input did, and not because of a signal.
    pub(super) fn finish(&mut self) -> Result<Tally> {
        self.progress.finish_and_clear();
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(self.tally),
        }
    }

    /// Gives a document to the pipeline, unless an earlier run has done it.
    fn accept(&mut self, document: Document) -> Result<Option<Document>> {
        self.tally.read += 1;
        self.has_ended |= self.tally.read >= self.limit;
        let Some(done) = &mut self.done else { return Ok(Some(document)) };
        let unreadable =
            |error| Failure::Refused(format!("--resume: what was done could not be read: {error}"));
        if done.has(&document).map_err(unreadable)? {
            self.tally.done_before += 1;
            return Ok(None);
        }
        self.done = None;
        Ok(Some(document))
    }

    /// Names what could not be read.
    fn fail(&mut self, error: &InputError) -> Result<()> {
        self.tally.failed += 1;
        self.progress.suspend(|| say!("error: {error}"));
        if let Some(failures) = &mut self.failures {
            failures.add(error)?;
        }
        if self.fail_fast {
            return Err(Failure::Refused("stopped at the first input that failed (--fail-fast)".to_owned()));
        }
        Ok(())
    }

    /// A target of its own may be too long for the model.
    fn checked(&self, document: Result<Document, InputError>) -> Result<Document, InputError> {
        let document = document?;
        match self.pipeline.check_targets(document.targets()) {
            Ok(()) => Ok(document),
            Err(error) => {
                let id = document.id().to_owned();
                let place = Place { file: id.clone(), line: None };
                let problem = Box::new(InputProblem::Format(Box::new(error)));
                Err(InputError { place, problem: InputProblem::OfRecord { id, problem } })
            }
        }
    }
}

impl Source for Intake<'_> {
    fn next(&mut self, patience: Option<Duration>) -> Supply {
        while !self.has_ended {
            let Some(arrival) = self.arrival(patience) else { break };
            self.progress.set_position(arrival.bytes_read);
            for warning in arrival.warnings {
                self.progress.suspend(|| say!("warning: {warning}"));
            }
            let taken = match arrival.document.map(|document| self.checked(document)) {
                Some(Ok(document)) => self.accept(document),
                Some(Err(error)) => self.fail(&error).map(|()| None),
                None => {
                    self.has_ended = true;
                    Ok(None)
                }
            };
            match taken {
                Ok(Some(document)) => return Supply::Document(Arc::new(document)),
                Ok(None) => {}
                Err(error) => (self.has_ended, self.error) = (true, Some(error)),
            }
        }
        if self.has_ended && self.error.is_none() && self.done.as_ref().is_some_and(Done::is_more) {
            self.error = Some(Failure::Refused(
                "--resume: what was done has documents that the input has not: remove it to begin anew"
                    .to_owned(),
            ));
        }
        if self.has_ended { Supply::End } else { Supply::NotYet }
    }
}

/// A bar over the bytes of the input, on standard error. Hidden where it would mix with the output or nobody would see it.
fn progress(documents: &Documents, output_is_terminal: bool) -> ProgressBar {
    if output_is_terminal || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match documents.total_bytes() {
        Some(total) => (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
