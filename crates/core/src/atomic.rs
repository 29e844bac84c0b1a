//! A file that appears whole or not at all: it is written beside its place and moved there at the end.

use crate::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file being written. Dropped before [`AtomicFile::commit`], it leaves nothing behind, and what stood in its
/// place stays as it was.
pub struct AtomicFile {
    /// Where the file goes: a link's end, not the link.
    path: PathBuf,
    writer: BufWriter<Sink>,
}

enum Sink {
    Beside(NamedTempFile),
    /// What is no regular file, such as /dev/null or a named pipe, must not be replaced by one.
    Device(File),
}

impl AtomicFile {
    /// # Errors
    /// If the folder is missing or not to be written to.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Write { path: path.to_owned(), source };
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let sink = match fs::metadata(&target) {
            Ok(metadata) if metadata.is_dir() => return Err(fail(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => {
                Sink::Device(File::options().write(true).open(&target).map_err(fail)?)
            }
            // The error of a temporary file names that file, of which the user knows nothing.
            _ => Sink::Beside(beside(&target).map_err(|error| {
                let folder = folder(&target);
                match folder.exists() {
                    true => fail(error.kind().into()),
                    false => Error::MissingFolder { path: path.to_owned(), folder: folder.to_owned() },
                }
            })?),
        };
        Ok(Self { path: target, writer: BufWriter::new(sink) })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If the last bytes cannot be written or the file cannot be moved.
    pub fn commit(self) -> Result<(), Error> {
        let path = self.path;
        let fail = |source| Error::Write { path: path.clone(), source };
        let sink = self.writer.into_inner().map_err(|error| fail(error.into_error()))?;
        match sink {
            Sink::Beside(file) => file.persist(&path).map(drop).map_err(|error| fail(error.error)),
            Sink::Device(_) => Ok(()),
        }
    }
}

/// The folder that a file stands in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the folder of `path`, with the permissions that any new file gets.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".standpoint-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder(path))
}

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|source| Error::Write { path: path.to_owned(), source })?;
    file.commit()
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file) => file.write(bytes),
            Self::Device(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(file) => file.flush(),
            Self::Device(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        fs::write(&path, "old").unwrap();

        let mut dropped = AtomicFile::create(&path).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");

        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no");
        let error = AtomicFile::create(&missing.join("out.jsonl")).err().unwrap().to_string();
        assert!(error.ends_with(&format!("there is no folder {}", missing.display())), "{error}");
        assert!(AtomicFile::create(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let mut file = AtomicFile::create(Path::new("/dev/null")).unwrap();
        file.write_all(b"gone").unwrap();
        file.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
