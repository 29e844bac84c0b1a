//! CSV and TSV: one document a row, its fields named by the first row. The [dialect](super::dialect) is found from the whole
//! file, or from as much of it as [`SAMPLE`] says. A bad row is an error of that row.

use super::dialect::Dialect;
use super::encoding::{self, likely_encoding};
use super::notes::Notes;
use super::open::Opened;
use super::record::Record;
use super::rows::{Cells, Row, RowReader};
use super::{DocumentReader, InputOptions, columns};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

/// How much of a file decides on its dialect, in bytes. The encoding of a file that is longer is not guessed.
const SAMPLE: u64 = 64 << 20;

/// The longest row, in bytes.
const ROW_LIMIT: usize = 16 << 20;

/// The most columns of a table.
const COLUMNS: usize = 1 << 12;

/// The rows of one file.
pub(super) struct Rows {
    name: String,
    options: Arc<InputOptions>,
    delimiters: &'static [u8],
    state: State,
}

enum State {
    Unread(Opened),
    Open(Box<Table>),
    Ended,
}

struct Table {
    rows: RowReader<Box<dyn BufRead + Send>>,
    columns: Vec<String>,
    /// A first row that is no header.
    first: Option<Row>,
    has_rows: bool,
}

impl Rows {
    /// `delimiters` are those that may stand between cells, the likeliest first.
    pub fn new(file: Opened, delimiters: &'static [u8], options: &Arc<InputOptions>) -> Self {
        let name = file.name.clone();
        Self { name, options: Arc::clone(options), delimiters, state: State::Unread(file) }
    }
}

impl DocumentReader for Rows {
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return None,
                State::Unread(file) => match Table::open(file, self.delimiters, &self.options, notes) {
                    Ok(table) => self.state = State::Open(Box::new(table)),
                    Err((line, problem)) => return Some((line, Err(problem))),
                },
                State::Open(mut table) => {
                    let row = match table.row() {
                        Ok(None) if table.has_rows => return None,
                        Ok(None) => return Some((None, Err(InputProblem::Empty))),
                        Ok(Some(row)) => row,
                        Err(problem) => return Some((Some(table.rows.line()), Err(problem))),
                    };
                    table.has_rows = true;
                    let name = || format!("{}:{}", self.name, row.line);
                    let document = table.record(&row, &self.options).and_then(|record| record.document(name));
                    self.state = State::Open(table);
                    return Some((Some(row.line), document));
                }
            }
        }
    }
}

/// A problem of a table, with its line where it has one.
type Located<T> = Result<T, (Option<usize>, InputProblem)>;

impl Table {
    fn open(file: Opened, delimiters: &[u8], options: &InputOptions, notes: &mut Notes) -> Located<Self> {
        let nowhere = |problem| (None, problem);
        let mut bytes = encoding::utf8(file, options.encoding).bytes;
        let mut sample = Vec::new();
        let read = bytes.by_ref().take(SAMPLE).read_to_end(&mut sample);
        read.map_err(|error| nowhere(InputProblem::Read(error)))?;
        let first_line = sample.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let is_whole = (sample.len() as u64) < SAMPLE;
        if is_whole && (first_line.contains(&0) || str::from_utf8(&sample).is_err()) {
            sample = encoding::decode(sample, options.encoding, SAMPLE, notes).map_err(nowhere)?.into_bytes();
        }
        if sample.starts_with("\u{feff}".as_bytes()) {
            sample.drain(..'\u{feff}'.len_utf8());
        }
        if sample.trim_ascii().is_empty() {
            let too_large = InputProblem::TooLarge { limit: SAMPLE };
            return Err((None, if is_whole { InputProblem::Empty } else { too_large }));
        }
        let wanted = options.text_field.as_deref().unwrap_or("text");
        let dialect = Dialect::of(&sample, delimiters, wanted);
        let all: Box<dyn BufRead + Send> = Box::new(BufReader::new(Cursor::new(sample).chain(bytes)));
        let rows = RowReader::new(all, dialect, ROW_LIMIT);
        Self { rows, columns: Vec::new(), first: None, has_rows: false }.with_header(options)
    }

