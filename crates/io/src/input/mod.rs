//! From paths to documents: files, folders and standard input, in each [`InputFormat`]. Whatever cannot be read is an error
//! in its place, and the next document follows. Knows no model.
//!
//! A path stands for files (`sources`). A file is opened and decompressed (`open`, `compression`), its format is found
//! (`kind`, `looks`), and the reader of that format
//! gives its documents one after the other. Records of all formats become documents in `record`.

mod captions;
#[cfg(feature = "parquet")]
mod columnar;
mod columns;
mod compression;
mod delimited;
mod dialect;
pub mod encoding;
pub mod feed;
mod foreign;
mod html;
mod json;
pub mod jsonl;
mod kind;
mod language;
mod looks;
mod markup;
mod notes;
mod open;
mod options;
pub mod plain;
mod record;
mod rows;
mod sources;
mod srt;
mod syndication;
#[cfg(test)]
mod test;
mod vtt;

pub use notes::{InputWarning, InputWarningKind};
pub use options::{InputFormat, InputOptions};

use crate::error::{InputError, InputProblem, Place};
use notes::Notes;
use open::Opened;
use sources::Sources;
use standpoint_core::text::Document;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads the documents of one file, one after the other.
pub(crate) trait DocumentReader: Send {
    /// The next document, and the number of its line, or of its row where a format has no lines; none for a file that is
    /// one document. `None` at the end of the file.
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)>;
}

/// What reads a file of a format. A new format has a file beside this one, and a line here.
fn reader(file: Opened, format: InputFormat, options: &Arc<InputOptions>) -> Box<dyn DocumentReader> {
    match format {
        InputFormat::Text => Box::new(plain::Text::new(file, options)),
        InputFormat::Jsonl => Box::new(jsonl::reader(file, options)),
        InputFormat::WebVtt => Box::new(vtt::WebVtt::new(file, options)),
        InputFormat::Srt => Box::new(srt::Srt::new(file, options)),
        InputFormat::Json => Box::new(json::reader(file, options)),
        #[cfg(feature = "parquet")]
        InputFormat::Parquet | InputFormat::Arrow => Box::new(columnar::Rows::new(file, format, options)),
        InputFormat::Html => Box::new(html::Page::new(file, options)),
        InputFormat::Feed => Box::new(syndication::Entries::new(file, options)),
        InputFormat::Csv => Box::new(delimited::Rows::new(file, b",;\t|", options)),
        InputFormat::Tsv => Box::new(delimited::Rows::new(file, b"\t,;|", options)),
    }
}

/// The documents of a list of paths, in order. A folder stands for the files in it and below it whose extension is that of
/// a format, sorted by path; a pattern, such as `*.txt`, for what it matches; `-` for standard input. No file is read twice.
///
/// A document without an id is called as its file, with its line or row in a file that has several.
pub struct Documents {
    sources: VecDeque<Result<PathBuf, InputError>>,
    options: Arc<InputOptions>,
    /// The file that is being read.
    open: Option<(PathBuf, Box<dyn DocumentReader>)>,
    notes: Notes,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl Documents {
    pub fn new<P: AsRef<Path>>(paths: &[P], options: InputOptions) -> Self {
        let sources = Sources::of(paths);
        Self {
            total_bytes: sources.total_bytes(),
            notes: Notes::new(sources.warnings),
            sources: sources.files,
            options: Arc::new(options),
            open: None,
            bytes_read: Arc::default(),
        }
    }

    /// The warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<InputWarning> {
        self.notes.take()
    }

    /// The files that are still to be opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().flatten().map(PathBuf::as_path)
    }

    /// The size of all files together as they lie on disk, unless standard input is among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn open(&mut self, path: &Path) -> Result<Box<dyn DocumentReader>, InputProblem> {
        let file = open::open(path, &self.bytes_read)?;
        self.notes.begin(&file.name);
        let format = match self.options.format {
            Some(format) => format,
            None => kind::of(path, &file.head, self.options.encoding)?,
        };
        Ok(reader(file, format, &self.options))
    }
}

