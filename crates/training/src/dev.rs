//! Scores on dev: the figures that select an epoch, calibrate the heads and go into the model card.

use crate::differentiable::{Layout, Trace};
use crate::error::Result;
use crate::labels::Labels;
use crate::objective::{evaluate, evaluate_tags};
use crate::plan::{Example, document_examples};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use standpoint_core::calibration::{LabelledLogits, TaggedTokens, TemperatureScaling, fit_begin_bias};
use standpoint_core::heads::Logits;
use standpoint_core::label::{Label, Prediction, Role, Stance};
use standpoint_core::model::Tokenizer;
use standpoint_evaluation::gold::GoldDocument;
use standpoint_evaluation::metrics::{HeadScore, Judged};
use std::collections::BTreeMap;

/// Dev documents, cut into windows. Rows of the same document id count as one document, because their sentences are not
/// independent.
pub struct DevSet {
    /// Each with the number of its document.
    examples: Vec<(usize, Example)>,
    /// For every token of each example, whether it continues a word.
    is_subword: Vec<Vec<bool>>,
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

/// The reports of both heads that dev has labels for.
pub struct DevReports {
    pub role: HeadReport,
    pub stance: HeadReport,
}

/// The figures of one head on dev.
pub struct HeadReport {
    /// The calibration, fitted on dev.
    pub scaling: TemperatureScaling,
    /// With that scaling.
    pub score: HeadScore,
    /// Expected calibration error without it.
    pub uncalibrated_error: Option<f64>,
}

/// The labels and logits of all labelled sentences, with the number of their document.
type Answers = Vec<(usize, Vec<(Labels, Logits)>)>;

impl DevSet {
    /// Tokenizes the documents and cuts them into windows of at most `max_tokens`.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(documents: &[GoldDocument], tokenizer: &Tokenizer, max_tokens: usize) -> Result<Self> {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for document in documents {
            let next = numbers.len();
            numbers.entry(document.document.id()).or_insert(next);
        }
        let examples: Vec<(usize, Example)> = document_examples(documents, tokenizer, max_tokens)?
            .into_iter()
            .map(|(index, example)| (numbers[documents[index].document.id()], example))
            .collect();
        let is_subword = |(_, example): &(usize, Example)| {
            example.window.tokens.iter().map(|&token| tokenizer.is_subword(token)).collect()
        };
        let is_subword = examples.iter().map(is_subword).collect();
        Ok(Self { examples, is_subword })
    }

    /// Whether both heads can be scored.
    pub fn has_all_labels(&self) -> bool {
        let mut labels = self.examples.iter().flat_map(|(_, example)| &example.labels);
        labels.clone().any(|labels| labels.role.is_some()) && labels.any(|labels| labels.stance.is_some())
    }

    fn answers(&self, layout: &Layout, parameters: &[f32]) -> Answers {
        self.examples
            .par_iter()
            .map_init(Trace::default, |trace, (document, example)| {
                (*document, evaluate(layout, parameters, &[example], trace))
            })
            .collect()
    }

    /// # Panics
    /// If dev lacks [`DevSet::has_all_labels`].
    pub fn score(&self, layout: &Layout, parameters: &[f32]) -> DevScore {
        let answers = self.answers(layout, parameters);
        let macro_f1 = |figure: Option<f64>| figure.expect("dev has sentences with each label");
        DevScore {
            role: macro_f1(report(&answers, role).score.confusion.macro_f1()),
            stance: macro_f1(report(&answers, stance).score.confusion.macro_f1()),
        }
    }

    /// Scores and calibrations of both heads.
    pub fn reports(&self, layout: &Layout, parameters: &[f32]) -> DevReports {
        let answers = self.answers(layout, parameters);
        DevReports { role: report(&answers, role), stance: report(&answers, stance) }
    }

    /// The biases on the logit of a beginning, for source, cue and content; 0 if there are no attributions.
    pub fn begin_biases(&self, layout: &Layout, parameters: &[f32]) -> [f32; 3] {
        let marked: Vec<(&Example, &Vec<bool>)> = self
            .examples
            .iter()
            .zip(&self.is_subword)
            .filter_map(|((_, example), is_subword)| {
                (!example.tags.is_empty()).then_some((example, is_subword))
            })
            .collect();
        let logits: Vec<[Vec<[f32; 3]>; 3]> = marked
            .par_iter()
            .map_init(Trace::default, |trace, (example, _)| evaluate_tags(layout, parameters, example, trace))
            .collect();
        std::array::from_fn(|part| {
            let mut sequences = Vec::with_capacity(marked.len());
            for ((example, is_subword), logits) in marked.iter().zip(&logits) {
                // The model tags the text without the target.
                let text = example.window.target_tokens..;
                sequences.push(TaggedTokens {
                    logits: logits[part][text.clone()].to_vec(),
                    is_subword: is_subword[text.clone()].to_vec(),
                    gold: example.tags[text].iter().map(|tags| tags.map(|tags| tags[part])).collect(),
                });
            }
            fit_begin_bias(&sequences)
        })
    }

    /// The scaling of the check-worthiness head; [`TemperatureScaling::NONE`] if there are no labels for it.
    pub fn checkworthy_scaling(&self, layout: &Layout, parameters: &[f32]) -> TemperatureScaling {
        let answers = self.answers(layout, parameters);
        let items: Vec<LabelledLogits<2>> = answers
            .iter()
            .flat_map(|(document, sentences)| sentences.iter().map(|sentence| (*document, sentence)))
            .filter_map(|(document, (labels, logits))| {
                let label = usize::from(!labels.checkworthy?);
                Some(LabelledLogits { document, logits: logits.checkworthy?, label })
            })
            .collect();
        TemperatureScaling::fit(&items)
    }
}

fn report<L: Label>(answers: &Answers, of: impl Fn(&Labels, &Logits) -> Option<(L, [f32; 3])>) -> HeadReport {
    let items: Vec<LabelledLogits<3>> = answers
        .iter()
        .flat_map(|(document, sentences)| sentences.iter().map(move |sentence| (*document, sentence)))
        .filter_map(|(document, (labels, logits))| {
            let (label, logits) = of(labels, logits)?;
            Some(LabelledLogits { document, logits, label: label.index() })
        })
        .collect();
    let fitted = TemperatureScaling::fit(&items);
    let score_at = |scaling: TemperatureScaling| {
        let judged: Vec<Judged<L>> = items
            .iter()
            .map(|item| Judged {
                document: item.document,
                gold: L::ALL[item.label],
                prediction: Prediction::new(scaling.apply(item.logits)),
            })
            .collect();
        HeadScore::new(&judged)
    };
    HeadReport {
        scaling: fitted,
        score: score_at(fitted),
        uncalibrated_error: score_at(TemperatureScaling::NONE).calibration_error,
    }
}

fn role(labels: &Labels, logits: &Logits) -> Option<(Role, [f32; 3])> {
    labels.role.map(|role| (role, logits.role))
}

fn stance(labels: &Labels, logits: &Logits) -> Option<(Stance, [f32; 3])> {
    labels.stance.map(|stance| (stance, logits.stance))
}
