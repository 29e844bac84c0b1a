//! The plots of the HTML page, as SVG. Each has a description in words, and the page has a table of the same figures.

use super::figures::{NOTHING, Shown, count, percent};
use super::svg::{Anchor, Scale, Svg, WIDTH};
use crate::report::{AbstentionPoint, CalibrationBin, ClassReport, Figure, LabelReport};

/// The distance between a plot's frame and the right edge of the drawing.
const MARGIN: f64 = 10.0;

/// The left edge of a frame with tick labels to its left.
const LEFT: f64 = 34.0;

/// The number of line styles in the stylesheet.
const KINDS: usize = 6;

/// Cuts a text to a width, at the font size of the plots.
fn fitted(text: &str, width: f64) -> String {
    let room = (width / 6.2).max(1.0) as usize;
    match text.chars().count() <= room {
        true => text.to_owned(),
        false => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The confusion matrix. Each cell is shaded by its share of the row.
pub(super) fn confusion(id: &str, classes: &ClassReport) -> String {
    const NAMES: f64 = 82.0;
    const TOP: f64 = 34.0;
    const CELL: f64 = 64.0;
    let size = classes.labels.len();
    let width = (WIDTH - NAMES - 2.0) / size.max(1) as f64;
    let mut svg = Svg::new(TOP + CELL * size as f64 + 4.0);
    svg.text("caption", [NAMES, 11.0], Anchor::Start, "predicted →");
    svg.text("caption", [0.0, 11.0], Anchor::Start, "gold ↓");
    let mut story = Vec::new();
    for (row, label) in classes.labels.iter().enumerate() {
        let (x, y) = (NAMES + width * row as f64, TOP + CELL * row as f64);
        svg.text("label", [x + width / 2.0, 27.0], Anchor::Middle, &fitted(&label.label, width));
        svg.text("label", [NAMES - 8.0, y + CELL / 2.0 + 4.0], Anchor::End, &fitted(&label.label, NAMES));
        let counts = classes.confusion.get(row).map_or(&[][..], Vec::as_slice);
        let total: u64 = counts.iter().sum();
        for (predicted, (&number, other)) in counts.iter().zip(&classes.labels).enumerate() {
            let share = number as f64 / total.max(1) as f64;
            let x = NAMES + width * predicted as f64;
            let part = if total == 0 { NOTHING.to_owned() } else { percent(share) };
            let hint = format!("{} labelled {}: {number} ({part})", label.label, other.label);
            let shade = (share * 10.0).round() as u32;
            svg.rect(&format!("heat heat-{shade}"), [x + 1.0, y + 1.0], [width - 2.0, CELL - 2.0], &hint);
            let tone = if shade >= 7 { "on-dark" } else { "on-light" };
            let middle = x + width / 2.0;
            svg.text(&format!("count {tone}"), [middle, y + 31.0], Anchor::Middle, &number.to_string());
            svg.text(&format!("share {tone}"), [middle, y + 47.0], Anchor::Middle, &part);
            story.push(hint);
        }
    }
    svg.finish(id, "Confusion of gold and predicted labels", &story.join("; "))
}

/// A frame with two scales.
struct Frame {
    x: Scale,
    y: Scale,
}

impl Frame {
    /// A frame from the top of the drawing to `bottom`, for the given ranges of values.
    fn new(x: [f64; 2], y: [f64; 2], bottom: f64) -> Self {
        Self {
            x: Scale { values: x, places: [LEFT, WIDTH - MARGIN] },
            y: Scale { values: y, places: [bottom, 18.0] },
        }
    }

    fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.x.at(x), self.y.at(y)]
    }

    fn draw(&self, svg: &mut Svg, x_name: &str, y_name: Option<&str>) {
        let ([left, right], [bottom, top]) = (self.x.places, self.y.places);
        for (tick, written) in self.y.ticks() {
            let y = self.y.at(tick);
            svg.line("grid", [left, y], [right, y]);
            svg.text("tick", [left - 5.0, y + 3.5], Anchor::End, &written);
        }
        for (tick, written) in self.x.ticks() {
            let x = self.x.at(tick);
            svg.line("grid", [x, top], [x, bottom]);
            svg.text("tick", [x, bottom + 13.0], Anchor::Middle, &written);
        }
        svg.line("axis", [left, bottom], [right, bottom]);
        svg.text("caption", [right, bottom + 26.0], Anchor::End, x_name);
        if let Some(y_name) = y_name {
            svg.text("caption", [0.0, 10.0], Anchor::Start, y_name);
        }
    }
}

