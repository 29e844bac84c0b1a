//! Evaluation: a model's answers on labelled sentences, scored. A set is data; what is measured is in
//! [`crate::metrics`].

pub mod baseline;
mod report;
pub mod sample;
mod set;

pub use report::{HeadFigures, LabelFigures, ModelIdentity, Report, Section};
pub use set::EvalSet;

use crate::error::Result;
use crate::gold::GoldDocument;
use crate::label::{Analysis, Role, Stance, Target};
use crate::metrics::{HeadScore, Judged};
use crate::model::Model;
use crate::pipeline::Pipeline;
use crate::text::Document;
use std::collections::{BTreeMap, HashMap};

/// The answers of both heads, beside gold.
#[derive(Default)]
struct Answers {
    role: Vec<Judged<Role>>,
    stance: Vec<Judged<Stance>>,
}

/// Labels the sentences of a set with a model, and scores what it says: over the whole set and file by file.
///
/// # Errors
/// If a file of the set cannot be read or is not the one that the set means, or the model fails.
pub fn evaluate(set: &EvalSet, model: Model) -> Result<Report> {
    let identity = ModelIdentity::of(&model)?;
    let pipeline = Pipeline::new(model)?;
    // Rows of the same document id are one document, in whichever file: their sentences are not independent.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut all = Answers::default();
    let mut sections = Vec::new();
    for file in set.files()? {
        let answers = answer(&pipeline, &file.documents, &mut numbers)?;
        sections.push(Section::new(file.name, &answers.role, &answers.stance));
        all.role.extend(answers.role);
        all.stance.extend(answers.stance);
    }
    sections.insert(0, Section::new("all".to_owned(), &all.role, &all.stance));
    Ok(Report::new(set, identity, sections))
}

fn answer(
    pipeline: &Pipeline,
    gold: &[GoldDocument],
    numbers: &mut HashMap<String, usize>,
) -> Result<Answers> {
    let mut by_target: BTreeMap<&str, Vec<&GoldDocument>> = BTreeMap::new();
    for document in gold {
        by_target.entry(&document.target).or_default().push(document);
    }
    let mut answers = Answers::default();
    for (target, gold) in by_target {
        let documents: Vec<Document> = gold
            .iter()
            .map(|document| {
                let sentences: Vec<&str> = document.sentences.iter().map(|s| s.text.as_str()).collect();
                Document::from_sentences(&document.id, &sentences)
            })
            .collect();
        let analyses: Vec<Analysis> = pipeline.analyze(&documents, &[Target::new(target)?])?;
        for (gold, analysis) in gold.iter().zip(&analyses) {
            let next = numbers.len();
            let document = *numbers.entry(gold.id.clone()).or_insert(next);
            for (gold, predicted) in gold.sentences.iter().zip(&analysis.sentences) {
                answers.role.extend(gold.role.map(|gold| Judged {
                    document,
                    gold,
                    prediction: predicted.role,
                }));
                let prediction = predicted.stances[0].prediction;
                answers.stance.extend(gold.stance.map(|gold| Judged { document, gold, prediction }));
            }
        }
    }
    Ok(answers)
}

impl Section {
    fn new(name: String, role: &[Judged<Role>], stance: &[Judged<Stance>]) -> Self {
        Self {
            name,
            role: (!role.is_empty()).then(|| HeadFigures::from(&HeadScore::new(role))),
            stance: (!stance.is_empty()).then(|| HeadFigures::from(&HeadScore::new(stance))),
        }
    }
}
