//! Opens a file or standard input, and decompresses it.

use super::compression::Compression;
use crate::error::InputProblem;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// As much of a file as tells what it is, in bytes.
const HEAD: usize = 16 << 10;

/// A file that is ready to be read.
pub(crate) struct Opened {
    /// What the file is called in messages, and in the id of a document that has none.
    pub name: String,
    /// Where the file lies, if it can be read there as it is: it is no pipe and was not compressed.
    #[cfg_attr(
        not(feature = "parquet"),
        expect(dead_code, reason = "Parquet alone is not read as a stream")
    )]
    pub path: Option<PathBuf>,
    /// Its first bytes: some thousand, fewer at the end of the file or where a pipe gives one record at a time.
    pub head: Vec<u8>,
    /// All its bytes, from the first one on.
    pub bytes: Box<dyn BufRead + Send>,
}

impl Opened {
    /// All bytes, where a format cannot be read as a stream.
    ///
    /// # Errors
    /// If they cannot be read, or are more than `limit`.
    pub fn read_all(mut self, limit: u64) -> Result<Vec<u8>, InputProblem> {
        let mut bytes = Vec::new();
        self.bytes.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(InputProblem::Read)?;
        match bytes.len() as u64 > limit {
            true => Err(InputProblem::TooLarge { limit }),
            false => Ok(bytes),
        }
    }
}

/// Opens a file, or standard input for `-`. `total` counts the bytes that are read of it.
pub(super) fn open(path: &Path, total: &Arc<AtomicU64>) -> Result<Opened, InputProblem> {
    let name = path.display().to_string();
    let (inner, is_file): (Box<dyn Read + Send>, bool) = match is_stdin(path) {
        true => (Box::new(io::stdin()), false),
        false => {
            let file = File::open(path).map_err(unreadable)?;
            let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
            (Box::new(file), is_file)
        }
    };
    let read = Arc::new(AtomicU64::new(0));
    let counted = Counted { inner, read: Arc::clone(&read), total: Arc::clone(total) };
    let file = WithHead::read(counted, |head| head.len() >= Compression::MAGIC_BYTES)?;
    let (bytes, path): (Box<dyn Read + Send>, _) = match Compression::of(&file.head) {
        Some(compression) => {
            let unfolded =
                compression.decompress(BufReader::new(file.all()), read).map_err(InputProblem::Read)?;
            (Box::new(unfolded), None)
        }
        None => (Box::new(file.all()), is_file.then(|| path.to_owned())),
    };
    let bytes = WithHead::read(bytes, is_record)?;
    let head = bytes.head.clone();
    Ok(Opened { name, path, head, bytes: Box::new(BufReader::new(bytes.all())) })
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

pub(super) fn unreadable(error: io::Error) -> InputProblem {
    match error.kind() {
        io::ErrorKind::NotFound => InputProblem::NotFound,
        _ => InputProblem::Read(error),
    }
}

/// Whether the bytes are known to be JSON Lines by their first line: then nobody should wait for a second one, which may be
/// hours away.
fn is_record(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"{") && head.trim_ascii_start().contains(&b'\n')
}

/// The first bytes of a source, and the rest.
struct WithHead<R> {
    head: Vec<u8>,
    /// What ended the head.
    failed: Option<io::Error>,
    rest: R,
}

impl<R: Read> WithHead<R> {
    /// Reads until there is enough. An error of reading comes up behind what was read before it.
    fn read(mut rest: R, is_enough: impl Fn(&[u8]) -> bool) -> Result<Self, InputProblem> {
        let mut head = vec![0; HEAD];
        let (mut filled, mut failed) = (0, None);
        while filled < HEAD && !is_enough(&head[..filled]) {
            match rest.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(InputProblem::Read(error)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        head.truncate(filled);
        Ok(Self { head, failed, rest })
    }

    fn all(self) -> impl Read + use<R> {
        Cursor::new(self.head).chain(Failed(self.failed)).chain(self.rest)
    }
}

/// Fails once, if at all.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Counts what is read, for the progress shown and for what it unfolds to.
struct Counted {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        self.total.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
