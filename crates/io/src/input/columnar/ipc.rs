//! Arrow IPC as a stream of messages. A [file](super::ipc_file) has a directory of them at its end.
//!
//! Lengths that a message gives are checked against limits before anything is reserved for them.

use super::{Part, Table};
use crate::error::InputProblem;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, RecordBatch as Layout, root_as_message};
use std::io::{BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands before the length of a message, since 2019.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// The longest description of a message, in bytes.
pub(super) const HEADER_LIMIT: u64 = 16 << 20;

/// The most bytes of a batch, as they are written and as they unfold.
pub(super) const BODY_LIMIT: u64 = 512 << 20;

/// # Errors
/// If it is no Arrow IPC, or does not begin with the names of columns.
pub(super) fn open(mut bytes: Box<dyn BufRead + Send>) -> Result<Table, InputProblem> {
    // Before 2019, a stream began with the length of its first message.
    let first =
        bytes.fill_buf().map_err(InputProblem::Read)?.first_chunk().map(|word| u32::from_le_bytes(*word));
    if first.is_none_or(|word| word != u32::MAX && u64::from(word) > HEADER_LIMIT) {
        return Err(damaged("it does not begin with a message"));
    }
    let size = Arc::new(AtomicU64::new(0));
    let mut messages =
        Messages { bytes, decoder: StreamDecoder::new(), is_done: false, read: Arc::clone(&size) };
    let first = loop {
        let batch = messages.step()?;
        if batch.is_some() || messages.is_done || messages.decoder.schema().is_some() {
            break batch;
        }
    };
    let schema = messages.decoder.schema().ok_or_else(|| damaged("it names no columns"))?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let batches = first.map(Ok).into_iter().chain(messages);
    Ok(Table { columns, parts: Box::new(batches.map(|batch| batch.map(Part::Batch))), size })
}

struct Messages {
    bytes: Box<dyn BufRead + Send>,
    decoder: StreamDecoder,
    is_done: bool,
    /// The bytes read so far.
    read: Arc<AtomicU64>,
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
        let header = message_of(&message)?;
        let body =
            u64::try_from(header.bodyLength()).map_err(|_| damaged("a batch has a negative length"))?;
        let start = message.len();
        self.take(body, BODY_LIMIT, &mut message)?;
        let (header, body) = message.split_at(start);
        check_unfolded(&message_of(header)?, body)?;
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
            return Err(InputProblem::LargePart { what: "batch", limit });
        }
        let read = self.bytes.by_ref().take(length).read_to_end(message).map_err(InputProblem::Read)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        match read as u64 == length {
            true => Ok(()),
            false => Err(damaged("it ends early")),
        }
    }
}

/// A message behind its length.
pub(super) fn message_of(bytes: &[u8]) -> Result<Message<'_>, InputProblem> {
    let behind = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
    let message = root_as_message(bytes.get(behind..).unwrap_or_default());
    message.map_err(|error| damaged(&error.to_string()))
}

/// # Errors
/// If the compressed buffers of a body say that they unfold to too much.
pub(super) fn check_unfolded(message: &Message<'_>, body: &[u8]) -> Result<(), InputProblem> {
    let layout: Option<Layout<'_>> =
        message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
    let Some(layout) = layout.filter(|layout| layout.compression().is_some()) else { return Ok(()) };
    let mut unfolded = 0_u64;
    for buffer in layout.buffers().into_iter().flatten().filter(|buffer| buffer.length() > 0) {
        let start = usize::try_from(buffer.offset()).unwrap_or(usize::MAX);
        let length = body.get(start..).and_then(|bytes| bytes.first_chunk());
        let length = length.map_or(0, |bytes| i64::from_le_bytes(*bytes));
        unfolded = unfolded.saturating_add(length.max(0).unsigned_abs());
    }
    match unfolded > BODY_LIMIT {
        true => Err(InputProblem::LargePart { what: "batch", limit: BODY_LIMIT }),
        false => Ok(()),
    }
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

pub(super) fn damaged(why: &str) -> InputProblem {
    InputProblem::Damaged { what: "a whole Arrow file or stream", why: why.to_owned() }
}
