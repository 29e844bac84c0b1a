//! Figures and verdicts in words, the same in all three forms of a report.

use crate::report::{Figure, FloorReport, McNemarReport, Report, Rival, RunIdentity, TaskReport};
use crate::sample::Task;
use standpoint_core::model::Metric;

/// What is shown where there is no value.
pub(super) const NOTHING: &str = "–";

/// A single number as it is shown: three decimals, or a dash.
pub(super) trait Shown {
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

/// A hyphen is too short for a sign, and a negative nothing is nothing.
fn minus(number: String) -> String {
    match number.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => number,
    }
}

fn with_sign(value: f64) -> String {
    match value.shown() {
        shown if value > 0.0 && shown != "0.000" && shown != NOTHING => format!("+{shown}"),
        shown => shown,
    }
}

/// A probability that chance alone did it; never 0, which no test can show.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "< 0.001".to_owned(),
        p => p.shown(),
    }
}

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

/// As much of a hash as tells it from others at sight.
pub(super) fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

impl Figure {
    pub(super) fn number(&self) -> String {
        self.value.shown()
    }

    pub(super) fn range(&self) -> String {
        self.interval.map_or(NOTHING.to_owned(), |[low, high]| format!("{} to {}", low.shown(), high.shown()))
    }

    /// The value, with its interval where it has one.
    pub(super) fn shown(&self) -> String {
        self.with(self.number(), self.range())
    }

    /// The number of a difference.
    pub(super) fn difference(&self) -> String {
        self.value.map_or(NOTHING.to_owned(), with_sign)
    }

    pub(super) fn difference_range(&self) -> String {
        let range = |[low, high]: [f64; 2]| format!("{} to {}", with_sign(low), with_sign(high));
        self.interval.map_or(NOTHING.to_owned(), range)
    }

    /// A difference: with a sign.
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

impl Rival {
    /// What the interval of the difference says.
    pub(super) fn verdict(&self) -> &'static str {
        match self.difference.interval {
            Some([low, _]) if low > 0.0 => "this run is better",
            Some([_, high]) if high < 0.0 => "this run is worse",
            Some(_) => "no difference shown",
            None => NOTHING,
        }
    }

    /// McNemar's counts and p.
    pub(super) fn only_right(&self) -> String {
        self.mcnemar.map_or(
            NOTHING.to_owned(),
            |McNemarReport { only_this_right, only_rival_right, .. }| {
                format!("{only_this_right} : {only_rival_right}")
            },
        )
    }

    pub(super) fn mcnemar_p(&self) -> String {
        p_value(self.mcnemar.map(|test| test.p))
    }

    pub(super) fn bootstrap_p(&self) -> String {
        p_value(self.p_bootstrap)
    }
}

impl FloorReport {
    /// Which metric, by how much, and whether the interval still contains the floor.
    pub(super) fn verdict(&self) -> String {
        let Self { metric, floor, figure, holds } = self;
        let Some(value) = figure.value.filter(|value| value.is_finite()) else {
            return format!("{metric} has no value: nothing to measure against its floor {}", floor.shown());
        };
        let margin = (value - floor).abs();
        // Figures that three decimals would show as equal are shown to where they differ.
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

    pub(super) fn word(&self) -> &'static str {
        if self.holds { "holds" } else { "FAILS" }
    }
}

impl TaskReport {
    /// The figures by which the task is known, the first of them first.
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

    /// Whether there is no figure of any kind.
    pub(super) fn is_empty(&self) -> bool {
        self.headline().is_empty() && self.calibration.is_none() && self.segmentation.is_none()
    }

    pub(super) fn size(&self) -> String {
        format!("{} of {}", count(self.sentences, "sentence"), count(self.documents, "document"))
    }

    /// The other answers to the same sentences, the run compared with first.
    pub(super) fn rivals(&self) -> Vec<&Rival> {
        self.comparison.iter().chain(&self.baselines).collect()
    }

    pub(super) fn failing(&self) -> usize {
        self.floors.iter().filter(|floor| !floor.holds).count()
    }
}

impl RunIdentity {
    /// What made the figures, when, and on what.
    pub(super) fn shown(&self) -> String {
        let commit = self.commit.as_deref().map_or(String::new(), |commit| format!(" ({})", short(commit)));
        format!("{}{commit}, {}, {}", self.program, self.date, self.place())
    }

    /// On what it ran, and how long.
    pub(super) fn place(&self) -> String {
        let encoder = if self.encoder.is_empty() { String::new() } else { format!("{}, ", self.encoder) };
        format!("{}, {encoder}{}, {:.1} s", self.machine, count(self.threads, "thread"), self.seconds)
    }

    pub(super) fn intervals(&self) -> String {
        format!(
            "95% by bootstrap over documents, {} with seed {}",
            count(self.resamples, "resample"),
            self.seed
        )
    }
}

impl Report {
    /// Whether the floors hold, in a sentence; nothing where the set has none.
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

    pub(super) fn failing(&self) -> usize {
        self.tasks.iter().map(TaskReport::failing).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_is_a_dash_and_never_a_zero() {
        assert_eq!(None.shown(), "–");
        assert_eq!(f64::NAN.shown(), "–");
        assert_eq!(Figure::default().shown(), "–");
        assert_eq!(Figure::default().range(), "–");
        assert_eq!(Some(0.0).shown(), "0.000");
        assert_eq!(p_value(None), "–");
    }

    #[test]
    fn signs_are_those_of_what_is_shown() {
        let difference = |value| Figure { value: Some(value), interval: None }.signed();
        assert_eq!(difference(0.0211), "+0.021");
        assert_eq!(difference(-0.0211), "−0.021");
        assert_eq!(difference(-0.0001), "0.000");
        assert_eq!(difference(0.0001), "0.000");
        assert_eq!(p_value(Some(0.0)), "< 0.001");
    }

    #[test]
    fn a_floor_says_by_how_much_and_what_its_interval_says() {
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
        assert_eq!(
            floor(None, 0.73, None).verdict(),
            "macro_f1 has no value: nothing to measure against its floor 0.730"
        );
    }
}
