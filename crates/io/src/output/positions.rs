//! Who stands where, as a table for people and as JSON Lines for programs.

use super::jsonl::rounded;
use super::table::{Layout, empty, harmless};
use super::{Form, Sink, SinkNote, one_line};
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, Width};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use standpoint_core::label::{Stance, Target};
use standpoint_core::positions::{Full, MOST_STANCES, Place, Position, Positions};
use standpoint_core::record::Record;
use std::io::{self, Write};

/// The most places and aliases that the table shows of one holder; JSON Lines have them all.
const PLACES: usize = 12;
const ALIASES: usize = 4;

/// How wide the column of holders may get.
const HOLDER: u16 = 36;

/// Gathers the stances of all records, and writes at the end who stands where.
pub struct PositionsSink<W> {
    writer: W,
    targets: Vec<Target>,
    form: Form,
    positions: Positions,
    /// Sentences whose stances there was no room for.
    left_out: usize,
}

impl<W: Write> PositionsSink<W> {
    pub fn new(writer: W, targets: &[Target], form: Form) -> Self {
        Self { writer, targets: targets.to_vec(), form, positions: Positions::default(), left_out: 0 }
    }
}

impl<W: Write> Sink for PositionsSink<W> {
    fn write(&mut self, record: Record) -> io::Result<()> {
        for target in record.document.targets() {
            if !self.targets.contains(target) {
                self.targets.push(target.clone());
            }
        }
        if let Err(Full) = self.positions.add(&record) {
            self.left_out += 1;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<Vec<SinkNote>> {
        let gathered = std::mem::take(&mut self.positions).gathered(&self.targets);
        match self.form {
            Form::Jsonl => write_jsonl(&mut self.writer, &gathered)?,
            Form::Table(layout) => write_table(&mut self.writer, &gathered, &self.targets, layout)?,
        }
        self.writer.flush()?;
        let unnamed = !gathered.is_empty() && gathered.iter().all(|position| position.holder.is_none());
        let mut notes = Vec::new();
        notes.extend(unnamed.then_some(SinkNote::NoHolderNamed));
        if self.left_out > 0 {
            notes.push(SinkNote::StancesLeftOut { sentences: self.left_out, limit: MOST_STANCES });
        }
        Ok(notes)
    }
}

/// Writes one line for every position. `start` and `end` count bytes.
///
/// # Errors
/// If the writer fails.
pub fn write_jsonl(writer: &mut dyn Write, positions: &[Position]) -> io::Result<()> {
    for position in positions {
        one_line::write(writer, &Line(position))?;
        writer.write_all(b"\n")?;
    }
    Ok(())
}

struct Line<'a>(&'a Position);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Position { holder, aliases, target, favor, against, confidence, sentences } = self.0;
        let mut line = serializer.serialize_map(Some(7))?;
        line.serialize_entry("holder", holder)?;
        line.serialize_entry("aliases", aliases)?;
        line.serialize_entry("target", target)?;
        line.serialize_entry("favor", favor)?;
        line.serialize_entry("against", against)?;
        line.serialize_entry("confidence", &rounded(*confidence))?;
        line.serialize_entry("sentences", &sentences.iter().map(Entry).collect::<Vec<_>>())?;
        line.end()
    }
}

struct Entry<'a>(&'a Place);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Place { doc, index, span, stance, confidence } = self.0;
        let mut entry = serializer.serialize_map(Some(6))?;
        entry.serialize_entry("doc", &**doc)?;
        entry.serialize_entry("index", index)?;
        entry.serialize_entry("start", &span.start())?;
        entry.serialize_entry("end", &span.end())?;
        entry.serialize_entry("stance", stance)?;
        entry.serialize_entry("confidence", &rounded(f64::from(*confidence)))?;
        entry.end()
    }
}

/// Writes a table for each target. Those whom nobody names share one row.
///
/// # Errors
/// If the writer fails.
pub fn write_table(
    writer: &mut dyn Write,
    positions: &[Position],
    targets: &[Target],
    layout: Layout,
) -> io::Result<()> {
    for target in targets {
        let of_target = positions.iter().filter(|position| position.target == *target);
        let (named, unnamed): (Vec<&Position>, Vec<&Position>) =
            of_target.partition(|position| position.holder.is_some());
        writeln!(writer, "target: {}", harmless(target.as_str()))?;
        let mut table = empty(layout);
        table.set_header(["holder", "favor", "against", "conf.", "sentences (+ favor, − against)"]);
        for position in &named {
            table.add_row(row(holder(position), &[position]));
        }
        if !unnamed.is_empty() {
            table.add_row(row("(not named)".to_owned(), &unnamed));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
        }
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if let Some(holders) = table.column_iter_mut().next() {
            holders.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(HOLDER)));
        }
        for line in table.lines() {
            writeln!(writer, "{}", line.trim_end())?;
        }
        writeln!(writer, "{}\n", counts(&named, &unnamed))?;
    }
    Ok(())
}

