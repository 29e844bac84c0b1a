//! A report as Markdown for a pull request: the main figures first, long tables folded.

use super::figures::{NOTHING, Shown, count, percent, short};
use crate::report::{
    CalibrationReport, ClassReport, ErrorSample, Figure, FloorReport, PairReport, RankingReport, Report,
    SegmentationReport, Slice, SpanReport, TaskReport,
};

/// A report as GitHub's Markdown. Text from data is escaped: it cannot become markup, mention anybody, or leave its table
/// cell.
pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    head(&mut page, report);
    for task in &report.tasks {
        self::task(&mut page, task);
    }
    foot(&mut page, report);
    page.trim_end().to_owned() + "\n"
}

/// Escapes text, and puts it on one line.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A backslash does not stop GitHub from linking mentions and issues.
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

fn paragraph(page: &mut String, text: &str) {
    page.push_str(text);
    page.push_str("\n\n");
}

/// A table of cells that are markup. The first `words` columns hold words; the others hold numbers and are aligned to the
/// right.
fn table(page: &mut String, header: &[&str], words: usize, rows: impl IntoIterator<Item = Vec<String>>) {
    let mut line = |cells: &[String]| page.push_str(&format!("| {} |\n", cells.join(" | ")));
    line(&header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let rule = |index| if index < words { "---" } else { "--:" }.to_owned();
    line(&(0..header.len()).map(rule).collect::<Vec<_>>());
    for row in rows {
        line(&row);
    }
    page.push('\n');
}

/// A section that readers unfold.
fn folded(page: &mut String, summary: &str, fill: impl FnOnce(&mut String)) {
    paragraph(page, &format!("<details><summary>{summary}</summary>"));
    fill(page);
    paragraph(page, "</details>");
}

fn head(page: &mut String, report: &Report) {
    let Report { set, model, .. } = report;
    let names = (plain(&model.name), plain(&model.version), plain(&set.name));
    paragraph(page, &format!("## {} {} on {} version {}", names.0, names.1, names.2, set.version));
    if let Some(verdict) = report.floors_verdict() {
        let mark = if report.failing() == 0 { "✅" } else { "❌" };
        paragraph(page, &format!("{mark} **{verdict}**"));
    }
    let floors = report.tasks.iter().flat_map(|task| task.floors.iter().map(move |floor| (task, floor)));
    let mut floors: Vec<(&TaskReport, &FloorReport)> = floors.collect();
    floors.sort_by_key(|(_, floor)| floor.holds);
    for (task, floor) in &floors {
        let mark = if floor.holds { "✅" } else { "❌" };
        page.push_str(&format!("- {mark} {}: {}\n", plain(&task.task), plain(&floor.verdict())));
    }
    if !floors.is_empty() {
        page.push('\n');
    }
    let rows = report.tasks.iter().flat_map(|task| {
        task.headline().into_iter().map(|(name, figure)| {
            vec![
                plain(&task.task),
                plain(&name),
                figure.number(),
                figure.range(),
                task.sentences.to_string(),
                task.documents.to_string(),
            ]
        })
    });
    let rows: Vec<_> = rows.collect();
    match rows.is_empty() {
        true => paragraph(page, &format!("{NOTHING} nothing was measured")),
        false => table(page, &["task", "measure", "", "95%", "sentences", "documents"], 2, rows),
    }
}

fn task(page: &mut String, task: &TaskReport) {
    paragraph(page, &format!("### {}", plain(&task.task)));
    if task.is_empty() {
        paragraph(page, &format!("{NOTHING} nothing to measure"));
    }
    if let Some(classes) = &task.classes {
        self::classes(page, classes);
    }
    spans(page, &task.spans);
    if let Some(ranking) = &task.ranking {
        self::ranking(page, ranking);
    }
    if let Some(segmentation) = &task.segmentation {
        self::segmentation(page, segmentation);
    }
    minimal_pairs(page, &task.pairs);
    comparisons(page, task);
    if let Some(classes) = task.classes.as_ref().filter(|classes| !classes.confusion.is_empty()) {
        folded(page, "Confusion", |page| confusion(page, classes));
    }
    if let Some(calibration) = &task.calibration {
        folded(page, "Calibration", |page| self::calibration(page, calibration));
    }
    if !task.slices.is_empty() {
        folded(page, &format!("Slices ({})", task.slices.len()), |page| slices(page, &task.slices));
    }
    if !task.errors.is_empty() {
        folded(page, &format!("Worst errors ({})", task.errors.len()), |page| errors(page, &task.errors));
    }
}

fn classes(page: &mut String, classes: &ClassReport) {
    let rows = classes.labels.iter().map(|label| {
        vec![
            plain(&label.label),
            label.precision.shown(),
            label.recall.shown(),
            label.f1.shown(),
            label.support.to_string(),
        ]
    });
    table(page, &["label", "precision", "recall", "F1 (95%)", "support"], 1, rows);
    let figure = |name: &str, figure: &Figure| format!("{name} {}", figure.shown());
    let number = |name: &str, value: Option<f64>| format!("{name} {}", value.shown());
    let all = [
        figure("macro-F1", &classes.macro_f1),
        number("micro-F1", classes.micro_f1),
        number("weighted F1", classes.weighted_f1),
        figure("accuracy", &classes.accuracy),
        figure("Matthews", &classes.matthews),
    ];
    paragraph(page, &all.join(" · "));
}

fn spans(page: &mut String, spans: &[SpanReport]) {
    if spans.is_empty() {
        return;
    }
    let rows = spans.iter().map(|kind| {
        let ratio = |a: Option<f64>, b: Option<f64>| format!("{} / {}", a.shown(), b.shown());
        vec![
            plain(&kind.kind),
            ratio(kind.exact_precision, kind.exact_recall),
            kind.exact_f1.shown(),
            ratio(kind.overlap_precision, kind.overlap_recall),
            kind.overlap_f1.shown(),
            format!("{} / {}", kind.gold, kind.predicted),
        ]
    });
    let header =
        ["span", "exact P / R", "exact F1 (95%)", "overlap P / R", "overlap F1 (95%)", "gold / predicted"];
    table(page, &header, 1, rows);
}

fn ranking(page: &mut String, ranking: &RankingReport) {
    let mut parts = vec![
        format!("average precision {}", ranking.average_precision.shown()),
        format!("reciprocal rank {}", ranking.reciprocal_rank.shown()),
        format!("R-precision {}", ranking.r_precision.shown()),
    ];
    parts.extend(ranking.precision_at.iter().map(|(k, value)| format!("P at {k} {}", value.shown())));
    parts.push(format!("F1 of the positive label {}", ranking.positive_f1.shown()));
    paragraph(page, &format!("Ranking: {}", parts.join(" · ")));
}

fn segmentation(page: &mut String, segmentation: &SegmentationReport) {
    let SegmentationReport { gold, predicted, matched, f1 } = segmentation;
    paragraph(
        page,
        &format!(
            "Segmentation: F1 {} ({matched} of {gold} gold and {predicted} predicted sentences match)",
            f1.shown()
        ),
    );
}

fn comparisons(page: &mut String, task: &TaskReport) {
    let comparisons = task.comparisons();
    if comparisons.is_empty() {
        return;
    }
    let rows = comparisons.iter().map(|comparison| {
        vec![
            plain(&comparison.name),
            comparison.macro_f1.shown(),
            comparison.difference.signed(),
            comparison.bootstrap_p().replace('<', "&lt;"),
            comparison.only_right(),
            comparison.mcnemar_p().replace('<', "&lt;"),
        ]
    });
    let header =
        ["other", "its macro-F1 (95%)", "difference (95%)", "p", "only this : only other right", "McNemar p"];
    table(page, &header, 1, rows);
}

fn confusion(page: &mut String, classes: &ClassReport) {
    let names: Vec<String> = classes.labels.iter().map(|label| plain(&label.label)).collect();
    let header: Vec<&str> =
        ["gold \\ predicted"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let rows = names
        .iter()
        .zip(&classes.confusion)
        .map(|(name, counts)| [name.clone()].into_iter().chain(counts.iter().map(u64::to_string)).collect());
    table(page, &header, 1, rows);
}

fn calibration(page: &mut String, calibration: &CalibrationReport) {
    paragraph(
        page,
        &format!(
            "expected calibration error {} · Brier score {}",
            calibration.error.shown(),
            calibration.brier.shown()
        ),
    );
    if !calibration.bins.is_empty() {
        let rows = calibration.bins.iter().map(|bin| {
            vec![
                format!("{:.2} to {:.2}", bin.low, bin.high),
                bin.count.to_string(),
                bin.confidence.shown(),
                bin.accuracy.shown(),
            ]
        });
        table(page, &["confidence", "answers", "mean confidence", "accuracy"], 1, rows);
    }
    if !calibration.abstention.is_empty() {
        let rows = calibration.abstention.iter().map(|point| {
            vec![
                format!("{:.2}", point.threshold),
                percent(point.coverage),
                point.accuracy.shown(),
                point.macro_f1.shown(),
            ]
        });
        table(page, &["threshold", "answered", "accuracy", "macro-F1"], 1, rows);
    }
}

fn minimal_pairs(page: &mut String, pairs: &[PairReport]) {
    if pairs.is_empty() {
        return;
    }
    let rows =
        pairs.iter().map(|kind| vec![plain(&kind.kind), kind.accuracy.shown(), kind.pairs.to_string()]);
    table(page, &["minimal pairs", "both sides right (95%)", "pairs"], 1, rows);
}

fn slices(page: &mut String, slices: &[Slice]) {
    let rows = slices.iter().map(|slice| {
        vec![
            plain(&slice.by),
            plain(&slice.value),
            slice.sentences.to_string(),
            slice.macro_f1.shown(),
            slice.accuracy.shown(),
        ]
    });
    table(page, &["by", "value", "sentences", "macro-F1 (95%)", "accuracy (95%)"], 2, rows);
}

fn errors(page: &mut String, errors: &[ErrorSample]) {
    for (number, error) in errors.iter().enumerate() {
        let target =
            error.target.as_deref().map_or(String::new(), |target| format!(", toward {}", plain(target)));
        let context = |text: &Option<String>| text.as_deref().map_or(String::new(), plain);
        let around = [context(&error.before), format!("**{}**", plain(&error.text)), context(&error.after)];
        let around = around.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        page.push_str(&format!(
            "{}. {} instead of {} ({}), {} no. {}{target}<br>{around}\n",
            number + 1,
            plain(&error.predicted),
            plain(&error.gold),
            error.confidence.shown(),
            plain(&error.doc),
            error.index + 1,
        ));
    }
    page.push('\n');
}

fn foot(page: &mut String, report: &Report) {
    if !report.notes.is_empty() {
        let notes: Vec<String> = report.notes.iter().map(|note| format!("> {}", plain(note))).collect();
        paragraph(page, &notes.join("\n>\n"));
    }
    folded(page, "Data, model and run", |page| {
        let Report { set, model, run, .. } = report;
        let mut rows = vec![vec!["set".to_owned(), plain(&short(&set.sha256))]];
        // Answers from a file have no settings.
        match model.settings_sha256.as_str() {
            "" => rows.push(vec!["answers".to_owned(), plain(&short(&model.sha256))]),
            settings => rows.extend([
                vec!["weights".to_owned(), plain(&short(&model.sha256))],
                vec!["configuration".to_owned(), plain(&short(settings))],
            ]),
        }
        let data = set.data_sha256.iter();
        rows.extend(data.map(|(name, hash)| vec![plain(name), plain(&short(hash))]));
        rows.push(vec!["run".to_owned(), plain(&run.shown())]);
        rows.push(vec!["intervals".to_owned(), plain(&run.intervals())]);
        table(page, &["what", "which"], 2, rows);
        paragraph(page, &format!("{}, report schema {}", count(report.tasks.len(), "task"), report.schema));
    });
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn text_from_data_makes_no_markup() {
        assert_eq!(plain("a|b\n*c* <script>"), "a\\|b \\*c\\* &lt;script&gt;");
        assert_eq!(plain("@someone #12 [x](y) `z`"), "&#64;someone &#35;12 \\[x\\](y) \\`z\\`");
    }
}
