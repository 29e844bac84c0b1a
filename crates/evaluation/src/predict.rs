//! Lets a model label the documents of a set, and pairs its answers with gold, as samples.

use crate::answers::DocumentAnswers;
use crate::error::Result;
use crate::gold::GoldDocument;
use crate::pairing::{AnsweredDocument, Predictions};
use crate::{EvalSet, Sentences, SetData};
use standpoint_core::label::Target;
use standpoint_core::pipeline::Pipeline;
use standpoint_core::segment;
use standpoint_core::text::Document;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of documents that the model reads between two calls of `progress`.
const BATCH: usize = 64;

/// Labels the documents of one data file and adds the samples to `predictions`. Calls `progress` with the number of
/// documents just done.
///
/// # Errors
/// If a target is too long for the model, or the model fails.
pub fn predict(
    pipeline: &Pipeline,
    set: &EvalSet,
    data: &SetData,
    predictions: &mut Predictions,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    let mut by_target: BTreeMap<&str, Vec<&GoldDocument>> = BTreeMap::new();
    for document in &data.documents {
        by_target.entry(&document.target).or_default().push(document);
    }
    for (target, gold) in by_target {
        let targets = [Target::new(target)?];
        for gold in gold.chunks(BATCH) {
            let documents: Vec<Arc<Document>> = gold
                .iter()
                .map(|gold| match set.sentences {
                    Sentences::Gold => gold.document.clone(),
                    Sentences::Predicted => {
                        let text = gold.document.text();
                        Document::new(gold.document.id(), text, segment::sentences(text))
                    }
                })
                .map(Arc::new)
                .collect();
            let analyses = pipeline.analyze(documents.iter().map(Arc::clone), &targets)?;
            for ((gold, document), records) in gold.iter().zip(&documents).zip(&analyses) {
                let answers = DocumentAnswers::of_records(records);
                let answered = AnsweredDocument { file: &data.name, gold, document, answers: &answers };
                predictions.add(set, &answered);
            }
            progress(gold.len());
        }
    }
    Ok(())
}