fn row(holder: String, positions: &[&Position]) -> Vec<Cell> {
    let sum = |count: fn(&Position) -> usize| positions.iter().map(|position| count(position)).sum::<usize>();
    let (favor, against) = (sum(|position| position.favor), sum(|position| position.against));
    let confidence: f64 =
        positions.iter().map(|position| position.confidence * position.sentences.len() as f64).sum();
    let color = match favor.cmp(&against) {
        std::cmp::Ordering::Greater => Color::Green,
        std::cmp::Ordering::Less => Color::Red,
        std::cmp::Ordering::Equal => Color::Reset,
    };
    let confidence = confidence / (favor + against).max(1) as f64;
    vec![
        Cell::new(holder).fg(color),
        Cell::new(favor),
        Cell::new(against),
        Cell::new(format!("{confidence:.2}")),
        Cell::new(places(positions)),
    ]
}

/// The name, and beneath it what else the holder is called.
fn holder(position: &Position) -> String {
    let mut holder = harmless(position.holder.as_deref().unwrap_or_default());
    let aliases: Vec<String> = position.aliases.iter().take(ALIASES).map(|alias| harmless(alias)).collect();
    if !aliases.is_empty() {
        let more = if position.aliases.len() > ALIASES { "; …" } else { "" };
        holder.push_str(&format!("\n= {}{more}", aliases.join("; ")));
    }
    holder
}

/// "a.txt 2+ 7−; b.txt 3+": sentences count from 1, as in the other tables.
fn places(positions: &[&Position]) -> String {
    let places: Vec<&Place> = positions.iter().flat_map(|position| &position.sentences).collect();
    let mut shown = String::new();
    let mut doc = None;
    for place in places.iter().take(PLACES) {
        if doc != Some(&place.doc) {
            shown.push_str(if doc.is_some() { "; " } else { "" });
            shown.push_str(&harmless(&place.doc));
            doc = Some(&place.doc);
        }
        let sign = if place.stance == Stance::Favor { '+' } else { '−' };
        shown.push_str(&format!(" {}{sign}", place.index + 1));
    }
    if places.len() > PLACES {
        shown.push_str(&format!(" and {} more", places.len() - PLACES));
    }
    shown
}

/// "2 holders, 5 stances: 3 favor, 2 against. Of 1 nobody is named."
fn counts(named: &[&Position], unnamed: &[&Position]) -> String {
    let count =
        |number: usize, thing: &str| format!("{number} {thing}{}", if number == 1 { "" } else { "s" });
    let all = || named.iter().chain(unnamed);
    let favor: usize = all().map(|position| position.favor).sum();
    let against: usize = all().map(|position| position.against).sum();
    let nameless: usize = unnamed.iter().map(|position| position.sentences.len()).sum();
    let mut line = format!(
        "{}, {}: {favor} favor, {against} against.",
        count(named.len(), "holder"),
        count(favor + against, "stance"),
    );
    if nameless > 0 {
        line.push_str(&format!(" Of {nameless} the holder is not named."));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::text::Span;
    use std::sync::Arc;

    fn positions() -> Vec<Position> {
        let place = |doc: &str, index, stance, confidence| Place {
            doc: Arc::from(doc),
            index,
            span: Span::new(index * 10, index * 10 + 9),
            stance,
            confidence,
        };
        let position = |holder: Option<&str>, aliases: &[&str], sentences: Vec<Place>| Position {
            holder: holder.map(str::to_owned),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            target: Target::default(),
            favor: sentences.iter().filter(|place| place.stance == Stance::Favor).count(),
            against: sentences.iter().filter(|place| place.stance == Stance::Against).count(),
            confidence: sentences.iter().map(|place| f64::from(place.confidence)).sum::<f64>()
                / sentences.len() as f64,
            sentences,
        };
        let many = (0..20).map(|index| place("handover.txt", index, Stance::Favor, 0.9)).collect();
        vec![
            position(
                Some("Adil \u{1b}[31mRahim"),
                &["Prime Minister Adil Rahim", "the prime minister"],
                many,
            ),
            position(
                Some("NATO"),
                &[],
                vec![place("a.txt", 1, Stance::Against, 0.812_345), place("b.txt", 0, Stance::Favor, 0.5)],
            ),
            position(None, &["He"], vec![place("a.txt", 4, Stance::Against, 0.6)]),
            position(None, &[], vec![place("b.txt", 7, Stance::Favor, 0.7)]),
        ]
    }

    #[test]
    fn a_table_says_who_stands_where() {
        let mut bytes = Vec::new();
        let layout = Layout { width: 100, color: false, attributions: false };
        let targets = [Target::default(), Target::new("a new base").unwrap()];
        write_table(&mut bytes, &positions(), &targets, layout).unwrap();
        let drawn = String::from_utf8(bytes).unwrap();
        assert!(drawn.lines().all(|line| line.chars().count() <= 100) && !drawn.contains('\u{1b}'));
        insta::assert_snapshot!("positions", drawn);
    }

    #[test]
    fn json_lines_have_every_sentence() {
        let mut bytes = Vec::new();
        write_jsonl(&mut bytes, &positions()).unwrap();
        let lines = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(
            lines[1],
            r#"{"holder":"NATO","aliases":[],"target":"withdrawal of foreign troops","favor":1,"against":1,"confidence":0.6562,"sentences":[{"doc":"a.txt","index":1,"start":10,"end":19,"stance":"against","confidence":0.8123},{"doc":"b.txt","index":0,"start":0,"end":9,"stance":"favor","confidence":0.5}]}"#
        );
        assert_eq!(lines.len(), 4);
        assert!(lines[2].starts_with(r#"{"holder":null,"aliases":["He"]"#));
        assert_eq!(lines[0].matches("\"doc\"").count(), 20);
    }
}