/// The reliability diagram: accuracy by confidence, and below it the number of answers in each bin.
pub(super) fn reliability(id: &str, bins: &[CalibrationBin]) -> String {
    const BOTTOM: f64 = 236.0;
    const COUNTS: f64 = 290.0;
    const FLOOR: f64 = 340.0;
    let frame = Frame::new([0.0, 1.0], [0.0, 1.0], BOTTOM);
    let mut svg = Svg::new(FLOOR + 6.0);
    frame.draw(&mut svg, "mean confidence", Some("accuracy"));
    svg.line("ideal", frame.at([0.0, 0.0]), frame.at([1.0, 1.0]));
    let known: Vec<(&CalibrationBin, [f64; 2])> =
        bins.iter().filter_map(|bin| Some((bin, [bin.confidence?, bin.accuracy?]))).collect();
    let mut story = Vec::new();
    for (bin, [confidence, accuracy]) in &known {
        let hint = format!(
            "confidence {:.2} to {:.2}: {}, mean confidence {}, accuracy {}",
            bin.low,
            bin.high,
            count(bin.count, "answer"),
            confidence.shown(),
            accuracy.shown()
        );
        svg.line("gap", frame.at([*confidence, *confidence]), frame.at([*confidence, *accuracy]));
        svg.dot("dot kind-0", frame.at([*confidence, *accuracy]), &hint);
        story.push(hint);
    }
    svg.path("curve kind-0", &known.iter().map(|(_, point)| frame.at(*point)).collect::<Vec<_>>());

    svg.text("caption", [0.0, COUNTS - 15.0], Anchor::Start, "answers in each bin");
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    let height = Scale { values: [0.0, most.max(1) as f64], places: [0.0, FLOOR - COUNTS - 2.0] };
    for bin in bins {
        let (left, right) = (frame.x.at(bin.low), frame.x.at(bin.high));
        let tall = height.at(bin.count as f64);
        let hint = format!("{:.2} to {:.2}: {}", bin.low, bin.high, count(bin.count, "answer"));
        svg.rect("bar", [left + 0.8, FLOOR - tall], [right - left - 1.6, tall], &hint);
        if bin.count > 0 {
            let middle = (left + right) / 2.0;
            svg.text("small", [middle, FLOOR - tall - 2.5], Anchor::Middle, &brief(bin.count));
        }
    }
    svg.line("axis", [LEFT, FLOOR], [WIDTH - MARGIN, FLOOR]);
    svg.finish(id, "Reliability: accuracy by confidence", &story.join("; "))
}

/// A count in about four characters.
fn brief(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..10_000 => format!("{:.1}k", number as f64 / 1e3),
        10_000..1_000_000 => format!("{:.0}k", number as f64 / 1e3),
        _ => format!("{:.0}M", number as f64 / 1e6),
    }
}

