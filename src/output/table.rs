//! A table for people: one for each document, a row for each sentence, and a line that counts.
//!
//! Text from outside is made harmless before it reaches a terminal: control characters are shown as
//! replacement characters and white space as single spaces.

use crate::label::{Analysis, Label, Prediction, Role, SentenceAnalysis, Stance, Target};
use crate::text::{Document, Span};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width,
};
use std::io::{self, Write};

/// The most of a sentence that is shown, in characters.
const SHOWN: usize = 1000;

/// How wide any other column may get, so that the sentence has the rest of the width.
const NARROW: u16 = 18;

/// How the table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In columns of the terminal.
    pub width: u16,
    pub color: bool,
}

/// Writes a document's heading, its table and the counts of its labels.
///
/// # Errors
/// If the writer fails.
///
/// # Panics
/// If the analysis is of another document.
pub fn write(
    writer: &mut dyn Write,
    document: &Document,
    analysis: &Analysis,
    targets: &[Target],
    layout: Layout,
) -> io::Result<()> {
    assert_eq!(document.sentences().len(), analysis.sentences.len(), "an analysis has every sentence");
    write_piece(writer, document, 0, analysis, targets, layout)
}

/// As [`write`], for an analysis of the sentences from `first` on: a long document has several tables.
///
/// # Errors
/// If the writer fails.
///
/// # Panics
/// If the document has fewer sentences.
pub fn write_piece(
    writer: &mut dyn Write,
    document: &Document,
    first: usize,
    analysis: &Analysis,
    targets: &[Target],
    layout: Layout,
) -> io::Result<()> {
    let (bold, plain) = if layout.color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    writeln!(writer, "{bold}{}{plain}", harmless(document.id()))?;
    for target in targets {
        writeln!(writer, "target: {}", harmless(target.as_str()))?;
    }
    for line in table(document, first, analysis, targets, layout).lines() {
        writeln!(writer, "{}", line.trim_end())?;
    }
    writeln!(writer, "{}\n", counts(analysis, targets))
}

fn table(
    document: &Document,
    first: usize,
    analysis: &Analysis,
    targets: &[Target],
    layout: Layout,
) -> Table {
    let has_holder = analysis.sentences.iter().any(|sentence| holders(sentence).next().is_some());
    let has_score = analysis.sentences.iter().any(|sentence| sentence.checkworthiness.is_some());

    let mut header = vec!["#".to_owned(), "role".to_owned(), "conf.".to_owned()];
    match targets {
        [_] => header.push("stance".to_owned()),
        _ => header.extend(targets.iter().map(|target| harmless(target.as_str()))),
    }
    header.extend(has_holder.then(|| "holder".to_owned()));
    header.extend(has_score.then(|| "check".to_owned()));
    header.push("sentence".to_owned());

    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(layout.width);
    match layout.color {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.set_header(header);
    for (index, sentence) in (first..).zip(&analysis.sentences) {
        let role = sentence.role.label();
        let mut row = vec![
            Cell::new(index + 1).set_alignment(CellAlignment::Right),
            Cell::new(role).fg(role_color(role)),
            Cell::new(format!("{:.2}", sentence.role.confidence())),
        ];
        row.extend(sentence.stances.iter().map(|stance| stance_cell(&stance.prediction)));
        if has_holder {
            row.push(Cell::new(holder_names(document, sentence)));
        }
        if has_score {
            row.push(Cell::new(
                sentence.checkworthiness.map_or(String::new(), |score| format!("{score:.2}")),
            ));
        }
        row.push(Cell::new(shown(document.sentence(index), sentence.truncated)).fg(role_color(role)));
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1)).set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(NARROW)));
    }
    if let Some(sentences) = table.column_iter_mut().last() {
        sentences.remove_constraint();
    }
    table
}

fn role_color(role: Role) -> Color {
    match role {
        Role::Claim => Color::Yellow,
        Role::Attributed => Color::Cyan,
        Role::Background => Color::Reset,
    }
}

fn stance_cell(prediction: &Prediction<Stance>) -> Cell {
    let cell = Cell::new(format!("{} {:.2}", prediction.label(), prediction.confidence()));
    match prediction.label() {
        Stance::Favor => cell.fg(Color::Green),
        Stance::Against => cell.fg(Color::Red),
        Stance::None => cell.add_attribute(Attribute::Dim),
    }
}

fn holders(sentence: &SentenceAnalysis) -> impl Iterator<Item = Span> + '_ {
    sentence.stances.iter().filter_map(|stance| stance.holder)
}

/// The holders of a sentence's stances, each once.
fn holder_names(document: &Document, sentence: &SentenceAnalysis) -> String {
    let mut names: Vec<String> = Vec::new();
    for holder in holders(sentence) {
        let name = harmless(holder.slice(document.text()));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join("; ")
}

/// "3 sentences: 1 claim, 1 attributed, 1 background. Stance: 2 favor, 0 against, 1 none"
fn counts(analysis: &Analysis, targets: &[Target]) -> String {
    fn count<L: Label>(labels: impl Iterator<Item = L>) -> String {
        let mut counts = [0; 3];
        labels.for_each(|label| counts[label.index()] += 1);
        let named: Vec<String> =
            L::ALL.iter().zip(counts).map(|(label, count)| format!("{count} {label}")).collect();
        named.join(", ")
    }
    let number = analysis.sentences.len();
    let noun = if number == 1 { "sentence" } else { "sentences" };
    let roles = count(analysis.sentences.iter().map(|sentence| sentence.role.label()));
    let mut line = format!("{number} {noun}: {roles}.");
    for (index, target) in targets.iter().enumerate() {
        let stances = analysis.sentences.iter().filter_map(|sentence| sentence.stances.get(index));
        let stances = count(stances.map(|stance| stance.prediction.label()));
        match targets.len() {
            1 => line.push_str(&format!(" Stance: {stances}.")),
            _ => line.push_str(&format!(" Stance on {}: {stances}.", harmless(target.as_str()))),
        }
    }
    line
}

/// A sentence as it is shown.
fn shown(sentence: &str, truncated: bool) -> String {
    let text = harmless(sentence);
    let mut shown = match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    if truncated {
        shown.push_str(" [too long: only its beginning was read]");
    }
    shown
}

/// The text with each run of white space as one space, and nothing in it that a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let visible = |c: char| match c {
        // Marks that turn the direction of writing could make a line read as something else.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn drawn(targets: &[Target], layout: Layout) -> String {
        let (document, mut analysis) = example();
        for sentence in &mut analysis.sentences {
            let stance = sentence.stances[0].clone();
            sentence.stances = targets.iter().map(|_| stance.clone()).collect();
        }
        let mut bytes = Vec::new();
        write(&mut bytes, &document, &analysis, targets, layout).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_table_fits_its_width() {
        insta::assert_snapshot!("plain", drawn(&[Target::default()], Layout { width: 90, color: false }));
    }

    #[test]
    fn each_of_several_targets_has_its_column() {
        let targets = [Target::default(), Target::new("a new base").unwrap()];
        insta::assert_snapshot!("two_targets", drawn(&targets, Layout { width: 110, color: false }));
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let coloured = drawn(&[Target::default()], Layout { width: 90, color: true });
        assert!(coloured.contains("\x1b["));
        let plain = drawn(&[Target::default()], Layout { width: 90, color: false });
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn a_table_survives_any_width() {
        for width in [0, 1, 10, 40, 1000] {
            drawn(&[Target::default()], Layout { width, color: false });
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[2J\u{9b}b \t\r\n c\u{202e}"), "a\u{fffd}[2J\u{fffd}b c\u{fffd}");
    }
}
