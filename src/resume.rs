//! A run that goes on where an earlier one was stopped, were it by `kill -9`.
//!
//! What is done stands in `labels.jsonl.part`, and what the run is made of in `labels.jsonl.part.json`: whoever goes on must
//! bring the same. Nothing else is kept. The lines themselves say which documents are done, so that no moment exists in
//! which the one file knows more than the other. The last document may lack sentences, or end within a line: it is cut off
//! and labelled again. At the end the file takes its proper name.

use crate::failure::{Failure, Result};
use serde::{Deserialize, Serialize};
use standpoint::error::Error;
use standpoint::hash::{Digest, Hashing};
use standpoint::text::Document;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a run is made of: everything that its output depends on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub program: String,
    /// Name and version, and the hash of all files.
    pub model: (String, String),
    /// How the model computes: another processor may round otherwise.
    pub encoder: String,
    pub targets: Vec<String>,
    /// Every other flag that changes the output.
    pub options: BTreeMap<String, Vec<String>>,
    pub inputs: Vec<Input>,
}

/// A file that is read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Input {
    path: PathBuf,
    /// `None` if it cannot be read.
    sha256: Option<String>,
}

impl Input {
    pub(crate) fn of(path: &Path) -> Self {
        let hash = || -> io::Result<String> {
            let mut digest = Digest::default();
            io::copy(&mut Hashing::new(File::open(path)?, &mut digest), &mut io::sink())?;
            Ok(digest.finish())
        };
        Self { path: path.to_owned(), sha256: hash().ok() }
    }
}

impl Run {
    /// In what this run differs from the one that was begun; `None` if in nothing.
    fn difference(&self, begun: &Self) -> Option<String> {
        if self.model != begun.model {
            return Some(match self.model.0 == begun.model.0 {
                true => format!("other files of the model {}", begun.model.0),
                false => format!("the model {}, not {}", begun.model.0, self.model.0),
            });
        }
        if self.targets != begun.targets {
            let list = |targets: &[String]| format!("\"{}\"", targets.join("\", \""));
            return Some(format!("target {}, not {}", list(&begun.targets), list(&self.targets)));
        }
        let names = self.options.keys().chain(begun.options.keys());
        for name in names {
            let (now, then) = (self.options.get(name), begun.options.get(name));
            if now != then {
                let flag = |values: Option<&Vec<String>>| match values.map(Vec::as_slice) {
                    None | Some([]) => format!("without --{name}"),
                    Some(values) => format!("with --{name} {}", values.join(" ")),
                };
                return Some(format!("{}, not {}", flag(then), flag(now)).replacen(
                    "with",
                    "options: with",
                    1,
                ));
            }
        }
        if self.inputs != begun.inputs {
            return Some(self.other_input(begun));
        }
        let pairs = [(&self.encoder, &begun.encoder), (&self.program, &begun.program)];
        pairs.into_iter().find(|(now, then)| now != then).map(|(now, then)| format!("{then}, not {now}"))
    }

    fn other_input(&self, begun: &Self) -> String {
        for (now, then) in self.inputs.iter().zip(&begun.inputs) {
            match now.path == then.path {
                true if now == then => {}
                true => return format!("another content of the input {}", then.path.display()),
                false => {
                    return format!("the input {}, not {}", then.path.display(), now.path.display());
                }
            }
        }
        format!("{} input files, not {}", begun.inputs.len(), self.inputs.len())
    }
}

/// The output of a run that can be gone on with.
pub(crate) struct Part {
    output: PathBuf,
    part: PathBuf,
    run: PathBuf,
    writer: BufWriter<File>,
}

