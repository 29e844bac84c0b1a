//! How the cells of a table of text are set apart and quoted. Nothing in such a file says so, and a few lines may look alike
//! in two dialects, so that every line is read in each that comes into question.

/// A way to write a table as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between two cells.
    pub delimiter: u8,
    pub quoting: Quoting,
}

/// What quotation marks around a cell mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// They belong to the text.
    None,
    /// The writer put them there, and doubled those within the cell.
    Doubled,
    /// The writer put them there, and set a backslash before those within the cell.
    Escaped,
}

impl Dialect {
    /// The dialect of a table, of which `delimiters` lists the likeliest delimiters first. `wanted` is a column that it should
    /// have. At the end of `text` a row may be cut short.
    pub fn of(text: &[u8], delimiters: &[u8], wanted: &str) -> Self {
        let header = text.split(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
        let is_there = |delimiter: &&u8| header.contains(delimiter);
        let mut found: Vec<&u8> = delimiters.iter().filter(is_there).collect();
        if found.is_empty() {
            found = delimiters.iter().collect();
        }
        let mut best: Option<(Self, Fit)> = None;
        for &delimiter in found {
            let (dialect, fit) = Self::with(text, delimiter, wanted);
            let is_better = |(_, known): &(Self, Fit)| {
                (fit.has_wanted, fit.columns > 1, fit.share())
                    > (known.has_wanted, known.columns > 1, known.share())
            };
            if best.as_ref().is_none_or(is_better) {
                best = Some((dialect, fit));
            }
        }
        best.map_or(Self { delimiter: b',', quoting: Quoting::Doubled }, |(dialect, _)| dialect)
    }

    /// The best dialect with that delimiter.
    fn with(text: &[u8], delimiter: u8, wanted: &str) -> (Self, Fit) {
        let fit = |quoting| Fit::of(text, Self { delimiter, quoting }, wanted);
        let (mut quoting, mut quoted) = (Quoting::Doubled, fit(Quoting::Doubled));
        if quoted.broken > 0 && text.windows(2).any(|pair| pair == b"\\\"") {
            let escaped = fit(Quoting::Escaped);
            if escaped.share() > quoted.share() {
                (quoting, quoted) = (Quoting::Escaped, escaped);
            }
        }
        if quoted.quoted + quoted.broken == 0 {
            return (Self { delimiter, quoting }, quoted);
        }
        let plain = fit(Quoting::None);
        match quoted.is_quoted(&plain, delimiter) {
            true => (Self { delimiter, quoting }, quoted),
            false => (Self { delimiter, quoting: Quoting::None }, plain),
        }
    }
}

/// How well a table fits a dialect.
#[derive(Debug, Default)]
struct Fit {
    columns: usize,
    has_wanted: bool,
    rows: usize,
    /// Rows with as many cells as the first one, none of them broken.
    even: usize,
    /// Cells in quotes.
    quoted: usize,
    /// Cells in quotes that would need them: they hold a comma, a quotation mark or a line end.
    quoted_with_cause: usize,
    /// Cells that such a writer would have put in quotes, but which stand without.
    bare_with_cause: usize,
    /// Cells without quotes that are neither empty nor a number.
    bare_words: usize,
    /// Cells that begin with a quotation mark, but do not end with one.
    broken: usize,
}

/// Two readings that differ in less than this part of their rows are taken for equally good.
const NEARLY_ALL: f64 = 0.02;

impl Fit {
    fn of(text: &[u8], dialect: Dialect, wanted: &str) -> Self {
        let mut fit = Self::default();
        let cells = Cells { rest: text, dialect };
        let (mut in_row, mut is_whole) = (0, true);
        let mut has_words = false;
        for cell in cells {
            fit.count(&cell);
            in_row += 1;
            is_whole &= !cell.is_broken;
            has_words |= !cell.content.is_empty();
            if fit.rows == 0 {
                fit.has_wanted |= cell.content == wanted.as_bytes();
            }
            if cell.ends_row {
                // A blank line is no row.
                if in_row > 1 || has_words {
                    if fit.rows == 0 {
                        fit.columns = in_row;
                    }
                    fit.rows += 1;
                    fit.even += usize::from(in_row == fit.columns && is_whole);
                }
                (in_row, is_whole, has_words) = (0, true, false);
            }
        }
        fit
    }

