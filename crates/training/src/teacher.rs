//! Knowledge distillation: a larger model, the teacher, labels text, and the run learns its probabilities, which say more than
//! labels do (Hinton et al., Distilling the knowledge in a neural network, 2015). Labels of that text are ignored.

use crate::config::TeacherConfig;
use crate::error::{InputError, InputProblem, Place, Result, TrainError};
use crate::identity;
use serde::{Deserialize, Serialize};
use standpoint_core::atomic::write_whole;
use standpoint_core::hash::sha256;
use standpoint_core::label::{Attribution, Target};
use standpoint_core::model::{ATTRIBUTION, Model, ModelSource};
use standpoint_core::pipeline::Pipeline;
use standpoint_core::record::{Record, attributions};
use standpoint_core::text::Document;
use standpoint_evaluation::gold::{GoldDocument, GoldFile, GoldLabels};
use standpoint_io::input::{Documents, InputOptions};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::slice::from_ref;

/// The probabilities that a teacher gives each role and each stance of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherPrediction {
    pub role: [f32; 3],
    pub stance: [f32; 3],
}

/// A file that the teacher has labelled.
pub struct Taught {
    /// Without labels of their own. Where attributions are learned, they are those that the teacher finds.
    pub documents: Vec<GoldDocument>,
    /// For each sentence of each document.
    pub predictions: Vec<Vec<TeacherPrediction>>,
}

/// All that a teacher predicts for a run.
pub struct Teaching {
    /// The hash of the teacher's weights.
    pub teacher_sha256: String,
    /// In the order of the configuration's files.
    pub taught: Vec<Taught>,
}

/// The file in which predictions are kept, because they take minutes.
#[derive(Serialize, Deserialize)]
struct Cache {
    /// [`identity::of_teacher_predictions`] of the teacher and all that it has read.
    identity: String,
    documents: Vec<DocumentPredictions>,
}

#[derive(Clone, Serialize, Deserialize)]
struct DocumentPredictions {
    sentences: Vec<TeacherPrediction>,
    attributions: Option<Vec<Attribution>>,
}

