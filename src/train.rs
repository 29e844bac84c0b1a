//! `standpoint train`: a configuration in, a model folder out, with a progress bar on the way.

use crate::count;
use crate::failure::Result;
use crate::interrupt::Interrupt;
use crate::message::say;
use clap::Args;
use clap::builder::BoolishValueParser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use standpoint::training::{DevScore, Observer, RunEnd, StepReport, Trainer};
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a model from labelled text
///
/// Fine-tunes a base encoder and its heads as the configuration says, and writes a model folder. Ctrl-C saves a
/// checkpoint; --resume continues from it to the same result.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  standpoint train train/base.toml
  standpoint train train/base.toml --base ~/all-mpnet-base-v2
  standpoint train train/base.toml --resume

Exit codes: 0 the model is written, 1 a failure, 2 wrong usage, 130 stopped by Ctrl-C and saved (143 by TERM).")]
pub(crate) struct Train {
    /// The training configuration
    config: PathBuf,

    /// Continue from the last checkpoint of the run
    #[arg(long)]
    resume: bool,

    /// Take the base model from here, a folder or a hub id, instead of where the configuration says
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,

    /// Never use the network: the base model must be a folder or in the local cache. HF_HUB_OFFLINE=1
    /// means the same
    #[arg(long, env = "STANDPOINT_OFFLINE", value_parser = BoolishValueParser::new())]
    offline: bool,

    /// Threads to use at once; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS", value_parser = count::threads)]
    threads: Option<NonZeroUsize>,
}

/// Off a terminal, a line is printed every so many steps.
const STEPS_BETWEEN_LINES: usize = 50;

impl Train {
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::set_threads(self.threads)?;
        // The first signal waits for the step at work; a second one does not.
        let interrupt = Interrupt::watch();
        let trainer = Trainer::new(&self.config, self.base.as_deref(), self.offline, self.resume)?;
        let mut watcher = Watcher::new(trainer.steps(), interrupt);
        let outcome = trainer.run(&mut watcher)?;
        watcher.bar.finish_and_clear();
        match outcome {
            RunEnd::Finished { output, scores, best } => {
                let DevScore { role, stance, .. } = scores[best];
                say!(
                    "{}: epoch {} of {}, dev macro-F1 role {role:.3}, stance {stance:.3}",
                    output.display(),
                    best + 1,
                    scores.len()
                );
                Ok(ExitCode::SUCCESS)
            }
            RunEnd::Stopped { step, steps } => {
                say!("stopped and saved at step {step} of {steps}: go on with --resume");
                Ok(watcher.interrupt.exit_code())
            }
        }
    }
}

/// Shows a run: a bar on a terminal, lines elsewhere.
struct Watcher {
    bar: ProgressBar,
    interrupt: Interrupt,
    /// Smoothed over steps.
    loss: Option<f64>,
    speed: Option<f64>,
}

impl Watcher {
    fn new((steps, done): (usize, usize), interrupt: Interrupt) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target).with_position(done as u64);
        let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        Self { bar, interrupt, loss: None, speed: None }
    }

    fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            say!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

fn smoothed(before: Option<f64>, now: f64) -> f64 {
    before.map_or(now, |before| 0.95 * before + 0.05 * now)
}

impl Observer for Watcher {
    fn step(&mut self, report: &StepReport) {
        let loss = smoothed(self.loss, report.loss);
        let speed = smoothed(self.speed, report.tokens as f64 / report.seconds);
        (self.loss, self.speed) = (Some(loss), Some(speed));
        self.bar.set_position(report.step as u64);
        self.bar.set_message(format!("loss {loss:.3}  {speed:.0} tokens/s"));
        if self.bar.is_hidden() && (report.step == 1 || report.step.is_multiple_of(STEPS_BETWEEN_LINES)) {
            say!(
                "epoch {}/{}  step {}/{}  loss {loss:.3}  gradient norm {:.2}  {speed:.0} tokens/s",
                report.epoch + 1,
                report.epochs,
                report.step,
                report.steps,
                report.gradient_norm,
            );
        }
    }

    fn epoch(&mut self, epoch: usize, score: &DevScore, best: bool) {
        let kept = if best { ", the best so far" } else { "" };
        self.say(&format!(
            "epoch {}: dev macro-F1 role {:.3}, stance {:.3}{kept}",
            epoch + 1,
            score.role,
            score.stance
        ));
        let figure = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.3}"));
        for slice in &score.slices {
            let figures = [
                figure("role", slice.role),
                figure("stance", slice.stance),
                figure("kept toward other wordings", slice.kept),
                figure("turned toward opposites", slice.turned),
                figure("speaker F1", slice.speaker),
            ];
            let figures: Vec<String> = figures.into_iter().flatten().collect();
            self.say(&format!("  {}: {}", slice.name, figures.join(", ")));
        }
    }

    fn checkpoint(&mut self) {
        self.bar.tick();
    }

    fn stopped(&mut self) -> bool {
        self.interrupt.has_come()
    }
}
