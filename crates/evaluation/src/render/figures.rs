//! How figures and verdicts are written, the same in all three forms of a report.

use crate::report::{Comparison, Figure, FloorReport, McNemarReport, Report, RunIdentity, TaskReport};
use crate::sample::Task;
use standpoint_core::model::Metric;

/// Shown instead of a missing value.
pub(super) const NOTHING: &str = "–";

/// A number as text.
pub(super) trait Shown {
    /// Three decimals, or a dash for a missing value.
    fn shown(&self) -> String;
}

impl Shown for f64 {
    fn shown(&self) -> String {
        match self.is_finite() {
            true => minus(format!("{self:.3}")),
            false => NOTHING.to_owned(),
        }
    }
}

impl Shown for Option<f64> {
    fn shown(&self) -> String {
        self.map_or(NOTHING.to_owned(), |value| value.shown())
    }
}

/// Writes the sign as a minus instead of a hyphen, and none before a rounded zero.
fn minus(number: String) -> String {
    match number.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => number,
    }
}

/// Three decimals with a sign, unless they are zero.
fn with_sign(value: f64) -> String {
    match value.shown() {
        shown if value > 0.0 && shown != "0.000" && shown != NOTHING => format!("+{shown}"),
        shown => shown,
    }
}

/// A p-value. It is never shown as 0, because no test can show that.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "< 0.001".to_owned(),
        p => p.shown(),
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    match share.is_finite() {
        true => format!("{:.0}%", share * 100.0),
        false => NOTHING.to_owned(),
    }
}

/// "1 sentence", "2 sentences"
pub(super) fn count(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The first 12 digits of a hash.
pub(super) fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

impl Figure {
    /// The value alone.
    pub(super) fn number(&self) -> String {
        self.value.shown()
    }

    /// The interval alone.
    pub(super) fn range(&self) -> String {
        self.interval.map_or(NOTHING.to_owned(), |[low, high]| format!("{} to {}", low.shown(), high.shown()))
    }

    /// The value with its interval, if it has one.
    pub(super) fn shown(&self) -> String {
        self.with(self.number(), self.range())
    }

    /// The value of a difference, with its sign.
    pub(super) fn difference(&self) -> String {
        self.value.map_or(NOTHING.to_owned(), with_sign)
    }

    /// The interval of a difference, with signs.
    pub(super) fn difference_range(&self) -> String {
        let range = |[low, high]: [f64; 2]| format!("{} to {}", with_sign(low), with_sign(high));
        self.interval.map_or(NOTHING.to_owned(), range)
    }

    /// A difference with its interval.
    pub(super) fn signed(&self) -> String {
        self.with(self.difference(), self.difference_range())
    }

    fn with(&self, number: String, range: String) -> String {
        match (self.value, self.interval) {
            (Some(_), Some(_)) => format!("{number} ({range})"),
            _ => number,
        }
    }
}

impl Comparison {
    /// The conclusion from the interval of the difference.
    pub(super) fn verdict(&self) -> &'static str {
        match self.difference.interval {
            Some([low, _]) if low > 0.0 => "this run is better",
            Some([_, high]) if high < 0.0 => "this run is worse",
            Some(_) => "no difference shown",
            None => NOTHING,
        }
    }

    /// McNemar's counts: sentences that only this run, and only the other, answered right.
    pub(super) fn only_right(&self) -> String {
        self.mcnemar.map_or(
            NOTHING.to_owned(),
            |McNemarReport { only_this_right, only_other_right, .. }| {
                format!("{only_this_right} : {only_other_right}")
            },
        )
    }

    /// The p-value of McNemar's test.
    pub(super) fn mcnemar_p(&self) -> String {
        p_value(self.mcnemar.map(|test| test.p))
    }

    /// The p-value of the paired bootstrap.
    pub(super) fn bootstrap_p(&self) -> String {
        p_value(self.p_bootstrap)
    }
}

impl FloorReport {
    /// The figure, its distance from the floor, and whether its interval contains the floor.
    pub(super) fn verdict(&self) -> String {
        let Self { metric, floor, figure, holds } = self;
        let Some(value) = figure.value.filter(|value| value.is_finite()) else {
            return format!("{metric} has no value, so it misses its floor {}", floor.shown());
        };
        let margin = (value - floor).abs();
        // More decimals if three would show figure and floor as equal.
        let digits = if margin > 0.0 && margin < 0.001 { 6 } else { 3 };
        let place = match holds {
            true => format!("reaches its floor {floor:.digits$}, {margin:.digits$} above it"),
            false => format!("misses its floor {floor:.digits$} by {margin:.digits$}"),
        };
        let interval = match figure.interval {
            None => String::new(),
            Some([low, high]) => {
                let relation = match (low <= *floor, *floor <= high) {
                    (true, true) => "contains the floor",
                    (true, false) => "lies below the floor",
                    (false, _) => "lies above the floor",
                };
                format!("; the interval {low:.digits$} to {high:.digits$} {relation}")
            }
        };
        format!("{metric} {value:.digits$} {place}{interval}")
    }

    /// The result in a word.
    pub(super) fn word(&self) -> &'static str {
        if self.holds { "holds" } else { "FAILS" }
    }
}