    fn count(&mut self, cell: &Cell<'_>) {
        let has_cause = cell.content.iter().any(|byte| b",\"\r\n".contains(byte));
        match (cell.is_broken, cell.is_quoted) {
            (true, _) => {
                self.broken += 1;
                self.bare_with_cause += 1;
            }
            (false, true) => {
                self.quoted += 1;
                self.quoted_with_cause += usize::from(has_cause);
            }
            (false, false) => {
                self.bare_with_cause += usize::from(has_cause);
                let is_number =
                    |content| str::from_utf8(content).is_ok_and(|cell| cell.parse::<f64>().is_ok());
                self.bare_words += usize::from(!cell.content.is_empty() && !is_number(cell.content));
            }
        }
    }

    /// The part of the rows that are as the header says.
    fn share(&self) -> f64 {
        self.even as f64 / self.rows.max(1) as f64
    }

    /// Whether the quotation marks around cells are the writer's. `plain` is the same table, read as if they were not.
    fn is_quoted(&self, plain: &Self, delimiter: u8) -> bool {
        let difference = self.share() - plain.share();
        if difference.abs() >= NEARLY_ALL {
            return difference > 0.0;
        }
        if self.bare_words == 0 {
            return true;
        }
        // A writer that quotes cells with a comma or quotation mark in them does so everywhere. If such cells stand without
        // quotes, the others are quotes of somebody's words.
        match (self.quoted_with_cause, self.bare_with_cause) {
            (0, 0) => matches!(delimiter, b',' | b';'),
            (with, without) => without * 20 <= with,
        }
    }
}

struct Cell<'a> {
    /// What stands between its quotes, or between delimiters.
    content: &'a [u8],
    is_quoted: bool,
    is_broken: bool,
    ends_row: bool,
}

struct Cells<'a> {
    rest: &'a [u8],
    dialect: Dialect,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = self.rest;
        let is_end = |byte: &u8| *byte == self.dialect.delimiter || *byte == b'\n' || *byte == b'\r';
        let end_from =
            |from: usize| rest[from..].iter().position(is_end).map_or(rest.len(), |length| from + length);
        let (content, end, is_quoted, is_broken) = match self.closing_quote() {
            Quote::Closes(close) => {
                let end = end_from(close + 1);
                (&rest[1..close], end, true, end > close + 1)
            }
            Quote::Absent => {
                let end = end_from(0);
                (&rest[..end], end, false, false)
            }
            Quote::Open => (&rest[1..], rest.len(), true, true),
        };
        let ends_row = rest.get(end).is_none_or(|&byte| byte != self.dialect.delimiter);
        let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        self.rest = rest.get(end + line_end..).unwrap_or_default();
        // What is behind a last delimiter is a cell, too; for a dialect it makes no odds.
        Some(Cell { content, is_quoted, is_broken, ends_row })
    }
}

/// What begins a cell.
enum Quote {
    Absent,
    Closes(usize),
    /// Nothing closes it.
    Open,
}

