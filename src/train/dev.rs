//! How good a model is on dev: the figures that choose an epoch, fit the temperatures and go into the model
//! card.

use crate::encoder::differentiable::{Layout, Trace};
use crate::error::Result;
use crate::heads::{Logits, softmax};
use crate::label::{Label, Prediction, Role, Stance};
use crate::metrics::{Confusion, Interval, bootstrap, calibration_error};
use crate::model::Tokenizer;
use crate::train::calibrate::temperature;
use crate::train::data::GoldDocument;
use crate::train::objective::evaluate;
use crate::train::plan::{Example, Labels, document_examples};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Dev documents, cut into windows. Rows of the same document id are one document: their sentences are not
/// independent.
pub struct DevSet {
    examples: Vec<(usize, Example)>,
    documents: usize,
}

/// Macro-F1 of both heads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevScore {
    pub role: f64,
    pub stance: f64,
}

impl DevScore {
    /// The figure by which epochs are compared.
    pub fn mean(self) -> f64 {
        (self.role + self.stance) / 2.0
    }
}

/// One head on dev.
pub struct HeadReport<L> {
    pub confusion: Confusion<L>,
    pub interval: Option<Interval>,
    pub temperature: f32,
    /// Expected calibration error over 15 bins, at temperature 1 and at the fitted one.
    pub calibration_error: (Option<f64>, Option<f64>),
}

type Answers = Vec<(usize, Vec<(Labels, Logits)>)>;

impl DevSet {
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(documents: &[GoldDocument], tokenizer: &Tokenizer, max_tokens: usize) -> Result<Self> {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for document in documents {
            let next = numbers.len();
            numbers.entry(&document.id).or_insert(next);
        }
        let examples = document_examples(documents, tokenizer, max_tokens)?
            .into_iter()
            .map(|(index, example)| (numbers[documents[index].id.as_str()], example))
            .collect();
        Ok(Self { examples, documents: numbers.len() })
    }

    fn answers(&self, layout: &Layout, parameters: &[f32]) -> Answers {
        self.examples
            .par_iter()
            .map_init(Trace::default, |trace, (document, example)| {
                (*document, evaluate(layout, parameters, &[example], trace))
            })
            .collect()
    }

    pub fn score(&self, layout: &Layout, parameters: &[f32]) -> DevScore {
        let answers = self.answers(layout, parameters);
        let macro_f1 = |figure: Option<f64>| figure.unwrap_or(0.0);
        DevScore {
            role: macro_f1(self.report(&answers, role).confusion.macro_f1()),
            stance: macro_f1(self.report(&answers, stance).confusion.macro_f1()),
        }
    }

    pub fn reports(&self, layout: &Layout, parameters: &[f32]) -> (HeadReport<Role>, HeadReport<Stance>) {
        let answers = self.answers(layout, parameters);
        (self.report(&answers, role), self.report(&answers, stance))
    }

    fn report<L: Label>(
        &self,
        answers: &Answers,
        of: impl Fn(&Labels, &Logits) -> Option<(L, [f32; 3])>,
    ) -> HeadReport<L> {
        let items: Vec<(usize, L, [f32; 3])> = answers
            .iter()
            .flat_map(|(document, sentences)| sentences.iter().map(move |sentence| (*document, sentence)))
            .filter_map(|(document, (labels, logits))| {
                of(labels, logits).map(|(label, logits)| (document, label, logits))
            })
            .collect();
        let mut documents = vec![Confusion::<L>::default(); self.documents];
        for &(document, label, logits) in &items {
            documents[document].add(label, Prediction::<L>::new(softmax(logits, 1.0)).label());
        }
        let mut confusion = Confusion::default();
        documents.iter().for_each(|document| confusion.merge(document));
        documents.retain(|document| document.total() > 0);

        let fitted = temperature(
            &items.iter().map(|&(_, label, logits)| (logits, label.index())).collect::<Vec<_>>(),
        );
        let error_at = |temperature: f32| {
            let judged: Vec<(f32, bool)> = items
                .iter()
                .map(|&(_, label, logits)| {
                    let prediction = Prediction::<L>::new(softmax(logits, temperature));
                    (prediction.confidence(), prediction.label() == label)
                })
                .collect();
            calibration_error(&judged, 15)
        };
        HeadReport {
            confusion,
            interval: bootstrap(&documents, 1),
            temperature: fitted,
            calibration_error: (error_at(1.0), error_at(fitted)),
        }
    }
}

fn role(labels: &Labels, logits: &Logits) -> Option<(Role, [f32; 3])> {
    labels.role.map(|role| (role, logits.role))
}

fn stance(labels: &Labels, logits: &Logits) -> Option<(Stance, [f32; 3])> {
    labels.stance.map(|stance| (stance, logits.stance))
}