/// Accuracy and macro-F1 by the share of sentences answered.
pub(super) fn abstention(id: &str, points: &[AbstentionPoint]) -> String {
    const BOTTOM: f64 = 236.0;
    let lowest = points
        .iter()
        .flat_map(|point| [Some(point.accuracy), point.macro_f1])
        .flatten()
        .filter(|value| value.is_finite())
        .fold(1.0, f64::min);
    let floor = ((lowest * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let frame = Frame::new([0.0, 1.0], [floor, 1.0], BOTTOM);
    let mut svg = Svg::new(BOTTOM + 32.0);
    frame.draw(&mut svg, "share of sentences answered", None);
    let curves = [
        ("accuracy", points.iter().map(|p| (p, Some(p.accuracy))).collect::<Vec<_>>()),
        ("macro-F1", points.iter().map(|p| (p, p.macro_f1)).collect()),
    ];
    for (kind, (name, values)) in curves.iter().enumerate() {
        let known = || values.iter().filter_map(|(point, value)| Some((*point, (*value)?)));
        let places: Vec<[f64; 2]> = known().map(|(point, value)| frame.at([point.coverage, value])).collect();
        svg.path(&format!("curve kind-{kind}"), &places);
        for (point, value) in known() {
            let hint = format!(
                "{name} {} when {} are answered (confidence at least {:.2})",
                value.shown(),
                percent(point.coverage),
                point.threshold
            );
            svg.dot(&format!("dot kind-{kind}"), frame.at([point.coverage, value]), &hint);
        }
        key(&mut svg, kind, LEFT + 100.0 * kind as f64, name);
    }
    let story = points.iter().map(|point| {
        format!(
            "{} answered: accuracy {}, macro-F1 {}",
            percent(point.coverage),
            point.accuracy.shown(),
            point.macro_f1.shown()
        )
    });
    svg.finish(
        id,
        "Abstention: accuracy and macro-F1 by the share answered",
        &story.collect::<Vec<_>>().join("; "),
    )
}

/// A legend entry above the frame.
fn key(svg: &mut Svg, kind: usize, x: f64, name: &str) {
    svg.path(&format!("curve kind-{kind}"), &[[x, 7.0], [x + 20.0, 7.0]]);
    svg.text("label", [x + 25.0, 10.5], Anchor::Start, name);
}

/// Precision by recall: a curve for each label.
pub(super) fn precision_recall(id: &str, labels: &[LabelReport]) -> String {
    const BOTTOM: f64 = 236.0;
    let frame = Frame::new([0.0, 1.0], [0.0, 1.0], BOTTOM);
    let shown: Vec<&LabelReport> = labels.iter().filter(|label| !label.curve.is_empty()).collect();
    let mut svg = Svg::new(BOTTOM + 36.0 + 16.0 * shown.len() as f64);
    frame.draw(&mut svg, "recall", Some("precision"));
    let mut story = Vec::new();
    for (index, label) in shown.iter().enumerate() {
        let kind = format!("curve kind-{}", index % KINDS);
        svg.path(&kind, &label.curve.iter().map(|point| frame.at(*point)).collect::<Vec<_>>());
        let y = BOTTOM + 44.0 + 16.0 * index as f64;
        svg.path(&kind, &[[LEFT, y - 4.0], [LEFT + 24.0, y - 4.0]]);
        let name = format!("{}, average precision {}", label.label, label.average_precision.shown());
        svg.text("label", [LEFT + 32.0, y], Anchor::Start, &fitted(&name, WIDTH - LEFT - 32.0));
        story.push(name);
    }
    svg.finish(id, "Precision by recall, for each label", &story.join("; "))
}

/// A row of a forest plot.
pub(super) struct Row {
    pub name: String,
    /// The text to the right of the name.
    pub aside: String,
    pub figure: Figure,
    /// Whether the mark is filled. A hollow mark is a difference that could be zero.
    pub solid: bool,
}

/// A forest plot: figures with their intervals, one below the other, and a line at `reference`.
pub(super) fn forest(
    id: &str,
    title: &str,
    rows: &[Row],
    values: [f64; 2],
    reference: Option<f64>,
) -> String {
    const ROW: f64 = 33.0;
    let height = ROW * rows.len() as f64;
    let scale = Scale { values, places: [MARGIN, WIDTH - MARGIN] };
    let mut svg = Svg::new(height + 24.0);
    for (tick, written) in scale.ticks() {
        let x = scale.at(tick);
        svg.line("grid", [x, 0.0], [x, height + 6.0]);
        svg.text("tick", [x, height + 19.0], Anchor::Middle, &written);
    }
    if let Some(reference) = reference {
        let x = scale.at(reference);
        svg.line("reference", [x, 0.0], [x, height + 6.0]);
    }
    let mut story = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let top = ROW * index as f64;
        let (words, middle) = (top + 11.0, top + 21.0);
        let room = WIDTH - 2.0 * MARGIN - 6.2 * row.aside.chars().count() as f64;
        svg.text("label", [MARGIN, words], Anchor::Start, &fitted(&row.name, room));
        svg.text("aside", [WIDTH - MARGIN, words], Anchor::End, &row.aside);
        if let Some([low, high]) = row.figure.interval {
            svg.line("whisker", [scale.at(low), middle], [scale.at(high), middle]);
        }
        let hint = format!("{}: {}", row.name, row.aside);
        if let Some(value) = row.figure.value {
            let class = if row.solid { "dot kind-0" } else { "dot hollow" };
            svg.dot(class, [scale.at(value), middle], &hint);
        }
        story.push(hint);
    }
    svg.finish(id, title, &story.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_plots_have_no_invalid_numbers() {
        let classes = ClassReport {
            labels: Vec::new(),
            macro_f1: Figure::default(),
            micro_f1: None,
            weighted_f1: None,
            accuracy: Figure::default(),
            matthews: Figure::default(),
            confusion: Vec::new(),
        };
        let drawings = [
            confusion("a", &classes),
            reliability("b", &[]),
            abstention("c", &[]),
            precision_recall("d", &[]),
            forest("e", "empty", &[], [0.0, 0.0], None),
        ];
        for drawing in drawings {
            assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>"));
            assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
        }
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fitted("attributed", 80.0), "attributed");
        assert_eq!(fitted("a very long name", 62.0), "a very lo…");
    }
}