impl TaskReport {
    /// The most important figures of the task, in order.
    pub(super) fn headline(&self) -> Vec<(String, Figure)> {
        let classes = self
            .classes
            .iter()
            .flat_map(|classes| [("macro-F1", classes.macro_f1), ("accuracy", classes.accuracy)])
            .map(|(name, figure)| (name.to_owned(), figure));
        let ranking = self
            .ranking
            .iter()
            .flat_map(|ranking| {
                [
                    ("average precision", ranking.average_precision),
                    ("F1 of the positive label", ranking.positive_f1),
                ]
            })
            .map(|(name, figure)| (name.to_owned(), figure));
        let metric = Task::named(&self.task).map(Task::metric);
        let spans = self.spans.iter().map(|spans| match metric {
            Some(Metric::OverlapSpanF1) => (format!("{}, overlap F1", spans.kind), spans.overlap_f1),
            _ => (format!("{}, exact F1", spans.kind), spans.exact_f1),
        });
        classes.chain(ranking).chain(spans).collect()
    }

    /// Whether the task has no figures.
    pub(super) fn is_empty(&self) -> bool {
        self.headline().is_empty() && self.calibration.is_none() && self.segmentation.is_none()
    }

    /// The numbers of sentences and documents.
    pub(super) fn size(&self) -> String {
        format!("{} of {}", count(self.sentences, "sentence"), count(self.documents, "document"))
    }

    /// The comparisons: with another run, then with the baselines.
    pub(super) fn comparisons(&self) -> Vec<&Comparison> {
        self.comparison.iter().chain(&self.baselines).collect()
    }

    /// The number of floors that fail.
    pub(super) fn failing(&self) -> usize {
        self.floors.iter().filter(|floor| !floor.holds).count()
    }
}

impl RunIdentity {
    /// Program, date and machine.
    pub(super) fn shown(&self) -> String {
        let commit = self.commit.as_deref().map_or(String::new(), |commit| format!(" ({})", short(commit)));
        format!("{}{commit}, {}, {}", self.program, self.date, self.place())
    }

    /// Machine, encoder, threads and duration.
    pub(super) fn place(&self) -> String {
        let encoder = if self.encoder.is_empty() { String::new() } else { format!("{}, ", self.encoder) };
        format!("{}, {encoder}{}, {:.1} s", self.machine, count(self.threads, "thread"), self.seconds)
    }

    /// How intervals were computed.
    pub(super) fn intervals(&self) -> String {
        format!(
            "95% by bootstrap over documents, {} with seed {}",
            count(self.resamples, "resample"),
            self.seed
        )
    }
}

impl Report {
    /// Whether the floors hold, in a sentence. `None` if the set has no floors.
    pub(super) fn floors_verdict(&self) -> Option<String> {
        let all: usize = self.tasks.iter().map(|task| task.floors.len()).sum();
        match (all, self.failing()) {
            (0, _) => None,
            (1, 0) => Some("The floor holds.".to_owned()),
            (all, 0) => Some(format!("All {all} floors hold.")),
            (1, _) => Some("The floor fails.".to_owned()),
            (all, failing) => Some(format!("{failing} of {all} floors fail.")),
        }
    }

    /// The number of floors that fail.
    pub(super) fn failing(&self) -> usize {
        self.tasks.iter().map(TaskReport::failing).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_is_a_dash_and_never_zero() {
        assert_eq!(None.shown(), "–");
        assert_eq!(f64::NAN.shown(), "–");
        assert_eq!(Figure::default().shown(), "–");
        assert_eq!(Figure::default().range(), "–");
        assert_eq!(Some(0.0).shown(), "0.000");
        assert_eq!(p_value(None), "–");
    }

    #[test]
    fn signs_are_those_of_the_rounded_number() {
        let difference = |value| Figure { value: Some(value), interval: None }.signed();
        assert_eq!(difference(0.0211), "+0.021");
        assert_eq!(difference(-0.0211), "−0.021");
        assert_eq!(difference(-0.0001), "0.000");
        assert_eq!(difference(0.0001), "0.000");
        assert_eq!(p_value(Some(0.0)), "< 0.001");
    }

    #[test]
    fn a_verdict_names_the_distance_and_the_interval() {
        let floor = |value, floor, interval| FloorReport {
            metric: "macro_f1".to_owned(),
            floor,
            figure: Figure { value, interval },
            holds: value.is_some_and(|value| value >= floor),
        };
        assert_eq!(
            floor(Some(0.712), 0.73, Some([0.69, 0.735])).verdict(),
            "macro_f1 0.712 misses its floor 0.730 by 0.018; the interval 0.690 to 0.735 contains the floor"
        );
        assert_eq!(
            floor(Some(0.8), 0.7, Some([0.75, 0.85])).verdict(),
            "macro_f1 0.800 reaches its floor 0.700, 0.100 above it; the interval 0.750 to 0.850 lies above the floor"
        );
        assert_eq!(
            floor(Some(0.7299), 0.73, None).verdict(),
            "macro_f1 0.729900 misses its floor 0.730000 by 0.000100"
        );
        assert_eq!(floor(None, 0.73, None).verdict(), "macro_f1 has no value, so it misses its floor 0.730");
    }
}
