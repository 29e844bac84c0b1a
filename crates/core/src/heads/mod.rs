//! The heads: from states to answers. Some give a label to a sentence with calibrated probabilities; others mark tokens, from
//! which [`attributions()`] and the holder of a stance are made. All are plain f32, whatever encoder made the states.
//!
//! [`crate::model::HEADS`] declares them; here is their arithmetic.

mod attribution;
mod disjoint;
mod holder;
mod speaker;

pub use attribution::{AttributionPart, Mark, TokenMark, attributions};
pub use disjoint::disjoint;
pub use speaker::{MentionedSpeaker, likeliest, mentions, pointer_probabilities, pointer_scores};

use crate::calibration::TemperatureScaling;
use crate::encoder::States;
use crate::label::{Label, Prediction, Role, Stance};
use crate::model::{ATTRIBUTION, CHECKWORTHY, HOLDER, Head, ROLE, STANCE, Settings, Weights};
use crate::tags::{self, Tag};
use crate::window::{Window, WindowSentence};
use speaker::SpeakerPointers;
use std::ops::Range;

/// The tokens whose mean state represents a sentence: its own, or the `[SEP]` after it if it has none, because it is empty or
/// holds only what the tokenizer drops.
pub fn sentence_tokens(sentence: &WindowSentence) -> Range<usize> {
    let Range { start, end } = sentence.tokens;
    start..end.max(start + 1)
}

/// A sentence's vector: the mean of its tokens' states, `[hidden]`. `states` is `[tokens, hidden]`, row-major.
///
/// # Panics
/// If `states` has no such tokens.
pub fn mean_state(states: &[f32], hidden: usize, tokens: Range<usize>) -> Vec<f32> {
    let mut mean = vec![0.0; hidden];
    for state in states[tokens.start * hidden..tokens.end * hidden].chunks_exact(hidden) {
        for (sum, value) in mean.iter_mut().zip(state) {
            *sum += value;
        }
    }
    let count = tokens.len() as f32;
    mean.iter_mut().for_each(|sum| *sum /= count);
    mean
}

/// What the model says of one sentence whatever the target, with calibrated probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextPredictions {
    pub role: Prediction<Role>,
    /// The probability that the sentence is worth checking; `None` if the model lacks this head.
    pub checkworthiness: Option<f32>,
}

impl TextPredictions {
    /// Whether all probabilities are numbers. Weights that are too large make them infinite or NaN.
    pub fn are_finite(&self) -> bool {
        self.role.confidence().is_finite() && self.checkworthiness.is_none_or(f32::is_finite)
    }
}

/// The heads of a model.
#[derive(Clone, Debug)]
pub struct Heads {
    role: Classifier<{ ROLE.labels.len() }>,
    stance: Classifier<{ STANCE.labels.len() }>,
    checkworthy: Option<Classifier<{ CHECKWORTHY.labels.len() }>>,
    /// In the order of [`AttributionPart::ALL`].
    attribution: Option<Vec<LinearLayer<{ ATTRIBUTION.labels.len() }>>>,
    holder: Option<LinearLayer<{ HOLDER.labels.len() }>>,
    speaker: Option<SpeakerPointers>,
}

/// A linear layer over one vector.
#[derive(Clone, Debug)]
struct LinearLayer<const N: usize> {
    /// `[N, hidden]`
    weight: Vec<f32>,
    bias: [f32; N],
}

/// A linear layer over a sentence's vector, and how its logits become probabilities.
#[derive(Clone, Debug)]
struct Classifier<const N: usize> {
    layer: LinearLayer<N>,
    scaling: TemperatureScaling,
}

impl Heads {
    /// The heads that `settings` names.
    ///
    /// # Panics
    /// If a required head or a parameter of [`crate::model::head_parameters`] is missing, which a
    /// [`crate::model::Model`] excludes.
    pub fn new(settings: &Settings, weights: &Weights) -> Self {
        let has = |head| settings.heads.contains(head);
        Self {
            role: Classifier::new(&ROLE, settings, weights).expect("every model has roles"),
            stance: Classifier::new(&STANCE, settings, weights).expect("every model has stances"),
            checkworthy: Classifier::new(&CHECKWORTHY, settings, weights),
            attribution: has(&ATTRIBUTION).then(|| LinearLayer::of_head(&ATTRIBUTION, weights).collect()),
            holder: has(&HOLDER).then(|| LinearLayer::of_head(&HOLDER, weights).next()).flatten(),
            speaker: SpeakerPointers::new(settings, weights),
        }
    }

    /// Whether [`Heads::speakers`] can find any.
    pub fn finds_speakers(&self) -> bool {
        self.speaker.is_some()
    }

    /// For each sentence of a window, the mentions of whoever may speak in it; none if the model lacks this head, or another window
    /// answers for the sentence. `is_subword` is as for [`Heads::marked`].
    ///
    /// # Panics
    /// If `states` belong to another window.
    pub fn speakers(
        &self,
        states: &States,
        window: &Window,
        is_subword: impl Fn(u32) -> bool,
    ) -> Vec<Vec<MentionedSpeaker>> {
        match &self.speaker {
            Some(pointers) => pointers.of_window(states, window, is_subword),
            None => vec![Vec::new(); window.sentences.len()],
        }
    }

    /// Whether [`Heads::marked`] can mark anything.
    pub fn marks_attributions(&self) -> bool {
        self.attribution.is_some()
    }

