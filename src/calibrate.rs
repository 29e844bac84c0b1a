//! `standpoint calibrate`: a model's calibration, from labelled sentences.

use super::model::ModelArgs;
use crate::count;
use crate::failure::{Failure, Result};
use clap::Args;
use comfy_table::{CellAlignment, LineStyle, Table, presets::UTF8_HORIZONTAL_ONLY};
use standpoint::atomic::write_whole;
use standpoint::calibration::TemperatureScaling;
use standpoint::error::ModelError;
use standpoint::evaluation::recalibrate::{Recalibration, recalibrate};
use standpoint::evaluation::{EvalSet, Evaluation, Task};
use standpoint::model::{HeadSettings, Model};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Calibrate a model's probabilities on labelled sentences of your own
///
/// Fits a temperature and a sharpening of the surest answers, for role and stance. No label changes, and no weight. Prints
/// the expected calibration error before and after, and on documents left out of the fit. --output writes a
/// standpoint.toml to put in the model's folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  standpoint calibrate my-newsroom.toml --model models/base
  standpoint calibrate my-newsroom.toml --model models/base --output models/base/standpoint.toml")]
pub(crate) struct Calibrate {
    /// An evaluation set with roles, stances or both, as for `standpoint eval`
    set: PathBuf,

    #[command(flatten)]
    model: ModelArgs,

    /// Where to write the model's settings with the new calibration
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Threads to use at once [default: all cores]
    #[arg(long, value_name = "N", env = "STANDPOINT_THREADS", value_parser = count::threads)]
    threads: Option<NonZeroUsize>,
}

impl Calibrate {
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::set_threads(self.threads)?;
        let set = EvalSet::load(&self.set)?;
        let model = Model::load(&self.model.source()?)?;
        let (mut settings, origin) = (model.settings().clone(), model.origin().to_owned());
        let bar = super::eval::bar(&set.name);
        let evaluation = Evaluation::run(&set, model, self.model.engine(), &mut |done, total| {
            bar.set_length(total as u64);
            bar.inc(done as u64);
        })?;
        bar.finish_and_clear();
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        table.set_header([
            "",
            "sentences",
            "temperature",
            "sharpening",
            "calibration error",
            "now",
            "on documents left out",
        ]);
        let mut any = false;
        for task in [Task::Role, Task::Stance] {
            let head = task.head();
            let current = settings.heads.get(head).map(HeadSettings::scaling);
            let found = current.and_then(|current| recalibrate(task, current, evaluation.samples()));
            if let Some(found) = found {
                add_row(&mut table, task, &found);
                settings.heads.insert(*head, HeadSettings::new(head, found.scaling));
                any = true;
            }
        }
        if !any {
            let message = format!("{}: its tasks are neither role nor stance", self.set.display());
            return Err(Failure::Usage(message));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(std::io::stdout().lock(), "{table}").map_err(Failure::Stdout)?;
        if let Some(path) = &self.output {
            let text = settings.to_toml().map_err(|problem| ModelError { origin, problem })?;
            write_whole(path, text.as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn add_row(table: &mut Table, task: Task, found: &Recalibration) {
    let TemperatureScaling { temperature, sharpening } = found.scaling;
    let numbers = [temperature.into(), sharpening.into(), found.before, found.after, found.held_out];
    let numbers = numbers.map(|number: f64| format!("{number:.3}"));
    table.add_row([task.as_str().to_owned(), found.answers.to_string()].into_iter().chain(numbers));
}
