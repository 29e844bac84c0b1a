//! The files that the paths of a user stand for: themselves, those in a folder, those that match a pattern. What is left
//! out is said.

use super::kind;
use super::notes::{InputWarning, InputWarningKind};
use super::open::{is_stdin, unreadable};
use crate::error::{InputError, InputProblem, Place};
use glob::MatchOptions;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

/// Files to be read, in order, and what is wrong with paths among them.
#[derive(Default)]
pub(super) struct Sources {
    pub files: VecDeque<Result<PathBuf, InputError>>,
    pub warnings: Vec<InputWarning>,
    /// Where the files lie, without links.
    seen: HashSet<PathBuf>,
}

/// Why files of a folder were left out, and how many. Files of a kind that is not read count by extension.
type LeftOut = BTreeMap<String, usize>;

impl Sources {
    /// The files that some paths stand for.
    pub fn of<P: AsRef<Path>>(paths: &[P]) -> Self {
        let mut sources = Self::default();
        for path in paths {
            sources.add(path.as_ref());
        }
        sources
    }

    /// The size of all files together, unless standard input is among them.
    pub fn total_bytes(&self) -> Option<u64> {
        let length = |source: &Result<PathBuf, InputError>| match source {
            Ok(path) if is_stdin(path) => None,
            Ok(path) => fs::metadata(path).ok().map(|metadata| metadata.len()),
            Err(_) => Some(0),
        };
        self.files.iter().map(length).sum()
    }

    fn add(&mut self, path: &Path) {
        match path.to_str() {
            Some(pattern) if pattern.contains(['*', '?', '[']) && fs::symlink_metadata(path).is_err() => {
                self.matches(path, pattern);
            }
            _ => self.add_existing(path),
        }
    }

    fn add_existing(&mut self, path: &Path) {
        if !is_stdin(path) && path.is_dir() {
            self.folder(path);
        } else if self.is_new(path) {
            self.files.push_back(Ok(path.to_owned()));
        } else {
            self.warn(path, InputWarningKind::GivenTwice);
        }
    }

    /// The files that match a pattern that no shell has replaced.
    fn matches(&mut self, path: &Path, pattern: &str) {
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::default() };
        let found = match glob::glob_with(pattern, options) {
            Ok(found) => found,
            Err(error) => return self.fail(path, InputProblem::Pattern { why: error.msg }),
        };
        let mut is_none = true;
        for entry in found {
            is_none = false;
            match entry {
                Ok(path) => self.add_existing(&path),
                Err(error) => {
                    let path = error.path().to_owned();
                    self.fail(&path, unreadable(error.into()));
                }
            }
        }
        if is_none {
            self.fail(path, InputProblem::NoMatch);
        }
    }

    fn folder(&mut self, folder: &Path) {
        let before = self.files.len();
        let mut left_out = LeftOut::new();
        self.walk(folder, &mut left_out);
        let is_empty = self.files.len() == before && !left_out.contains_key(READ_ALREADY);
        if !left_out.is_empty() {
            let mut counts: Vec<(String, usize)> = left_out.into_iter().collect();
            counts.sort_by_key(|(_, count)| usize::MAX - count);
            self.warn(folder, InputWarningKind::LeftOut { counts });
        }
        if is_empty {
            self.fail(folder, InputProblem::EmptyFolder);
        }
    }

    /// The readable files below a folder, sorted. Links to folders are not followed: they may lead back.
    fn walk(&mut self, folder: &Path, left_out: &mut LeftOut) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.fail(folder, unreadable(error)),
        };
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let reason = if entry.file_name().as_encoded_bytes().starts_with(b".") {
                "hidden".to_owned()
            } else if is_folder {
                self.walk(&path, left_out);
                continue;
            } else if path.is_dir() {
                "linked folder".to_owned()
            } else if let Some(why) = why_not(&path) {
                why
            } else if !self.is_new(&path) {
                READ_ALREADY.to_owned()
            } else {
                self.files.push_back(Ok(path));
                continue;
            };
            *left_out.entry(reason).or_default() += 1;
        }
    }

    /// Whether a file was not among those before it.
    fn is_new(&mut self, path: &Path) -> bool {
        let place = if is_stdin(path) { path.to_owned() } else { path.canonicalize().unwrap_or_default() };
        // What is not there is an error each time.
        place.as_os_str().is_empty() || self.seen.insert(place)
    }

    fn warn(&mut self, path: &Path, kind: InputWarningKind) {
        self.warnings.push(InputWarning { place: place(path), kind });
    }

    fn fail(&mut self, path: &Path, problem: InputProblem) {
        self.files.push_back(Err(InputError { place: place(path), problem }));
    }
}

