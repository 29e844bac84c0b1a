//! A small writer of SVG. It escapes all text, so its markup can be put into a page unchanged. The page's stylesheet sets
//! all colours by class, so that plots follow the light or dark theme.

use askama::filters::{Html, escape};
use std::fmt::Write;

/// The width of all plots in their own units: about the width of a phone in pixels, so that text is not scaled there.
pub(super) const WIDTH: f64 = 320.0;

/// A drawing: its shapes so far, and its height.
pub(super) struct Svg {
    body: String,
    height: f64,
}

/// The point of a text that its coordinates are for.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// Rounds a coordinate to a tenth of a unit. One that is not finite becomes 0.
fn coordinate(value: f64) -> f64 {
    if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 }
}

fn escaped(text: &str) -> String {
    escape(text, Html).map_or_else(|never| match never {}, |escaped| escaped.to_string())
}

impl Svg {
    pub(super) fn new(height: f64) -> Self {
        Self { body: String::new(), height }
    }

    fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        self.body.write_fmt(markup).expect("a string takes all that is written to it");
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let [[x1, y1], [x2, y2]] = [from, to].map(|end| end.map(coordinate));
        self.push(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// A rectangle. Browsers show `hint` under the pointer.
    pub(super) fn rect(&mut self, class: &str, corner: [f64; 2], size: [f64; 2], hint: &str) {
        let ([x, y], [width, height]) = (corner.map(coordinate), size.map(|side| coordinate(side.max(0.0))));
        let hint = escaped(hint);
        self.push(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{hint}</title></rect>"#
        ));
    }

    /// A filled or hollow circle, with a hint.
    pub(super) fn dot(&mut self, class: &str, at: [f64; 2], hint: &str) {
        let ([x, y], hint) = (at.map(coordinate), escaped(hint));
        self.push(format_args!(
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="3.5"><title>{hint}</title></circle>"#
        ));
    }

    /// A line through several points.
    pub(super) fn path(&mut self, class: &str, points: &[[f64; 2]]) {
        let points: Vec<String> =
            points.iter().map(|point| point.map(coordinate)).map(|[x, y]| format!("{x},{y}")).collect();
        self.push(format_args!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// A text.
    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let ([x, y], anchor, text) = ([x, y].map(coordinate), anchor.as_str(), escaped(text));
        self.push(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// The markup of the whole drawing. `id` must be unique on its page. `title` and `description` are for screen readers.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let ([title, description], Self { body, height }) = ([title, description].map(escaped), self);
        format!(
            r#"<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{title}</title><desc id="{id}-desc">{description}</desc>{body}</svg>"#,
            height = coordinate(height)
        )
    }
}

/// A linear scale: `values` are mapped to `places`, coordinates of the drawing.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub values: [f64; 2],
    pub places: [f64; 2],
}

impl Scale {
    /// The coordinate of a value. Values outside of the range are put at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ([low, high], [from, to]) = (self.values, self.places);
        let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
        from + share * (to - from)
    }

    /// About six round values of the range, with their text.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let [low, high] = self.values;
        let step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].into_iter().find(|step| (high - low) / step <= 5.5);
        let step = step.unwrap_or(1.0);
        let (first, last) = ((low / step - 1e-6).ceil() as i64, (high / step + 1e-6).floor() as i64);
        let decimals = if step < 0.1 { 2 } else { 1 };
        let ticks = (first..=last.min(first.saturating_add(10))).map(|number| number as f64 * step);
        ticks.map(|tick| (tick, format!("{tick:.decimals$}").replace('-', "−"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_text_is_escaped() {
        let mut svg = Svg::new(10.0);
        svg.text("label", [0.0, f64::NAN], Anchor::Start, "<script>");
        svg.rect("bar", [0.0, 0.0], [1.0, -1.0], "\"&");
        let drawing = svg.finish("plot", "a < b", "<desc>");
        assert!(!drawing.contains("<script") && !drawing.contains("\"&") && drawing.contains("a &#60; b"));
        assert!(!drawing.contains("NaN") && !drawing.contains("\"-"));
    }

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |low, high| {
            let ticks = Scale { values: [low, high], places: [0.0, 1.0] }.ticks();
            ticks.into_iter().map(|(_, written)| written).collect::<Vec<_>>()
        };
        assert_eq!(ticks(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(ticks(-0.045, 0.045), ["−0.04", "−0.02", "0.00", "0.02", "0.04"]);
        assert!(ticks(f64::NAN, f64::NAN).len() < 12);
        assert!(ticks(0.5, 0.5).len() < 12);
    }
}