impl Iterator for Documents {
    type Item = Result<Document, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                if let Some((line, document)) = reader.next(&mut self.notes) {
                    if let Ok(document) = &document {
                        self.notes.look_at(line, document);
                    }
                    let at = |problem| InputError { place: Place { line, ..sources::place(path) }, problem };
                    return Some(document.map_err(at));
                }
                self.open = None;
            }
            let path = match self.sources.pop_front()? {
                Ok(path) => path,
                Err(error) => return Some(Err(error)),
            };
            match self.open(&path) {
                Ok(reader) => self.open = Some((path, reader)),
                Err(problem) => return Some(Err(InputError { place: sources::place(&path), problem })),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_is_read_in_order_and_below() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        write("b.txt", b"B went.");
        write("a.jsonl", b"{\"id\":\"first\",\"text\":\"A went.\"}\nno\n{\"text\":\"So did she.\"}\n");
        write("c/d.TXT", b"Le pr\xe9sident fran\xe7ais a d\xe9cid\xe9 de rester.");
        write("notes.pdf", b"not read");

        let mut documents = Documents::new(&[folder.path()], InputOptions::default());
        let read: Vec<Result<Document, InputError>> = documents.by_ref().collect();
        let ids: Vec<String> = read
            .iter()
            .map(|item| match item {
                Ok(document) => document.id().replace(&folder.path().display().to_string(), "."),
                Err(error) => format!("line {:?} failed", error.place.line),
            })
            .collect();
        assert_eq!(ids, ["first", "line Some(2) failed", "./a.jsonl:3", "./b.txt", "./c/d.TXT"]);
        let warnings = documents.take_warnings();
        let kinds: Vec<InputWarningKind> = warnings.into_iter().map(|warning| warning.kind).collect();
        assert_eq!(
            kinds,
            [
                InputWarningKind::LeftOut { counts: vec![(".pdf".to_owned(), 1)] },
                InputWarningKind::AssumedEncoding("windows-1252"),
            ]
        );
        assert_eq!(documents.total_bytes(), Some(documents.bytes_read()));
    }

    #[test]
    fn what_is_missing_or_empty_is_an_error_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.txt");
        fs::write(&empty, "\u{feff} \n").unwrap();
        let missing = folder.path().join("missing.txt");
        let nothing = folder.path().join("nothing");
        fs::create_dir(&nothing).unwrap();
        let problems: Vec<InputProblem> = Documents::new(&[missing, empty, nothing], InputOptions::default())
            .map(|item| item.unwrap_err().problem)
            .collect();
        assert!(matches!(
            problems[..],
            [InputProblem::NotFound, InputProblem::Empty, InputProblem::EmptyFolder]
        ));
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What is read of a file of that name: ids, or what is wrong.
    fn read(name: &str, bytes: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let below = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
        Documents::new(&[path], InputOptions::default())
            .map(|item| match item {
                Ok(document) => below(document.id()),
                Err(error) => below(&error.to_string()),
            })
            .collect()
    }

    #[test]
    fn a_compressed_file_is_known_by_its_bytes() {
        let (first, second) = (&b"{\"text\":\"They left.\"}\n{\"te"[..], &b"xt\":\"They came.\"}\nno\n"[..]);
        let members = [gzip(first), gzip(second)].concat();
        let frames = [zstd::encode_all(first, 3).unwrap(), zstd::encode_all(second, 3).unwrap()].concat();
        for (name, bytes) in
            [("a.jsonl.gz", &members), ("a.jsonl", &members), ("a.jsonl.zst", &frames), ("a", &frames)]
        {
            let read = read(name, bytes);
            assert_eq!(read[..2], [format!("{name}:1"), format!("{name}:2")]);
            assert!(read[2].starts_with(&format!("{name}:3: is not valid JSON")), "{read:?}");
        }
        assert_eq!(read("a.txt.gz", b"They left."), ["a.txt.gz"], "a name alone compresses nothing");
        assert_eq!(
            read("a.txt.gz", &gzip(&gzip(b"They left."))),
            ["a.txt.gz: looks like a gzip file within a gzip file: decompress it once"]
        );
    }

    #[test]
    fn what_was_read_before_damage_is_kept() {
        // Hashes, so that the end of the file is far from its beginning.
        let line = |n: usize| {
            format!("{{\"id\":{n},\"text\":\"{}\"}}\n", standpoint_core::hash::sha256([&n.to_le_bytes()[..]]))
        };
        let lines: String = (0..8000).map(line).collect();
        for whole in [gzip(lines.as_bytes()), zstd::encode_all(lines.as_bytes(), 3).unwrap()] {
            let read = read("a.jsonl", &whole[..whole.len() * 3 / 4]);
            let (problem, ids) = read.split_last().unwrap();
            assert!(ids.len() > 300, "{} {problem}", ids.len());
            assert!(ids.iter().enumerate().all(|(n, id)| *id == n.to_string()));
            assert!(problem.ends_with("data end too early, the file is not whole"), "{problem}");
        }
        let mut damaged = gzip(lines.as_bytes());
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xff);
        assert!(read("a.jsonl", &damaged).last().unwrap().contains("its gzip data are damaged"));
        assert!(read("a.txt", &gzip(b"They left.")[..8])[0].contains("its gzip data end too early"));
    }

    #[test]
    fn a_bomb_is_refused() {
        let blank = vec![b'\n'; 16 << 20];
        let bomb: Vec<u8> = std::iter::repeat_n(gzip(&blank), 32).flatten().collect();
        let problem = read("a.jsonl", &bomb);
        assert!(
            problem.len() == 1 && problem[0].contains("unfold to more than 500 times their size"),
            "{problem:?}"
        );
        let words = zstd::encode_all(&vec![b'a'; 80 << 20][..], 3).unwrap();
        for name in ["a.txt", "a.jsonl"] {
            let problem = read(name, &words);
            assert!(
                problem[0].contains("is larger than the limit of 64 MiB") || problem[0].contains("unfold"),
                "{problem:?}"
            );
        }
    }
}
