//! Scores on dev: the figures that select an epoch, calibrate the heads and go into the model card.

use crate::differentiable::{Layout, Trace};
use crate::error::Result;
use crate::objective::{Answers, evaluate};
use crate::plan::{Example, document_examples};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use standpoint_core::calibration::{LabelledLogits, TaggedTokens, TemperatureScaling, fit_begin_bias};
use standpoint_core::heads::{self, MentionedSpeaker};
use standpoint_core::label::{Label, Prediction, Role, Stance};
use standpoint_core::model::Tokenizer;
use standpoint_core::window::WindowShape;
use standpoint_evaluation::gold::GoldDocument;
use standpoint_evaluation::metrics::{HeadScore, Judged};
use std::collections::BTreeMap;

/// Dev documents, cut into windows. Rows of the same document id count as one document, because their sentences are not
/// independent.
pub struct DevSet {
    examples: Vec<DevExample>,
    /// The names of the files that are scored apart, and of their documents on policies that training has not seen.
    slices: Vec<String>,
}

/// A window of a dev document.
struct DevExample {
    /// The document's number.
    document: usize,
    /// The slices that the document is in.
    slices: Vec<usize>,
    example: Example,
    /// For every token, whether it continues a word.
    is_subword: Vec<bool>,
}

/// The dev documents of one file.
pub struct DevFile {
    pub name: String,
    pub documents: Vec<GoldDocument>,
}

/// Macro-F1 of both heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevScore {
    pub role: f64,
    pub stance: f64,
    /// The same for each file.
    #[serde(default)]
    pub slices: Vec<SliceScore>,
}

/// The figures of some of the documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceScore {
    pub name: String,
    /// Macro-F1; none if a label does not occur.
    pub role: Option<f64>,
    pub stance: Option<f64>,
    /// Of the sentences that take a stance, as gold and the model say, the share that keeps it toward another wording of the target.
    pub kept: Option<f64>,
    /// The share that takes the reverse stance toward the opposite of the target.
    pub turned: Option<f64>,
    /// F1 of who speaks, of the attributed sentences.
    #[serde(default)]
    pub speaker: Option<f64>,
}

impl DevScore {
    /// The figure by which epochs are compared: the mean over the files, or over both heads if no file has both.
    pub fn mean(&self) -> f64 {
        let of_slices: Vec<f64> =
            self.slices.iter().filter_map(|slice| Some((slice.role? + slice.stance?) / 2.0)).collect();
        match of_slices.is_empty() {
            true => (self.role + self.stance) / 2.0,
            false => of_slices.iter().sum::<f64>() / of_slices.len() as f64,
        }
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

type Answered<'a> = [(&'a DevExample, Answers)];

impl DevSet {
    /// Tokenizes the documents and cuts them into windows.
    ///
    /// # Errors
    /// If a text cannot be tokenized.
    pub fn new(files: &[DevFile], tokenizer: &Tokenizer, shape: WindowShape) -> Result<Self> {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut set = Self { examples: Vec::new(), slices: Vec::new() };
        for DevFile { name, documents } in files {
            let of_file = set.slices.len();
            set.slices.push(name.clone());
            let is_unseen = |gold: &GoldDocument| gold.document.fields().get("seen") == Some(false.into());
            if documents.iter().any(is_unseen) {
                set.slices.push(format!("{name}, policies not in train"));
            }
            for (index, example) in document_examples(documents, tokenizer, shape)? {
                let gold = &documents[index];
                let next = numbers.len();
                let document = *numbers.entry(gold.document.id().to_owned()).or_insert(next);
                let slices = if is_unseen(gold) { vec![of_file, of_file + 1] } else { vec![of_file] };
                let is_subword = |&token: &u32| tokenizer.is_subword(token);
                let is_subword = example.window.tokens.iter().map(is_subword).collect();
                set.examples.push(DevExample { document, slices, example, is_subword });
            }
        }
        Ok(set)
    }

    /// Whether both heads can be scored.
    pub fn has_all_labels(&self) -> bool {
        let examples = || self.examples.iter().map(|dev| &dev.example);
        let mut stances = examples().flat_map(|example| &example.queries).flat_map(|query| &query.labels);
        examples().flat_map(|example| &example.labels).any(|labels| labels.role.is_some())
            && stances.any(|labels| labels.stance.is_some())
    }

