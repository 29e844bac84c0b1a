//! Parquet and Arrow IPC: one document a row. Both give their rows in batches, which are read here.

mod ipc;
mod parquet;
mod value;

use super::notes::Notes;
use super::open::Opened;
use super::record::Record;
use super::{DocumentReader, InputFormat, InputOptions, columns, plain};
use crate::error::InputProblem;
use arrow_array::RecordBatch;
use standpoint_core::text::Document;
use std::sync::Arc;

/// The batches of a file, of which a bad one is the last.
type Batches = Box<dyn Iterator<Item = Result<RecordBatch, InputProblem>> + Send>;

/// The names of a file's columns, and its batches.
struct Table {
    columns: Vec<String>,
    batches: Batches,
}

/// The rows of one file.
pub(super) struct Rows {
    name: String,
    options: Arc<InputOptions>,
    state: State,
    /// The number of the row read last, from 1.
    row: usize,
}

enum State {
    Unread(Opened, InputFormat),
    Open { table: Table, batch: Option<RecordBatch>, next: usize },
    Ended,
}

impl Rows {
    pub fn new(file: Opened, format: InputFormat, options: &Arc<InputOptions>) -> Self {
        let name = file.name.clone();
        Self { name, options: Arc::clone(options), state: State::Unread(file, format), row: 0 }
    }

    fn open(&self, file: Opened, format: InputFormat) -> Result<State, InputProblem> {
        let mut table = match format {
            InputFormat::Arrow => ipc::open(file.bytes)?,
            _ => parquet::open(file)?,
        };
        table.columns = columns::distinct(table.columns);
        columns::require_text(&table.columns, &["text", "sentences"], &self.options)?;
        Ok(State::Open { table, batch: None, next: 0 })
    }

    fn document(
        &self,
        columns: &[String],
        batch: &RecordBatch,
        index: usize,
    ) -> Result<Document, InputProblem> {
        let mut record = Record::new(&self.options);
        for (name, column) in columns.iter().zip(batch.columns()) {
            let value = value::of(column, index);
            if value.as_str().is_some_and(|text| text.len() as u64 > plain::LIMIT) {
                return Err(InputProblem::TooLarge { limit: plain::LIMIT });
            }
            record.set(name.clone(), value)?;
        }
        record.document(|| format!("{}:{}", self.name, self.row))
    }
}

impl DocumentReader for Rows {
    fn next(&mut self, _: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return None,
                State::Unread(file, format) => match self.open(file, format) {
                    Ok(state) => self.state = state,
                    Err(problem) => return Some((None, Err(problem))),
                },
                State::Open { table, batch: Some(batch), next } if next < batch.num_rows() => {
                    self.row += 1;
                    let document = self.document(&table.columns, &batch, next);
                    self.state = State::Open { table, batch: Some(batch), next: next + 1 };
                    return Some((Some(self.row), document));
                }
                State::Open { mut table, .. } => match table.batches.next() {
                    None if self.row == 0 => return Some((None, Err(InputProblem::Empty))),
                    None => return None,
                    Some(Ok(batch)) => self.state = State::Open { table, batch: Some(batch), next: 0 },
                    Some(Err(problem)) => return Some((Some(self.row + 1), Err(problem))),
                },
            }
        }
    }
}
