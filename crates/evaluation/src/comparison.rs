//! Comparison with other answers to the same sentences: those of a baseline, or of another run.

use crate::metrics::{Confusion, Estimate, SEED, estimates, mcnemar, paired_bootstrap};
use crate::report::{AnswerRow, Comparison, Figure, McNemarReport};
use crate::score::{LabelSamples, macro_f1};
use std::collections::HashMap;

/// Compares this run's answers with others. `answers` has one entry for each sample, the index of a label; `None` leaves
/// the sample out. `name` says whose answers they are.
pub fn compare(name: impl Into<String>, labelled: &LabelSamples, answers: &[Option<usize>]) -> Comparison {
    let classes = labelled.task.labels().len() + 1;
    let nothing = Confusion::new(classes);
    let mut documents = vec![(nothing.clone(), nothing.clone()); labelled.documents];
    let (mut only_this_right, mut only_other_right) = (0, 0);
    for (sample, &other) in labelled.samples.iter().zip(answers) {
        let Some(other) = other else { continue };
        let (this_run, other_run) = &mut documents[sample.document];
        this_run.add(sample.gold, sample.predicted);
        other_run.add(sample.gold, other);
        match (sample.is_right(), other == sample.gold) {
            (true, false) => only_this_right += 1,
            (false, true) => only_other_right += 1,
            _ => {}
        }
    }
    documents.retain(|(this_run, _)| this_run.total() > 0);
    let other_run: Vec<Confusion> = documents.iter().map(|(_, other_run)| other_run.clone()).collect();
    let figure = estimates(&other_run, &nothing, SEED, |sum| vec![macro_f1(sum)]);
    let paired = paired_bootstrap(&documents, &nothing, SEED, macro_f1);
    Comparison {
        name: name.into(),
        macro_f1: figure.first().copied().map_or_else(Figure::default, Figure::from),
        difference: Estimate::into(paired.difference),
        p_bootstrap: paired.p,
        mcnemar: (!documents.is_empty()).then(|| McNemarReport {
            only_this_right,
            only_other_right,
            p: mcnemar(only_this_right, only_other_right),
        }),
    }
}

/// What another run answered to these samples, for [`compare`], and the number of samples that it lacks.
pub fn answers_of_run(labelled: &LabelSamples, rows: &[AnswerRow]) -> (Vec<Option<usize>>, usize) {
    type Key<'a> = (&'a str, &'a str, usize, usize, Option<&'a str>);
    let labels = labelled.task.labels();
    let rows: HashMap<Key, &AnswerRow> = rows
        .iter()
        .filter(|row| row.task == labelled.task)
        .map(|row| ((row.file.as_str(), row.doc.as_str(), row.start, row.end, row.target.as_deref()), row))
        .collect();
    let answers: Vec<Option<usize>> = labelled
        .samples
        .iter()
        .map(|labelled| {
            let sample = labelled.sample;
            let key = (
                sample.file.as_str(),
                sample.doc.as_str(),
                sample.start,
                sample.end,
                sample.target.as_deref(),
            );
            let row = rows.get(&key)?;
            // An answer that was scored against another gold label cannot be compared.
            let same_gold = labels.get(labelled.gold).is_some_and(|gold| *gold == row.gold);
            same_gold.then(|| labels.iter().position(|label| *label == row.predicted).unwrap_or(labels.len()))
        })
        .collect();
    let missing = answers.iter().filter(|answer| answer.is_none()).count();
    (answers, missing)
}