    fn with_header(mut self, options: &InputOptions) -> Located<Self> {
        let header = match self.rows.next() {
            Err(error) => return Err((Some(1), InputProblem::Read(error))),
            Ok(None) => return Err((None, InputProblem::Empty)),
            Ok(Some(header)) => header,
        };
        let at = |problem| (Some(header.line), problem);
        let cells = cells(&header).map_err(at)?;
        if cells.len() > COLUMNS {
            return Err(at(InputProblem::TooManyColumns { found: cells.len(), limit: COLUMNS }));
        }
        let names = || cells.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
        self.columns = columns::distinct(names());
        let Err(problem) = columns::require_text(&self.columns, &["text"], options) else {
            return Ok(self);
        };
        if !names().any(|cell| is_data(&cell)) {
            return Err(at(problem));
        }
        self.columns = (1..=cells.len()).map(|number| number.to_string()).collect();
        if columns::require_text(&self.columns, &["text"], options).is_err() {
            return Err(at(InputProblem::NoHeader { columns: cells.len() }));
        }
        self.first = Some(header);
        Ok(self)
    }

    /// The next row that is not blank.
    fn row(&mut self) -> Result<Option<Row>, InputProblem> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            // Spreadsheets end a table with rows of empty cells.
            match self.rows.next().map_err(InputProblem::Read)? {
                Some(Row { cells: Some(cells), .. }) if cells.bytes().trim_ascii().is_empty() => {}
                row => return Ok(row),
            }
        }
    }

    fn record<'a>(&self, row: &Row, options: &'a InputOptions) -> Result<Record<'a>, InputProblem> {
        let cells = cells(row)?;
        if cells.len() != self.columns.len() {
            return Err(InputProblem::Ragged { found: cells.len(), expected: self.columns.len() });
        }
        let mut record = Record::new(options);
        for (name, cell) in self.columns.iter().zip(cells.iter()) {
            record.set_cell(name, String::from_utf8_lossy(cell).into_owned())?;
        }
        Ok(record)
    }
}

/// The cells of a row, all of which are text.
fn cells(row: &Row) -> Result<&Cells, InputProblem> {
    let cells = row.cells.as_ref().ok_or(InputProblem::TooLarge { limit: ROW_LIMIT as u64 })?;
    if cells.bytes().contains(&0) {
        return Err(InputProblem::Binary { why: "it holds NUL bytes" });
    }
    // A character may not be parted by the end of a cell either.
    match cells.iter().all(|cell| str::from_utf8(cell).is_ok()) {
        true => Ok(cells),
        false => Err(InputProblem::RecordNotUtf8 { likely: likely_encoding(cells.bytes()) }),
    }
}

