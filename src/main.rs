//! The command line: a file a subcommand. Only this program prints, and `failure` alone makes errors exit codes.

#![forbid(unsafe_code)]

mod agreement;
mod bench;
mod calibrate;
mod classify;
mod completions;
mod count;
mod destination;
mod eval;
mod failure;
mod input;
mod interrupt;
mod message;
mod model;
mod resume;
mod segment;
mod segmentation;
mod speakers;
mod view;
mod train;

use clap::{Parser, Subcommand};
use failure::{Failure, Result};
use message::say;
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// Labels every sentence of a news text: claim, attributed statement or background, and its stance toward a target.
#[derive(Debug, Parser)]
#[command(name = "standpoint", version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Classify(classify::Classify),
    Segment(segment::Segment),
    Train(train::Train),
    Eval(eval::Eval),
    Agreement(agreement::AgreementCommand),
    Calibrate(calibrate::Calibrate),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

/// Runs the command that the process was started with.
fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Classify(classify) => classify.run(),
        Command::Segment(segment) => segment.run(),
        Command::Train(train) => train.run(),
        Command::Eval(eval) => eval.run(),
        Command::Agreement(agreement) => agreement.run(),
        Command::Calibrate(calibrate) => calibrate.run(),
        Command::Bench(bench) => bench.run(),
        Command::Completions(completions) => completions.run(),
    };
    done.unwrap_or_else(|failure| {
        if !failure.is_silent() {
            say!("error: {failure}");
        }
        failure.exit_code()
    })
}

/// The width of tables where the terminal's is not known.
const DEFAULT_WIDTH: u16 = 100;

/// The width of the terminal on standard output, or a usual one.
fn width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(DEFAULT_WIDTH)
}

/// Makes everything that follows use this many threads; all cores if none are given.
fn set_threads(threads: Option<NonZeroUsize>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    pool.map_err(|error| Failure::usage(format!("--threads {threads}: {error}")))
}
