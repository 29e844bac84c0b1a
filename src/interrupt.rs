//! Ctrl-C and its kin: the first asks a command to stop in good order, a second ends the process at once.

use crate::message::say;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether somebody wants this process to stop.
#[derive(Clone, Default)]
pub(crate) struct Interrupt {
    has_come: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Watches from now on.
    pub(crate) fn watch() -> Self {
        let interrupt = Self::default();
        for signal in signals() {
            if let Err(error) = interrupt.register(signal) {
                say!("warning: signal {signal} will end this program at once: {error}");
            }
        }
        interrupt
    }

    fn register(&self, signal: i32) -> io::Result<()> {
        // In this order: the first signal finds the flag not set yet.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.has_come))?;
        flag::register_usize(signal, Arc::clone(&self.signal), signal as usize)?;
        flag::register(signal, Arc::clone(&self.has_come)).map(drop)
    }

    pub(crate) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }

    /// 128 and the signal's number, as a shell says of a process that a signal has ended.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(128 + self.signal.load(Ordering::Relaxed) as u8)
    }
}

#[cfg(not(unix))]
fn signals() -> Vec<i32> {
    vec![SIGINT, SIGTERM]
}

/// A terminal that closes hangs up, unless nohup has asked us not to mind.
#[cfg(unix)]
fn signals() -> Vec<i32> {
    use signal_hook::consts::SIGHUP;

    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let minds = ignored.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) == 0);
    [SIGINT, SIGTERM].into_iter().chain(minds.then_some(SIGHUP)).collect()
}
