//! Knowledge distillation: a larger model, the teacher, labels text, and the run learns its probabilities, which say more than
//! labels do (Hinton et al., Distilling the knowledge in a neural network, 2015). Labels of that text are ignored.

use crate::config::TeacherConfig;
use crate::error::{InputError, InputProblem, Place, Result, TrainError};
use crate::identity;
use crate::labels::{Question, StanceLabels, TokenizedDocument, tokenize, wordings};
use crate::targets::Phrases;
use serde::{Deserialize, Serialize};
use standpoint_core::atomic::write_whole;
use standpoint_core::fields::Fields;
use standpoint_core::hash::sha256;
use standpoint_core::label::{Attribution, Target};
use standpoint_core::model::{ATTRIBUTION, Model, ModelSource, Tokenizer};
use standpoint_core::pipeline::Pipeline;
use standpoint_core::record::attributions;
use standpoint_core::text::Document;
use standpoint_evaluation::gold::{GoldDocument, GoldFile, GoldLabels};
use standpoint_io::input::{Documents, InputOptions};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// A file that the teacher has labelled.
pub struct Taught {
    /// Without labels of their own. Where attributions are learned, they are those that the teacher finds.
    pub documents: Vec<GoldDocument>,
    predictions: Vec<DocumentPredictions>,
}

impl Taught {
    /// The documents with the teacher's probabilities as labels.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn tokenized(&self, tokenizer: &Tokenizer) -> Result<Vec<TokenizedDocument>> {
        let mut documents = tokenize(&self.documents, tokenizer)?;
        for ((document, gold), predictions) in
            documents.iter_mut().zip(&self.documents).zip(&self.predictions)
        {
            for (labels, role) in document.labels.iter_mut().zip(&predictions.roles) {
                labels.taught = Some(*role);
            }
            let taught =
                |stance: &[f32; 3]| StanceLabels { taught: Some(*stance), ..StanceLabels::default() };
            for (phrases, stances) in Phrases::of(gold).iter().zip(&predictions.stances) {
                let wordings = wordings(phrases, tokenizer)?;
                document.questions.push(Question { wordings, labels: stances.iter().map(taught).collect() });
            }
        }
        Ok(documents)
    }
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

/// What a teacher says of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DocumentPredictions {
    /// The probabilities of each sentence's roles.
    roles: Vec<[f32; 3]>,
    /// For each target of [`Phrases::of`], the probabilities of each sentence's stances.
    stances: Vec<Vec<[f32; 3]>>,
    attributions: Option<Vec<Attribution>>,
}

/// Reads unlabelled documents as `classify` does, with two differences for JSON Lines. The neighbours `before` and `after` of
/// a text become part of its document. Consecutive texts of one `doc_id` without neighbours are one document. Documents whose
/// ids are in `left_out` are skipped.
///
/// # Errors
/// If the file or one of its lines cannot be read.
pub fn read_unlabelled(path: &Path, target: &str, left_out: &HashSet<&str>) -> Result<GoldFile> {
    let mut gathered: Vec<(String, bool, Vec<String>, Fields)> = Vec::new();
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
            Some((last, true, together, _)) if alone && *last == id => together.extend(texts),
            _ => gathered.push((id, alone, texts, document.fields().clone())),
        }
    }
    let documents = gathered.into_iter().map(|(id, _, texts, fields)| GoldDocument {
        labels: vec![GoldLabels::default(); texts.len()],
        document: Document::from_sentences(id, &texts).with_fields(fields),
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
            gold.attributions = predicted.attributions.clone().filter(|_| text.attributions);
            predicted
        });
        Taught { predictions: predictions.collect(), documents }
    });
    Ok(Teaching { taught: taught.collect(), teacher_sha256 })
}

/// Labels each document toward its targets, all documents of the same targets together.
fn predict_documents(pipeline: &Pipeline, documents: &[&GoldDocument]) -> Result<Vec<DocumentPredictions>> {
    let mut by_targets: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (index, gold) in documents.iter().enumerate() {
        let targets = Phrases::of(gold).into_iter().map(|phrases| phrases.target).collect();
        by_targets.entry(targets).or_default().push(index);
    }
    let named = |(targets, indices): (Vec<String>, Vec<usize>)| {
        let mut parsed: Vec<Target> = Vec::with_capacity(targets.len());
        for target in &targets {
            parsed.push(Target::new(target)?);
        }
        Ok((parsed, indices))
    };
    let by_targets = by_targets.into_iter().map(named).collect::<Result<Vec<(Vec<Target>, Vec<usize>)>>>()?;
    // A target that the model does not take is reported now and not after minutes.
    for (targets, _) in &by_targets {
        pipeline.records(std::iter::empty::<Document>(), targets)?;
    }
    let mut predicted: Vec<Option<DocumentPredictions>> = vec![None; documents.len()];
    for (targets, indices) in by_targets {
        let together: Vec<Document> =
            indices.iter().map(|&index| documents[index].document.clone()).collect();
        let analyses = pipeline.analyze(together, &targets)?;
        for (index, records) in indices.into_iter().zip(analyses) {
            let stances = |target: usize| {
                records.iter().map(|record| record.stances[target].prediction.probabilities()).collect()
            };
            let attributions = attributions(&records);
            predicted[index] = Some(DocumentPredictions {
                roles: records.iter().map(|record| record.role.probabilities()).collect(),
                stances: (0..targets.len()).map(stances).collect(),
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
        let favor = |predictions: &DocumentPredictions| predictions.stances[0][0][Stance::Favor.index()];
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
