//! Tables, separated by commas or tabs. The first line names the columns.

use super::file::{self, Location};
use crate::error::{GoldProblem, InputError, InputProblem, Result};
use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use standpoint_core::hash::{Digest, Hashing};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// How cells are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// By commas, with quotes around cells that contain commas, quotes or line breaks.
    Csv,
    /// By tabs. Quotes are ordinary characters.
    Tsv,
}

impl Dialect {
    /// CSV if the file's name ends in `.csv`, else tabs.
    pub fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|extension| extension == "csv") { Self::Csv } else { Self::Tsv }
    }
}

/// A table whose header has been read.
pub(super) struct Table<'d> {
    path: PathBuf,
    reader: csv::Reader<BufReader<Hashing<'d, File>>>,
    columns: Vec<String>,
}

/// A column's index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Column(usize);

impl<'d> Table<'d> {
    pub fn open(path: &Path, dialect: Dialect, digest: &'d mut Digest) -> Result<Self> {
        let mut reader = ReaderBuilder::new()
            .delimiter(if dialect == Dialect::Csv { b',' } else { b'\t' })
            .quoting(dialect == Dialect::Csv)
            .from_reader(file::open(path, digest)?);
        let columns = reader.headers().map_err(|error| problem(path, error))?;
        let columns = columns.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { path: path.to_owned(), reader, columns })
    }

    /// The first of `names` that is a column of the table, regardless of case.
    pub fn find(&self, names: &[&str]) -> Option<Column> {
        let place = |name: &&str| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        names.iter().find_map(place).map(Column)
    }

    /// As [`Table::find`], for a column that must exist.
    ///
    /// # Errors
    /// [`GoldProblem::Column`] if the table has none of these columns.
    pub fn column(&self, names: &'static [&'static str]) -> Result<Column> {
        let missing = || GoldProblem::Column { names, found: self.columns.clone() };
        self.find(names).ok_or_else(|| Location::Line(1).error(&self.path, missing().into()).into())
    }

    /// Calls `take` for each row. Its errors are reported with the row's line.
    pub fn rows(mut self, mut take: impl FnMut(Location, Row<'_>) -> Result<(), InputProblem>) -> Result<()> {
        let mut record = StringRecord::new();
        while self.reader.read_record(&mut record).map_err(|error| problem(&self.path, error))? {
            let line = record.position().map_or(1, csv::Position::line);
            let at = Location::Line(usize::try_from(line).unwrap_or(usize::MAX));
            let row = Row { record: &record, columns: &self.columns };
            take(at, row).map_err(|problem| at.error(&self.path, problem))?;
        }
        Ok(())
    }
}

fn problem(path: &Path, error: csv::Error) -> InputError {
    let line = error.position().map_or(1, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
    let problem = match error.into_kind() {
        ErrorKind::Io(error) => return file::unreadable(path, error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            GoldProblem::Cells { expected: expected_len, found: len }.into()
        }
        _ => InputProblem::NotUtf8 { likely: "windows-1252" },
    };
    Location::Line(line).error(path, problem)
}

/// One row, with the columns' names.
pub(super) struct Row<'r> {
    record: &'r StringRecord,
    columns: &'r [String],
}

impl<'r> Row<'r> {
    pub fn cell(&self, column: Column) -> &'r str {
        &self.record[column.0]
    }

    /// All other non-empty cells, by the names of their columns.
    pub fn fields(&self, except: &[Column]) -> Map<String, Value> {
        let cells = self.columns.iter().zip(self.record).enumerate();
        cells
            .filter(|(index, (name, cell))| {
                !except.contains(&Column(*index)) && !name.is_empty() && !cell.is_empty()
            })
            .map(|(_, (name, cell))| (name.clone(), Value::from(cell)))
            .collect()
    }
}
