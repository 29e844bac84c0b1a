//! brat's standoff format: plain texts (`.txt`), and files of annotations (`.ann`) beside them. Reads text bounds (`T`) and
//! events (`E`) with the roles Source, Cue and Content, as attributions.

use super::file::{self, Location};
use super::offsets::{Offsets, Unit};
use crate::error::{GoldProblem, InputProblem, Result};
use standpoint_core::hash::Digest;
use standpoint_core::label::Attribution;
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
    /// The text and its attributions.
    pub fn read(&self, digest: &mut Digest) -> Result<(String, Vec<Attribution>)> {
        let text = file::whole(&self.text, digest)?;
        let attributions = attributions(&self.annotations, &text, digest)?;
        Ok((text, attributions))
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

/// Reads the attributions of one annotation file. A text bound may be defined after the event that uses it.
fn attributions(path: &Path, text: &str, digest: &mut Digest) -> Result<Vec<Attribution>> {
    let offsets = Offsets::new(text, Unit::Characters);
    let mut bounds: HashMap<String, Vec<Span>> = HashMap::new();
    let mut events: Vec<(Location, String)> = Vec::new();
    file::lines(path, digest, |at, line| {
        if line.starts_with('T') {
            let (id, spans) = text_bound(line, &offsets)?;
            bounds.insert(id, spans);
        } else if line.starts_with('E') {
            events.push((at, line.to_owned()));
        }
        Ok(())
    })?;
    let mut attributions = Vec::with_capacity(events.len());
    for (at, line) in &events {
        let attribution = event(line, &bounds).map_err(|problem| at.error(path, problem))?;
        // PolNeAR has a few events without any span.
        if attribution != Attribution::default() {
            attributions.push(attribution);
        }
    }
    Ok(attributions)
}

/// Reads a text bound: `T1<tab>Source 4 9;12 15<tab>the words`. Returns its name and its pieces.
fn text_bound(line: &str, offsets: &Offsets<'_>) -> Result<(String, Vec<Span>), InputProblem> {
    let malformed = || GoldProblem::Line {
        expected: "a name, a tab, a type with its offsets, a tab and the words",
        found: line.to_owned(),
    };
    let mut columns = line.split('\t');
    let (id, place) = columns.next().zip(columns.next()).ok_or_else(malformed)?;
    let (_, pieces) = place.split_once(' ').ok_or_else(malformed)?;
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
    Ok((id.to_owned(), spans))
}

/// Reads an event: `E1<tab>Attribution:T4 Content:T3 Cue:T2 Source:T1`. A role that occurs twice has a number after its
/// name, as in `Source2`.
fn event(line: &str, bounds: &HashMap<String, Vec<Span>>) -> Result<Attribution, InputProblem> {
    let mut attribution = Attribution::default();
    let roles = line.split_once('\t').map_or("", |(_, roles)| roles);
    for role in roles.split_whitespace() {
        let (name, id) = role.split_once(':').ok_or_else(|| GoldProblem::Line {
            expected: "a name, a tab, and roles with the names of text bounds",
            found: line.to_owned(),
        })?;
        let part = match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "Source" => &mut attribution.source,
            "Cue" => &mut attribution.cue,
            "Content" => &mut attribution.content,
            _ => continue,
        };
        let spans =
            bounds.get(id).ok_or(GoldProblem::Dangling { what: "the text bound", id: id.to_owned() })?;
        part.extend(spans);
    }
    for part in [&mut attribution.source, &mut attribution.cue, &mut attribution.content] {
        part.sort();
    }
    Ok(attribution)
}
