//! A table for people: one for each document, with a row for each sentence, and a line of counts.
//!
//! Text from outside is made harmless before it reaches a terminal: control characters become replacement characters, and
//! runs of white space single spaces.

use super::{Sink, SinkNote};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, Width,
};
use serde_json::Value;
use standpoint_core::label::{Attribution as Attributed, Label, Role, Stance, Target, TargetStance};
use standpoint_core::record::Record;
use standpoint_core::text::{Document, Span, Turn};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Rows that are laid out together. A longer document has several tables under one heading, so that memory stays bounded.
const ROWS_HELD: usize = 1000;

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

/// Writes a table for each document: its heading, a row for each record, and the counts of its labels.
pub struct TableSink<W> {
    writer: W,
    layout: Layout,
    /// The open document, of which there may be more to come, and whether its heading is written.
    document: Option<Arc<Document>>,
    has_heading: bool,
    targets: Vec<Target>,
    /// Records of the open document that are not written yet.
    held: Vec<Record>,
    counts: Counts,
}

impl<W: Write> TableSink<W> {
    pub fn new(writer: W, layout: Layout) -> Self {
        Self {
            writer,
            layout,
            document: None,
            has_heading: false,
            targets: Vec::new(),
            held: Vec::new(),
            counts: Counts::new(&[]),
        }
    }

    /// Writes what is held as a table of its own.
    fn write_held(&mut self) -> io::Result<()> {
        let Some(first) = self.held.first() else { return Ok(()) };
        if !std::mem::replace(&mut self.has_heading, true) {
            let (bold, plain) = if self.layout.color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            writeln!(self.writer, "{bold}{}{plain}", harmless(first.document.id()))?;
            for (name, value) in shown_fields(&first.document) {
                writeln!(self.writer, "{name}: {}", harmless(&value))?;
            }
            for target in &self.targets {
                writeln!(self.writer, "target: {}", harmless(target.as_str()))?;
            }
        }
        for line in table(&self.held, &self.targets, self.layout).lines() {
            writeln!(self.writer, "{}", line.trim_end())?;
        }
        self.held.clear();
        Ok(())
    }

    /// Writes the rest of the open document. Its last sentences may be left out.
    fn close(&mut self) -> io::Result<()> {
        if self.document.take().is_some() {
            self.write_held()?;
            self.has_heading = false;
            writeln!(self.writer, "{}\n", self.counts.line(&self.targets))?;
        }
        Ok(())
    }
}

