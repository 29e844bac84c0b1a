//! Labelled text: gold files and stance pairs, read from JSON Lines into one type. Training and evaluation
//! both read it here.

use crate::error::{InputError, InputProblem, Place, Result};
use crate::label::{Role, Stance};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;

/// One sentence with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldSentence {
    pub text: String,
    pub role: Option<Role>,
    pub stance: Option<Stance>,
}

/// Consecutive sentences of one document; unlabelled ones are there as context.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldDocument {
    pub id: String,
    pub target: String,
    pub sentences: Vec<GoldSentence>,
}

/// A file of gold documents, with the SHA-256 of its bytes in hexadecimal.
#[derive(Clone, Debug)]
pub struct GoldFile {
    pub documents: Vec<GoldDocument>,
    pub sha256: String,
}

/// The rows that a gold file may hold, told apart by their fields.
#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    /// A whole document: `sentences[].{text, role, stance}`.
    Document { doc_id: String, target: String, sentences: Vec<SentenceRow> },
    /// A sentence between its neighbours: `before`, `text`, `after`, `role`, `stance`.
    Sentence {
        doc_id: String,
        target: String,
        #[serde(default)]
        before: String,
        text: String,
        #[serde(default)]
        after: String,
        role: Role,
        stance: Stance,
    },
    /// A text and the target its stance is toward: `text`, `target`, `stance`, and perhaps `split`, of which
    /// only `train` is read.
    Pair { id: String, target: String, text: String, stance: Stance, split: Option<String> },
}

#[derive(Deserialize)]
struct SentenceRow {
    text: String,
    role: Role,
    stance: Stance,
}

impl Row {
    fn into_document(self) -> Option<GoldDocument> {
        Some(match self {
            Self::Document { doc_id, target, sentences } => GoldDocument {
                id: doc_id,
                target,
                sentences: sentences
                    .into_iter()
                    .map(|row| GoldSentence {
                        text: row.text,
                        role: Some(row.role),
                        stance: Some(row.stance),
                    })
                    .collect(),
            },
            Self::Sentence { doc_id, target, before, text, after, role, stance } => {
                let context = |text: String| {
                    (!text.trim().is_empty()).then_some(GoldSentence { text, role: None, stance: None })
                };
                let labelled = GoldSentence { text, role: Some(role), stance: Some(stance) };
                let sentences =
                    [context(before), Some(labelled), context(after)].into_iter().flatten().collect();
                GoldDocument { id: doc_id, target, sentences }
            }
            Self::Pair { split: Some(split), .. } if split != "train" => return None,
            Self::Pair { id, target, text, stance, .. } => {
                let sentences = vec![GoldSentence { text, role: None, stance: Some(stance) }];
                GoldDocument { id, target, sentences }
            }
        })
    }
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
        let row: Row = serde_json::from_slice(line).map_err(|_| InputError {
            place: Place { file: name.clone(), line: Some(index + 1) },
            problem: InputProblem::NotGold,
        })?;
        documents.extend(row.into_document());
    }
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
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
            file.documents.iter().map(|document| (document.id.as_str(), document.sentences.len())).collect();
        assert_eq!(shape, [("a", 1), ("b", 2), ("c", 1)], "test rows are not trained on");
        assert_eq!(file.documents[1].sentences[1].role, None, "neighbours are context");
        assert_eq!(file.documents[2].sentences[0].stance, Some(Stance::Against));
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = read("{\"doc_id\":\"a\",\"target\":\"t\",\"sentences\":[]}\n{\"id\":3}\n").unwrap_err();
        assert!(error.to_string().contains("gold.jsonl:2: expected a gold document"), "{error}");
    }
}
