//! Files that are compressed, known by their first bytes and never by their names. What comes out is limited where it is
//! read; here a file is refused that unfolds as no text does.

use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Text shrinks to a fifth, and copies of one text to perhaps a hundredth. A bomb is some thousand times as long as its file.
const MOST_FOLD: u64 = 500;

/// No file is called a bomb for less.
const NO_BOMB: u64 = 64 << 20;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// How many bytes it takes to tell.
    pub const MAGIC_BYTES: usize = 4;

    /// What bytes at the beginning of a file say.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            // A frame, or one of the sixteen kinds of frames to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What the bytes unfold to. `read` counts the bytes of the file that were read so far.
    pub fn decompress(
        self,
        file: impl BufRead + Send + 'static,
        read: Arc<AtomicU64>,
    ) -> io::Result<impl Read + Send + 'static> {
        let inner: Box<dyn Read + Send> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(file)),
            // It refuses frames that need more than 128 MiB of memory.
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
        };
        Ok(Decompressed { compression: self, inner, read, written: 0 })
    }
}

struct Decompressed {
    compression: Compression,
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    written: u64,
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let name = self.compression.name();
        let read = self.inner.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ if error.raw_os_error().is_some() => error,
            io::ErrorKind::UnexpectedEof => Problem::CutShort { name }.into(),
            _ => Problem::Damaged { name, source: error }.into(),
        })?;
        self.written += read as u64;
        if self.written > NO_BOMB && self.written / MOST_FOLD > self.read.load(Ordering::Relaxed) {
            return Err(Problem::Bomb { name }.into());
        }
        Ok(read)
    }
}

#[derive(Debug)]
enum Problem {
    CutShort { name: &'static str },
    Damaged { name: &'static str, source: io::Error },
    Bomb { name: &'static str },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort { name } => write!(f, "its {name} data end too early, the file is not whole"),
            Self::Damaged { name, source } => write!(f, "its {name} data are damaged ({source})"),
            Self::Bomb { name } => write!(
                f,
                "its {name} data unfold to more than {MOST_FOLD} times their size, as no text does; decompress it \
                 yourself if you trust it"
            ),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for io::Error {
    fn from(problem: Problem) -> Self {
        Self::new(io::ErrorKind::InvalidData, problem)
    }
}
