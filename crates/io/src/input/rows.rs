//! The rows of a table of text, each with the line on which it begins. A row that is too long is passed over without being
//! held, and the next one follows.

use super::dialect::{Dialect, Quoting};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::io::{self, BufRead};

/// The most cells of a row.
pub(super) const CELLS: usize = 1 << 16;

/// Reads rows that are set apart as a dialect says.
pub(super) struct RowReader<R> {
    source: R,
    parser: Reader,
    /// The line that is being read, from 1.
    line: usize,
    /// The longest row, in bytes.
    limit: usize,
}

/// A row, or that it was too long.
pub(super) struct Row {
    /// The line on which it begins.
    pub line: usize,
    pub cells: Option<Cells>,
}

/// The cells of a row, without their quotes.
pub(super) struct Cells {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    /// All cells, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<R: BufRead> RowReader<R> {
    pub fn new(source: R, dialect: Dialect, limit: usize) -> Self {
        let parser = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .quoting(dialect.quoting != Quoting::None)
            .double_quote(dialect.quoting == Quoting::Doubled)
            .escape((dialect.quoting == Quoting::Escaped).then_some(b'\\'))
            .build();
        Self { source, parser, line: 1, limit }
    }

    /// The line that is being read.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Row>> {
        self.skip_line_ends()?;
        let line = self.line;
        let (mut bytes, mut ends) = (vec![0; 1 << 10], vec![0; 1 << 6]);
        let (mut written, mut ended, mut is_long) = (0, 0, false);
        loop {
            let input = fill(&mut self.source)?;
            let (result, read, more, cells) =
                self.parser.read_record(input, &mut bytes[written..], &mut ends[ended..]);
            self.line += line_ends(&input[..read]);
            self.source.consume(read);
            (written, ended) = (written + more, ended + cells);
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if written >= self.limit => (is_long, written) = (true, 0),
                ReadRecordResult::OutputFull => bytes.resize(bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if ended >= CELLS => (is_long, ended) = (true, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        bytes.truncate(written);
        ends.truncate(ended);
        Ok(Some(Row { line, cells: (!is_long).then_some(Cells { bytes, ends }) }))
    }

    /// Blank lines, and the second half of a line end, of which a row takes the first.
    fn skip_line_ends(&mut self) -> io::Result<()> {
        loop {
            let input = fill(&mut self.source)?;
            let blank = input.iter().take_while(|&&byte| byte == b'\n' || byte == b'\r').count();
            let is_all = blank > 0 && blank == input.len();
            self.line += line_ends(&input[..blank]);
            self.source.consume(blank);
            if !is_all {
                return Ok(());
            }
        }
    }
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// What is there to be read; nothing at the end.
fn fill(source: &mut impl BufRead) -> io::Result<&[u8]> {
    // Asked twice, because what the first call gives would be borrowed for the whole loop.
    while let Err(error) = source.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    source.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// Lines and cells, read a few bytes at a time.
    fn rows(table: &str, quoting: Quoting, limit: usize) -> Vec<(usize, Vec<String>)> {
        let source = BufReader::with_capacity(3, table.as_bytes());
        let mut reader = RowReader::new(source, Dialect { delimiter: b',', quoting }, limit);
        let mut rows = Vec::new();
        while let Some(row) = reader.next().unwrap() {
            let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).unwrap();
            let cells =
                row.cells.map_or(vec!["too long".to_owned()], |cells| cells.iter().map(text).collect());
            rows.push((row.line, cells));
        }
        rows
    }

    #[test]
    fn a_row_has_the_line_on_which_it_begins() {
        let table = "a,b\n\n1,\"x\ny\"\n2,z";
        let expected = [(1, vec!["a", "b"]), (3, vec!["1", "x\ny"]), (5, vec!["2", "z"])];
        let expected: Vec<(usize, Vec<String>)> =
            expected.map(|(line, cells)| (line, cells.into_iter().map(str::to_owned).collect())).into();
        assert_eq!(rows(table, Quoting::Doubled, 100), expected);
        let crlf = rows(&table.replace('\n', "\r\n"), Quoting::Doubled, 100);
        assert_eq!(crlf.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 5]);
        assert_eq!(crlf[1].1, ["1", "x\r\ny"]);
        assert_eq!(rows("\n\r\n", Quoting::Doubled, 100), []);
        assert_eq!(rows("\"a\\\"b\",c\n", Quoting::Escaped, 100)[0].1, ["a\"b", "c"]);
        assert_eq!(rows("\"a\",c\n", Quoting::None, 100)[0].1, ["\"a\"", "c"]);
    }

    #[test]
    fn a_row_that_is_too_long_is_passed_over() {
        let long = format!("a,b\n1,{}\n2,c\n", "x".repeat(5000));
        let lines: Vec<(usize, usize)> =
            rows(&long, Quoting::None, 2000).iter().map(|(line, cells)| (*line, cells.len())).collect();
        assert_eq!(lines, [(1, 2), (2, 1), (3, 2)]);
        let wide = format!("{}\n2,c\n", ",".repeat(CELLS));
        let lines: Vec<(usize, usize)> =
            rows(&wide, Quoting::None, 2000).iter().map(|(line, cells)| (*line, cells.len())).collect();
        assert_eq!(lines, [(1, 1), (2, 2)]);
    }
}