const READ_ALREADY: &str = "read already";

/// Why a file of a folder is not read.
fn why_not(path: &Path) -> Option<String> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        // To open a pipe would wait for whoever writes to it.
        return Some("no regular file".to_owned());
    }
    if kind::by_name(path).is_some() {
        return None;
    }
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    Some(extension.map_or("without extension".to_owned(), |extension| format!(".{extension}")))
}

pub(super) fn place(path: &Path) -> Place {
    Place { file: path.display().to_string(), line: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with files of these names, and folders for names with a slash.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "They left.").unwrap();
        }
        folder
    }

    /// What is read, and what is said, without the folder's own path.
    fn read(folder: &Path, paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        let sources = Sources::of(&paths);
        let below = |text: String| text.replace(&format!("{}/", folder.display()), "");
        let files = sources.files.into_iter().map(|file| match file {
            Ok(path) => below(path.display().to_string()),
            Err(error) => below(format!("error: {error}")),
        });
        let warnings = sources.warnings.iter().map(|warning| below(warning.to_string()));
        (files.collect(), warnings.collect())
    }

    #[test]
    fn a_folder_says_what_it_left_out() {
        let folder = folder(&[
            "inbox/b.txt",
            "inbox/a.jsonl.gz",
            "inbox/x.pdf",
            "inbox/sub/Y.PDF",
            "inbox/z.docx",
            "inbox/README",
            "inbox/.hidden.txt",
            "inbox/.git/c.txt",
        ]);
        let (files, warnings) = read(folder.path(), &["inbox"]);
        assert_eq!(files, ["inbox/a.jsonl.gz", "inbox/b.txt"]);
        let expected = "inbox: 6 files left out: 2 .pdf, 2 hidden, 1 .docx, 1 without extension";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn a_file_is_read_once() {
        let folder = folder(&["a.txt", "in/b.txt"]);
        let (files, warnings) = read(folder.path(), &["a.txt", "in", "in/b.txt", "./a.txt"]);
        assert_eq!(files, ["a.txt", "in/b.txt"]);
        assert_eq!(
            warnings,
            ["in/b.txt: was given twice: it is read once", "./a.txt: was given twice: it is read once"]
        );
        let (files, _) = read(folder.path(), &["gone.txt", "gone.txt"]);
        assert_eq!(files.len(), 2, "each is an error");
    }

    #[test]
    fn a_pattern_stands_for_what_it_matches() {
        let folder = folder(&["a/1.txt", "a/2.txt", "a/3.pdf", "b/4.txt", "b/.5.txt", "odd[1].txt"]);
        assert_eq!(read(folder.path(), &["a/*.txt"]).0, ["a/1.txt", "a/2.txt"]);
        assert_eq!(read(folder.path(), &["**/[24].txt"]).0, ["a/2.txt", "b/4.txt"]);
        assert_eq!(read(folder.path(), &["b/*"]).0, ["b/4.txt"]);
        assert_eq!(read(folder.path(), &["odd[1].txt"]).0, ["odd[1].txt"], "a file of that very name");
        assert_eq!(read(folder.path(), &["c/*.txt"]).0, ["error: c/*.txt: no file matches this pattern"]);
        assert!(read(folder.path(), &["a/***"]).0[0].starts_with("error: a/***: is not a pattern"));
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_in_circles() {
        let folder = folder(&["in/a.txt", "out/b.txt"]);
        std::os::unix::fs::symlink(folder.path().join("in"), folder.path().join("in/loop")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("in/a.txt"), folder.path().join("in/same.txt"))
            .unwrap();
        std::os::unix::fs::symlink(folder.path().join("out/b.txt"), folder.path().join("in/other.txt"))
            .unwrap();
        let (files, warnings) = read(folder.path(), &["in"]);
        assert_eq!(files, ["in/a.txt", "in/other.txt"]);
        assert_eq!(warnings, ["in: 2 files left out: 1 linked folder, 1 read already"]);
    }
}
