//! Sentences from the worthiest of a check to the least worthy one. Only the first of them are held.

use super::table::{Layout, empty, harmless, narrow, role_color, shown, stance_cell};
use comfy_table::{Cell, CellAlignment};
use standpoint_core::label::{SentenceAnalysis, Target};
use standpoint_core::text::Document;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::{self, Write};

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

/// A sentence as a row of the table.
pub struct Row(Vec<Cell>);

impl Row {
    /// # Panics
    /// If the document has no such sentence.
    pub fn new(document: &Document, index: usize, sentence: &SentenceAnalysis) -> Self {
        let role = sentence.role.label();
        let score = sentence.checkworthiness.map_or(String::new(), |score| format!("{score:.2}"));
        let mut cells = vec![
            Cell::new(score),
            Cell::new(format!("{} {}", harmless(document.id()), index + 1)),
            Cell::new(role).fg(role_color(role)),
        ];
        cells.extend(sentence.stances.iter().map(|stance| stance_cell(document, stance)));
        cells.push(Cell::new(shown(document.sentence(index), sentence.truncated)).fg(role_color(role)));
        Self(cells)
    }
}

/// Writes rows as one table, and how many there are of how many sentences.
///
/// # Errors
/// If the writer fails.
pub fn write_table(
    writer: &mut dyn Write,
    rows: Vec<Row>,
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
        table.add_row([vec![place], row.0].concat());
    }
    narrow(&mut table, targets);
    for line in table.lines() {
        writeln!(writer, "{}", line.trim_end())?;
    }
    writeln!(writer, "{shown} of {seen} sentences, those first that are worth checking most.")
}

#[cfg(test)]
mod tests {
    use super::super::example;
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
        let (document, analysis) = example();
        let mut ranking = Ranking::new(2);
        for (index, sentence) in analysis.sentences.iter().enumerate() {
            ranking.add(sentence.checkworthiness.unwrap(), || Row::new(&document, index, sentence));
        }
        let mut bytes = Vec::new();
        let layout = Layout { width: 100, color: false, attributions: false };
        let seen = ranking.seen();
        write_table(&mut bytes, ranking.into_items(), seen, &[Target::default()], layout).unwrap();
        insta::assert_snapshot!("ranking", String::from_utf8(bytes).unwrap());
    }
}
