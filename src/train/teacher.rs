//! What a larger model thinks of text that nobody labelled: a smaller one learns from its probabilities, which say more
//! than labels would (Hinton et al., Distilling the knowledge in a neural network, 2015).

use crate::error::{InputError, InputProblem, Place, Result};
use crate::gold::{GoldDocument, GoldFile, GoldLabels};
use crate::hash::sha256;
use crate::input::{Documents, InputFormat};
use crate::label::Target;
use crate::model::{Model, ModelSource};
use crate::output::atomic::write_whole;
use crate::pipeline::Pipeline;
use crate::text::Document;
use crate::train::config::TeacherConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

/// The probabilities that a teacher gives each role and each stance of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub role: [f32; 3],
    pub stance: [f32; 3],
}

/// Unlabelled documents, with a judgement for each sentence.
pub struct Taught {
    pub documents: Vec<GoldDocument>,
    pub judgements: Vec<Vec<Judgement>>,
}

/// What a teacher has said.
pub struct Teaching {
    /// Of its weights.
    pub teacher_sha256: String,
    /// File by file.
    pub taught: Vec<Taught>,
}

/// What was judged, by whom: kept, because judging takes minutes.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Hashes of the teacher and of all it has read.
    of: String,
    judgements: Vec<Vec<Judgement>>,
}

/// Reads a file as `classify` would, but for two fields of JSON Lines. `before` and `after` are neighbours of a text and
/// become a part of its document. Texts of one `doc_id` that follow each other and have no neighbours are one document.
/// Documents that `left_out` names are not read.
///
/// # Errors
/// If the file or one of its lines cannot be read.
pub fn read_unlabelled(path: &Path, target: &str, left_out: &HashSet<&str>) -> Result<GoldFile> {
    let mut gathered: Vec<(String, bool, Vec<String>)> = Vec::new();
    for document in Documents::new(&[path], InputFormat::Auto) {
        let document = document?;
        let field = |name: &str| document.fields().get(name).and_then(Value::as_str).unwrap_or_default();
        let id = match field("doc_id") {
            "" => document.id(),
            id => id,
        };
        if left_out.contains(id) {
            continue;
        }
        let sentences = (0..document.sentences().len()).map(|index| document.sentence(index));
        let alone = field("before").is_empty() && field("after").is_empty();
        let texts: Vec<String> = std::iter::once(field("before"))
            .chain(sentences)
            .chain([field("after")])
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
            .collect();
        match gathered.last_mut() {
            Some((last, true, together)) if alone && last == id => together.extend(texts),
            _ => gathered.push((id.to_owned(), alone, texts)),
        }
    }
    let documents = gathered.into_iter().map(|(id, _, texts)| GoldDocument {
        labels: vec![GoldLabels::default(); texts.len()],
        document: Document::from_sentences(id, &texts),
        target: target.to_owned(),
        attributions: None,
    });
    let bytes = std::fs::read(path).map_err(|error| InputError {
        place: Place { file: path.display().to_string(), line: None },
        problem: InputProblem::Read(error),
    })?;
    Ok(GoldFile { documents: documents.collect(), sha256: sha256([&*bytes]) })
}

/// Asks the teacher for its judgement of all these documents; or takes what it said before from `kept`, where
/// it is left for the next time.
///
/// # Errors
/// If the teacher cannot be loaded or run, or its judgements cannot be written.
pub fn ask(
    config: &TeacherConfig,
    offline: bool,
    files: Vec<Vec<GoldDocument>>,
    kept: &Path,
) -> Result<Teaching> {
    let model = Model::load(&ModelSource::parse(Some(&config.model), None, offline)?)?;
    let teacher_sha256 = model.fingerprint()?;
    let all: Vec<Document> = files.iter().flatten().map(|gold| gold.document.clone()).collect();
    let texts = all.iter().flat_map(|document| [document.id().as_bytes(), document.text().as_bytes()]);
    let of = sha256([teacher_sha256.as_bytes()].into_iter().chain(texts));
    let judgements = match read_kept(kept).filter(|kept| kept.of == of) {
        Some(kept) => kept.judgements,
        None => {
            let targets: Vec<Target> = files
                .iter()
                .flatten()
                .take(1)
                .map(|gold| Target::new(&gold.target))
                .collect::<Result<_, _>>()?;
            let judgements = judge(&Pipeline::new(model)?, &all, &targets)?;
            let found = Kept { of, judgements };
            let json = serde_json::to_vec(&found).expect("numbers are JSON");
            write_whole(kept, &json)?;
            found.judgements
        }
    };
    let mut judgements = judgements.into_iter();
    let taught = files.into_iter().map(|documents| Taught {
        judgements: judgements.by_ref().take(documents.len()).collect(),
        documents,
    });
    Ok(Teaching { taught: taught.collect(), teacher_sha256 })
}

fn judge(pipeline: &Pipeline, documents: &[Document], targets: &[Target]) -> Result<Vec<Vec<Judgement>>> {
    let analyses = pipeline.analyze(documents, targets)?;
    let judgements = analyses.iter().map(|analysis| {
        let sentences = analysis.sentences.iter();
        let judgement = sentences.map(|sentence| Judgement {
            role: sentence.role.probabilities(),
            stance: sentence.stances[0].prediction.probabilities(),
        });
        judgement.collect()
    });
    Ok(judgements.collect())
}

/// What cannot be read is judged anew.
fn read_kept(path: &Path) -> Option<Kept> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        file
    }

    #[test]
    fn neighbours_and_sentences_of_one_document_are_read_together() {
        let file = written(&[
            r#"{"doc_id": "a", "text": "One."}"#,
            r#"{"doc_id": "a", "text": "Two."}"#,
            r#"{"doc_id": "b", "before": "Three.", "text": "Four.", "after": ""}"#,
            r#"{"doc_id": "b", "before": "", "text": "Five.", "after": "Six."}"#,
            r#"{"doc_id": "dev", "text": "Seven."}"#,
            r#"{"doc_id": "c", "text": "Eight. Nine."}"#,
        ]);
        let read = read_unlabelled(file.path(), "a target", &HashSet::from(["dev"])).unwrap();
        let texts: Vec<(&str, Vec<&str>)> = read
            .documents
            .iter()
            .map(|gold| (gold.document.id(), gold.sentences().map(|(text, _)| text).collect()))
            .collect();
        assert_eq!(
            texts,
            [
                ("a", vec!["One.", "Two."]),
                ("b", vec!["Three.", "Four."]),
                ("b", vec!["Five.", "Six."]),
                ("c", vec!["Eight.", "Nine."]),
            ]
        );
    }

    #[test]
    fn a_line_without_text_ends_the_reading() {
        let file = written(&[r#"{"doc_id": "a"}"#]);
        let error = read_unlabelled(file.path(), "a target", &HashSet::new()).unwrap_err().to_string();
        assert!(error.contains(":1") && error.contains("text"), "{error}");
    }
}
