//! Labelled text: the public formats that users have on disk, read into one type. Training and evaluation
//! both read it here. `docs/formats.md` says of each format which fields are read and what becomes of them.

mod brat;
mod checkthat;
mod claimbuster;
mod collect;
mod doccano;
mod file;
mod fnc1;
mod format;
mod labelstudio;
mod marked;
mod newsdiscourse;
mod offsets;
mod part;
mod perspectrum;
mod polnear;
mod prodigy;
mod semeval;
mod standpoint;
mod table;
mod vast;

pub use format::GoldFormat;
pub use part::Part;

use crate::error::{GoldProblem, InputProblem, Result};
use collect::Collector;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::text::{Document, Span};
use std::path::{Path, PathBuf};

/// What is known of one sentence; a sentence of which nothing is known is there as context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GoldLabels {
    pub role: Option<Role>,
    /// Whether its role is `attributed`, where that is all that is known of the role.
    pub attributed: Option<bool>,
    pub stance: Option<Stance>,
    /// Whose stance it is, as a span of the document.
    pub holder: Option<Span>,
    pub checkworthy: Option<bool>,
}

/// A document with labels for its sentences. The fields of the document are what else the data say of it
/// (outlet, genre, date): evaluation can be sliced by them.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldDocument {
    pub document: Document,
    pub target: String,
    /// One entry for each sentence.
    pub labels: Vec<GoldLabels>,
    /// All attributions of the text, where they were annotated.
    pub attributions: Option<Vec<Attribution>>,
}

impl GoldDocument {
    /// Its sentences with their labels.
    pub fn sentences(&self) -> impl Iterator<Item = (&str, &GoldLabels)> {
        self.document.sentences().iter().map(|span| span.slice(self.document.text())).zip(&self.labels)
    }

    /// Adds fields that the document does not have, or has as null.
    pub fn complete_fields(&mut self, fields: &Map<String, Value>) {
        let mut own = self.document.fields().clone();
        for (name, value) in fields {
            if own.get(name).is_none_or(Value::is_null) {
                own.insert(name.clone(), value.clone());
            }
        }
        self.document = self.document.clone().with_fields(own);
    }
}

/// Where gold documents are read from, and how.
#[derive(Clone, Debug)]
pub struct GoldSource {
    /// A file, or for some formats a folder.
    pub path: PathBuf,
    /// The second file of formats that have two.
    pub companion: Option<PathBuf>,
    pub format: GoldFormat,
    /// Rows that say they belong to another split are passed over; rows that say nothing of a split are read.
    pub split: Option<String>,
    /// The target of rows that name none.
    pub target: Option<String>,
    /// The share of the documents that is read; without it all are.
    pub part: Option<Part>,
}

impl GoldSource {
    /// All of one file.
    pub fn new(path: impl Into<PathBuf>, format: GoldFormat) -> Self {
        Self { path: path.into(), companion: None, format, split: None, target: None, part: None }
    }

    /// The second file.
    ///
    /// # Errors
    /// If none was named; `expected` says what it should hold.
    fn companion(&self, expected: &'static str) -> Result<&Path> {
        let companion = self.companion.as_deref();
        companion.ok_or_else(|| file::at(&self.path, GoldProblem::NoCompanion { expected }).into())
    }
}

/// Gold documents, with the SHA-256 of the bytes they were read from, in hexadecimal: of the file, or of all
/// files of the format in the order that `docs/formats.md` gives, one behind the other.
#[derive(Clone, Debug)]
pub struct GoldFile {
    pub documents: Vec<GoldDocument>,
    pub sha256: String,
}

/// Reads gold documents. Files are streamed: only the documents are held in memory.
///
/// # Errors
/// If a file cannot be read, is not of the format, contradicts itself (see [`GoldProblem`]), or holds no document
/// of the split that was asked for. The error names the file and the line or record.
pub fn read(source: &GoldSource) -> Result<GoldFile> {
    let file = collect(source)?;
    if file.documents.is_empty() {
        let problem = GoldProblem::Nothing { split: source.split.clone() };
        return Err(file::at(&source.path, problem).into());
    }
    Ok(file)
}

