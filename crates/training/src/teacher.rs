//! What a larger model thinks of text, whose labels are not looked at if there are any: a smaller one learns from its
//! probabilities, which say more than labels would (Hinton et al., Distilling the knowledge in a neural network, 2015).

use crate::config::TeacherConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standpoint_core::atomic::write_whole;
use standpoint_core::error::{InputError, InputProblem, Place, Result, UsageError};
use standpoint_core::hash::{Digest, sha256};
use standpoint_core::label::{Attribution, SentenceAnalysis, Target};
use standpoint_core::model::{ATTRIBUTION, Model, ModelSource};
use standpoint_core::pipeline::Pipeline;
use standpoint_core::text::Document;
use standpoint_evaluation::gold::{GoldDocument, GoldFile, GoldLabels};
use standpoint_io::input::{Documents, InputFormat};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::slice::from_ref;

/// The probabilities that a teacher gives each role and each stance of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub role: [f32; 3],
    pub stance: [f32; 3],
}

/// Documents without labels, with a judgement for each sentence, and with the attributions that the teacher finds in them,
/// where they are to be learnt.
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
    /// A hash of the teacher and of all it has read.
    of: String,
    judged: Vec<Judged>,
}

/// What is said of one document.
#[derive(Clone, Serialize, Deserialize)]
struct Judged {
    sentences: Vec<Judgement>,
    attributions: Option<Vec<Attribution>>,
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
    let model = Model::load(&ModelSource::parse(&config.model, None, offline)?)?;
    let teacher_sha256 = model.fingerprint()?;
    let asked = config.text.iter().any(|text| text.attributions);
    if asked && !model.settings().heads.contains(&ATTRIBUTION) {
        let problem = format!("data.teacher.text.attributions: {} finds no attributions", config.model);
        return Err(UsageError::Other(problem).into());
    }
    let documents: Vec<&GoldDocument> = files.iter().flatten().collect();
    let mut digest = Digest::default();
    digest.update(format!("{teacher_sha256} {:?}", model.settings()).as_bytes());
    for gold in &documents {
        let (id, sentences) = (gold.document.id(), gold.document.sentences());
        digest.update(format!("{:?} {id:?} {sentences:?}", gold.target).as_bytes());
        digest.update(gold.document.text().as_bytes());
    }
    let of = digest.finish();
    let judged = match read_kept(kept).filter(|kept| kept.of == of) {
        Some(kept) => kept.judged,
        None => {
            let found = Kept { of, judged: judge(&Pipeline::new(model)?, &documents)? };
            let json = serde_json::to_vec(&found).expect("numbers are JSON");
            write_whole(kept, &json)?;
            found.judged
        }
    };
    let mut judged = judged.into_iter();
    let taught = files.into_iter().zip(&config.text).map(|(mut documents, text)| {
        let judgements = documents.iter_mut().zip(judged.by_ref()).map(|(gold, judged)| {
            gold.attributions = judged.attributions.filter(|_| text.attributions);
            judged.sentences
        });
        Taught { judgements: judgements.collect(), documents }
    });
    Ok(Teaching { taught: taught.collect(), teacher_sha256 })
}

/// Judges each document toward its target, those of the same target together.
fn judge(pipeline: &Pipeline, documents: &[&GoldDocument]) -> Result<Vec<Judged>> {
    let mut by_target: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, gold) in documents.iter().enumerate() {
        by_target.entry(&gold.target).or_default().push(index);
    }
    let named = |(target, indices)| Ok((Target::new(target)?, indices));
    let by_target = by_target.into_iter().map(named).collect::<Result<Vec<(Target, Vec<usize>)>>>()?;
    // A target that cannot be asked for is told before minutes have passed.
    for (target, _) in &by_target {
        pipeline.analyze(&[], from_ref(target))?;
    }
    let mut judged: Vec<Option<Judged>> = vec![None; documents.len()];
    for (target, indices) in by_target {
        let together: Vec<Document> =
            indices.iter().map(|&index| documents[index].document.clone()).collect();
        let analyses = pipeline.analyze(&together, from_ref(&target))?;
        for (index, analysis) in indices.into_iter().zip(analyses) {
            let judgement = |sentence: &SentenceAnalysis| Judgement {
                role: sentence.role.probabilities(),
                stance: sentence.stances[0].prediction.probabilities(),
            };
            judged[index] = Some(Judged {
                sentences: analysis.sentences.iter().map(judgement).collect(),
                attributions: analysis.attributions,
            });
        }
    }
    Ok(judged.into_iter().map(|judged| judged.expect("every document has a target")).collect())
}

/// What cannot be read is judged anew.
fn read_kept(path: &Path) -> Option<Kept> {
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
    fn each_text_is_judged_toward_its_own_target_and_its_attributions_are_kept_where_they_are_asked_for() {
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
        let config = TeacherConfig { model: "models/small".into(), text: vec![text(true), text(false)] };
        let (of_troops, of_bases) = (gold(Target::DEFAULT), gold("keeping the bases"));
        let ask = || {
            let files = vec![vec![of_bases.clone(), of_troops.clone()], vec![of_troops.clone()]];
            ask(&config, true, files, &folder.path().join("judgements.json")).unwrap().taught
        };
        let taught = ask();
        let (bases, troops) = (&taught[0].judgements[0], &taught[0].judgements[1]);
        let again = &taught[1].judgements[0];
        assert_eq!(troops, again);
        let favor = |judgements: &[Judgement]| judgements[0].stance[Stance::Favor.index()];
        assert!(favor(troops) > favor(bases), "{troops:?}, {bases:?}");
        let attributions = taught[0].documents[1].attributions.as_deref().unwrap();
        assert_eq!(attributions.len(), 1, "{attributions:?}");
        assert_eq!(taught[1].documents[0].attributions, None);
        let kept = ask();
        assert_eq!(kept[0].judgements, taught[0].judgements);
        assert_eq!(kept[0].documents, taught[0].documents);
    }

    #[test]
    fn a_line_without_text_ends_the_reading() {
        let file = written(&[r#"{"doc_id": "a"}"#]);
        let error = read_unlabelled(file.path(), "a target", &HashSet::new()).unwrap_err().to_string();
        assert!(error.contains(":1") && error.contains("text"), "{error}");
    }
}