    fn answered(&self, layout: &Layout, parameters: &[f32]) -> Vec<(&DevExample, Answers)> {
        let answers = |trace: &mut Trace, dev: &DevExample| evaluate(layout, parameters, &dev.example, trace);
        let answers: Vec<Answers> = self.examples.par_iter().map_init(Trace::default, answers).collect();
        self.examples.iter().zip(answers).collect()
    }

    /// # Panics
    /// If dev lacks [`DevSet::has_all_labels`].
    pub fn score(&self, layout: &Layout, parameters: &[f32]) -> DevScore {
        let answered = self.answered(layout, parameters);
        let all = |_: &DevExample| true;
        let macro_f1 = |figure: Option<f64>| figure.expect("dev has sentences with each label");
        let slice = |(index, name): (usize, &String)| {
            let within = |dev: &DevExample| dev.slices.contains(&index);
            let [kept, turned] = [false, true].map(|reversed| followed(&answered, within, reversed));
            SliceScore {
                name: name.clone(),
                role: report(&roles(&answered, within)).and_then(|report| report.score.confusion.macro_f1()),
                stance: report(&stances(&answered, within))
                    .and_then(|report| report.score.confusion.macro_f1()),
                kept,
                turned,
                speaker: speakers(&answered, within),
            }
        };
        DevScore {
            role: macro_f1(report(&roles(&answered, all)).and_then(|r| r.score.confusion.macro_f1())),
            stance: macro_f1(report(&stances(&answered, all)).and_then(|r| r.score.confusion.macro_f1())),
            slices: self.slices.iter().enumerate().map(slice).collect(),
        }
    }

    /// Scores and calibrations of both heads.
    ///
    /// # Panics
    /// If dev lacks [`DevSet::has_all_labels`].
    pub fn reports(&self, layout: &Layout, parameters: &[f32]) -> DevReports {
        let answered = self.answered(layout, parameters);
        let all = |_: &DevExample| true;
        let expected = "dev has labels of both heads";
        DevReports {
            role: report(&roles(&answered, all)).expect(expected),
            stance: report(&stances(&answered, all)).expect(expected),
        }
    }

    /// The biases on the logit of a beginning, for source, cue and content; 0 if there are no attributions.
    pub fn begin_biases(&self, layout: &Layout, parameters: &[f32]) -> [f32; 3] {
        let marked: Vec<&DevExample> =
            self.examples.iter().filter(|dev| !dev.example.tags.is_empty()).collect();
        let answers =
            |trace: &mut Trace, dev: &&DevExample| evaluate(layout, parameters, &dev.example, trace);
        let answers: Vec<Answers> = marked.par_iter().map_init(Trace::default, answers).collect();
        std::array::from_fn(|part| {
            let mut sequences = Vec::with_capacity(marked.len());
            for (dev, answers) in marked.iter().zip(&answers) {
                // The model tags the text without what stands before it.
                let text = dev.example.window.opening_tokens..;
                sequences.push(TaggedTokens {
                    logits: answers.tags[part][text.clone()].to_vec(),
                    is_subword: dev.is_subword[text.clone()].to_vec(),
                    gold: dev.example.tags[text].iter().map(|tags| tags.map(|tags| tags[part])).collect(),
                });
            }
            fit_begin_bias(&sequences)
        })
    }

    /// The scaling of the check-worthiness head; [`TemperatureScaling::NONE`] if there are no labels for it.
    pub fn checkworthy_scaling(&self, layout: &Layout, parameters: &[f32]) -> TemperatureScaling {
        let mut items: Vec<LabelledLogits<2>> = Vec::new();
        for (dev, answers) in &self.answered(layout, parameters) {
            for (labels, logits) in dev.example.labels.iter().zip(&answers.text) {
                items.extend(labels.checkworthy.map(|yes| LabelledLogits {
                    document: dev.document,
                    logits: logits.checkworthy,
                    label: usize::from(!yes),
                }));
            }
        }
        TemperatureScaling::fit(&items)
    }
}

