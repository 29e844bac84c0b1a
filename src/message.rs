//! Messages on standard error. Whoever read them may have gone, which is no reason to stop: a message that cannot be written
//! is dropped, where `eprintln!` would panic.

use std::fmt;
use std::io::{self, Write};

/// Writes a line to standard error, if that can be.
macro_rules! say {
    ($($message:tt)*) => { $crate::message::line(format_args!($($message)*)) };
}
pub(crate) use say;

/// One write for the whole line, so that lines of several processes do not mix.
pub(crate) fn line(message: fmt::Arguments<'_>) {
    let line = format!("{message}\n");
    drop(io::stderr().lock().write_all(line.as_bytes()));
}

/// What to say at the end of inputs that failed. Whether any was read stands in it.
pub(crate) fn failed_inputs(failed: usize, read: usize) -> Option<String> {
    match (failed, read) {
        (0, _) => None,
        (1, 0) => Some("nothing could be read: the one input failed (named above)".to_owned()),
        (_, 0) => Some(format!("nothing could be read: all {failed} inputs failed (named above)")),
        _ => Some(format!("{failed} of {} inputs failed (named above)", failed + read)),
    }
}
