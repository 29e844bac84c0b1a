//! What one reader says: an export of an annotation tool, JSON Lines of labels, or what `classify` writes.

use crate::error::{InputError, InputProblem, ReadingProblem, Result};
use crate::gold::{self, GoldDocument, GoldFormat, GoldLabels, GoldSource, file};
use crate::predictions::Row;
use serde_json::Value;
use standpoint_core::hash::Digest;
use standpoint_core::label::{Attribution, Target};
use standpoint_core::text::Span;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// How much of a file is looked at to find out its format, in bytes.
const LOOK: u64 = 64 << 20;

/// The labels of one reader, by document.
#[derive(Default)]
pub(super) struct Reading {
    pub documents: Vec<ReadDocument>,
}

pub(super) struct ReadDocument {
    pub id: String,
    /// Not known of lines that hold single sentences.
    pub text: Option<String>,
    pub sentences: Vec<ReadSentence>,
    /// `None` if the reader marked none anywhere.
    pub attributions: Option<Vec<Attribution>>,
}

pub(super) struct ReadSentence {
    pub index: usize,
    /// Not known of lines without `start` and `end`.
    pub span: Option<Span>,
    pub labels: GoldLabels,
}

impl Reading {
    /// Reads the file or folder of one reader. Without a format, it is looked for.
    ///
    /// # Errors
    /// If it cannot be read, or is of no format that is known.
    pub fn load(path: &Path, format: Option<GoldFormat>) -> Result<Self> {
        match format.map_or_else(|| format_of(path), |format| Ok(Some(format)))? {
            None => rows(path),
            Some(format) => Ok(Self::of(gold::read(&source(path, format))?.documents)),
        }
    }

    /// Reads the readers of one export that holds them all.
    ///
    /// # Errors
    /// As [`Reading::load`], and if the format does not say who labelled what.
    pub fn load_all(path: &Path, format: Option<GoldFormat>) -> Result<Vec<Self>> {
        let format = format.map_or_else(|| format_of(path), |format| Ok(Some(format)))?;
        let found = match format {
            Some(GoldFormat::LabelStudio) => gold::read_annotators(&source(path, GoldFormat::LabelStudio))?,
            _ => Vec::new(),
        };
        match found.len() {
            0 | 1 => Err(file::at(path, ReadingProblem::Alone).into()),
            _ => Ok(found.into_iter().map(Self::of).collect()),
        }
    }

    fn of(documents: Vec<GoldDocument>) -> Self {
        let document = |gold: GoldDocument| ReadDocument {
            id: gold.document.id().to_owned(),
            text: Some(gold.document.text().to_owned()),
            sentences: gold
                .document
                .sentences()
                .iter()
                .zip(gold.labels)
                .enumerate()
                .map(|(index, (&span, labels))| ReadSentence { index, span: Some(span), labels })
                .collect(),
            attributions: gold.attributions,
        };
        Self { documents: documents.into_iter().map(document).collect() }
    }
}

/// Any target will do: readers are compared with each other.
fn source(path: &Path, format: GoldFormat) -> GoldSource {
    GoldSource { target: Some(Target::DEFAULT.to_owned()), ..GoldSource::new(path, format) }
}

/// The format that a file looks like. `None` stands for lines that label single sentences.
fn format_of(path: &Path) -> Result<Option<GoldFormat>> {
    if path.is_dir() {
        return Ok(Some(GoldFormat::Brat));
    }
    let failed = |error| file::unreadable(path, error);
    let mut reader = BufReader::new(File::open(path).map_err(failed)?.take(LOOK));
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Err(file::at(path, InputProblem::Empty).into());
        }
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line).trim_ascii();
        match text.first() {
            None => {}
            Some(b'[') => return Ok(Some(GoldFormat::LabelStudio)),
            Some(_) => return Ok(format_of_line(text)),
        }
    }
}

fn format_of_line(line: &[u8]) -> Option<GoldFormat> {
    // What is no JSON is said when it is read.
    let row: Value = serde_json::from_slice(line).ok()?;
    let has = |fields: &[&str]| fields.iter().any(|field| row.get(field).is_some());
    match () {
        () if has(&["index"]) => None,
        () if has(&["sentences"]) => Some(GoldFormat::Standpoint),
        () if has(&["spans", "accept", "answer", "_task_hash"]) => Some(GoldFormat::Prodigy),
        () if has(&["text"]) && has(&["label", "labels", "entities", "cats"]) => Some(GoldFormat::Doccano),
        () => None,
    }
}

/// Reads lines that label single sentences, each once.
fn rows(path: &Path) -> Result<Reading> {
    let mut reading = Reading::default();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut seen: HashSet<(usize, usize)> = HashSet::new();
    let expected = "a reading (id, index, role, stance)";
    file::json_lines(path, &mut Digest::default(), expected, |_, row: Row| {
        row.check()?;
        let field =
            |name: &str, problem, expected| InputProblem::Field { name: name.into(), problem, expected };
        let id = row.id().ok_or_else(|| field("id", "is missing", "the document's id"))?;
        let index = row
            .index
            .ok_or_else(|| field("index", "is missing", "the sentence's number in its document, from 0"))?;
        let next = reading.documents.len();
        let number = *numbers.entry(id.clone()).or_insert(next);
        if number == next {
            reading.documents.push(ReadDocument {
                id,
                text: None,
                sentences: Vec::new(),
                attributions: None,
            });
        }
        if !seen.insert((number, index)) {
            return Err(field("index", "repeats a sentence", "each sentence once"));
        }
        let document = &mut reading.documents[number];
        document.sentences.push(ReadSentence { index, span: row.own_span()?, labels: row.labels()? });
        if let Some(found) = row.own_attributions()? {
            document.attributions.get_or_insert_default().extend(found);
        }
        Ok(())
    })?;
    if reading.documents.is_empty() {
        Err(file::at(path, InputProblem::Empty))?;
    }
    for document in &mut reading.documents {
        // A line repeats the attributions of its neighbours.
        let mut seen = HashSet::new();
        document.attributions.iter_mut().for_each(|all| all.retain(|one| seen.insert(one.clone())));
    }
    Ok(reading)
}

/// The documents of several readings, each with its number in every reading that has it. They are paired by their texts if
/// all are known, as tools number documents on their own, and by their ids otherwise.
pub(super) fn paired(readings: &[Reading]) -> BTreeMap<String, Vec<Option<usize>>> {
    let mut documents = readings.iter().flat_map(|reading| &reading.documents);
    let by_text = documents.all(|document| document.text.is_some());
    let mut table: BTreeMap<String, Vec<Option<usize>>> = BTreeMap::new();
    for (reader, reading) in readings.iter().enumerate() {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for (number, document) in reading.documents.iter().enumerate() {
            let key = document.text.as_deref().filter(|_| by_text).unwrap_or(&document.id);
            // One text, or id, may come several times.
            let time = times.entry(key).or_default();
            let entry = table.entry(format!("{time} {key}")).or_insert_with(|| vec![None; readings.len()]);
            entry[reader] = Some(number);
            *time += 1;
        }
    }
    table
}

/// The error that readings have nothing in common.
pub(super) fn nothing(path: &Path) -> InputError {
    file::at(path, ReadingProblem::Nothing)
}
