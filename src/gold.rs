//! Labelled text: gold files and stance pairs, read from JSON Lines into one type. Training and evaluation
//! both read it here.

use crate::error::{InputError, InputProblem, Place, Result};
use crate::hash::sha256;
use crate::label::{Attribution, Role, Stance};
use crate::text::{Document, Span};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

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
    /// A document made of sentences, which are put on lines of their own.
    fn of_sentences(id: String, target: String, sentences: Vec<(String, GoldLabels)>) -> Self {
        let (texts, labels): (Vec<String>, Vec<GoldLabels>) = sentences.into_iter().unzip();
        Self { document: Document::from_sentences(id, &texts), target, labels, attributions: None }
    }

    /// Its sentences with their labels.
    pub fn sentences(&self) -> impl Iterator<Item = (&str, &GoldLabels)> {
        self.document.sentences().iter().map(|span| span.slice(self.document.text())).zip(&self.labels)
    }
}

/// A file of gold documents, with the SHA-256 of its bytes in hexadecimal.
#[derive(Clone, Debug)]
pub struct GoldFile {
    pub documents: Vec<GoldDocument>,
    pub sha256: String,
}

/// A whole document.
#[derive(Deserialize)]
struct DocumentRow {
    doc_id: String,
    target: String,
    sentences: Vec<SentenceLabels>,
}

#[derive(Deserialize)]
struct SentenceLabels {
    text: String,
    role: Role,
    stance: Stance,
}

/// A sentence between its neighbours.
#[derive(Deserialize)]
struct SentenceRow {
    doc_id: String,
    target: String,
    #[serde(default)]
    before: String,
    #[serde(flatten)]
    sentence: SentenceLabels,
    #[serde(default)]
    after: String,
}

/// A text and the target its stance is toward. With a `split`, only `train` is read.
#[derive(Deserialize)]
struct PairRow {
    id: String,
    target: String,
    text: String,
    stance: Stance,
    split: Option<String>,
}

impl SentenceLabels {
    fn labelled(self) -> (String, GoldLabels) {
        let labels = GoldLabels { role: Some(self.role), stance: Some(self.stance), ..GoldLabels::default() };
        (self.text, labels)
    }
}

impl From<DocumentRow> for GoldDocument {
    fn from(row: DocumentRow) -> Self {
        let sentences = row.sentences.into_iter().map(SentenceLabels::labelled).collect();
        Self::of_sentences(row.doc_id, row.target, sentences)
    }
}

impl From<SentenceRow> for GoldDocument {
    fn from(row: SentenceRow) -> Self {
        let context = |text: String| (!text.trim().is_empty()).then(|| (text, GoldLabels::default()));
        let sentences = [context(row.before), Some(row.sentence.labelled()), context(row.after)];
        Self::of_sentences(row.doc_id, row.target, sentences.into_iter().flatten().collect())
    }
}

impl From<PairRow> for GoldDocument {
    fn from(row: PairRow) -> Self {
        let labels = GoldLabels { stance: Some(row.stance), ..GoldLabels::default() };
        Self::of_sentences(row.id, row.target, vec![(row.text, labels)])
    }
}

/// Reads one line; which kind of row it is, its fields tell.
fn read_row(line: &[u8]) -> Result<Option<GoldDocument>, InputProblem> {
    let row: Value = serde_json::from_slice(line).map_err(InputProblem::Json)?;
    fn parse<T: DeserializeOwned>(row: Value, expected: &'static str) -> Result<T, InputProblem> {
        serde_json::from_value(row).map_err(|source| InputProblem::NotGold { expected, source })
    }
    if row.get("sentences").is_some() {
        let expected = "a gold document (doc_id, target, sentences with text, role, stance)";
        return parse::<DocumentRow>(row, expected).map(|row| Some(row.into()));
    }
    if row.get("doc_id").is_some() || row.get("role").is_some() {
        let expected = "a gold sentence (doc_id, target, text, role, stance)";
        return parse::<SentenceRow>(row, expected).map(|row| Some(row.into()));
    }
    let row: PairRow = parse(row, "a stance pair (id, target, text, stance)")?;
    Ok(row.split.as_ref().is_none_or(|split| split == "train").then(|| row.into()))
}

/// Reads a file of gold documents, gold sentences or stance pairs.
///
/// # Errors
/// If the file cannot be read, or a line is none of the three.
pub fn read_gold(path: &Path) -> Result<GoldFile> {
    let name = path.display().to_string();
    let unreadable = |error| {
        let place = Place { file: name.clone(), line: None };
        InputError { place, problem: InputProblem::Read(error) }
    };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let mut documents = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = || Place { file: name.clone(), line: Some(index + 1) };
        documents.extend(read_row(line).map_err(|problem| InputError { place: place(), problem })?);
    }
    let sha256 = sha256([bytes.as_slice()]);
    Ok(GoldFile { documents, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<GoldFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold.jsonl");
        std::fs::write(&path, lines).unwrap();
        read_gold(&path)
    }

    #[test]
    fn the_three_kinds_of_row_are_read() {
        let file = read(concat!(
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
    fn a_misspelt_label_is_named() {
        let row = r#"{"id":"a","doc_id":"a","target":"t","text":"One.","role":"calim","stance":"none"}"#;
        let error = read(row).unwrap_err().to_string();
        assert!(
            error.contains("gold.jsonl:1: is not a gold sentence") && error.contains("`calim`"),
            "{error}"
        );
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("{\"doc_id\":\"a\",\"target\":\"t\",\"sentences\":[]}\n{\"id\":3}\n").unwrap_err();
        assert!(error.to_string().contains("gold.jsonl:2: is not a stance pair"), "{error}");
    }
}
