//! A report as one page that needs nothing but itself: no script, no font, no picture from elsewhere.

use super::plots::{self, Row};
use super::words::{NOTHING, Shown, count, percent, short};
use crate::report::{
    CalibrationReport, ClassReport, ErrorSample, Figure, LabelReport, Report, Rival, Slice, TaskReport,
};
use askama::Template;

/// How many errors are shown unfolded.
const ERRORS: usize = 10;

/// The page, with `templates/report/style.css` in it.
#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'a> {
    report: &'a Report,
    tasks: Vec<TaskView<'a>>,
    verdict: Option<String>,
}

/// A task, and its plots as markup.
struct TaskView<'a> {
    /// What its identifiers on the page begin with.
    id: String,
    task: &'a TaskReport,
    headline: Vec<(String, Figure)>,
    rivals: Vec<&'a Rival>,
    confusion: Option<String>,
    reliability: Option<String>,
    abstention: Option<String>,
    precision_recall: Option<String>,
    /// From the run compared with, and from the baselines.
    differences: Vec<(&'static str, String)>,
    /// By each property.
    slices: Vec<(&'a str, String)>,
}

/// A report as an HTML page. Everything that comes from data is escaped, and the page's own policy forbids
/// scripts and whatever would have to be loaded.
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
        let rivals = task.rivals();
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
            // Each with a scale of its own: a majority label would press another run's difference flat.
            differences: [
                differences(&plot("comparison"), "the run compared with", task.comparison.as_slice()),
                differences(&plot("baselines"), "the baselines", &task.baselines),
            ]
            .into_iter()
            .flatten()
            .collect(),
            slices: slices(&plot("slices"), task),
            rivals,
            id,
            task,
        }
    }

    /// The errors that are seen at once, and those that are folded.
    fn errors(&self) -> (&[ErrorSample], &[ErrorSample]) {
        self.task.errors.split_at(self.task.errors.len().min(ERRORS))
    }
}

/// This run's macro-F1 less each rival's.
fn differences(id: &str, from: &'static str, rivals: &[Rival]) -> Option<(&'static str, String)> {
    let rows: Vec<Row> = rivals
        .iter()
        .filter(|rival| rival.difference.value.is_some())
        .map(|rival| Row {
            name: rival.name.clone(),
            aside: rival.difference.difference(),
            figure: rival.difference,
            solid: rival.difference.interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0),
        })
        .collect();
    let (low, high) = (ends(&rows).fold(0.0, f64::min), ends(&rows).fold(0.0, f64::max));
    let air = (0.04 * (high - low)).max(0.004);
    let title = format!("This run's macro-F1 less that of {from}");
    let plot = || plots::forest(id, &title, &rows, [low - air, high + air], Some(0.0));
    (!rows.is_empty()).then(|| (from, plot()))
}

/// The macro-F1 of the slices by each property, beside that of all sentences; all on one scale.
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
        let title = format!("Macro-F1 by {by}, beside that of all sentences");
        (by, plots::forest(&format!("{id}-{}", index + 1), &title, &rows, [low, 1.0], all))
    };
    groups.into_iter().enumerate().map(plot).collect()
}

/// Everything that a forest plot has to have room for.
fn ends(rows: &[Row]) -> impl Iterator<Item = f64> + '_ {
    let figures = rows.iter().map(|row| row.figure);
    figures
        .flat_map(|figure| figure.value.into_iter().chain(figure.interval.into_iter().flatten()))
        .filter(|end| end.is_finite())
}

/// The highest precision at which a recall is reached: the precision-recall curve in numbers.
fn precision_at(label: &LabelReport, recall: f64) -> Option<f64> {
    let reached = label.curve.iter().filter(|[reached, _]| *reached >= recall - 1e-9);
    reached.map(|[_, precision]| *precision).reduce(f64::max)
}

/// The recalls of that table.
const RECALLS: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

impl CalibrationReport {
    /// The share of answers that a bin holds.
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