impl<W: Write> Sink for TableSink<W> {
    fn write(&mut self, record: Record) -> io::Result<()> {
        let is_last = record.is_last();
        if self.document.as_ref().is_none_or(|open| !Arc::ptr_eq(open, &record.document)) {
            self.close()?;
            self.document = Some(Arc::clone(&record.document));
            self.targets = record.stances.iter().map(|stance| stance.target.clone()).collect();
            self.counts = Counts::new(&self.targets);
        }
        self.counts.add(&record);
        self.held.push(record);
        if is_last {
            self.close()?;
        } else if self.held.len() == ROWS_HELD {
            self.write_held()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<Vec<SinkNote>> {
        self.close()?;
        self.writer.flush()?;
        Ok(Vec::new())
    }
}

/// The fields of a document that tell a person what it is.
fn shown_fields(document: &Document) -> impl Iterator<Item = (&'static str, String)> {
    ["title", "published", "source", "speaker", "url"].into_iter().filter_map(|name| {
        match document.fields().get(name)? {
            Value::String(text) if !text.trim().is_empty() => Some((name, text)),
            Value::Number(number) => Some((name, number.to_string())),
            _ => None,
        }
    })
}

fn table(records: &[Record], targets: &[Target], layout: Layout) -> Table {
    let has_score = records.iter().any(|record| record.checkworthiness.is_some());

    let mut header = vec!["#".to_owned(), "role".to_owned(), "conf.".to_owned()];
    match targets {
        [_] => header.push("stance".to_owned()),
        _ => header.extend(targets.iter().map(|target| harmless(target.as_str()))),
    }
    header.extend(has_score.then(|| "check".to_owned()));
    let turns = || records.iter().filter_map(turn);
    let has_time = turns().any(|turn| turn.time.is_some());
    let has_speaker = records.iter().any(|record| speaker(record).is_some());
    header.extend(has_time.then(|| "time".to_owned()));
    header.extend(has_speaker.then(|| "speaker".to_owned()));
    header.push("sentence".to_owned());

    let mut table = empty(layout);
    table.set_header(header);
    for record in records {
        let (document, role) = (&record.document, record.role.label());
        let mut row = vec![
            Cell::new(record.index + 1).set_alignment(CellAlignment::Right),
            Cell::new(role).fg(role_color(role)),
            Cell::new(format!("{:.2}", record.role.confidence())),
        ];
        row.extend(record.stances.iter().map(|stance| stance_cell(document, stance)));
        if has_score {
            row.push(Cell::new(record.checkworthiness.map_or(String::new(), |score| format!("{score:.2}"))));
        }
        if has_time {
            let time = turn(record).and_then(|turn| turn.time);
            row.push(Cell::new(time.map_or(String::new(), |time| clock(time.start))));
        }
        if has_speaker {
            row.push(Cell::new(harmless(speaker(record).unwrap_or_default())));
        }
        let mut text = shown(record.text(), record.truncated);
        if layout.attributions {
            for located in record.attributions.iter().flatten() {
                text.push_str(&format!("\n{}", beneath(document, &located.attribution)));
            }
        }
        row.push(Cell::new(text).fg(role_color(role)));
        table.add_row(row);
    }
    narrow(&mut table, targets);
    table
}

/// Who speaks, as a transcript or else the model says.
fn speaker(record: &Record) -> Option<&str> {
    let of_turn = turn(record).and_then(|turn| turn.speaker.as_deref());
    of_turn.or(record.speaker.as_ref().map(|speaker| speaker.name.as_str()))
}

fn turn(record: &Record) -> Option<&Turn> {
    record.document.turn(record.index)
}

/// A time as players show it: "1:02:03", "2:03".
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
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

/// The stances of a record, a cell for each of `targets`. If the record has other targets, they stand in the first cell.
pub(super) fn stance_cells(record: &Record, targets: &[Target]) -> Vec<Cell> {
    let cells = record.stances.iter().map(|stance| stance_cell(&record.document, stance));
    if record.stances.iter().map(|stance| &stance.target).eq(targets) {
        return cells.collect();
    }
    let named = record
        .stances
        .iter()
        .zip(cells)
        .map(|(stance, cell)| format!("{} ({})", cell.content(), harmless(stance.target.as_str())));
    let first = Cell::new(named.collect::<Vec<_>>().join("\n"));
    let rest = (1..targets.len()).map(|_| Cell::new(""));
    targets.first().map(|_| first).into_iter().chain(rest).collect()
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

/// How many sentences have which label.
struct Counts {
    sentences: usize,
    roles: [usize; 3],
    /// For each target.
    stances: Vec<[usize; 3]>,
}

impl Counts {
    fn new(targets: &[Target]) -> Self {
        Self { sentences: 0, roles: [0; 3], stances: vec![[0; 3]; targets.len()] }
    }

    fn add(&mut self, record: &Record) {
        self.sentences += 1;
        self.roles[record.role.label().index()] += 1;
        for (counts, stance) in self.stances.iter_mut().zip(&record.stances) {
            counts[stance.prediction.label().index()] += 1;
        }
    }

    /// "3 sentences: 1 claim, 1 attributed, 1 background. Stance: 2 favor, 0 against, 1 none."
    fn line(&self, targets: &[Target]) -> String {
        fn named<L: Label>(counts: [usize; 3]) -> String {
            let named: Vec<String> =
                L::ALL.iter().zip(counts).map(|(label, count)| format!("{count} {label}")).collect();
            named.join(", ")
        }
        let noun = if self.sentences == 1 { "sentence" } else { "sentences" };
        let mut line = format!("{} {noun}: {}.", self.sentences, named::<Role>(self.roles));
        for (target, counts) in targets.iter().zip(&self.stances) {
            let stances = named::<Stance>(*counts);
            match targets.len() {
                1 => line.push_str(&format!(" Stance: {stances}.")),
                _ => line.push_str(&format!(" Stance on {}: {stances}.", harmless(target.as_str()))),
            }
        }
        line
    }
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
    use super::super::{attributed_example, example, written};
    use super::*;
    use standpoint_core::text::TimeSpan;

    fn layout(width: u16, color: bool) -> Layout {
        Layout { width, color, attributions: false }
    }

    fn drawn(targets: &[Target], layout: Layout) -> String {
        let mut records = if layout.attributions { attributed_example() } else { example() };
        for record in &mut records {
            let stance = record.stances[0].clone();
            let toward = |target: &Target| TargetStance { target: target.clone(), ..stance.clone() };
            record.stances = targets.iter().map(toward).collect();
        }
        written(records, |bytes| Box::new(TableSink::new(bytes, layout)))
    }

    #[test]
    fn a_long_document_has_one_heading_and_one_count() {
        let document = Arc::new(Document::from_sentences("long.txt", &vec!["They left."; 2500]));
        let template = example().remove(0);
        let record = |index| Record { document: Arc::clone(&document), index, ..template.clone() };
        let records = (0..2500).map(record).collect();
        let drawn = written(records, |bytes| Box::new(TableSink::new(bytes, layout(90, false))));
        assert_eq!(drawn.matches("long.txt").count(), 1);
        assert_eq!(drawn.matches("sentences: 2500 claim").count(), 1);
        assert_eq!(drawn.matches("They left.").count(), 2500);
    }

    #[test]
    fn a_heading_says_what_a_document_is_and_which_targets_are_its_own() {
        let mut records = example();
        let fields =
            serde_json::json!({"url": "https://example.org/1", "title": "Troops\x1b leave", "note": 5});
        let document = Document::clone(&records[0].document).with_fields(fields.as_object().unwrap().clone());
        let document = Arc::new(document);
        let own = Target::new("a new base").unwrap();
        for record in &mut records {
            record.document = Arc::clone(&document);
            record.stances[0].target = own.clone();
        }
        let drawn = written(records, |bytes| Box::new(TableSink::new(bytes, layout(90, false))));
        let heading: Vec<&str> = drawn.lines().take(4).collect();
        let expected = [
            "example.txt",
            "title: Troops\u{fffd} leave",
            "url: https://example.org/1",
            "target: a new base",
        ];
        assert_eq!(heading, expected);
    }

    /// The records with who speaks them.
    fn spoken(mut records: Vec<Record>) -> Vec<Record> {
        let seconds =
            |start, end| Some(TimeSpan { start: Duration::from_secs(start), end: Duration::from_secs(end) });
        let turns = vec![
            Turn { time: seconds(2, 4), ..Turn::default() },
            Turn { speaker: Some("ANN\x1b ROE".into()), time: seconds(65, 70), ..Turn::default() },
            Turn { speaker: Some("LEV POE".into()), time: seconds(3723, 3725), ..Turn::default() },
        ];
        let document = Arc::new(Document::clone(&records[0].document).with_turns(turns));
        records.iter_mut().for_each(|record| record.document = Arc::clone(&document));
        records
    }

    #[test]
    fn speakers_and_times_have_columns() {
        let records = spoken(example());
        let drawn = written(records, |bytes| Box::new(TableSink::new(bytes, layout(110, false))));
        insta::assert_snapshot!("turns", drawn);
    }

    #[test]
    fn sentences_may_be_left_out_anywhere() {
        let mut records = spoken(example());
        let others = spoken(example());
        records.remove(2);
        records.remove(0);
        records.extend(others.into_iter().take(1));
        let drawn = written(records, |bytes| Box::new(TableSink::new(bytes, layout(90, false))));
        assert_eq!(drawn.matches("example.txt").count(), 2);
        assert_eq!(drawn.matches("\n1 sentence: ").count(), 2);
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
