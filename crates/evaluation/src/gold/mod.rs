//! Labelled ("gold") text: the public formats that users have on disk, read into one type, [`GoldDocument`]. Training and
//! evaluation both read it here. `docs/formats.md` describes each format in full.
//!
//! | format | module | what it labels | how labels map to ours |
//! | --- | --- | --- | --- |
//! | `standpoint` | `standpoint` | everything | as they are |
//! | `polnear` | `polnear`, `standoff` | attributions | a sentence that a content covers is `attributed`; source, cue and content as spans |
//! | `newsdiscourse` | `newsdiscourse` | roles | as they are |
//! | `checkthat` | `checkthat` | check-worthiness | `Yes`, `1`: worth checking; `No`, `0`: not |
//! | `claimbuster` | `claimbuster` | check-worthiness | verdict 1: worth checking; 0, -1: not |
//! | `semeval2016t6` | `semeval` | stance | `FAVOR`, `AGAINST`, `NONE`: favor, against, none |
//! | `vast` | `vast` | stance | 0: against; 1: favor; 2: none |
//! | `perspectrum` | `perspectrum` | stance | `SUPPORT`: favor; `UNDERMINE`: against; `NOT_A_PERSPECTIVE`: left out |
//! | `fnc1` | `fnc1` | stance | `agree`: favor; `disagree`: against; `discuss`, `unrelated`: none |
//! | `labelstudio`, `doccano`, `prodigy`, `brat` | of the same name, `annotated` | everything, by the project's labels | by the label's name |
//!
//! To add a format: a line in `format`, a module with a `read` function, and its row in the `match` of `collect`. A
//! `read` function turns each record into an `UncheckedDocument` and hands it to the `Collector`, which checks it. The
//! modules `file` (lines, JSON arrays), `table` (CSV, TSV) and `offsets` (units of offsets) are shared by the formats.

mod annotated;
mod brat;
mod checkthat;
mod claimbuster;
mod collector;
mod counting;
mod doccano;
pub(crate) mod file;
mod fnc1;
mod fold;
mod format;
mod labelstudio;
mod newsdiscourse;
pub(crate) mod offsets;
mod perspectrum;
mod polnear;
mod prodigy;
mod semeval;
mod standoff;
mod standpoint;
mod table;
mod vast;

pub use fold::Fold;
pub use format::GoldFormat;
pub use offsets::Unit;
pub(crate) use standpoint::find_words;

use crate::error::{GoldProblem, InputProblem, Result};
use collector::Collector;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::text::{Document, Span};
use std::path::{Path, PathBuf};

/// The labels of one sentence. A sentence without any label is context for its neighbours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GoldLabels {
    pub role: Option<Role>,
    /// Whether its role is `attributed`, for data that say no more about the role.
    pub attributed: Option<bool>,
    pub stance: Option<Stance>,
    /// Who holds the stance, as a span of the document's text.
    pub holder: Option<Span>,
    pub checkworthy: Option<bool>,
    /// Who speaks: the fullest name that the document has for whoever the sentence is attributed to.
    pub speaker: Option<String>,
    /// Whose stance it is, by the fullest name; `author` for the author's own.
    pub stance_of: Option<String>,
}

/// A document with labels for its sentences. The document's fields keep everything else in the record, such as outlet,
/// genre or date. Figures can be sliced by them.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldDocument {
    pub document: Document,
    /// What the stances are toward.
    pub target: String,
    /// One entry for each sentence, in order.
    pub labels: Vec<GoldLabels>,
    /// All attributions of the text. `None` if nobody annotated them.
    pub attributions: Option<Vec<Attribution>>,
}

impl GoldDocument {
    /// The sentences' texts with their labels, in order.
    pub fn sentences(&self) -> impl Iterator<Item = (&str, &GoldLabels)> {
        self.document.sentences().iter().map(|span| span.slice(self.document.text())).zip(&self.labels)
    }

    /// Whether anybody noted who speaks. Then an attributed sentence without a speaker has one that the document does not name.
    pub fn has_speakers(&self) -> bool {
        self.labels.iter().any(|labels| labels.speaker.is_some())
    }

    /// Adds those of `fields` that the document lacks or has as null.
    pub fn complete_fields(&mut self, fields: &Map<String, Value>) {
        let mut own = self.document.fields().values();
        for (name, value) in fields {
            if own.get(name).is_none_or(Value::is_null) {
                own.insert(name.clone(), value.clone());
            }
        }
        self.document = self.document.clone().with_fields(own);
    }
}

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct GoldSource {
    /// A file, or for some formats a folder.
    pub path: PathBuf,
    /// The second file, for formats with two.
    pub companion: Option<PathBuf>,
    pub format: GoldFormat,
    /// The split to read. Rows of another split are skipped; rows that name no split are read.
    pub split: Option<String>,
    /// The target for rows that name none.
    pub target: Option<String>,
    /// The share of the documents to read. `None` reads all.
    pub fold: Option<Fold>,
    /// What offsets count, for formats that leave it open. `None` finds out.
    pub offsets: Option<Unit>,
}

impl GoldSource {
    /// Reads all of one file.
    pub fn new(path: impl Into<PathBuf>, format: GoldFormat) -> Self {
        Self {
            path: path.into(),
            companion: None,
            format,
            split: None,
            target: None,
            fold: None,
            offsets: None,
        }
    }

    /// The path of the second file. `expected` describes it for the error.
    ///
    /// # Errors
    /// [`GoldProblem::NoCompanion`] if the source names none.
    fn companion(&self, expected: &'static str) -> Result<&Path> {
        let companion = self.companion.as_deref();
        companion.ok_or_else(|| file::at(&self.path, GoldProblem::NoCompanion { expected }).into())
    }
}

/// The documents of one source.
#[derive(Clone, Debug)]
pub struct GoldFile {
    pub documents: Vec<GoldDocument>,
    /// The SHA-256 of the file's bytes, in hexadecimal. For formats of several files, of their concatenation, in the
    /// order that `docs/formats.md` gives.
    pub sha256: String,
}

/// Reads gold documents. Files are streamed, so only the documents are kept in memory.
///
/// # Errors
/// If a file cannot be read, is not of the format, contradicts itself (see [`GoldProblem`]), or has no document of the
/// requested split. The error names the file and the line or record.
pub fn read(source: &GoldSource) -> Result<GoldFile> {
    let file = collect(source)?;
    if file.documents.is_empty() {
        let problem = GoldProblem::Nothing { split: source.split.clone() };
        return Err(file::at(&source.path, problem).into());
    }
    Ok(file)
}

/// Reads the documents of each annotator of a Label Studio export.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_annotators(source: &GoldSource) -> Result<Vec<Vec<GoldDocument>>> {
    labelstudio::read_annotators(source)
}

/// Reads a file of the `standpoint` format to train on: the rows of the split `train`, and those that name no split.
///
/// # Errors
/// As [`read`], but a file without documents is no error.
pub fn read_gold(path: &Path) -> Result<GoldFile> {
    let split = Some("train".to_owned());
    collect(&GoldSource { split, ..GoldSource::new(path, GoldFormat::Standpoint) })
}

fn collect(source: &GoldSource) -> Result<GoldFile> {
    if source.offsets.is_some() && source.format != GoldFormat::Doccano {
        return Err(file::at(&source.path, GoldProblem::KnownUnit { format: source.format }).into());
    }
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
        GoldFormat::Brat => brat::read,
    };
    read(source, &mut digest, &mut collector)?;
    Ok(GoldFile { documents: collector.finish(), sha256: digest.finish() })
}

/// The error for a label that the format does not have.
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
