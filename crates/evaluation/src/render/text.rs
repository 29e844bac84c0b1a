//! A report as tables for the terminal.

use super::figures::{NOTHING, Shown, percent, short};
use crate::report::{
    CalibrationReport, ClassReport, ErrorSample, Figure, ModelIdentity, PairReport, RankingReport, Report,
    SegmentationReport, Slice, SpanReport, TaskReport,
};
use comfy_table::presets::{NOTHING as BARE, UTF8_HORIZONTAL_ONLY};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use standpoint_io::output::table::harmless;
use std::fmt::Display;

/// The number of rows shown of the abstention curve.
const ABSTENTION_ROWS: usize = 10;

/// The number of errors shown. The other forms of a report show them all.
const ERRORS: usize = 10;

/// Narrower terminals get lines of this width.
const NARROWEST: u16 = 40;

/// A report as tables, in lines of at most `width` columns if the words are short enough. Without colour. Control characters
/// from texts are replaced, so that they cannot affect the terminal.
pub fn text(report: &Report, width: u16) -> String {
    let mut page = Page { lines: Vec::new(), width: width.max(NARROWEST) };
    page.head(report);
    for task in &report.tasks {
        page.task(task);
    }
    page.foot(report);
    page.lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// What identifies a model, or the file that answers came from.
fn hashes(model: &ModelIdentity) -> String {
    match model.settings_sha256.as_str() {
        "" => format!("file {}", short(&model.sha256)),
        settings => format!("weights {}, configuration {}", short(&model.sha256), short(settings)),
    }
}

/// The lines written so far.
struct Page {
    lines: Vec<String>,
    width: u16,
}

impl Page {
    fn line(&mut self, line: impl Display) {
        self.lines.push(line.to_string());
    }

    /// A wrapped paragraph.
    fn prose(&mut self, words: &str) {
        let mut table = self.bare();
        table.add_row([harmless(words)]);
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 0));
        });
        self.table(&table);
    }

    fn table(&mut self, table: &Table) {
        self.lines.extend(table.lines());
    }

    /// A table. The first `words` columns hold words; the others hold numbers and are aligned to the right.
    fn columns(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, words: usize) {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width).force_no_tty();
        table.set_header(header.iter().copied());
        for row in rows {
            table.add_row(row.iter().map(|cell| harmless(cell)).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut().skip(words) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self.table(&table);
    }

    /// An empty table without rules.
    fn bare(&self) -> Table {
        let mut table = Table::new();
        table.load_style(BARE);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width).force_no_tty();
        table
    }

    /// A list of names and values.
    fn pairs<N: Display>(&mut self, pairs: impl IntoIterator<Item = (N, String)>) {
        let mut table = self.bare();
        for (name, value) in pairs {
            table.add_row([harmless(&name.to_string()), harmless(&value)]);
        }
        if let Some(names) = table.column_iter_mut().next() {
            names.set_padding((0, 1));
        }
        self.table(&table);
    }

    fn title(&mut self, words: &str) {
        self.line("");
        self.prose(words);
    }

    fn head(&mut self, report: &Report) {
        let Report { set, model, run, .. } = report;
        self.prose(&format!("{} version {}", set.name, set.version));
        if !set.description.is_empty() {
            self.prose(&set.description);
        }
        self.line("");
        let data = set.data_sha256.iter().map(|(name, hash)| ("data", format!("{name} ({})", short(hash))));
        let data: Vec<_> = data.collect();
        self.pairs(
            [
                ("model", format!("{} {}", model.name, model.version)),
                ("", hashes(model)),
                ("set", short(&set.sha256)),
            ]
            .into_iter()
            .chain(data)
            .chain([("run", run.shown()), ("intervals", run.intervals())]),
        );
    }

    fn task(&mut self, task: &TaskReport) {
        let heading = harmless(&format!("{}: {}", task.task, task.size()));
        self.line("");
        self.line(&heading);
        self.line("═".repeat(heading.chars().count().min(self.width.into())));
        if task.is_empty() {
            self.line(format!("{NOTHING} nothing to measure"));
        }
        if let Some(classes) = &task.classes {
            self.classes(classes);
        }
        if let Some(calibration) = &task.calibration {
            self.calibration(calibration);
        }
        if let Some(ranking) = &task.ranking {
            self.ranking(ranking);
        }
        self.spans(&task.spans);
        if let Some(segmentation) = &task.segmentation {
            self.segmentation(segmentation);
        }
        self.minimal_pairs(&task.pairs);
        self.comparisons(task);
        self.slices(&task.slices);
        self.floors(task);
        self.errors(&task.errors);
    }

    fn classes(&mut self, classes: &ClassReport) {
        let rows = classes.labels.iter().map(|label| {
            vec![
                label.label.clone(),
                label.precision.shown(),
                label.recall.shown(),
                label.f1.number(),
                label.f1.range(),
                label.support.to_string(),
            ]
        });
        self.columns(&["label", "precision", "recall", "F1", "95%", "support"], rows, 1);
        self.line("");
        let figure = |name: &str, figure: &Figure| vec![name.to_owned(), figure.number(), figure.range()];
        let number = |name: &str, value: Option<f64>| vec![name.to_owned(), value.shown(), String::new()];
        let rows = [
            figure("macro-F1", &classes.macro_f1),
            number("micro-F1", classes.micro_f1),
            number("weighted F1", classes.weighted_f1),
            figure("accuracy", &classes.accuracy),
            figure("Matthews", &classes.matthews),
        ];
        self.columns(&["all labels", "", "95%"], rows, 1);
        if classes.confusion.is_empty() {
            return;
        }
        self.title("confusion: gold in rows, predicted in columns");
        let names: Vec<&str> = classes.labels.iter().map(|label| label.label.as_str()).collect();
        let header: Vec<String> = [""].iter().chain(&names).map(|name| harmless(name)).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows = names.iter().zip(&classes.confusion).map(|(name, counts)| {
            [(*name).to_owned()].into_iter().chain(counts.iter().map(u64::to_string)).collect()
        });
        self.columns(&header, rows, 1);
    }

    fn calibration(&mut self, calibration: &CalibrationReport) {
        self.title("calibration");
        self.pairs([
            ("expected calibration error", calibration.error.shown()),
            ("Brier score", calibration.brier.shown()),
        ]);
        if !calibration.bins.is_empty() {
            let rows = calibration.bins.iter().filter(|bin| bin.count > 0).map(|bin| {
                vec![
                    format!("{:.2} to {:.2}", bin.low, bin.high),
                    bin.count.to_string(),
                    bin.confidence.shown(),
                    bin.accuracy.shown(),
                ]
            });
            self.columns(&["confidence", "answers", "mean confidence", "accuracy"], rows, 1);
        }
        if !calibration.abstention.is_empty() {
            self.title("abstention: answers with at least this confidence");
            // Evenly spaced points, always with the last one: all answers.
            let step = calibration.abstention.len().div_ceil(ABSTENTION_ROWS);
            let rows = calibration.abstention.iter().rev().step_by(step).rev().map(|point| {
                vec![
                    format!("{:.2}", point.threshold),
                    percent(point.coverage),
                    point.accuracy.shown(),
                    point.macro_f1.shown(),
                ]
            });
            self.columns(&["threshold", "answered", "accuracy", "macro-F1"], rows, 1);
        }
    }

    fn ranking(&mut self, ranking: &RankingReport) {
        self.title("ranking by the score of the positive label");
        let pairs = [
            ("average precision".to_owned(), ranking.average_precision.shown()),
            ("reciprocal rank".to_owned(), ranking.reciprocal_rank.shown()),
            ("R-precision".to_owned(), ranking.r_precision.shown()),
        ];
        let at = ranking.precision_at.iter().map(|(k, value)| (format!("precision at {k}"), value.shown()));
        let f1 = ("F1 of the positive label".to_owned(), ranking.positive_f1.shown());
        self.pairs(pairs.into_iter().chain(at).chain([f1]));
    }

    fn spans(&mut self, spans: &[SpanReport]) {
        if spans.is_empty() {
            return;
        }
        self.title("spans");
        let rows = spans.iter().flat_map(|kind| {
            let exact = [kind.exact_precision, kind.exact_recall];
            let overlap = [kind.overlap_precision, kind.overlap_recall];
            [("exact", exact, kind.exact_f1), ("overlap", overlap, kind.overlap_f1)].map(
                |(way, [precision, recall], f1)| {
                    vec![
                        kind.kind.clone(),
                        way.to_owned(),
                        precision.shown(),
                        recall.shown(),
                        f1.number(),
                        f1.range(),
                        kind.gold.to_string(),
                        kind.predicted.to_string(),
                    ]
                },
            )
        });
        self.columns(&["span", "match", "precision", "recall", "F1", "95%", "gold", "predicted"], rows, 2);
    }

    fn segmentation(&mut self, segmentation: &SegmentationReport) {
        self.title("segmentation");
        self.pairs([
            ("sentences in gold", segmentation.gold.to_string()),
            ("predicted", segmentation.predicted.to_string()),
            ("with the same start and end", segmentation.matched.to_string()),
            ("F1", segmentation.f1.shown()),
        ]);
    }

    fn minimal_pairs(&mut self, pairs: &[PairReport]) {
        if pairs.is_empty() {
            return;
        }
        self.title("minimal pairs: a pair is right only if both sides are");
        let rows = pairs.iter().map(|kind| {
            vec![kind.kind.clone(), kind.accuracy.number(), kind.accuracy.range(), kind.pairs.to_string()]
        });
        self.columns(&["kind", "right", "95%", "pairs"], rows, 1);
    }

    fn comparisons(&mut self, task: &TaskReport) {
        let comparisons = task.comparisons();
        if comparisons.is_empty() {
            return;
        }
        self.title("comparison: the difference is this run's macro-F1 minus the other's");
        let rows = comparisons.iter().map(|comparison| {
            vec![
                comparison.name.clone(),
                comparison.macro_f1.number(),
                comparison.difference.difference(),
                comparison.difference.difference_range(),
                comparison.bootstrap_p(),
                comparison.only_right(),
                comparison.mcnemar_p(),
            ]
        });
        self.columns(
            &["other", "macro-F1", "difference", "95%", "p", "only one right", "McNemar p"],
            rows,
            1,
        );
    }

    fn slices(&mut self, slices: &[Slice]) {
        if slices.is_empty() {
            return;
        }
        self.title("slices");
        let rows = slices.iter().map(|slice| {
            vec![
                slice.by.clone(),
                slice.value.clone(),
                slice.sentences.to_string(),
                slice.macro_f1.number(),
                slice.macro_f1.range(),
                slice.accuracy.number(),
            ]
        });
        self.columns(&["by", "", "sentences", "macro-F1", "95%", "accuracy"], rows, 2);
    }

    fn floors(&mut self, task: &TaskReport) {
        if task.floors.is_empty() {
            return;
        }
        self.title("floors");
        self.pairs(task.floors.iter().map(|floor| (floor.word(), floor.verdict())));
    }

    fn errors(&mut self, errors: &[ErrorSample]) {
        if errors.is_empty() {
            return;
        }
        let shown = errors.len().min(ERRORS);
        self.title(&format!("worst errors ({shown} of {})", errors.len()));
        for error in &errors[..shown] {
            self.line("");
            let target = error.target.as_deref().map_or(String::new(), |target| format!(", toward {target}"));
            self.prose(&format!(
                "{} instead of {} ({}), {} #{}{target}",
                error.predicted,
                error.gold,
                error.confidence.shown(),
                error.doc,
                error.index + 1,
            ));
            let context = |mark, text: &Option<String>| text.clone().map(|text| (mark, text));
            let lines =
                [context("…", &error.before), Some((">", error.text.clone())), context("…", &error.after)];
            self.pairs(lines.into_iter().flatten());
        }
    }

    fn foot(&mut self, report: &Report) {
        if report.tasks.is_empty() {
            self.title(&format!("{NOTHING} no task was measured"));
        }
        if !report.notes.is_empty() {
            self.title("notes");
            self.pairs(report.notes.iter().map(|note| ("-", note.clone())));
        }
        if let Some(verdict) = report.floors_verdict() {
            self.title(&verdict);
        }
    }
}