    /// What a text that is read alone says of one of its sentences.
    ///
    /// # Panics
    /// If the sentence is not in the text that `states` belong to.
    pub fn text(&self, states: &States, sentence: &WindowSentence) -> TextPredictions {
        let mean = vector(states, sentence);
        TextPredictions {
            role: self.role.predict(&mean),
            checkworthiness: self.checkworthy.as_ref().map(|head| head.probabilities(&mean)[0]),
        }
    }

    /// The stance that a sentence of a text takes that is read with a target.
    ///
    /// # Panics
    /// If the sentence is not in the text that `states` belong to.
    pub fn stance(&self, states: &States, sentence: &WindowSentence) -> Prediction<Stance> {
        self.stance.predict(&vector(states, sentence))
    }

    /// The marks of attributions in each sentence of a window, in the order of its sentences; none if the model lacks this
    /// head. `is_subword` says of a token whether it continues the word of the token before.
    ///
    /// # Panics
    /// If `states` belong to another window.
    pub fn marked(
        &self,
        states: &States,
        window: &Window,
        is_subword: impl Fn(u32) -> bool,
    ) -> Vec<Vec<TokenMark>> {
        let mut marked = vec![Vec::new(); window.sentences.len()];
        let text = window.opening_tokens..window.tokens.len();
        let is_subword: Vec<bool> =
            window.tokens[text.clone()].iter().map(|&token| is_subword(token)).collect();
        for (layer, part) in self.attribution.iter().flatten().zip(AttributionPart::ALL) {
            let logits: Vec<[f32; 3]> = states.rows(text.clone()).map(|row| layer.apply(row)).collect();
            let tags = Tag::likeliest(&logits, &is_subword);
            for (sentence, marked) in window.sentences.iter().zip(&mut marked) {
                let Range { start, end } = sentence.tokens;
                let tags = &tags[start - text.start..end - text.start];
                marked.extend(tags::runs(tags).map(|tokens| {
                    let continues = tokens.start == 0 && tags[0] == Tag::Inside;
                    TokenMark { part, tokens, continues }
                }));
            }
        }
        marked
    }

    /// The tokens that name whose stance a sentence takes, counted from the sentence's first token. `None` if the sentence
    /// names nobody, or the model lacks this head.
    ///
    /// # Panics
    /// If the sentence is not in the window that `states` belong to.
    pub fn holder(&self, states: &States, sentence: &WindowSentence) -> Option<Range<usize>> {
        let layer = self.holder.as_ref()?;
        // The separator after the sentence means that there is no holder.
        let Range { start, end } = sentence.tokens;
        let logits: Vec<[f32; 2]> = states.rows(start..end + 1).map(|row| layer.apply(row)).collect();
        holder::likeliest(&logits)
    }
}

impl<const N: usize> LinearLayer<N> {
    /// The layers of a head, in the order of [`Head::layers`].
    ///
    /// # Panics
    /// When a layer whose parameters are missing is drawn.
    fn of_head(head: &Head, weights: &Weights) -> impl Iterator<Item = Self> {
        head.tensor_names().map(|[weight, bias]| Self {
            weight: weights.values(&weight).to_vec(),
            bias: weights.values(&bias).try_into().expect("each label has a bias"),
        })
    }

    fn apply(&self, vector: &[f32]) -> [f32; N] {
        apply(&self.weight, &self.bias, vector)
    }
}

impl<const N: usize> Classifier<N> {
    fn probabilities(&self, vector: &[f32]) -> [f32; N] {
        self.scaling.apply(self.layer.apply(vector))
    }

    /// A head with one layer; `None` if the model lacks it.
    fn new(head: &Head, settings: &Settings, weights: &Weights) -> Option<Self> {
        let scaling = settings.heads.get(head)?.scaling();
        LinearLayer::of_head(head, weights).next().map(|layer| Self { layer, scaling })
    }
}

impl Classifier<3> {
    fn predict<L: Label>(&self, vector: &[f32]) -> Prediction<L> {
        Prediction::new(self.probabilities(vector))
    }
}

fn vector(states: &States, sentence: &WindowSentence) -> Vec<f32> {
    mean_state(states.values(), states.hidden_size(), sentence_tokens(sentence))
}

/// A linear layer: `weight` is `[N, hidden]`, `bias` `[N]`, and `vector` `[hidden]`.
///
/// # Panics
/// If `weight` or `bias` has fewer than `N` rows.
pub fn apply<const N: usize>(weight: &[f32], bias: &[f32], vector: &[f32]) -> [f32; N] {
    let mut rows = weight.chunks_exact(vector.len());
    std::array::from_fn(|output| {
        let row = rows.next().expect("there is a row for each output");
        bias[output] + dot(row, vector)
    })
}

/// The dot product, in several sums at once, so that no addition waits for the one before.
fn dot(row: &[f32], vector: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (row, row_rest) = row.as_chunks::<LANES>();
    let (vector, vector_rest) = vector.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (row, vector) in row.iter().zip(vector) {
        for lane in 0..LANES {
            sums[lane] += row[lane] * vector[lane];
        }
    }
    let rest: f32 = row_rest.iter().zip(vector_rest).map(|(row, vector)| row * vector).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_its_tokens_or_the_separator_after_it() {
        let sentence = |tokens| WindowSentence { index: 0, tokens, answered: true, truncated: false };
        assert_eq!(sentence_tokens(&sentence(4..9)), 4..9);
        assert_eq!(sentence_tokens(&sentence(4..4)), 4..5);
    }
}
