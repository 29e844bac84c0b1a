//! Parquet and Arrow IPC: one document a row. Both give their rows in batches, which are read here.

mod ipc;
mod ipc_file;
mod pages;
mod parquet;
#[cfg(test)]
mod tests;
mod value;
mod whole;

use super::notes::Notes;
use super::open::Opened;
use super::record::Record;
use super::{DocumentReader, InputFormat, InputOptions, columns, foreign, plain};
use crate::error::InputProblem;
use arrow_array::RecordBatch;
use standpoint_core::text::Document;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use value::Budget;
use whole::Whole;

/// Batches, of which a bad one is the last.
type Batches = Box<dyn Iterator<Item = Result<RecordBatch, InputProblem>> + Send>;

/// The names of a file's columns, and its rows.
struct Table {
    columns: Vec<String>,
    parts: Box<dyn Iterator<Item = Result<Part, InputProblem>> + Send>,
    /// How many bytes of the file were read so far, or all that it has.
    size: Arc<AtomicU64>,
}

/// What a table gives.
enum Part {
    Batch(RecordBatch),
    /// So many rows stand before what follows.
    From(usize),
}

/// Rows may repeat what stands in the file once. Those that come to more than this many times the file are no texts.
const MOST_FOLD: u64 = 500;

/// No file is called a bomb for less, in bytes.
const NO_BOMB: u64 = 64 << 20;

/// What a row counts beside its values, in bytes.
const ROW: u64 = 64;

/// The rows of one file.
pub(super) struct Rows {
    name: String,
    options: Arc<InputOptions>,
    state: State,
    /// The number of the row read last, from 1.
    row: usize,
    /// What all rows so far came to, in bytes.
    given: u64,
}

enum State {
    Unread(Opened, InputFormat),
    Open { table: Table, batch: Option<RecordBatch>, next: usize },
    Ended,
}

impl Rows {
    pub fn new(file: Opened, format: InputFormat, options: &Arc<InputOptions>) -> Self {
        let name = file.name.clone();
        let state = State::Unread(file, format);
        Self { name, options: Arc::clone(options), state, row: 0, given: 0 }
    }

    fn open(&self, file: Opened, format: InputFormat) -> Result<State, InputProblem> {
        let mut table = match format {
            InputFormat::Arrow if !file.head.starts_with(b"ARROW1") => ipc::open(file.bytes)?,
            InputFormat::Arrow => ipc_file::open(Whole::open(file)?)?,
            _ => parquet::open(Whole::open(file)?)?,
        };
        table.columns = columns::distinct(table.columns);
        columns::require_text(&table.columns, &["text", "sentences"], &self.options)?;
        Ok(State::Open { table, batch: None, next: 0 })
    }

    fn document(
        &mut self,
        columns: &[String],
        batch: &RecordBatch,
        index: usize,
    ) -> Result<Document, InputProblem> {
        let mut record = Record::new(&self.options);
        let mut budget = Budget::new(plain::LIMIT);
        for (name, column) in columns.iter().zip(batch.columns()) {
            let value = value::of(column, index, &mut budget);
            if budget.is_spent() {
                return Err(InputProblem::TooLarge { limit: plain::LIMIT });
            }
            record.set(name.clone(), value)?;
        }
        self.given += budget.spent();
        record.document(|| format!("{}:{}", self.name, self.row))
    }

    fn is_bomb(&self, size: u64) -> bool {
        self.given > NO_BOMB && self.given / MOST_FOLD > size
    }
}

impl DocumentReader for Rows {
    fn next(&mut self, _: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        // What panics has been taken out of the state, which says then that the file has ended.
        match foreign::call(|| self.step()) {
            Ok(next) => next,
            Err(foreign::Panicked) => {
                let why = "its reader failed on it".to_owned();
                Some((Some(self.row + 1), Err(InputProblem::Damaged { what: "a table of texts", why })))
            }
        }
    }
}

impl Rows {
    fn step(&mut self) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return None,
                State::Unread(file, format) => match self.open(file, format) {
                    Ok(state) => self.state = state,
                    Err(problem) => return Some((None, Err(problem))),
                },
                State::Open { table, batch: Some(batch), next } if next < batch.num_rows() => {
                    self.row += 1;
                    self.given += ROW;
                    if self.is_bomb(table.size.load(Ordering::Relaxed)) {
                        return Some((Some(self.row), Err(bomb())));
                    }
                    let document = self.document(&table.columns, &batch, next);
                    self.state = State::Open { table, batch: Some(batch), next: next + 1 };
                    return Some((Some(self.row), document));
                }
                State::Open { mut table, .. } => match table.parts.next() {
                    None if self.row == 0 => return Some((None, Err(InputProblem::Empty))),
                    None => return None,
                    Some(Ok(Part::Batch(batch))) => {
                        self.state = State::Open { table, batch: Some(batch), next: 0 };
                    }
                    Some(Ok(Part::From(row))) => {
                        self.row = row;
                        self.state = State::Open { table, batch: None, next: 0 };
                    }
                    Some(Err(problem)) => {
                        self.row += 1;
                        self.state = State::Open { table, batch: None, next: 0 };
                        return Some((Some(self.row), Err(problem)));
                    }
                },
            }
        }
    }
}

fn bomb() -> InputProblem {
    let why = format!("its rows come to more than {MOST_FOLD} times its size, as no texts do");
    InputProblem::Damaged { what: "a table of texts", why }
}
