//! The pages of a Parquet column, looked through before they are unfolded: a page says what it unfolds to, and readers believe
//! it. Here a page is refused that says too much, that unfolds to more than it says, or whose values are far more than its
//! bytes can tell.

use super::parquet::damaged;
use crate::error::InputProblem;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use std::io::{self, Read};

/// The most bytes to which a page may unfold. Writers begin a new one behind one or two MiB.
const PAGE_LIMIT: u64 = 64 << 20;

/// The longest header of a page, in bytes. It may hold the least and the greatest value.
const HEADER_LIMIT: u64 = 16 << 20;

/// How deep the fields of a header may stand in one another.
const DEPTH: usize = 8;

/// So many values of lists are no bomb, however few bytes they take.
const FEW_VALUES: u64 = 1 << 22;

/// The most values of lists that a byte holds.
const VALUES_A_BYTE: u64 = 64;

/// How many times as long as its bytes gzip data may be.
const GZIP_FOLD: u64 = 1032;

/// The largest of a column's pages as it unfolds, in bytes.
///
/// # Errors
/// If the pages are not where they should be, or are made to explode.
pub(super) fn largest(file: &impl ChunkReader, column: &ColumnChunkMetaData) -> Result<u64, InputProblem> {
    let lies = || damaged("a column lies outside of it");
    let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let start = u64::try_from(first.min(column.data_page_offset())).map_err(|_| lies())?;
    let length = u64::try_from(column.compressed_size()).map_err(|_| lies())?;
    let end = start.checked_add(length).filter(|&end| end <= file.len()).ok_or_else(lies)?;
    let wanted =
        u64::try_from(column.num_values()).map_err(|_| damaged("a column has fewer than no values"))?;
    let (mut at, mut values, mut largest) = (start, 0_u64, 0);
    while at < end && values < wanted {
        let page = Page::read(file, at)?;
        let body = at + page.header;
        if page.packed > end.saturating_sub(body) {
            return Err(damaged("a page is longer than its column"));
        }
        if page.unfolded > PAGE_LIMIT {
            return Err(InputProblem::LargePart { what: "page", limit: PAGE_LIMIT });
        }
        if matches!(column.compression(), Compression::GZIP(_)) && page.packed * GZIP_FOLD > PAGE_LIMIT {
            page.unfold(file, body)?;
        }
        values += page.values;
        largest = largest.max(page.unfolded);
        at = body + page.packed;
    }
    if column.column_descr().max_rep_level() > 0 && values > FEW_VALUES.max(length * VALUES_A_BYTE) {
        return Err(damaged("a column has far more values than its bytes can hold"));
    }
    Ok(largest)
}

/// What the header of a page says.
#[derive(Default)]
struct Page {
    /// The length of the header itself.
    header: u64,
    packed: u64,
    unfolded: u64,
    values: u64,
    /// Bytes before the data, which are not compressed.
    levels: u64,
}

impl Page {
    fn read(file: &impl ChunkReader, at: u64) -> Result<Self, InputProblem> {
        let source = file.get_read(at).map_err(|error| damaged(&error.to_string()))?;
        let mut fields = Fields { source: source.take(HEADER_LIMIT) };
        let mut page = Self::default();
        page.fill(&mut fields).map_err(|_| damaged("a page has no header that can be read"))?;
        page.header = HEADER_LIMIT - fields.source.limit();
        Ok(page)
    }

    fn fill(&mut self, fields: &mut Fields<impl Read>) -> io::Result<()> {
        let mut id = 0;
        while let Some((field, kind)) = fields.field(&mut id)? {
            match (field, kind) {
                (2, I32) => self.unfolded = fields.length()?,
                (3, I32) => self.packed = fields.length()?,
                // One of them, with how the page's values are written. The dictionary's are not counted.
                (5 | 8, STRUCT) => {
                    let mut id = 0;
                    while let Some((field, kind)) = fields.field(&mut id)? {
                        match (field, kind) {
                            (1, I32) => self.values = fields.length()?,
                            (5 | 6, I32) => self.levels += fields.length()?,
                            _ => fields.skip(kind, DEPTH)?,
                        }
                    }
                }
                _ => fields.skip(kind, DEPTH)?,
            }
        }
        Ok(())
    }

    /// # Errors
    /// If it unfolds to more than it says.
    fn unfold(&self, file: &impl ChunkReader, body: u64) -> Result<(), InputProblem> {
        let packed = usize::try_from(self.packed).map_err(|_| damaged("a page is too long"))?;
        let bytes = file.get_bytes(body, packed).map_err(|error| damaged(&error.to_string()))?;
        let data = bytes.get(usize::try_from(self.levels).unwrap_or(usize::MAX)..).unwrap_or_default();
        let limit = self.unfolded + 1;
        // What is no gzip data is for the reader to say.
        let unfolded = io::copy(&mut MultiGzDecoder::new(data).take(limit), &mut io::sink()).unwrap_or(0);
        match unfolded == limit {
            true => Err(damaged("a page unfolds to more than it says")),
            false => Ok(()),
        }
    }
}

/// The types of Thrift's compact protocol that matter here.
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// Reads fields in Thrift's compact protocol.
struct Fields<R> {
    source: R,
}

impl<R: Read> Fields<R> {
    /// The number and type of the next field; none at the end of its struct. `last` is the number of the one before.
    fn field(&mut self, last: &mut i64) -> io::Result<Option<(i64, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => self.integer()?,
            step => last.saturating_add(i64::from(step)),
        };
        Ok(Some((*last, byte & 15)))
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.source.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn unsigned(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn integer(&mut self) -> io::Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn length(&mut self) -> io::Result<u64> {
        let value = i32::try_from(self.integer()?).ok().and_then(|value| u64::try_from(value).ok());
        value.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads a value to its end. `depth` is how deep it may go.
    fn skip(&mut self, kind: u8, depth: usize) -> io::Result<()> {
        if depth == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match kind {
            // A boolean is its type.
            1 | 2 => Ok(()),
            3 => self.byte().map(drop),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.unsigned()? } else { u64::from(byte >> 4) };
                // In a list, a boolean is a byte.
                let kind = if matches!(byte & 15, 1 | 2) { 3 } else { byte & 15 };
                (0..count).try_for_each(|_| self.skip(kind, depth - 1))
            }
            STRUCT => {
                let mut id = 0;
                while let Some((_, kind)) = self.field(&mut id)? {
                    self.skip(kind, depth - 1)?;
                }
                Ok(())
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        match io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? == length {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
