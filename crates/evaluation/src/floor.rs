//! Floors: the lowest values that a set allows for its figures.

use crate::Task;
use crate::report::{Figure, FloorReport, TaskReport};
use std::collections::BTreeMap;

/// Metrics of a task that gives labels.
const METRICS: [&str; 7] =
    ["macro_f1", "micro_f1", "weighted_f1", "accuracy", "matthews", "average_precision", "positive_f1"];

/// Metrics of one label, as in `f1.against`.
const LABEL_METRICS: [&str; 3] = ["precision", "recall", "f1"];

/// Metrics of one kind of span, as in `exact_f1.source`.
const SPAN_METRICS: [&str; 2] = ["exact_f1", "overlap_f1"];

/// Checks that a floor can be set for `metric` of `task`.
///
/// # Errors
/// If not. The text completes a sentence whose subject is the set, and lists the known metrics.
pub fn check(task: Task, metric: &str) -> Result<(), String> {
    let (all, of_one, names): (&[&str], &[&str], _) = match task.span_kinds() {
        [] => (&METRICS, &LABEL_METRICS, task.labels()),
        kinds => (&[], &SPAN_METRICS, kinds),
    };
    let known = match metric.split_once('.') {
        Some((metric, name)) => of_one.contains(&metric) && names.contains(&name),
        None => all.contains(&metric),
    };
    if known {
        return Ok(());
    }
    let example = of_one.last().zip(names.first()).map(|(metric, name)| format!("{metric}.{name}"));
    let all = all.iter().map(|metric| format!("{metric}, ")).collect::<String>();
    Err(format!(
        "has a floor for {metric:?} of {task}, which is no metric: expected {all}or {} of one of {}, as in {:?}",
        of_one.join(", "),
        names.join("; "),
        example.unwrap_or_default(),
    ))
}

/// Compares a task's figures with its floors. A figure without a value is below any floor.
pub fn judge(report: &TaskReport, floors: &BTreeMap<String, f64>) -> Vec<FloorReport> {
    floors
        .iter()
        .map(|(metric, &floor)| {
            let figure = figure(report, metric).unwrap_or_default();
            let holds = figure.value.is_some_and(|value| value >= floor);
            FloorReport { metric: metric.clone(), floor, figure, holds }
        })
        .collect()
}

/// The figure of a metric, if the report has it.
fn figure(report: &TaskReport, metric: &str) -> Option<Figure> {
    let alone = |value: Option<f64>| Figure { value, interval: None };
    let classes = report.classes.as_ref();
    if let Some((metric, name)) = metric.split_once('.') {
        if let Some(spans) = report.spans.iter().find(|spans| spans.kind == name) {
            return Some(if metric == "exact_f1" { spans.exact_f1 } else { spans.overlap_f1 });
        }
        let label = classes?.labels.iter().find(|report| report.label == name)?;
        return match metric {
            "precision" => Some(alone(label.precision)),
            "recall" => Some(alone(label.recall)),
            _ => Some(label.f1),
        };
    }
    Some(match metric {
        "macro_f1" => classes?.macro_f1,
        "micro_f1" => alone(classes?.micro_f1),
        "weighted_f1" => alone(classes?.weighted_f1),
        "accuracy" => classes?.accuracy,
        "matthews" => classes?.matthews,
        "average_precision" => report.ranking.as_ref()?.average_precision,
        "positive_f1" => report.ranking.as_ref()?.positive_f1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metrics_are_checked_against_the_task() {
        assert_eq!(check(Task::Stance, "f1.against"), Ok(()));
        assert_eq!(check(Task::Role, "macro_f1"), Ok(()));
        assert_eq!(check(Task::Spans, "exact_f1.source"), Ok(()));
        assert_eq!(check(Task::Holder, "overlap_f1.holder"), Ok(()));
        assert!(check(Task::Spans, "macro_f1").unwrap_err().contains("as in \"overlap_f1.source\""));
        assert!(check(Task::Role, "f1.against").unwrap_err().contains("claim; attributed; background"));
        assert!(check(Task::Role, "f1").unwrap_err().contains("macro_f1"));
    }

    #[test]
    fn a_figure_that_does_not_exist_does_not_hold() {
        let floors = BTreeMap::from([("macro_f1".to_owned(), 0.0)]);
        let verdict = judge(&TaskReport::default(), &floors);
        assert!(!verdict[0].holds);
    }
}
