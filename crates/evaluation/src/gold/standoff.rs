//! brat's standoff format: plain texts (`.txt`), and files of annotations (`.ann`) beside them. Reads text bounds (`T`),
//! events (`E`), relations (`R`) and attributes (`A`, `M`). What they mean is decided by the readers of `polnear` and `brat`.

use super::file::{self, Location};
use super::offsets::{Offsets, Unit};
use crate::error::{GoldProblem, InputProblem, Result};
use standpoint_core::hash::Digest;
use standpoint_core::text::Span;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A text and its annotations.
pub(super) struct DocumentFiles {
    /// The text's file name, without `.txt`.
    pub name: String,
    /// From the annotation's file name, if it has one.
    pub annotator: Option<String>,
    text: PathBuf,
    annotations: PathBuf,
}

impl DocumentFiles {
    /// The text and its annotations.
    pub fn read(&self, digest: &mut Digest) -> Result<(String, Annotations)> {
        let text = file::whole(&self.text, digest)?;
        let annotations = Annotations::read(&self.annotations, &text, digest)?;
        Ok((text, annotations))
    }
}

/// What an annotation file holds.
#[derive(Default)]
pub(super) struct Annotations {
    path: PathBuf,
    pub bounds: Vec<Bound>,
    /// The place of each text bound in `bounds`.
    numbers: HashMap<String, usize>,
    pub events: Vec<Line>,
    pub relations: Vec<Line>,
    pub attributes: Vec<Line>,
}

/// A text bound: a label and the pieces that it stands on.
pub(super) struct Bound {
    pub label: String,
    pub pieces: Vec<Span>,
}

/// A line that refers to others, by their names.
pub(super) struct Line {
    at: Location,
    id: String,
    /// What follows the line's own name.
    words: String,
}

impl Line {
    /// The line's own name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What follows the line's own name, word by word.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.split_whitespace()
    }

    /// The roles of an event or a relation: `Source:T1` is the role `Source` and the name `T1`.
    pub fn roles(&self) -> impl Iterator<Item = Result<(&str, &str), InputProblem>> {
        self.words().filter_map(|word| match word.split_once(':') {
            Some(role) => Some(Ok(role)),
            // The name of a relation.
            None if self.words().next() == Some(word) => None,
            None => Some(Err(self.malformed("a name, a tab, and roles with the names of text bounds"))),
        })
    }

    pub fn malformed(&self, expected: &'static str) -> InputProblem {
        GoldProblem::Line { expected, found: self.words.clone() }.into()
    }
}

impl Annotations {
    /// Reads an annotation file. A text bound may be defined after the line that uses it.
    fn read(path: &Path, text: &str, digest: &mut Digest) -> Result<Self> {
        let offsets = Offsets::new(text, Unit::Characters);
        let mut found = Self { path: path.to_owned(), ..Self::default() };
        file::lines(path, digest, |at, line| {
            let lines = match line.chars().next() {
                Some('T') => {
                    let (id, bound) = text_bound(line, &offsets)?;
                    found.numbers.insert(id, found.bounds.len());
                    found.bounds.push(bound);
                    return Ok(());
                }
                Some('E') => &mut found.events,
                Some('R') => &mut found.relations,
                Some('A' | 'M') => &mut found.attributes,
                _ => return Ok(()),
            };
            let (id, words) = line.split_once('\t').unwrap_or((line, ""));
            lines.push(Line { at, id: id.to_owned(), words: words.to_owned() });
            Ok(())
        })?;
        Ok(found)
    }

    /// The place of a text bound in `bounds`.
    pub fn number(&self, id: &str) -> Result<usize, InputProblem> {
        let number = self.numbers.get(id).copied();
        Ok(number.ok_or_else(|| GoldProblem::Dangling { what: "the text bound", id: id.to_owned() })?)
    }

    /// Calls `take` with each line. Its problems are of that line.
    pub fn each(
        &self,
        lines: &[Line],
        mut take: impl FnMut(&Line) -> Result<(), InputProblem>,
    ) -> Result<()> {
        for line in lines {
            take(line).map_err(|problem| line.at.error(&self.path, problem))?;
        }
        Ok(())
    }
}

/// Finds the annotated documents of a folder, by name. Texts are in the folder or in `text/`, annotations in the folder
/// or in `attributions/`. An annotation file has the name of its text, or that name, `_` and the annotator. If several
/// people annotated a text, the file whose name sorts first counts.
pub(super) fn documents(folder: &Path) -> Result<Vec<DocumentFiles>> {
    let mut texts = files(&[folder.to_owned(), folder.join("text")], "txt")?;
    let annotations = files(&[folder.to_owned(), folder.join("attributions")], "ann")?;
    let mut annotated: BTreeMap<String, (Option<String>, PathBuf)> = BTreeMap::new();
    for (name, path) in annotations {
        let (text, annotator) = match name.rsplit_once('_') {
            Some((text, annotator)) if !texts.contains_key(&name) => (text, Some(annotator.to_owned())),
            _ => (name.as_str(), None),
        };
        if !texts.contains_key(text) {
            let id = format!("{text}.txt");
            return Err(file::at(&path, GoldProblem::Dangling { what: "the text", id }).into());
        }
        annotated.entry(text.to_owned()).or_insert((annotator, path));
    }
    if annotated.is_empty() {
        let expected = "texts (.txt) with annotations (.ann)".to_owned();
        return Err(file::at(folder, GoldProblem::Folder { expected }).into());
    }
    let documents = annotated.into_iter().filter_map(|(name, (annotator, annotations))| {
        let text = texts.remove(&name)?;
        Some(DocumentFiles { name, annotator, text, annotations })
    });
    Ok(documents.collect())
}

/// The files with this extension in some folders, by their names without it. A folder may be missing.
fn files(folders: &[PathBuf], extension: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).map_err(|error| file::unreadable(folder, error))? {
            let path = entry.map_err(|error| file::unreadable(folder, error))?.path();
            if path.extension().is_some_and(|found| found == extension)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                files.insert(name.to_owned(), path);
            }
        }
    }
    Ok(files)
}

/// Reads a text bound: `T1<tab>Source 4 9;12 15<tab>the words`. Returns its name with it.
fn text_bound(line: &str, offsets: &Offsets<'_>) -> Result<(String, Bound), InputProblem> {
    let malformed = || GoldProblem::Line {
        expected: "a name, a tab, a type with its offsets, a tab and the words",
        found: line.to_owned(),
    };
    let mut columns = line.split('\t');
    let (id, place) = columns.next().zip(columns.next()).ok_or_else(malformed)?;
    let (label, pieces) = place.split_once(' ').ok_or_else(malformed)?;
    let mut spans = Vec::new();
    let mut whole = [usize::MAX, 0];
    for piece in pieces.split(';') {
        let (start, end) = piece.split_once(' ').ok_or_else(malformed)?;
        let (start, end) = start.parse().ok().zip(end.parse().ok()).ok_or_else(malformed)?;
        whole = [whole[0].min(start), whole[1].max(end)];
        spans.push(offsets.span("text bound", start, end)?);
    }
    let covered: Vec<&str> = spans.iter().map(|span| span.slice(offsets.text())).collect();
    let (covered, said) = (covered.join(" "), columns.next().unwrap_or_default());
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    if letters(&covered) != letters(said) {
        let [start, end] = whole;
        let said = said.to_owned();
        return Err(GoldProblem::OtherText {
            what: "text bound",
            start,
            end,
            covered,
            said,
            unit: "characters",
        }
        .into());
    }
    Ok((id.to_owned(), Bound { label: label.to_owned(), pieces: spans }))
}
