//! Parquet, which has its directory at the end and is read from there, one group of rows after the other.

use super::whole::Whole;
use super::{Batches, Part, Table, pages};
use crate::error::InputProblem;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::reader::Length;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The most rows that are decoded at a time.
const BATCH: u64 = 64;

/// How much may be decoded at a time, in bytes.
const DECODED: u64 = 64 << 20;

/// The longest directory, in bytes.
const DIRECTORY: u64 = 64 << 20;

/// # Errors
/// If it is no Parquet, or its directory is damaged.
pub(super) fn open(file: Whole) -> Result<Table, InputProblem> {
    check_directory(&file)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(of_parquet)?;
    let columns = metadata.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(viewed(metadata.schema())));
    let metadata =
        ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(of_parquet)?;
    let size = AtomicU64::new(file.len());
    let mut first = 0;
    let groups = (0..metadata.metadata().num_row_groups()).flat_map(move |group| {
        let row = first;
        first += usize::try_from(metadata.metadata().row_group(group).num_rows()).unwrap_or(0);
        let batches = rows(file.clone(), &metadata, group);
        let batches = batches.unwrap_or_else(|problem| Box::new([Err(problem)].into_iter()));
        // A row that cannot be read ends its group. The next one begins where the directory says.
        let begins = [Ok(Part::From(row))].into_iter();
        begins.chain(batches.map(|batch| batch.map(Part::Batch)))
    });
    Ok(Table { columns, parts: Box::new(groups), size: Arc::new(size) })
}

/// The batches of a group of rows.
fn rows(file: Whole, metadata: &ArrowReaderMetadata, group: usize) -> Result<Batches, InputProblem> {
    let mut largest = 1;
    for column in metadata.metadata().row_group(group).columns() {
        let codec = column.compression();
        if !matches!(
            codec,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
        ) {
            return Err(damaged(&format!(
                "it is compressed with {codec:?}; write it with zstd, snappy or gzip"
            )));
        }
        largest = largest.max(pages::largest(&file, column)?);
    }
    let batch = usize::try_from((DECODED / largest).clamp(1, BATCH)).unwrap_or(1);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
    let batches = builder.with_row_groups(vec![group]).with_batch_size(batch).build().map_err(of_parquet)?;
    // A reader that has failed would fail for ever.
    let until_failure = batches.scan(false, |has_failed, batch| match *has_failed {
        true => None,
        false => {
            *has_failed = batch.is_err();
            Some(batch.map_err(|error| damaged(&error.to_string())))
        }
    });
    Ok(Box::new(until_failure))
}

/// The columns, with texts that stand once, however many rows have them.
fn viewed(schema: &Schema) -> Schema {
    let view = |field: &Arc<Field>| {
        let view = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            other => other.clone(),
        };
        field.as_ref().clone().with_data_type(view)
    };
    Schema::new_with_metadata(schema.fields().iter().map(view).collect::<Vec<_>>(), schema.metadata().clone())
}

/// The length of the directory stands before the mark at the end.
fn check_directory(file: &Whole) -> Result<(), InputProblem> {
    let at = file.len().checked_sub(8).filter(|&at| at >= 4);
    let end = at.and_then(|at| file.slice(at, 8)).ok_or_else(|| damaged("it ends early"))?;
    match end.first_chunk().map(|length| u64::from(u32::from_le_bytes(*length))) {
        Some(length) if length > DIRECTORY => {
            Err(InputProblem::LargePart { what: "directory", limit: DIRECTORY })
        }
        _ => Ok(()),
    }
}

fn of_parquet(error: parquet::errors::ParquetError) -> InputProblem {
    damaged(&error.to_string())
}

pub(super) fn damaged(why: &str) -> InputProblem {
    InputProblem::Damaged { what: "a whole Parquet file", why: why.to_owned() }
}
