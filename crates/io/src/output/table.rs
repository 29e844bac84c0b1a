//! A table for people: one for each document, a row for each sentence, and a line that counts.
//!
//! Text from outside is made harmless before it reaches a terminal: control characters are shown as
//! replacement characters and white space as single spaces.

use super::attributions_by_sentence;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width,
};
use standpoint_core::label::{
    Analysis, Attribution as Attributed, Label, Role, Stance, Target, TargetStance,
};
use standpoint_core::text::{Document, Span};
use std::io::{self, Write};

/// The most of a sentence that is shown, in characters.
const SHOWN: usize = 1000;

/// How wide any other column may get, so that the sentence has the rest of the width: a stance with its holder, where
/// there is one target, and where there are several.
const NARROW: u16 = 26;
const NARROWER: u16 = 18;

/// The most of an attribution's part that is shown beneath its sentence, in characters.
const SHOWN_PART: usize = 60;

/// How the table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In columns of the terminal.
    pub width: u16,
    pub color: bool,
    /// Whether source, cue and content of its attributions stand beneath each sentence.
    pub attributions: bool,
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

/// As [`write()`], for an analysis of the sentences from `first` on: a long document has several tables.
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
    let attributions = attributions_by_sentence(document, first, analysis).filter(|_| layout.attributions);
    let has_score = analysis.sentences.iter().any(|sentence| sentence.checkworthiness.is_some());

    let mut header = vec!["#".to_owned(), "role".to_owned(), "conf.".to_owned()];
    match targets {
        [_] => header.push("stance".to_owned()),
        _ => header.extend(targets.iter().map(|target| harmless(target.as_str()))),
    }
    header.extend(has_score.then(|| "check".to_owned()));
    header.push("sentence".to_owned());

    let mut table = empty(layout);
    table.set_header(header);
    for (index, sentence) in (first..).zip(&analysis.sentences) {
        let role = sentence.role.label();
        let mut row = vec![
            Cell::new(index + 1).set_alignment(CellAlignment::Right),
            Cell::new(role).fg(role_color(role)),
            Cell::new(format!("{:.2}", sentence.role.confidence())),
        ];
        row.extend(sentence.stances.iter().map(|stance| stance_cell(document, stance)));
        if has_score {
            row.push(Cell::new(
                sentence.checkworthiness.map_or(String::new(), |score| format!("{score:.2}")),
            ));
        }
        let mut text = shown(document.sentence(index), sentence.truncated);
        for attribution in attributions.iter().flat_map(|attributions| &attributions[index - first]) {
            text.push_str(&format!("\n{}", beneath(document, attribution)));
        }
        row.push(Cell::new(text).fg(role_color(role)));
        table.add_row(row);
    }
    narrow(&mut table, targets);
    table
}

/// A table without rows.
pub(super) fn empty(layout: Layout) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(layout.width);
    match layout.color {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table
}

/// Leaves most of the width to the last column.
pub(super) fn narrow(table: &mut Table, targets: &[Target]) {
    let most = Width::Fixed(if targets.len() > 1 { NARROWER } else { NARROW });
    for column in table.column_iter_mut() {
        column.set_padding((0, 1)).set_constraint(ColumnConstraint::UpperBoundary(most));
    }
    if let Some(sentences) = table.column_iter_mut().last() {
        sentences.remove_constraint();
    }
}

pub(super) fn role_color(role: Role) -> Color {
    match role {
        Role::Claim => Color::Yellow,
        Role::Attributed => Color::Cyan,
        Role::Background => Color::Reset,
    }
}

/// "favor 0.71 · Abdul-Mahdi"
pub(super) fn stance_cell(document: &Document, stance: &TargetStance) -> Cell {
    let TargetStance { prediction, holder, .. } = stance;
    let mut text = format!("{} {:.2}", prediction.label(), prediction.confidence());
    if let Some(holder) = holder {
        text.push_str(&format!(" · {}", harmless(holder.slice(document.text()))));
    }
    let cell = Cell::new(text);
    match prediction.label() {
        Stance::Favor => cell.fg(Color::Green),
        Stance::Against => cell.fg(Color::Red),
        Stance::None => cell.add_attribute(Attribute::Dim),
    }
}

/// "↳ source: the governor; cue: said; content: “They should … ago,”"
fn beneath(document: &Document, attribution: &Attributed) -> String {
    let Attributed { source, cue, content } = attribution;
    let part = |(name, spans): (&str, &Vec<Span>)| {
        let pieces = spans.iter().map(|span| shortened(&harmless(span.slice(document.text()))));
        let pieces: Vec<String> = pieces.collect();
        (!pieces.is_empty()).then(|| format!("{name}: {}", pieces.join(" … ")))
    };
    let parts = [("source", source), ("cue", cue), ("content", content)].into_iter().filter_map(part);
    format!("↳ {}", parts.collect::<Vec<_>>().join("; "))
}

/// The beginning and the end of a long text, cut between words.
fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN_PART {
        return text.to_owned();
    }
    let place = |characters: usize| text.char_indices().nth(characters).map_or(text.len(), |(byte, _)| byte);
    let (head, tail) = (place(SHOWN_PART / 2), place(text.chars().count().saturating_sub(SHOWN_PART / 2)));
    let head = text[..head].rfind(' ').unwrap_or(head);
    let tail = text[tail..].find(' ').map_or(tail, |space| tail + space + 1);
    format!("{} … {}", &text[..head], &text[tail..])
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
pub(super) fn shown(sentence: &str, truncated: bool) -> String {
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
pub fn harmless(text: &str) -> String {
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
    use super::super::{attributed_example, example};
    use super::*;

    fn layout(width: u16, color: bool) -> Layout {
        Layout { width, color, attributions: false }
    }

    fn drawn(targets: &[Target], layout: Layout) -> String {
        let (document, mut analysis) = if layout.attributions { attributed_example() } else { example() };
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
        insta::assert_snapshot!("plain", drawn(&[Target::default()], layout(90, false)));
    }

    #[test]
    fn each_of_several_targets_has_its_column() {
        let targets = [Target::default(), Target::new("a new base").unwrap()];
        insta::assert_snapshot!("two_targets", drawn(&targets, layout(110, false)));
    }

    #[test]
    fn attributions_stand_beneath_their_sentences() {
        let layout = Layout { attributions: true, ..layout(100, false) };
        let drawn = drawn(&[Target::default()], layout);
        assert!(drawn.lines().all(|line| line.chars().count() <= 100));
        insta::assert_snapshot!("attributions", drawn);
    }

    #[test]
    fn a_long_part_keeps_its_beginning_and_its_end() {
        let long = shortened(&format!("They will go {}home by June", "and go ".repeat(20)));
        assert!(long.starts_with("They will go") && long.ends_with("home by June") && long.contains(" … "));
        assert_eq!(shortened("They will go."), "They will go.");
        for text in ["é".repeat(100), format!("a {}", "語".repeat(100)), format!("{} b", "語".repeat(100))]
        {
            assert!(shortened(&text).chars().count() < 70);
        }
    }

    #[test]
    fn colours_are_there_only_when_asked_for() {
        let coloured = drawn(&[Target::default()], layout(90, true));
        assert!(coloured.contains("\x1b["));
        let plain = drawn(&[Target::default()], layout(90, false));
        assert!(!plain.contains('\x1b'));
    }

    #[test]
    fn a_table_survives_any_width() {
        for width in [0, 1, 10, 40, 1000] {
            drawn(&[Target::default()], layout(width, false));
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[2J\u{9b}b \t\r\n c\u{202e}"), "a\u{fffd}[2J\u{fffd}b c\u{fffd}");
    }
}
