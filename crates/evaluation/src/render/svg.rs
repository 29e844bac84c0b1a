//! A small writer of SVG: shapes in, markup out. It escapes all text, so that what it makes may stand in a page
//! as it is. How things look is the page's stylesheet's, by class, so that plots follow light and dark.

use askama::filters::{Html, escape};
use std::fmt::Write;

/// All plots are this wide in their own units: about a phone's width in pixels, so that type keeps its size there.
pub(super) const WIDTH: f64 = 320.0;

pub(super) struct Svg {
    body: String,
    height: f64,
}

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

/// Places are written to a tenth of a unit; what is no place is put at the origin.
fn place(value: f64) -> f64 {
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

    pub(super) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        let [[x1, y1], [x2, y2]] = [from, to].map(|end| end.map(place));
        self.push(format_args!(r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#));
    }

    /// `hint` is shown by browsers where a pointer rests.
    pub(super) fn rect(&mut self, class: &str, corner: [f64; 2], size: [f64; 2], hint: &str) {
        let ([x, y], [width, height]) = (corner.map(place), size.map(|side| place(side.max(0.0))));
        let hint = escaped(hint);
        self.push(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{hint}</title></rect>"#
        ));
    }

    pub(super) fn dot(&mut self, class: &str, at: [f64; 2], hint: &str) {
        let ([x, y], hint) = (at.map(place), escaped(hint));
        self.push(format_args!(
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="3.5"><title>{hint}</title></circle>"#
        ));
    }

    pub(super) fn path(&mut self, class: &str, points: &[[f64; 2]]) {
        let points: Vec<String> =
            points.iter().map(|point| point.map(place)).map(|[x, y]| format!("{x},{y}")).collect();
        self.push(format_args!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let ([x, y], anchor, text) = ([x, y].map(place), anchor.as_str(), escaped(text));
        self.push(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    /// The whole drawing. `id` is unique on its page; `title` names the drawing, and `description` says what is to
    /// be seen, for those who do not see it.
    pub(super) fn finish(self, id: &str, title: &str, description: &str) -> String {
        let ([title, description], Self { body, height }) = ([title, description].map(escaped), self);
        format!(
            r#"<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{title}</title><desc id="{id}-desc">{description}</desc>{body}</svg>"#,
            height = place(height)
        )
    }
}

/// A range of values on a stretch of the drawing.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub values: [f64; 2],
    pub places: [f64; 2],
}

impl Scale {
    /// Values outside the range stand at its end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ([low, high], [from, to]) = (self.values, self.places);
        let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
        from + share * (to - from)
    }

    /// Round values of the range, at most six or so, as they are written.
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
    fn text_is_escaped_wherever_it_stands() {
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
