//! Finds the gold sentences that a row answers.

use super::row::Row;
use crate::SetData;
use crate::error::{InputProblem, PredictionProblem};
use crate::gold::file::Location;
use std::collections::HashMap;

/// How much of a sentence a message quotes, in characters.
const EXCERPT: usize = 60;

/// A gold sentence.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub data: usize,
    pub document: usize,
    pub sentence: usize,
    /// The document's number over all files.
    pub number: usize,
}

/// All gold sentences of a set, by what a row may name them.
pub(super) struct Places<'a> {
    pub places: Vec<Place>,
    data: &'a [SetData],
    by_id: HashMap<&'a str, Vec<usize>>,
    by_index: HashMap<(&'a str, usize), Vec<usize>>,
    /// Of the document with this id, and of any.
    by_text: HashMap<(Option<&'a str>, String), Vec<usize>>,
    /// Where each sentence is answered.
    lines: Vec<Option<Location>>,
}

impl<'a> Places<'a> {
    pub fn new(data: &'a [SetData]) -> Self {
        let mut all = Self {
            places: Vec::new(),
            data,
            by_id: HashMap::new(),
            by_index: HashMap::new(),
            by_text: HashMap::new(),
            lines: Vec::new(),
        };
        let documents = data.iter().enumerate().flat_map(|(file, data)| {
            data.documents.iter().enumerate().map(move |(document, gold)| (file, document, gold))
        });
        for (number, (file, document, gold)) in documents.enumerate() {
            let id = gold.document.id();
            for sentence in 0..gold.labels.len() {
                let text = normal(gold.document.sentence(sentence));
                let place = all.places.len();
                all.by_id.entry(id).or_default().push(place);
                all.by_index.entry((id, sentence)).or_default().push(place);
                all.by_text.entry((Some(id), text.clone())).or_default().push(place);
                all.by_text.entry((None, text)).or_default().push(place);
                all.places.push(Place { data: file, document, sentence, number });
            }
        }
        all.lines = vec![None; all.places.len()];
        all
    }

    pub fn is_answered(&self, place: usize) -> bool {
        self.lines[place].is_some()
    }

    /// The sentences that a row answers: one, or with stances toward several targets one for each of them. A text that comes
    /// several times is answered in order.
    ///
    /// # Errors
    /// If there is none, or all that it may be have an answer.
    pub fn of(&mut self, row: &Row, asks_stance: bool, at: Location) -> Result<Vec<usize>, InputProblem> {
        let candidates = self.candidates(row)?;
        let target = |place: usize| {
            let Place { data, document, .. } = self.places[place];
            self.data[data].documents[document].target.as_str()
        };
        let mut found: Vec<usize> = Vec::new();
        match row.targets().filter(|_| asks_stance) {
            None => found.extend(self.free(&candidates, row.index)),
            Some(targets) => {
                let known: Vec<&str> = candidates.iter().map(|&place| target(place)).collect();
                if !known.iter().any(|target| targets.contains(target)) {
                    let target = known.first().copied().unwrap_or_default().to_owned();
                    return Err(PredictionProblem::Target { target }.into());
                }
                for wanted in targets {
                    let of_target: Vec<usize> =
                        candidates.iter().copied().filter(|&place| target(place) == wanted).collect();
                    found.extend(self.free(&of_target, row.index).filter(|place| !found.contains(place)));
                }
            }
        }
        if found.is_empty() {
            let first = candidates.iter().find_map(|&place| self.lines[place]);
            let first = first.map(|line| line.to_string()).unwrap_or_default();
            return Err(PredictionProblem::Doubled { first }.into());
        }
        for &place in &found {
            self.lines[place] = Some(at);
        }
        Ok(found)
    }

    /// The first of some sentences that is not answered yet; rather one with the row's own index.
    fn free(&self, candidates: &[usize], index: Option<usize>) -> Option<usize> {
        let mut free = candidates.iter().copied().filter(|&place| !self.is_answered(place));
        let same = free.clone().find(|&place| Some(self.places[place].sentence) == index);
        same.or_else(|| free.next())
    }

    fn candidates(&self, row: &Row) -> Result<Vec<usize>, InputProblem> {
        let id = row.id();
        // An id that the set does not have is a name that another program gave: then the text must do.
        let known = id.as_deref().and_then(|id| self.by_id.get_key_value(id)).map(|(id, _)| *id);
        let extra = |what: String| Err(PredictionProblem::Extra { what }.into());
        let named = || id.as_deref().unwrap_or_default();
        match (&row.text, known, row.index) {
            (Some(text), ..) => match self.by_text.get(&(known, normal(text))) {
                Some(found) => Ok(found.clone()),
                None if known.is_some() => extra(format!("a sentence of \"{}\", {}", named(), excerpt(text))),
                None => extra(format!("a sentence, {}", excerpt(text))),
            },
            (None, Some(id), Some(index)) => match self.by_index.get(&(id, index)) {
                Some(found) => Ok(found.clone()),
                None => extra(format!("sentence {index} of \"{id}\"")),
            },
            (None, Some(id), None) => {
                let of_document = &self.by_id[id];
                let labelled = |place: &&usize| {
                    let Place { data, document, sentence, .. } = self.places[**place];
                    self.data[data].documents[document].labels[sentence] != Default::default()
                };
                let labelled: Vec<usize> = of_document.iter().filter(labelled).copied().collect();
                let mut documents: Vec<usize> =
                    labelled.iter().map(|&place| self.places[place].number).collect();
                documents.dedup();
                match documents.len() == labelled.len() && !labelled.is_empty() {
                    true => Ok(labelled),
                    false => Err(PredictionProblem::Several { id: id.to_owned() }.into()),
                }
            }
            (None, None, _) if id.is_some() => extra(format!("document \"{}\"", named())),
            (None, None, _) => Err(PredictionProblem::Nameless.into()),
        }
    }
}

/// White space does not tell sentences apart.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The beginning of a sentence, in quotation marks.
pub(super) fn excerpt(text: &str) -> String {
    let normal = normal(text);
    let cut: String = normal.chars().take(EXCERPT).collect();
    let more = if cut.len() < normal.len() { "…" } else { "" };
    format!("\"{cut}{more}\"")
}
