//! Sentences from the worthiest of a check to the least worthy one. Only the first of them are held.

use super::jsonl::{body, write_line};
use super::offsets::{OffsetTables, OffsetUnit};
use super::table::{Layout, empty, harmless, narrow, role_color, shown, stance_cells};
use super::{Form, Sink, SinkNote};
use comfy_table::{Cell, CellAlignment};
use standpoint_core::label::{Role, Target};
use standpoint_core::record::Record;
use standpoint_core::text::Metadata;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::sync::Arc;

/// The items of the highest scores; of equal ones those that came first. However many come, no more are held than
/// were asked for.
pub struct Ranking<T> {
    most: usize,
    seen: u64,
    /// The least item on top.
    kept: BinaryHeap<Reverse<Ranked<T>>>,
}

struct Ranked<T> {
    score: f32,
    number: u64,
    item: T,
}

impl<T> Ranking<T> {
    pub fn new(most: usize) -> Self {
        Self { most, seen: 0, kept: BinaryHeap::new() }
    }

    /// Takes an item if it is among the highest so far; it is made only then.
    pub fn add(&mut self, score: f32, item: impl FnOnce() -> T) {
        let number = self.seen;
        self.seen += 1;
        if self.kept.len() == self.most {
            let is_higher =
                self.kept.peek().is_some_and(|Reverse(least)| score.total_cmp(&least.score).is_gt());
            if !is_higher {
                return;
            }
            self.kept.pop();
        }
        self.kept.push(Reverse(Ranked { score, number, item: item() }));
    }

    /// How many items came, kept or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The items that were kept, the highest first.
    pub fn into_items(self) -> Vec<T> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.item).collect()
    }
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.number.cmp(&self.number))
    }
}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Ranked<T> {}

/// Writes the sentences that are worth checking most, the worthiest first.
///
/// It holds what it will write of each, not the documents: an archive's worthiest sentences may come from as many of them.
pub struct RankingSink<W> {
    writer: W,
    targets: Vec<Target>,
    form: Form,
    ranking: Ranking<(Arc<Metadata>, Item)>,
    offsets: OffsetTables,
}

/// A sentence as it will be written, but for what its document brings to it.
enum Item {
    Line(String),
    Row(Row),
}

impl<W: Write> RankingSink<W> {
    /// Holds `most` sentences.
    pub fn new(writer: W, targets: &[Target], form: Form, most: usize) -> Self {
        Self {
            writer,
            targets: targets.to_vec(),
            form,
            ranking: Ranking::new(most),
            offsets: OffsetTables::new(OffsetUnit::Bytes),
        }
    }

    /// The same with offsets that count another unit.
    pub fn counting(self, unit: OffsetUnit) -> Self {
        Self { offsets: OffsetTables::new(unit), ..self }
    }
}

impl<W: Write> Sink for RankingSink<W> {
    /// A record without a score ranks last.
    fn write(&mut self, record: Record) -> io::Result<()> {
        let form = self.form;
        self.ranking.add(record.checkworthiness.unwrap_or(f32::NEG_INFINITY), || {
            let item = match form {
                Form::Jsonl => Item::Line(body(&record, self.offsets.of(&record.document))),
                Form::Table(_) => Item::Row(Row::new(&record, &self.targets)),
            };
            (Arc::clone(record.document.metadata()), item)
        });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<Vec<SinkNote>> {
        let ranking = std::mem::replace(&mut self.ranking, Ranking::new(0));
        let seen = ranking.seen();
        let mut rows = Vec::new();
        for (metadata, item) in ranking.into_items() {
            match item {
                Item::Line(body) => write_line(&mut self.writer, &metadata, &body)?,
                Item::Row(row) => rows.push(row.cells(&metadata)),
            }
        }
        if let Form::Table(layout) = self.form {
            write_table(&mut self.writer, rows, seen, &self.targets, layout)?;
        }
        self.writer.flush()?;
        Ok(Vec::new())
    }
}

/// A sentence as a row of the table.
struct Row {
    index: usize,
    score: Option<f32>,
    role: Role,
    stances: Vec<Cell>,
    sentence: Cell,
}

impl Row {
    fn new(record: &Record, targets: &[Target]) -> Self {
        let role = record.role.label();
        Self {
            index: record.index,
            score: record.checkworthiness,
            role,
            stances: stance_cells(record, targets),
            sentence: Cell::new(shown(record.text(), record.truncated)).fg(role_color(role)),
        }
    }

    fn cells(self, document: &Metadata) -> Vec<Cell> {
        let mut cells = vec![
            Cell::new(self.score.map_or(String::new(), |score| format!("{score:.2}"))),
            Cell::new(format!("{} {}", harmless(&document.id), self.index + 1)),
            Cell::new(self.role).fg(role_color(self.role)),
        ];
        cells.extend(self.stances);
        cells.push(self.sentence);
        cells
    }
}

/// Writes rows as one table, and how many there are of how many sentences.
fn write_table(
    writer: &mut dyn Write,
    rows: Vec<Vec<Cell>>,
    seen: u64,
    targets: &[Target],
    layout: Layout,
) -> io::Result<()> {
    let mut header = vec!["#".to_owned(), "check".to_owned(), "where".to_owned(), "role".to_owned()];
    match targets {
        [target] => {
            writeln!(writer, "target: {}", harmless(target.as_str()))?;
            header.push("stance".to_owned());
        }
        _ => header.extend(targets.iter().map(|target| harmless(target.as_str()))),
    }
    header.push("sentence".to_owned());
    let mut table = empty(layout);
    table.set_header(header);
    let shown = rows.len();
    for (index, row) in rows.into_iter().enumerate() {
        let place = Cell::new(index + 1).set_alignment(CellAlignment::Right);
        table.add_row([vec![place], row].concat());
    }
    narrow(&mut table, targets);
    for line in table.lines() {
        writeln!(writer, "{}", line.trim_end())?;
    }
    writeln!(writer, "{shown} of {seen} sentences, those first that are worth checking most.")
}

#[cfg(test)]
mod tests {
    use super::super::jsonl::JsonlSink;
    use super::super::{example, written};
    use super::*;

    #[test]
    fn only_the_highest_are_kept_and_equal_ones_in_their_order() {
        let mut ranking = Ranking::new(3);
        for (score, item) in
            [(0.2, "a"), (0.9, "b"), (0.5, "c"), (0.5, "d"), (0.1, "e"), (0.5, "f"), (0.95, "g")]
        {
            ranking.add(score, || item);
            assert!(ranking.kept.len() <= 3);
        }
        assert_eq!((ranking.seen(), ranking.into_items()), (7, vec!["g", "b", "c"]));
        let mut none = Ranking::new(0);
        none.add(1.0, || unreachable!("it is not among the first 0") as u8);
        assert!(none.into_items().is_empty());
    }

    #[test]
    fn a_table_names_the_document_and_the_place() {
        let form = Form::Table(Layout { width: 100, color: false, attributions: false });
        let targets = [Target::default()];
        let drawn = written(example(), |bytes| Box::new(RankingSink::new(bytes, &targets, form, 2)));
        insta::assert_snapshot!("ranking", drawn);
    }

    #[test]
    fn json_lines_are_those_of_the_plain_output() {
        let rank =
            |most| written(example(), |bytes| Box::new(RankingSink::new(bytes, &[], Form::Jsonl, most)));
        let all = written(example(), |bytes| Box::new(JsonlSink::new(bytes)));
        assert_eq!(rank(3), all, "the example is in the order of its scores");
        assert_eq!(rank(1).lines().next(), all.lines().next());
    }
}