/// Reads a file of our own format to train on: of rows that name a split, those of `train`.
///
/// # Errors
/// As those of [`read`], except that a file may hold nothing.
pub fn read_gold(path: &Path) -> Result<GoldFile> {
    let split = Some("train".to_owned());
    collect(&GoldSource { split, ..GoldSource::new(path, GoldFormat::Standpoint) })
}

fn collect(source: &GoldSource) -> Result<GoldFile> {
    let mut digest = Digest::default();
    let mut collector = Collector::new(source);
    let read = match source.format {
        GoldFormat::Standpoint => standpoint::read,
        GoldFormat::PolNear => polnear::read,
        GoldFormat::NewsDiscourse => newsdiscourse::read,
        GoldFormat::CheckThat => checkthat::read,
        GoldFormat::SemEval2016T6 => semeval::read,
        GoldFormat::Vast => vast::read,
        GoldFormat::Perspectrum => perspectrum::read,
        GoldFormat::ClaimBuster => claimbuster::read,
        GoldFormat::Fnc1 => fnc1::read,
        GoldFormat::LabelStudio => labelstudio::read,
        GoldFormat::Doccano => doccano::read,
        GoldFormat::Prodigy => prodigy::read,
    };
    read(source, &mut digest, &mut collector)?;
    Ok(GoldFile { documents: collector.finish(), sha256: digest.finish() })
}

/// The error of a label that the format does not have.
fn unknown(field: &str, found: &str, known: &'static [&'static str]) -> InputProblem {
    GoldProblem::Label { field: field.to_owned(), found: found.to_owned(), known }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_lines(lines: &str) -> Result<GoldFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold.jsonl");
        std::fs::write(&path, lines).unwrap();
        read_gold(&path)
    }

    #[test]
    fn the_three_kinds_of_row_are_read() {
        let file = read_lines(concat!(
            r#"{"doc_id":"a","target":"t","sentences":[{"text":"One.","role":"claim","stance":"none"}]}"#,
            "\n\n",
            r#"{"doc_id":"b","target":"t","before":"","text":"Two.","after":"Three.","role":"background","stance":"favor"}"#,
            "\n",
            r#"{"id":"c","target":"u","text":"Four.","stance":"against","split":"train"}"#,
            "\n",
            r#"{"id":"d","target":"u","text":"Five.","stance":"against","split":"test"}"#,
        ))
        .unwrap();
        let shape: Vec<(&str, usize)> =
            file.documents.iter().map(|gold| (gold.document.id(), gold.labels.len())).collect();
        assert_eq!(shape, [("a", 1), ("b", 2), ("c", 1)], "test rows are not trained on");
        assert_eq!(file.documents[1].labels[1], GoldLabels::default(), "neighbours are context");
        assert_eq!(file.documents[2].labels[0].stance, Some(Stance::Against));
    }

    #[test]
    fn format_names_round_trip() {
        for format in GoldFormat::ALL {
            assert_eq!(format.as_str().parse::<GoldFormat>().unwrap(), *format);
            assert_eq!(serde_json::from_value::<GoldFormat>(format.as_str().into()).unwrap(), *format);
        }
        let unknown = "conll".parse::<GoldFormat>().unwrap_err().to_string();
        assert!(unknown.starts_with("unknown format \"conll\": expected standpoint, polnear"), "{unknown}");
    }

    #[test]
    fn a_misspelt_label_is_named() {
        let row = r#"{"id":"a","doc_id":"a","target":"t","text":"One.","role":"calim","stance":"none"}"#;
        let error = read_lines(row).unwrap_err().to_string();
        assert!(
            error.contains("gold.jsonl:1: is not a gold sentence") && error.contains("`calim`"),
            "{error}"
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let error =
            read_lines("{\"doc_id\":\"a\",\"target\":\"t\",\"sentences\":[]}\n{\"id\":3}\n").unwrap_err();
        assert!(error.to_string().contains("gold.jsonl:2: is not a stance pair"), "{error}");
    }
}
