//! Documents on their way into the pipeline: counted, with a bar that shows how far they are, and with what could not be
//! read named as it comes.

use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use indicatif::{ProgressBar, ProgressStyle};
use standpoint::input::Documents;
use standpoint::input::feed::{Arrival, Feed};
use standpoint::pipeline::{Pipeline, Source, Supply};
use std::io::{self, IsTerminal};
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
    tally: Tally,
    has_ended: bool,
}

/// How many documents were read, and how many files or records could not be.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub read: usize,
    pub failed: usize,
}

impl Tally {
    /// What to say of inputs that failed. Whether anything was done stands in it.
    pub(super) fn report(self) -> Option<String> {
        let (failed, all) = (self.failed, self.failed + self.read);
        match (self.failed, self.read) {
            (0, _) => None,
            (1, 0) => Some("nothing could be labelled: the one input failed (named above)".to_owned()),
            (_, 0) => Some(format!("nothing could be labelled: all {failed} inputs failed (named above)")),
            _ => Some(format!("{failed} of {all} inputs failed (named above)")),
        }
    }
}

impl<'p> Intake<'p> {
    /// # Errors
    /// If the system gives no thread to read on.
    pub(super) fn new(
        documents: Documents,
        pipeline: &'p Pipeline,
        interrupt: Interrupt,
        output_is_terminal: bool,
    ) -> Result<Self> {
        let progress = progress(&documents, output_is_terminal);
        let feed = Feed::new(documents).map_err(Failure::Thread)?;
        Ok(Self { pipeline, feed, progress, interrupt, tally: Tally::default(), has_ended: false })
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
    pub(super) fn finish(&mut self) -> Tally {
        self.progress.finish_and_clear();
        self.tally
    }
}

impl Source for Intake<'_> {
    fn next(&mut self, patience: Option<Duration>) -> Supply {
        while !self.has_ended {
            let Some(arrival) = self.arrival(patience) else { break };
            self.progress.set_position(arrival.bytes_read);
            for warning in arrival.warnings {
                self.progress.suspend(|| eprintln!("warning: {warning}"));
            }
            // A target of its own may be too long for the model.
            let checked = arrival.document.map(|document| {
                let document = document.map_err(|error| error.to_string())?;
                match self.pipeline.check_targets(document.targets()) {
                    Ok(()) => Ok(document),
                    Err(error) => Err(format!("{}: {error}", document.id())),
                }
            });
            match checked {
                Some(Ok(document)) => {
                    self.tally.read += 1;
                    return Supply::Document(Arc::new(document));
                }
                Some(Err(error)) => {
                    self.tally.failed += 1;
                    self.progress.suspend(|| eprintln!("error: {error}"));
                }
                None => self.has_ended = true,
            }
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
