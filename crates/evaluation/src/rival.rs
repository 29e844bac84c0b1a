//! Other answers to the same sentences: baselines, and another run.

use super::report::{AnswerRow, Figure, McNemarReport, Rival};
use super::score::{Items, macro_f1};
use crate::metrics::{Confusion, Estimate, SEED, estimates, mcnemar, paired};
use std::collections::HashMap;

/// Compares our answers with a rival's, given as the number of the label for each item; items that the rival has
/// not answered are left out.
pub fn compare(name: impl Into<String>, items: &Items, answers: &[Option<usize>]) -> Rival {
    let classes = items.task.labels().len() + 1;
    let nothing = Confusion::new(classes);
    let mut documents = vec![(nothing.clone(), nothing.clone()); items.documents];
    let (mut only_this_right, mut only_rival_right) = (0, 0);
    for (item, &rival) in items.items.iter().zip(answers) {
        let Some(rival) = rival else { continue };
        let (ours, theirs) = &mut documents[item.document];
        ours.add(item.gold, item.predicted);
        theirs.add(item.gold, rival);
        match (item.is_right(), rival == item.gold) {
            (true, false) => only_this_right += 1,
            (false, true) => only_rival_right += 1,
            _ => {}
        }
    }
    documents.retain(|(ours, _)| ours.total() > 0);
    let theirs: Vec<Confusion> = documents.iter().map(|(_, theirs)| theirs.clone()).collect();
    let figure = estimates(&theirs, &nothing, SEED, |sum| vec![macro_f1(sum)]);
    let paired = paired(&documents, &nothing, SEED, macro_f1);
    Rival {
        name: name.into(),
        macro_f1: figure.first().copied().map_or_else(Figure::default, Figure::from),
        difference: Estimate::into(paired.difference),
        p_bootstrap: paired.p,
        mcnemar: (!documents.is_empty()).then(|| McNemarReport {
            only_this_right,
            only_rival_right,
            p: mcnemar(only_this_right, only_rival_right),
        }),
    }
}

/// What another run said of our items, and how many of them it has not answered.
pub fn answers_of_run(items: &Items, rows: &[AnswerRow]) -> (Vec<Option<usize>>, usize) {
    type Key<'a> = (&'a str, &'a str, usize, usize, Option<&'a str>);
    let labels = items.task.labels();
    let said: HashMap<Key, &AnswerRow> = rows
        .iter()
        .filter(|row| row.task == items.task)
        .map(|row| ((row.file.as_str(), row.doc.as_str(), row.start, row.end, row.target.as_deref()), row))
        .collect();
    let answers: Vec<Option<usize>> = items
        .items
        .iter()
        .map(|item| {
            let sample = item.sample;
            let key = (
                sample.file.as_str(),
                sample.doc.as_str(),
                sample.start,
                sample.end,
                sample.target.as_deref(),
            );
            let row = said.get(&key)?;
            // A run that was scored against other labels says nothing of these.
            let same_gold = labels.get(item.gold).is_some_and(|gold| *gold == row.gold);
            same_gold.then(|| labels.iter().position(|label| *label == row.predicted).unwrap_or(labels.len()))
        })
        .collect();
    let missing = answers.iter().filter(|answer| answer.is_none()).count();
    (answers, missing)
}