/// The roles of sentences.
fn roles(answered: &Answered<'_>, within: impl Fn(&DevExample) -> bool) -> Labelled<Role> {
    let mut items = Vec::new();
    for (dev, answers) in answered.iter().filter(|(dev, _)| within(dev)) {
        for (labels, logits) in dev.example.labels.iter().zip(&answers.text) {
            items.extend(labels.role.map(|role| (dev.document, role, logits.role)));
        }
    }
    items
}

/// The stances of sentences toward the own target of their document.
fn stances(answered: &Answered<'_>, within: impl Fn(&DevExample) -> bool) -> Labelled<Stance> {
    let mut items = Vec::new();
    for (dev, answers) in answered.iter().filter(|(dev, _)| within(dev)) {
        let own = dev.example.queries.first().into_iter().zip(&answers.stances);
        for (labels, &logits) in own.flat_map(|(query, logits)| query.labels.iter().zip(logits)) {
            items.extend(labels.stance.map(|stance| (dev.document, stance, logits)));
        }
    }
    items
}

/// Of the sentences that take a stance toward their document's target, as gold and the model say, the share whose stance toward
/// other wordings of the target, or of its opposite if `reversed`, agrees with it.
fn followed(answered: &Answered<'_>, within: impl Fn(&DevExample) -> bool, reversed: bool) -> Option<f64> {
    let label =
        |logits: &[f32; 3]| Prediction::<Stance>::new(TemperatureScaling::NONE.apply(*logits)).label();
    let (mut all, mut agreed) = (0, 0);
    for (dev, answers) in answered.iter().filter(|(dev, _)| within(dev)) {
        let Some((own, others)) = dev.example.queries.split_first() else { continue };
        for (query, logits) in others.iter().zip(&answers.stances[1..]) {
            if query.reversed != reversed {
                continue;
            }
            for (index, logits) in logits.iter().enumerate() {
                let found = label(&answers.stances[0][index]);
                if own.labels[index].stance.is_none_or(|gold| gold == Stance::None) || found == Stance::None {
                    continue;
                }
                let wanted = if reversed { found.reversed() } else { found };
                all += 1;
                agreed += usize::from(label(logits) == wanted);
            }
        }
    }
    (all > 0).then(|| f64::from(agreed as u32) / f64::from(all as u32))
}

/// F1 of the speakers of attributed sentences. A speaker is right if the likeliest mention is one that gold has.
fn speakers(answered: &Answered<'_>, within: impl Fn(&DevExample) -> bool) -> Option<f64> {
    let (mut gold, mut found, mut right) = (0u32, 0u32, 0u32);
    for (dev, answers) in answered.iter().filter(|(dev, _)| within(dev)) {
        let window = &dev.example.window;
        let place = |mention: &MentionedSpeaker| {
            let first = window.sentences[mention.sentence].tokens.start;
            first + mention.tokens.start..first + mention.tokens.end
        };
        for (speaker, mentions) in dev.example.speakers.iter().zip(&answers.speakers) {
            gold += u32::from(speaker.mentions != [[0, 0]]);
            let name = |mention: &MentionedSpeaker| &window.tokens[place(mention)];
            let Some((mention, _)) = heads::likeliest(mentions, name) else { continue };
            found += 1;
            let is_gold = |&[first, last]: &[usize; 2]| window.tokens[first..=last] == *name(mention);
            right += u32::from(speaker.mentions.iter().any(is_gold));
        }
    }
    (gold + found > 0).then(|| 2.0 * f64::from(right) / f64::from(gold + found))
}

/// The document, the gold label and the logits of each sentence.
type Labelled<L> = Vec<(usize, L, [f32; 3])>;

/// The figures of a head; none without any label.
fn report<L: Label>(labelled: &Labelled<L>) -> Option<HeadReport> {
    let item = |&(document, label, logits): &(usize, L, [f32; 3])| LabelledLogits {
        document,
        logits,
        label: label.index(),
    };
    let items: Vec<LabelledLogits<3>> = labelled.iter().map(item).collect();
    if items.is_empty() {
        return None;
    }
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
    Some(HeadReport {
        scaling: fitted,
        score: score_at(fitted),
        uncalibrated_error: score_at(TemperatureScaling::NONE).calibration_error,
    })
}
