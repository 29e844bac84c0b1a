//! Arrow IPC, as a stream and as a file. A file is a stream between two marks with a directory behind it, so that both are
//! read from front to back.
//!
//! Lengths that a message gives are checked against limits before anything is reserved for them.

use super::Table;
use crate::error::InputProblem;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, RecordBatch as Layout, root_as_message};
use std::io::{BufRead, Read};

/// What a file begins with, with its padding. A stream begins with a message.
const FILE_MAGIC: &[u8; 8] = b"ARROW1\0\0";

/// Stands before the length of a message, since 2019.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The longest description of a message, in bytes.
const HEADER_LIMIT: u64 = 16 << 20;

/// The most bytes of a batch, as they are written and as they unfold.
const BODY_LIMIT: u64 = 512 << 20;

/// # Errors
/// If it is no Arrow IPC, or does not begin with the names of columns.
pub(super) fn open(mut bytes: Box<dyn BufRead + Send>) -> Result<Table, InputProblem> {
    if bytes.fill_buf().map_err(InputProblem::Read)?.starts_with(b"ARROW1") {
        bytes.read_exact(&mut [0; FILE_MAGIC.len()]).map_err(|_| damaged("it ends early"))?;
    }
    let mut messages = Messages { bytes, decoder: StreamDecoder::new(), is_done: false };
    let first = loop {
        let batch = messages.step()?;
        if batch.is_some() || messages.is_done || messages.decoder.schema().is_some() {
            break batch;
        }
    };
    let schema = messages.decoder.schema().ok_or_else(|| damaged("it names no columns"))?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    Ok(Table { columns, batches: Box::new(first.map(Ok).into_iter().chain(messages)) })
}

struct Messages {
    bytes: Box<dyn BufRead + Send>,
    decoder: StreamDecoder,
    is_done: bool,
}

impl Messages {
    /// Reads one message; not every one is a batch.
    fn step(&mut self) -> Result<Option<RecordBatch>, InputProblem> {
        let Some(length) = self.length()? else {
            self.is_done = true;
            return Ok(None);
        };
        let mut message = [CONTINUATION, length.to_le_bytes()].concat();
        self.take(length.into(), HEADER_LIMIT, &mut message)?;
        let header = root_as_message(&message[8..]).map_err(|error| damaged(&error.to_string()))?;
        let body =
            u64::try_from(header.bodyLength()).map_err(|_| damaged("a batch has a negative length"))?;
        let compressed = compressed_buffers(&header);
        let start = message.len();
        self.take(body, BODY_LIMIT, &mut message)?;
        let unfolded = compressed.iter().try_fold(0_u64, |sum, &offset| {
            let length = message
                .get(start..)?
                .get(offset..)?
                .first_chunk()
                .map_or(0, |bytes| i64::from_le_bytes(*bytes));
            sum.checked_add(length.max(0).unsigned_abs())
        });
        if unfolded.is_none_or(|unfolded| unfolded > BODY_LIMIT) {
            return Err(InputProblem::LargeBatch { limit: BODY_LIMIT });
        }
        let mut message = message.into();
        self.decoder.decode(&mut message).map_err(|error| damaged(&error.to_string()))
    }

    /// The length of the next message; none at the end.
    fn length(&mut self) -> Result<Option<u32>, InputProblem> {
        let mut word = [0; 4];
        for _ in 0..2 {
            match self.bytes.fill_buf() {
                // Not every writer marks the end of a stream.
                Ok([]) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(InputProblem::Read(error)),
            }
            self.bytes.read_exact(&mut word).map_err(|_| damaged("it ends early"))?;
            if word != CONTINUATION {
                break;
            }
        }
        let length = u32::from_le_bytes(word);
        Ok((length != 0).then_some(length))
    }

    fn take(&mut self, length: u64, limit: u64, message: &mut Vec<u8>) -> Result<(), InputProblem> {
        if length > limit {
            return Err(InputProblem::LargeBatch { limit });
        }
        let read = self.bytes.by_ref().take(length).read_to_end(message).map_err(InputProblem::Read)?;
        match read as u64 == length {
            true => Ok(()),
            false => Err(damaged("it ends early")),
        }
    }
}

/// Where in a body the compressed buffers begin, each with the length that it unfolds to.
fn compressed_buffers(message: &Message<'_>) -> Vec<usize> {
    let layout: Option<Layout<'_>> =
        message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
    let Some(layout) = layout.filter(|layout| layout.compression().is_some()) else {
        return Vec::new();
    };
    let buffers = layout.buffers().into_iter().flatten();
    buffers
        .filter(|buffer| buffer.length() > 0)
        .map(|buffer| usize::try_from(buffer.offset()).unwrap_or(usize::MAX))
        .collect()
}

impl Iterator for Messages {
    type Item = Result<RecordBatch, InputProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            match self.step() {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(Ok(batch)),
                Err(problem) => {
                    self.is_done = true;
                    return Some(Err(problem));
                }
            }
        }
        None
    }
}

fn damaged(why: &str) -> InputProblem {
    InputProblem::Damaged { what: "a whole Arrow file or stream", why: why.to_owned() }
}