impl Part {
    /// Goes on with the run that writes `output`, or begins it. Gives the documents that are done, too.
    ///
    /// # Errors
    /// If another run was begun there, or another program writes there at this moment.
    pub(crate) fn open(output: &Path, run: &Run) -> Result<(Self, Done)> {
        let output = fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
        let beside = |extension: &str| {
            let mut path = output.clone().into_os_string();
            path.push(extension);
            PathBuf::from(path)
        };
        let (part, about) = (beside(".part"), beside(".part.json"));
        let failed = |source| Error::Write { path: part.clone(), source };
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.exists()) {
            Err(Error::MissingFolder { path: output.clone(), folder: folder.to_owned() })?;
        }
        let file = File::options().create(true).append(true).read(true).open(&part).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{}: another run is writing it", part.display());
                return Err(Failure::Refused(message));
            }
            // Not every file system has locks.
            Err(TryLockError::Error(_)) => {}
        }
        match file.metadata().map_err(failed)?.len() {
            0 => {
                let json = serde_json::to_vec_pretty(run).expect("a run is made of strings");
                // It may be cut short by a kill: as long as nothing is done, it is written anew.
                fs::write(&about, json).map_err(|source| Error::Write { path: about.clone(), source })?;
            }
            _ => Self::compare(&part, &about, run)?,
        }
        let whole = whole_documents(BufReader::new(File::open(&part).map_err(failed)?)).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        let done = Done::new(BufReader::new(File::open(&part).map_err(failed)?)).map_err(failed)?;
        Ok((Self { output, part, run: about, writer: BufWriter::new(file) }, done))
    }

    /// Refuses what was begun by another run.
    fn compare(part: &Path, about: &Path, run: &Run) -> Result<()> {
        let refuse = |why: String| {
            let part = part.display();
            Failure::Refused(format!(
                "--resume: {part} {why}: give the same again, or remove it to begin anew"
            ))
        };
        let json = fs::read(about).map_err(|error| {
            refuse(format!("has lost {}, which says how it was begun ({error})", about.display()))
        })?;
        let begun: Run = serde_json::from_slice(&json).map_err(|error| {
            refuse(format!("is of another version: {} cannot be read ({error})", about.display()))
        })?;
        match run.difference(&begun) {
            Some(difference) => Err(refuse(format!("was begun with {difference}"))),
            None => Ok(()),
        }
    }

    /// Gives the file its proper name.
    ///
    /// # Errors
    /// If it cannot be written or moved.
    pub(crate) fn commit(self) -> Result<()> {
        let failed = |source| Error::Write { path: self.output.clone(), source };
        let file = self.writer.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&self.part, &self.output).map_err(failed)?;
        // Without the other file it means nothing, and the next run replaces it.
        let _ = fs::remove_file(&self.run);
        Ok(())
    }

    /// Removes both files if there is nothing in them.
    pub(crate) fn abandon(self) {
        if self.writer.buffer().is_empty() && fs::metadata(&self.part).is_ok_and(|part| part.len() == 0) {
            let _ = fs::remove_file(&self.part);
            let _ = fs::remove_file(&self.run);
        }
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Which sentence a line is of.
#[derive(Deserialize)]
struct Line {
    doc: String,
    index: usize,
}

impl Line {
    /// Whether it is of a further sentence of the document that `before` is of.
    fn follows(&self, before: &Self) -> bool {
        self.doc == before.doc && self.index > before.index
    }
}

/// The next line and its length; `None` at the end, and where a line was not written whole.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<(Line, u64)>> {
    let mut bytes = Vec::new();
    let length = reader.read_until(b'\n', &mut bytes)? as u64;
    let line = bytes.ends_with(b"\n").then(|| serde_json::from_slice(&bytes).ok()).flatten();
    Ok(line.map(|line| (line, length)))
}

/// The length of the documents that are surely whole: all but the last.
fn whole_documents(mut reader: impl BufRead) -> io::Result<u64> {
    let (mut reached, mut begin) = (0, 0);
    let mut before: Option<Line> = None;
    while let Some((line, length)) = next_line(&mut reader)? {
        if before.is_some_and(|before| !line.follows(&before)) {
            begin = reached;
        }
        reached += length;
        before = Some(line);
    }
    Ok(begin)
}

/// The documents that an earlier run has labelled, in the order of the input.
pub(crate) struct Done {
    reader: BufReader<File>,
    next: Option<Line>,
}

impl Done {
    fn new(mut reader: BufReader<File>) -> io::Result<Self> {
        let next = next_line(&mut reader)?.map(|(line, _)| line);
        Ok(Self { reader, next })
    }