impl Cells<'_> {
    fn closing_quote(&self) -> Quote {
        let rest = self.rest;
        if self.dialect.quoting == Quoting::None || rest[0] != b'"' {
            return Quote::Absent;
        }
        let mut at = 1;
        loop {
            let Some(offset) = rest[at..].iter().position(|&byte| byte == b'"' || byte == b'\\') else {
                return Quote::Open;
            };
            at += offset;
            let next = rest.get(at + 1);
            let is_pair = match (self.dialect.quoting, rest[at]) {
                (Quoting::Escaped, b'\\') => true,
                (Quoting::Doubled, b'"') => next == Some(&b'"'),
                (Quoting::Doubled, _) => {
                    at += 1;
                    continue;
                }
                _ => false,
            };
            match (is_pair, next) {
                (true, None) => return Quote::Open,
                (true, Some(_)) => at += 2,
                (false, _) => return Quote::Closes(at),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> (char, Quoting) {
        let Dialect { delimiter, quoting } = Dialect::of(text.as_bytes(), b",\t;|", "text");
        (delimiter.into(), quoting)
    }

    #[test]
    fn a_delimiter_is_that_of_the_header_and_of_all_rows() {
        assert_eq!(dialect("id,text\n1,Go.\n"), (',', Quoting::Doubled));
        assert_eq!(dialect("id;text\n1;Go, all of you.\n2;Stay, then, here.\n").0, ';');
        assert_eq!(dialect("id\ttext\n1\tGo, all; now | then.\n").0, '\t');
        assert_eq!(dialect("id|text|note, if any\n1|Go.|\n").0, '|');
        let wanted = "a;b,text\n1;2,Go.\n";
        assert_eq!(dialect(wanted).0, ',', "the one that has the column");
        assert_eq!(
            dialect("text\nGo, all of you.\n“Stay,” he said, “here.”\n").0,
            '\t',
            "one column, no delimiter"
        );
    }

    #[test]
    fn quotes_are_the_writers_where_cells_with_cause_have_them() {
        let quoted = [
            "id,text\n1,\"Go, all of you.\"\n2,Stay.\n",
            "id,text\n1,\"They left. Nobody stayed.\"\n",
            "id\ttext\n1\t\"Go, all of you.\"\n2\tStay.\n3\t\"He said \"\"go\"\".\"\n",
            "\"id\"\t\"text\"\n1\t\"Stay.\"\n",
            "id\ttext\n1\t\"Stay.\nHere.\"\n2\tGo.\n",
        ];
        for text in quoted {
            assert_eq!(dialect(text).1, Quoting::Doubled, "{text}");
        }
    }

    #[test]
    fn quotes_are_somebodys_where_other_cells_do_without() {
        let said = [
            "id\ttext\n1\t\"Stay.\"\n2\tGo.\n",
            "id\ttext\n1\t\"Go, all of you.\"\n2\tStay, she said.\n3\t\"Go,\" he said.\n",
            "id\ttext\n1\t\"Stay here.\n2\tGo.\n3\tLeave.\n",
            "id,text\n1,\"Stay.\"\n2,He said \"go\" twice.\n",
        ];
        for text in said {
            assert_eq!(dialect(text).1, Quoting::None, "{text}");
        }
    }

    #[test]
    fn the_whole_file_decides() {
        let plain = "7\tThey left on Monday.\n".repeat(500);
        let quoted = "8\t\"On Monday, they left.\"\n".repeat(200);
        assert_eq!(dialect(&format!("id\ttext\n{plain}{quoted}")).1, Quoting::Doubled);
        let bare = "8\tOn Monday, they left.\n".repeat(200);
        assert_eq!(dialect(&format!("id\ttext\n{plain}9\t\"Go, now.\"\n{bare}")).1, Quoting::None);
        let broken = format!("id\ttext\n{plain}{quoted}9\t\"Go,\" he said.\n{plain}");
        assert_eq!(dialect(&broken).1, Quoting::Doubled, "one bad row does not turn the others");
    }

    #[test]
    fn a_backslash_may_escape_a_quote() {
        let text = "id,text\n1,\"He said \\\"go, now\\\", and left.\"\n2,Stay.\n";
        assert_eq!(dialect(text), (',', Quoting::Escaped));
        assert_eq!(dialect("id,text\n1,\"a \\\\ b\"\n").1, Quoting::Doubled);
    }

    #[test]
    fn nothing_has_the_usual_dialect() {
        for text in ["", "\n\n", "\"", "text\n\""] {
            Dialect::of(text.as_bytes(), b",\t", "text");
        }
        assert_eq!(dialect(""), (',', Quoting::Doubled));
    }
}
