//! Floors: the least that a figure of a set may be. The verdict that is printed and the exit code come from the
//! same number.

use super::report::{Figure, FloorReport, TaskReport};
use super::sample::Task;
use std::collections::BTreeMap;

/// What a floor can be set for, besides the figures of one label.
const METRICS: [&str; 7] =
    ["macro_f1", "micro_f1", "weighted_f1", "accuracy", "matthews", "average_precision", "positive_f1"];

/// Figures of one label, as in `f1.against`.
const LABEL_METRICS: [&str; 3] = ["precision", "recall", "f1"];

/// Figures of one part, of tasks that mark spans, as in `exact_f1.source`.
const PART_METRICS: [&str; 2] = ["exact_f1", "overlap_f1"];

/// Says what is wrong with the name of a metric, if anything.
///
/// # Errors
/// In words, with the names that are known.
pub fn check(task: Task, metric: &str) -> Result<(), String> {
    let (all, of_one, names): (&[&str], &[&str], _) = match task.parts() {
        [] => (&METRICS, &LABEL_METRICS, task.labels()),
        parts => (&[], &PART_METRICS, parts),
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
        "has a floor for {metric:?} of {task}, which is no metric: known are {all}and {} of one of {}, as in {:?}",
        of_one.join(", "),
        names.join("; "),
        example.unwrap_or_default(),
    ))
}

/// Holds a task's figures against its floors. A figure that does not exist does not hold.
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

fn figure(report: &TaskReport, metric: &str) -> Option<Figure> {
    let alone = |value: Option<f64>| Figure { value, interval: None };
    let classes = report.classes.as_ref();
    if let Some((metric, name)) = metric.split_once('.') {
        if let Some(part) = report.spans.iter().find(|report| report.kind == name) {
            return Some(if metric == "exact_f1" { part.exact_f1 } else { part.overlap_f1 });
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
