//! A report as one self-contained HTML page: no scripts, and no fonts or images from elsewhere.

use super::figures::{NOTHING, Shown, count, percent, short};
use super::plots::{self, Row};
use crate::report::{
    CalibrationReport, ClassReport, Comparison, ErrorSample, Figure, LabelReport, Report, Slice, TaskReport,
};
use askama::Template;

/// The number of errors that are not folded.
const ERRORS: usize = 10;

/// The page. It contains `templates/report/style.css`.
#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'a> {
    report: &'a Report,
    tasks: Vec<TaskView<'a>>,
    verdict: Option<String>,
}

/// A task with its plots as markup.
struct TaskView<'a> {
    /// The prefix of its element ids on the page.
    id: String,
    task: &'a TaskReport,
    headline: Vec<(String, Figure)>,
    comparisons: Vec<&'a Comparison>,
    confusion: Option<String>,
    reliability: Option<String>,
    abstention: Option<String>,
    precision_recall: Option<String>,
    /// Plots of the differences from the other run and from the baselines, with a name for each.
    differences: Vec<(&'static str, String)>,
    /// A plot for each property.
    slices: Vec<(&'a str, String)>,
}

/// A report as an HTML page. Text from data is escaped, and the page's content security policy forbids scripts and
/// everything that would have to be loaded.
pub fn html(report: &Report) -> String {
    let tasks = report.tasks.iter().enumerate();
    let page = Page {
        report,
        tasks: tasks.map(|(index, task)| TaskView::new(index, task)).collect(),
        verdict: report.floors_verdict(),
    };
    page.render().expect("the templates call nothing that can fail")
}

impl<'a> TaskView<'a> {
    fn new(index: usize, task: &'a TaskReport) -> Self {
        let id = format!("task-{}", index + 1);
        let classes = task.classes.as_ref();
        let calibration = task.calibration.as_ref();
        let plot = |kind: &str| format!("{id}-{kind}");
        let with_curves = |classes: &&ClassReport| classes.labels.iter().any(|label| !label.curve.is_empty());
        let comparisons = task.comparisons();
        Self {
            headline: task.headline(),
            confusion: classes
                .filter(|classes| !classes.confusion.is_empty())
                .map(|classes| plots::confusion(&plot("confusion"), classes)),
            precision_recall: classes
                .filter(with_curves)
                .map(|classes| plots::precision_recall(&plot("precision-recall"), &classes.labels)),
            reliability: calibration
                .filter(|calibration| !calibration.bins.is_empty())
                .map(|calibration| plots::reliability(&plot("reliability"), &calibration.bins)),
            abstention: calibration
                .filter(|calibration| !calibration.abstention.is_empty())
                .map(|calibration| plots::abstention(&plot("abstention"), &calibration.abstention)),
            // On separate scales: beside the majority baseline, the difference from another run would be invisible.
            differences: [
                differences(&plot("comparison"), "the other run", task.comparison.as_slice()),
                differences(&plot("baselines"), "the baselines", &task.baselines),
            ]
            .into_iter()
            .flatten()
            .collect(),
            slices: slices(&plot("slices"), task),
            comparisons,
            id,
            task,
        }
    }

    /// The errors that are shown, and those that are folded.
    fn errors(&self) -> (&[ErrorSample], &[ErrorSample]) {
        self.task.errors.split_at(self.task.errors.len().min(ERRORS))
    }
}

/// A plot of this run's macro-F1 minus that of others. `None` if no difference has a value.
fn differences(id: &str, from: &'static str, comparisons: &[Comparison]) -> Option<(&'static str, String)> {
    let rows: Vec<Row> = comparisons
        .iter()
        .filter(|comparison| comparison.difference.value.is_some())
        .map(|comparison| Row {
            name: comparison.name.clone(),
            aside: comparison.difference.difference(),
            figure: comparison.difference,
            solid: comparison.difference.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0),
        })
        .collect();
    let (low, high) = (ends(&rows).fold(0.0, f64::min), ends(&rows).fold(0.0, f64::max));
    let air = (0.04 * (high - low)).max(0.004);
    let title = format!("This run's macro-F1 minus that of {from}");
    let plot = || plots::forest(id, &title, &rows, [low - air, high + air], Some(0.0));
    (!rows.is_empty()).then(|| (from, plot()))
}

/// A plot for each property: the macro-F1 of its slices, and that of all sentences as a line. All have the same scale.
fn slices<'a>(id: &str, task: &'a TaskReport) -> Vec<(&'a str, String)> {
    let all = task.classes.as_ref().and_then(|classes| classes.macro_f1.value);
    let row = |slice: &Slice| Row {
        name: slice.value.clone(),
        aside: format!("{} · {}", count(slice.sentences, "sentence"), slice.macro_f1.number()),
        figure: slice.macro_f1,
        solid: true,
    };
    let groups: Vec<(&str, Vec<Row>)> = task
        .slices
        .chunk_by(|one, next| one.by == next.by)
        .map(|group| (group[0].by.as_str(), group.iter().map(row).collect()))
        .collect();
    let low = groups.iter().flat_map(|(_, rows)| ends(rows)).chain(all).fold(1.0, f64::min);
    let low = ((low * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let plot = |(index, (by, rows)): (usize, (&'a str, Vec<Row>))| {
        let title = format!("Macro-F1 by {by}, compared with that of all sentences");
        (by, plots::forest(&format!("{id}-{}", index + 1), &title, &rows, [low, 1.0], all))
    };
    groups.into_iter().enumerate().map(plot).collect()
}

/// All values and interval bounds of a forest plot.
fn ends(rows: &[Row]) -> impl Iterator<Item = f64> + '_ {
    let figures = rows.iter().map(|row| row.figure);
    figures
        .flat_map(|figure| figure.value.into_iter().chain(figure.interval.into_iter().flatten()))
        .filter(|end| end.is_finite())
}

/// The highest precision with at least this recall: the precision-recall curve in numbers.
fn precision_at(label: &LabelReport, recall: f64) -> Option<f64> {
    let reached = label.curve.iter().filter(|[reached, _]| *reached >= recall - 1e-9);
    reached.map(|[_, precision]| *precision).reduce(f64::max)
}

/// The recalls in the table of [`precision_at`].
const RECALLS: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

impl CalibrationReport {
    /// The share of the answers in a bin with `count` answers.
    fn share(&self, count: u64) -> String {
        let all: u64 = self.bins.iter().map(|bin| bin.count).sum();
        if all == 0 { NOTHING.to_owned() } else { percent(count as f64 / all as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_in_numbers_is_its_upper_hull() {
        let label = LabelReport {
            label: "claim".to_owned(),
            precision: None,
            recall: None,
            f1: Figure::default(),
            support: 0,
            average_precision: None,
            curve: vec![[0.2, 0.5], [0.4, 0.7], [0.8, 0.6]],
        };
        assert_eq!(precision_at(&label, 0.1), Some(0.7));
        assert_eq!(precision_at(&label, 0.5), Some(0.6));
        assert_eq!(precision_at(&label, 0.9), None);
    }
}
