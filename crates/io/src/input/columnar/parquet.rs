//! Parquet, which has its directory at the end and is read from there.

use super::Table;
use crate::error::InputProblem;
use crate::input::open::Opened;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use std::fs::File;

/// How many rows are decoded at a time.
const BATCH: usize = 64;

/// The largest file that comes from a pipe or compressed, and is held as it is, in bytes.
const PIPED: u64 = 256 << 20;

/// # Errors
/// If it is no Parquet, is damaged, or came from a pipe and is too large.
pub(super) fn open(file: Opened) -> Result<Table, InputProblem> {
    match file.path {
        Some(path) => table(File::open(path).map_err(InputProblem::Read)?),
        None => table(Bytes::from(file.read_all(PIPED)?)),
    }
}

fn table(file: impl ChunkReader + 'static) -> Result<Table, InputProblem> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
    let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let batches = builder.with_batch_size(BATCH).build().map_err(damaged)?;
    let batches = batches.map(|batch| batch.map_err(|error| damaged(error.into())));
    Ok(Table { columns, batches: Box::new(batches) })
}

fn damaged(error: ParquetError) -> InputProblem {
    InputProblem::Damaged { what: "a whole Parquet file", why: error.to_string() }
}