/// Whether a cell of the first row tells that this is no header.
fn is_data(cell: &str) -> bool {
    cell.len() > 80 || cell.parse::<f64>().is_ok() || cell.ends_with(['.', '!', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::test::{Outcome, opened, outcomes};

    fn read_with(bytes: impl Into<Vec<u8>>, options: InputOptions) -> Vec<Outcome> {
        outcomes(Rows::new(opened("f.csv", bytes), b",;\t|", &Arc::new(options)))
    }

    fn read(bytes: impl Into<Vec<u8>>) -> Vec<Outcome> {
        read_with(bytes, InputOptions::default())
    }

    #[test]
    fn a_row_is_a_document_and_its_other_cells_travel_along() {
        let table = "\u{feff}id,text,note\r\n\r\n7,\"They left.\r\nNobody, they say, \"\"stayed\"\".\",\"a\"\r\n,Go.,\r\n,,\r\n";
        let expected = [
            r#"3: "7" "They left.\r\nNobody, they say, \"stayed\"." {"note":"a"}"#,
            r#"5: "f.csv:5" "Go." {"note":""}"#,
        ];
        assert_eq!(read(table), expected);
        assert_eq!(read("text\nGo, all of you.\n"), [r#"2: "f.csv:2" "Go, all of you." {}"#]);
        let sentences = "text,sentences\nGo. Stay.,2\n";
        assert_eq!(read(sentences), [r#"2: "f.csv:2" "Go. Stay." {"sentences":"2"}"#]);
    }

    #[test]
    fn a_bad_row_does_not_stop_the_rest() {
        let table = b"id;text\n1;Go.\n2;Go.;now\n3\n4;\n5;\xff\xfe\n6;Stay.\n";
        let outcomes = read(&table[..]);
        // The bytes that are no UTF-8 decide that the table is in another encoding.
        let good: Vec<bool> = outcomes.iter().map(|outcome| !outcome.is_error()).collect();
        assert_eq!(good, [true, false, false, false, true, true, true]);
        assert_eq!(
            outcomes[1],
            "3: error: has 3 cells where the header has 2: put quotes around a cell that holds a delimiter or a line end"
        );
        assert_eq!(outcomes[3], "5: error: is empty: there is nothing to label");
    }

    #[test]
    fn columns_are_named_by_the_user() {
        let options = |text: &str, id: Option<&str>| InputOptions {
            text_field: Some(text.to_owned()),
            id_field: id.map(str::to_owned),
            ..InputOptions::default()
        };
        let table = "nr\tbody\ttext\n1\tGo.\tno\n";
        assert_eq!(read_with(table, options("body", Some("nr"))), [r#"2: "1" "Go." {"text":"no"}"#]);
        let missing =
            "1: error: has no field \"text\", but \"body\": give --text-field body if that is its text";
        assert_eq!(read("nr,body\n1,Go.\n"), [missing]);
        assert_eq!(
            read_with("1,They left.\n2,Go.\n", options("2", None)),
            [r#"1: "f.csv:1" "They left." {"1":"1"}"#, r#"2: "f.csv:2" "Go." {"1":"2"}"#,]
        );
        let headless = "1: error: has no header line: give the number of the column that holds the text, from 1 to 2, as with --text-field 2";
        assert_eq!(read("1,They left.\n2,Go.\n"), [headless]);
    }

    #[test]
    fn another_encoding_is_read_and_said() {
        let utf16: Vec<u8> =
            "\u{feff}id\ttext\n1\t“Go.”\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let outcomes = read(utf16);
        assert_eq!(outcomes, [r#"2: "1" "“Go.”" {}"#]);
        let outcomes = read(encoding_rs::WINDOWS_1252.encode("id\ttext\n1\t“Go.”\n").0);
        assert_eq!(outcomes[0], r#"2: "1" "“Go.”" {}"#);
        assert!(outcomes.len() == 2 && outcomes[1].is_warning());
    }

    #[test]
    fn what_is_no_table_is_one_error() {
        assert_eq!(read(""), ["-: error: is empty: there is nothing to label"]);
        assert_eq!(read("\u{feff}\n\n"), ["-: error: is empty: there is nothing to label"]);
        assert!(read(&b"id,text\n\0,1\n"[..])[0].is_error());
        let wide = read(",".repeat(COLUMNS + 1));
        assert_eq!((wide.len(), wide[0].is_error()), (1, true));
        let nul = read("id,text\n1,Go.\n2,G\0o.\n3,Stay.\n");
        let good: Vec<bool> = nul.iter().map(|outcome| !outcome.is_error()).collect();
        assert_eq!(good, [true, false, true], "one damaged row costs no other");
        assert_eq!(read("id,text\n,\n"), ["-: error: is empty: there is nothing to label"]);
    }

    #[test]
    fn a_row_has_a_limit() {
        // A quotation mark that nothing closes takes in the rest of the file.
        let open = format!("id,text\n1,\"a, b\"\n2,\"{}", "a b\n".repeat(ROW_LIMIT / 3));
        let outcomes = read(open);
        assert_eq!(outcomes.len(), 2);
        assert_eq!(outcomes[1], "3: error: is larger than the limit of 16 MiB: split it");
        let long = format!("id,text\n1,{}\n2,Go.\n", "a ".repeat(ROW_LIMIT));
        assert_eq!(
            read(long),
            ["2: error: is larger than the limit of 16 MiB: split it", r#"3: "2" "Go." {}"#]
        );
    }
}
