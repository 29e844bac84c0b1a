//! PolNeAR as it is published: plain text, and brat's standoff annotations beside it. Sentences are found here,
//! for brat has none.

use super::collect::{Collector, Draft};
use super::file::{self, At};
use super::offsets::{Offsets, Unit};
use super::polnear::attributed_or_not;
use crate::error::{GoldProblem, InputProblem, Result};
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::Attribution;
use standpoint_core::segment;
use standpoint_core::text::Span;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads the texts of a folder (or of `text/` in it) that have annotations beside them (or in `attributions/`).
pub(super) fn read(folder: &Path, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let texts = files(&[folder.to_owned(), folder.join("text")], "txt")?;
    let annotations = files(&[folder.to_owned(), folder.join("attributions")], "ann")?;
    let mut pairs: BTreeMap<&str, (Option<&str>, &Path)> = BTreeMap::new();
    for (name, path) in &annotations {
        let (text, annotator) = match name.rsplit_once('_') {
            Some((text, annotator)) if !texts.contains_key(name) => (text, Some(annotator)),
            _ => (name.as_str(), None),
        };
        if !texts.contains_key(text) {
            let id = format!("{text}.txt");
            return Err(file::at(path, GoldProblem::Dangling { what: "the text", id }).into());
        }
        pairs.entry(text).or_insert((annotator, path));
    }
    if pairs.is_empty() {
        let expected = "texts (.txt) with annotations (.ann)".to_owned();
        return Err(file::at(folder, GoldProblem::Folder { expected }).into());
    }
    for (number, (name, (annotator, path))) in pairs.into_iter().enumerate() {
        let text = file::whole(&texts[name], digest)?;
        let attributions = attributions(path, &text, digest)?;
        let sentences = attributed_or_not(&text, segment::sentences(&text), &attributions);
        let mut fields = Map::new();
        fields.extend(annotator.map(|annotator| ("annotator".to_owned(), Value::from(annotator))));
        let (id, attributions) = (name.to_owned(), Some(attributions));
        let draft = Draft { id, target: None, text, sentences, attributions, fields };
        let at = At::Record(number + 1);
        collector.add(at, draft).map_err(|problem| at.error(folder, problem))?;
    }
    Ok(())
}

/// The files of some folders that end so, by their names without the ending. A folder may be missing.
fn files(folders: &[PathBuf], ending: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder).map_err(|error| file::unreadable(folder, error))? {
            let path = entry.map_err(|error| file::unreadable(folder, error))?.path();
            if path.extension().is_some_and(|found| found == ending)
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                files.insert(name.to_owned(), path);
            }
        }
    }
    Ok(files)
}

/// Reads the events of one file; text bounds may be defined after the event that uses them.
fn attributions(path: &Path, text: &str, digest: &mut Digest) -> Result<Vec<Attribution>> {
    let offsets = Offsets::new(text, Unit::Characters);
    let mut bounds: HashMap<String, Vec<Span>> = HashMap::new();
    let mut events: Vec<(At, String)> = Vec::new();
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
        // The corpus has a few triggers to which nobody has tied anything.
        if attribution != Attribution::default() {
            attributions.push(attribution);
        }
    }
    Ok(attributions)
}

/// `T1<tab>Source 4 9;12 15<tab>the words`
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

/// `E1<tab>Attribution:T4 Content:T3 Cue:T2 Source:T1`; a role that occurs again has a number behind its name.
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
