//! Answers from elsewhere, as JSON Lines: what `classify` writes, or the simplest rows that name a sentence and its labels.
//! Each row is matched to a gold sentence, by id and index or by its text; what is missing, doubled or extra is an error,
//! so that a score never rests on fewer sentences than it seems to.

mod matching;
mod row;

use crate::answers::{DocumentAnswers, SentenceAnswer};
use crate::error::{PredictionProblem, Result, SetError};
use crate::gold::file;
use crate::gold::offsets::{Offsets, Unit};
use crate::identity::ModelIdentity;
use crate::pairing::{AnsweredDocument, Predictions, needs};
use crate::{EvalSet, Sentences, SetData, Task};
use matching::{Places, excerpt};
pub(crate) use row::Row;
use standpoint_core::hash::Digest;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// Reads the answers to all sentences of a set.
///
/// # Errors
/// If the file cannot be read, or its answers are not those of the set.
pub(crate) fn read(set: &EvalSet, data: &[SetData], path: &Path) -> Result<(Predictions, ModelIdentity)> {
    if set.sentences == Sentences::Predicted {
        let problem =
            "lets sentences be predicted, but answers from a file are scored on given ones".to_owned();
        Err(SetError::Unreadable { path: Path::new(&set.name).to_owned(), problem })?;
    }
    let mut places = Places::new(data);
    let mut answers: Vec<Vec<DocumentAnswers>> = data.iter().map(empty).collect();
    let asks = |tasks: &[Task]| tasks.iter().any(|task| set.tasks.contains(task));
    let (asks_stance, asks_spans) = (asks(&[Task::Stance, Task::Holder]), asks(&[Task::Spans]));
    let mut table: Option<(usize, Unit, Offsets<'_>)> = None;
    let mut digest = Digest::default();
    let expected = "an answer (id, index or text, and role, stance or checkworthy)";
    file::json_lines(path, &mut digest, expected, |at, row: Row| {
        row.check()?;
        for sentence in places.of(&row, asks_stance, at)? {
            let place = places.places[sentence];
            let gold = &data[place.data].documents[place.document];
            let of_document = &mut answers[place.data][place.document];
            let unit = row.offsets.unwrap_or(Unit::Bytes);
            if table.as_ref().is_none_or(|(known, of, _)| (*known, *of) != (place.number, unit)) {
                table = Some((place.number, unit, Offsets::new(gold.document.text(), unit)));
            }
            let Some((.., offsets)) = &table else { continue };
            let span = gold.document.sentences()[place.sentence];
            of_document.sentences[place.sentence] =
                row.answer(gold.target.as_str(), offsets, span, place.sentence, asks_stance)?;
            if asks_spans && let Some(found) = row.attributions(offsets, span)? {
                of_document.attributions.get_or_insert_default().extend(found);
            }
        }
        Ok(())
    })?;
    let mut predictions = Predictions::default();
    for (data, answers) in data.iter().zip(&mut answers) {
        for (gold, answers) in data.documents.iter().zip(answers) {
            // A row repeats the attributions of its neighbours.
            let mut seen = HashSet::new();
            answers.attributions.iter_mut().for_each(|all| all.retain(|one| seen.insert(one.clone())));
            let (document, file) = (&gold.document, data.name.as_str());
            predictions.add(set, &AnsweredDocument { file, gold, document, answers });
        }
    }
    complete(set, data, &answers, &places, &predictions.answered)
        .map_err(|problem| file::at(path, problem))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (version, settings_sha256) = ("predictions".to_owned(), String::new());
    Ok((predictions, ModelIdentity { name, version, sha256: digest.finish(), settings_sha256 }))
}

/// No answers to any sentence.
fn empty(data: &SetData) -> Vec<DocumentAnswers> {
    let of = |sentences: usize| DocumentAnswers {
        sentences: vec![SentenceAnswer::default(); sentences],
        attributions: None,
    };
    data.documents.iter().map(|gold| of(gold.labels.len())).collect()
}

/// Checks that every sentence that has a gold label has an answer, to each task that the file answers at all.
fn complete(
    set: &EvalSet,
    data: &[SetData],
    answers: &[Vec<DocumentAnswers>],
    places: &Places<'_>,
    answered: &BTreeSet<Task>,
) -> Result<(), PredictionProblem> {
    if !set.tasks.iter().any(|task| answered.contains(task)) {
        let tasks = set.tasks.iter().map(|task| task.as_str()).collect();
        return Err(PredictionProblem::NoTask { tasks });
    }
    for &task in set.tasks.iter().filter(|task| answered.contains(task)) {
        let (mut all, mut missing, mut rows_missing) = (0, 0, 0);
        let mut first = None;
        for (number, place) in places.places.iter().enumerate() {
            let gold = &data[place.data].documents[place.document];
            if !needs(task, gold, place.sentence, &set.labels) {
                continue;
            }
            let of_document = &answers[place.data][place.document];
            let is_there = match task {
                Task::Spans => of_document.attributions.is_some(),
                Task::Holder | Task::Speaker => places.is_answered(number),
                _ => of_document.sentences[place.sentence].labels.contains_key(&task),
            };
            all += 1;
            if !is_there {
                missing += 1;
                rows_missing += usize::from(!places.is_answered(number));
                let sentence = gold.document.sentence(place.sentence);
                first.get_or_insert_with(|| {
                    format!(
                        "sentence {} of \"{}\", {}",
                        place.sentence,
                        gold.document.id(),
                        excerpt(sentence)
                    )
                });
            }
        }
        if let Some(first) = first {
            let task = (rows_missing < missing).then_some(task.as_str());
            return Err(PredictionProblem::Missing { task, missing, all, first });
        }
    }
    Ok(())
}