/// Reads unlabelled documents as `classify` does, with two differences for JSON Lines. The neighbours `before` and `after` of
/// a text become part of its document. Consecutive texts of one `doc_id` without neighbours are one document. Documents whose
/// ids are in `left_out` are skipped.
///
/// # Errors
/// If the file or one of its lines cannot be read.
pub fn read_unlabelled(path: &Path, target: &str, left_out: &HashSet<&str>) -> Result<GoldFile> {
    let mut gathered: Vec<(String, bool, Vec<String>)> = Vec::new();
    for document in Documents::new(&[path], InputOptions::default()) {
        let document = document?;
        let field = |name: &str| document.fields().text(name).unwrap_or_default();
        let id =
            Some(field("doc_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| document.id().to_owned());
        if left_out.contains(id.as_str()) {
            continue;
        }
        let sentences = (0..document.sentences().len()).map(|index| document.sentence(index));
        let alone = field("before").is_empty() && field("after").is_empty();
        let texts: Vec<String> = std::iter::once(field("before"))
            .chain(sentences.map(str::to_owned))
            .chain([field("after")])
            .filter(|text| !text.trim().is_empty())
            .collect();
        match gathered.last_mut() {
            Some((last, true, together)) if alone && *last == id => together.extend(texts),
            _ => gathered.push((id, alone, texts)),
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

/// The teacher's predictions for the files of a configuration. They are read from `cache` if the same teacher has labelled the
/// same documents before, and written there otherwise.
///
/// # Errors
/// If the teacher cannot be loaded or run, has no head for attributions that are to be learned, or if its predictions cannot be
/// written.
pub fn predict(
    config: &TeacherConfig,
    offline: bool,
    files: Vec<Vec<GoldDocument>>,
    cache: &Path,
) -> Result<Teaching> {
    let model = Model::load(&ModelSource::parse(&config.model, None, offline)?)?;
    let teacher_sha256 = model.fingerprint()?;
    let learns_attributions = config.text.iter().any(|text| text.attributions);
    if learns_attributions && !model.settings().heads.contains(&ATTRIBUTION) {
        let problem = format!("data.teacher.text.attributions: {} finds no attributions", config.model);
        return Err(TrainError::Teacher(problem).into());
    }
    let documents: Vec<&GoldDocument> = files.iter().flatten().collect();
    let identity = identity::of_teacher_predictions(&teacher_sha256, model.settings(), &documents);
    let predicted = match read_cache(cache).filter(|cache| cache.identity == identity) {
        Some(cache) => cache.documents,
        None => {
            let predicted = predict_documents(&Pipeline::new(model)?, &documents)?;
            let file = Cache { identity, documents: predicted };
            write_whole(cache, &serde_json::to_vec(&file).expect("numbers are JSON"))?;
            file.documents
        }
    };
    let mut predicted = predicted.into_iter();
    let taught = files.into_iter().zip(&config.text).map(|(mut documents, text)| {
        let predictions = documents.iter_mut().zip(predicted.by_ref()).map(|(gold, predicted)| {
            gold.attributions = predicted.attributions.filter(|_| text.attributions);
            predicted.sentences
        });
        Taught { predictions: predictions.collect(), documents }
    });
    Ok(Teaching { taught: taught.collect(), teacher_sha256 })
}

/// Labels each document toward its target, all documents of a target together.
fn predict_documents(pipeline: &Pipeline, documents: &[&GoldDocument]) -> Result<Vec<DocumentPredictions>> {
    let mut by_target: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, gold) in documents.iter().enumerate() {
        by_target.entry(&gold.target).or_default().push(index);
    }
    let named = |(target, indices)| Ok((Target::new(target)?, indices));
    let by_target = by_target.into_iter().map(named).collect::<Result<Vec<(Target, Vec<usize>)>>>()?;
    // A target that the model does not take is reported now and not after minutes.
    for (target, _) in &by_target {
        pipeline.records(std::iter::empty::<Document>(), from_ref(target))?;
    }
    let mut predicted: Vec<Option<DocumentPredictions>> = vec![None; documents.len()];
    for (target, indices) in by_target {
        let together: Vec<Document> =
            indices.iter().map(|&index| documents[index].document.clone()).collect();
        let analyses = pipeline.analyze(together, from_ref(&target))?;
        for (index, records) in indices.into_iter().zip(analyses) {
            let prediction = |record: &Record| TeacherPrediction {
                role: record.role.probabilities(),
                stance: record.stances[0].prediction.probabilities(),
            };
            let attributions = attributions(&records);
            predicted[index] = Some(DocumentPredictions {
                sentences: records.iter().map(prediction).collect(),
                attributions: attributions.map(|all| all.into_iter().cloned().collect()),
            });
        }
    }
    Ok(predicted.into_iter().map(|predicted| predicted.expect("every document has a target")).collect())
}

/// A cache that cannot be read counts as none.
fn read_cache(path: &Path) -> Option<Cache> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TaughtTextConfig;
    use standpoint_core::label::{Label, Stance};

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
    fn each_text_is_labelled_toward_its_own_target_and_attributions_are_kept_where_they_are_learned() {
        let folder = tempfile::tempdir().unwrap();
        let gold = |target: &str| GoldDocument {
            document: Document::from_sentences(
                "a",
                &["“The troops must go home now,” the mayor said on Friday."],
            ),
            target: target.to_owned(),
            labels: vec![GoldLabels::default()],
            attributions: None,
        };
        let text =
            |attributions| TaughtTextConfig { path: "a".into(), format: None, sample: 1, attributions };
        let config = TeacherConfig {
            model: concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/small").into(),
            text: vec![text(true), text(false)],
        };
        let (of_troops, of_bases) = (gold(Target::DEFAULT), gold("keeping the bases"));
        let predict = || {
            let files = vec![vec![of_bases.clone(), of_troops.clone()], vec![of_troops.clone()]];
            predict(&config, true, files, &folder.path().join("predictions.json")).unwrap().taught
        };
        let taught = predict();
        let (bases, troops) = (&taught[0].predictions[0], &taught[0].predictions[1]);
        let again = &taught[1].predictions[0];
        assert_eq!(troops, again);
        let favor = |predictions: &[TeacherPrediction]| predictions[0].stance[Stance::Favor.index()];
        assert!(favor(troops) > favor(bases), "{troops:?}, {bases:?}");
        let attributions = taught[0].documents[1].attributions.as_deref().unwrap();
        assert_eq!(attributions.len(), 1, "{attributions:?}");
        assert_eq!(taught[1].documents[0].attributions, None);
        let cached = predict();
        assert_eq!(cached[0].predictions, taught[0].predictions);
        assert_eq!(cached[0].documents, taught[0].documents);
    }

    #[test]
    fn a_line_without_text_ends_the_reading() {
        let file = written(&[r#"{"doc_id": "a"}"#]);
        let error = read_unlabelled(file.path(), "a target", &HashSet::new()).unwrap_err().to_string();
        assert!(error.contains(":1") && error.contains("text"), "{error}");
    }
}
