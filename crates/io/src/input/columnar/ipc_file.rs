//! Arrow IPC as a file: its directory is at the end. Not all writers put a stream before it that could be read without.

use super::ipc::{BODY_LIMIT, HEADER_LIMIT, check_unfolded, damaged, message_of};
use super::whole::Whole;
use super::{Part, Table};
use crate::error::InputProblem;
use arrow_array::RecordBatch;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, root_as_footer};
use bytes::Bytes;
use parquet::file::reader::Length;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The length of the directory, and the mark that ends the file.
const TRAILER: u64 = 10;

/// # Errors
/// If it has no directory, or columns that cannot be read.
pub(super) fn open(file: Whole) -> Result<Table, InputProblem> {
    let of_arrow = |error: arrow_schema::ArrowError| damaged(&error.to_string());
    let end = file.len().checked_sub(TRAILER).ok_or_else(|| damaged("it ends early"))?;
    let trailer = file.slice(end, TRAILER).ok_or_else(|| damaged("it ends early"))?;
    let trailer = trailer.first_chunk().ok_or_else(|| damaged("it ends early"))?;
    let length = read_footer_length(*trailer).map_err(|_| damaged("it has no directory at its end"))? as u64;
    if length > HEADER_LIMIT {
        return Err(InputProblem::LargePart { what: "directory", limit: HEADER_LIMIT });
    }
    let footer = end.checked_sub(length).and_then(|start| file.slice(start, length));
    let footer = footer.ok_or_else(|| damaged("its directory is longer than the file"))?;
    let footer = root_as_footer(&footer).map_err(|error| damaged(&error.to_string()))?;
    let schema = footer.schema().ok_or_else(|| damaged("it names no columns"))?;
    let schema = Arc::new(try_fb_to_schema(schema).map_err(of_arrow)?);
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();

    let mut decoder = FileDecoder::new(schema, footer.version());
    for block in footer.dictionaries().into_iter().flatten() {
        let bytes = read(&file, block)?;
        decoder.read_dictionary(block, &bytes.into()).map_err(of_arrow)?;
    }
    let size = Arc::new(AtomicU64::new(file.len()));
    let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
    let batches = blocks.into_iter().filter_map(move |block| batch(&file, &decoder, &block).transpose());
    Ok(Table { columns, parts: Box::new(batches.map(|batch| batch.map(Part::Batch))), size })
}

fn batch(file: &Whole, decoder: &FileDecoder, block: &Block) -> Result<Option<RecordBatch>, InputProblem> {
    let bytes = read(file, block)?;
    decoder.read_record_batch(block, &bytes.into()).map_err(|error| damaged(&error.to_string()))
}

/// The bytes of a message, which unfold to no more than they may.
fn read(file: &Whole, block: &Block) -> Result<Bytes, InputProblem> {
    let outside = || damaged("a batch lies outside of it");
    let number = |number: i64| u64::try_from(number).map_err(|_| outside());
    let (start, header) = (number(block.offset())?, number(block.metaDataLength().into())?);
    let body = number(block.bodyLength())?;
    if header > HEADER_LIMIT || body > BODY_LIMIT {
        return Err(InputProblem::LargePart { what: "batch", limit: BODY_LIMIT });
    }
    let bytes = file.slice(start, header + body).ok_or_else(outside)?;
    let (header, body) = bytes.split_at(usize::try_from(header).unwrap_or(usize::MAX).min(bytes.len()));
    check_unfolded(&message_of(header)?, body)?;
    Ok(bytes)
}