    /// Whether the next document of the input is done.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn has(&mut self, document: &Document) -> io::Result<bool> {
        let Some(mut line) = self.next.take() else { return Ok(false) };
        if line.doc != document.id() || line.index >= document.sentences().len() {
            // No sentence of it was to be written, but some of a later one were.
            self.next = Some(line);
            return Ok(true);
        }
        while let Some((next, _)) = next_line(&mut self.reader)? {
            if !next.follows(&line) || next.index >= document.sentences().len() {
                self.next = Some(next);
                break;
            }
            line = next;
        }
        Ok(true)
    }

    /// Whether there are documents that have not come up in the input.
    pub(crate) fn is_more(&self) -> bool {
        self.next.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            program: "standpoint 1".to_owned(),
            model: ("tiny 1".to_owned(), "abc".to_owned()),
            encoder: "int8".to_owned(),
            targets: vec!["bases".to_owned()],
            options: BTreeMap::from([("offsets".to_owned(), vec!["bytes".to_owned()])]),
            inputs: vec![Input { path: "a.jsonl".into(), sha256: Some("1".to_owned()) }],
        }
    }

    #[test]
    fn what_differs_is_said() {
        let begun = run();
        let differing = |change: fn(&mut Run)| {
            let mut other = run();
            change(&mut other);
            other.difference(&begun)
        };
        assert_eq!(differing(|_| {}), None);
        type Change = fn(&mut Run);
        let cases: [(Change, &str); 8] = [
            (|run| run.model.0 = "base 1".to_owned(), "the model tiny 1, not base 1"),
            (|run| run.model.1 = "d".to_owned(), "other files of the model tiny 1"),
            (|run| run.targets.push("mines".to_owned()), "target \"bases\", not \"bases\", \"mines\""),
            (
                |run| drop(run.options.insert("offsets".to_owned(), vec!["chars".to_owned()])),
                "options: with --offsets bytes, not with --offsets chars",
            ),
            (
                |run| drop(run.options.insert("limit".to_owned(), vec!["3".to_owned()])),
                "options: without --limit, not with --limit 3",
            ),
            (|run| run.inputs[0].sha256 = None, "another content of the input a.jsonl"),
            (|run| run.inputs[0].path = "b.jsonl".into(), "the input a.jsonl, not b.jsonl"),
            (|run| run.inputs.clear(), "1 input files, not 0"),
        ];
        for (change, expected) in cases {
            assert_eq!(differing(change).unwrap(), expected);
        }
    }

    fn lines(of: &[(&str, usize)]) -> String {
        of.iter().map(|(doc, index)| format!("{{\"doc\":\"{doc}\",\"index\":{index}}}\n")).collect()
    }

    #[test]
    fn the_last_document_is_cut_off_wherever_it_was_torn() {
        let whole = lines(&[("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
        let all = whole.clone() + &lines(&[("b", 0), ("b", 1), ("b", 2)]);
        for end in 0..=all.len() {
            let kept = whole_documents(&all.as_bytes()[..end]).unwrap() as usize;
            assert!(kept <= end && [0, whole.len() / 2, whole.len()].contains(&kept), "{end}: {kept}");
            assert_eq!(kept == whole.len(), end > whole.len() + lines(&[("b", 0)]).len() - 1, "{end}");
        }
        let zeros = whole.clone() + "\0\0\0\0\n" + &lines(&[("c", 0)]);
        assert_eq!(whole_documents(zeros.as_bytes()).unwrap() as usize, whole.len() / 2);
    }

    #[test]
    fn documents_that_are_done_are_known_by_id_and_sentences() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.part");
        // Two documents of one name stand side by side, and the first sentence of the last one was not to be written.
        fs::write(&path, lines(&[("a", 0), ("a", 1), ("a", 0), ("c", 1)])).unwrap();
        let mut done = Done::new(BufReader::new(File::open(&path).unwrap())).unwrap();
        let document = |id: &str, sentences: usize| Document::from_sentences(id, &vec!["One."; sentences]);
        for (document, has) in [
            (document("a", 2), true),
            (document("a", 2), true),
            (document("b", 1), true),
            (document("c", 2), true),
            (document("d", 1), false),
        ] {
            assert_eq!(done.has(&document).unwrap(), has, "{}", document.id());
        }
        assert!(!done.is_more());
    }
}
