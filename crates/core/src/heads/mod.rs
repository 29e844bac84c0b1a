//! The heads: states in, answers out, with calibrated probabilities. Heads of sentences read a sentence's vector, the
//! mean of its tokens' states; others mark tokens: the spans that make [`attributions()`] and the [`holder`]
//! of a stance. Plain f32 on whatever encoder made the states.

mod attribution;
pub mod holder;
pub mod tags;

pub use attribution::{Piece, attributions};

use crate::encoder::States;
use crate::label::{Prediction, Role, Stance};
use crate::model::{HeadSettings, Scaling, Settings, Weights};
use crate::window::{Window, WindowSentence};
use std::ops::Range;
use tags::{Marked, Part, Tag};

/// The tokens whose mean state stands for a sentence: its own, or, for a sentence without any (it is empty,
/// or holds only what the tokenizer drops), the `[SEP]` that ends it.
pub fn sentence_tokens(sentence: &WindowSentence) -> Range<usize> {
    let Range { start, end } = sentence.tokens;
    start..end.max(start + 1)
}

/// What the heads say of a sentence before calibration, in the order of [`crate::label::Label::ALL`] and of
/// [`crate::model::CHECKWORTHY`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logits {
    pub role: [f32; 3],
    pub stance: [f32; 3],
    /// Where the model has that head.
    pub checkworthy: Option<[f32; 2]>,
}

/// The same with calibrated probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SentencePredictions {
    pub role: Prediction<Role>,
    pub stance: Prediction<Stance>,
    pub checkworthiness: Option<f32>,
}

impl SentencePredictions {
    /// Whether all of it are numbers: weights that are too large end in infinities.
    pub fn are_finite(&self) -> bool {
        self.role.confidence().is_finite()
            && self.stance.confidence().is_finite()
            && self.checkworthiness.is_none_or(f32::is_finite)
    }
}

/// The heads of a model.
#[derive(Clone, Debug)]
pub struct Heads {
    role: Head<3>,
    stance: Head<3>,
    checkworthy: Option<Head<2>>,
    /// In the order of [`Part::ALL`].
    attribution: Option<[Head<3>; 3]>,
    holder: Option<Head<2>>,
}

#[derive(Clone, Debug)]
struct Head<const N: usize> {
    /// `[N, hidden]`
    weight: Vec<f32>,
    bias: [f32; N],
    scaling: Scaling,
}

impl Heads {
    /// The heads of checked weights.
    ///
    /// # Panics
    /// If the weights lack the [`crate::model::head_parameters`] of the settings; those of a
    /// [`crate::model::Model`] do not.
    pub fn new(settings: &Settings, weights: &Weights) -> Self {
        let part = |part: Part| settings.attribution.as_ref().map(|of| Head::new(part.as_str(), of, weights));
        let [source, cue, content] = Part::ALL.map(part);
        Self {
            role: Head::new("role", &settings.role, weights),
            stance: Head::new("stance", &settings.stance, weights),
            checkworthy: settings.checkworthy.as_ref().map(|of| Head::new("checkworthy", of, weights)),
            attribution: source.zip(cue).zip(content).map(|((source, cue), content)| [source, cue, content]),
            holder: settings.holder.as_ref().map(|of| Head::new("holder", of, weights)),
        }
    }

    /// Whether [`Heads::marked`] marks anything.
    pub fn marks_attributions(&self) -> bool {
        self.attribution.is_some()
    }

    /// The logits of one sentence of the window that `states` are of.
    ///
    /// # Panics
    /// If the sentence does not lie in the window.
    pub fn logits(&self, states: &States, sentence: &WindowSentence) -> Logits {
        let tokens = sentence_tokens(sentence);
        let mut mean = vec![0.0; states.hidden_size()];
        for row in states.rows(tokens.clone()) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let count = tokens.len() as f32;
        mean.iter_mut().for_each(|sum| *sum /= count);
        Logits {
            role: self.role.apply(&mean),
            stance: self.stance.apply(&mean),
            checkworthy: self.checkworthy.as_ref().map(|head| head.apply(&mean)),
        }
    }

    /// Calibrated probabilities of logits.
    pub fn predict(&self, logits: &Logits) -> SentencePredictions {
        let checkworthy = self.checkworthy.as_ref().zip(logits.checkworthy);
        SentencePredictions {
            role: Prediction::new(self.role.scaling.apply(logits.role)),
            stance: Prediction::new(self.stance.scaling.apply(logits.stance)),
            checkworthiness: checkworthy.map(|(head, logits)| head.scaling.apply(logits)[0]),
        }
    }

    /// The pieces of attributions that each sentence of a window holds, in the order of its sentences; nothing if
    /// the model has no such heads. `goes_on` says of a token whether it is the rest of the word before it.
    ///
    /// # Panics
    /// If `states` are of another window.
    pub fn marked(
        &self,
        states: &States,
        window: &Window,
        goes_on: impl Fn(u32) -> bool,
    ) -> Vec<Vec<Marked>> {
        let mut marked = vec![Vec::new(); window.sentences.len()];
        let text = window.target_tokens..window.tokens.len();
        let goes_on: Vec<bool> = window.tokens[text.clone()].iter().map(|&token| goes_on(token)).collect();
        for (head, part) in self.attribution.iter().flatten().zip(Part::ALL) {
            let logits: Vec<[f32; 3]> = states.rows(text.clone()).map(|row| head.apply(row)).collect();
            let tags = Tag::likeliest(&logits, &goes_on);
            for (sentence, marked) in window.sentences.iter().zip(&mut marked) {
                let Range { start, end } = sentence.tokens;
                let tags = &tags[start - text.start..end - text.start];
                marked.extend(tags::runs(tags).map(|tokens| {
                    let continues = tokens.start == 0 && tags[0] == Tag::Inside;
                    Marked { part, tokens, continues }
                }));
            }
        }
        marked
    }

    /// The tokens of a sentence that name whose stance it takes, counted from the sentence's first; none if the model
    /// finds none, or does not look for any.
    ///
    /// # Panics
    /// If the sentence does not lie in the window.
    pub fn holder(&self, states: &States, sentence: &WindowSentence) -> Option<Range<usize>> {
        let head = self.holder.as_ref()?;
        // The separator behind the sentence stands for no holder.
        let Range { start, end } = sentence.tokens;
        let logits: Vec<[f32; 2]> = states.rows(start..end + 1).map(|row| head.apply(row)).collect();
        holder::likeliest(&logits)
    }
}

impl<const N: usize> Head<N> {
    fn new(name: &str, settings: &HeadSettings, weights: &Weights) -> Self {
        let bias = weights.values(&format!("heads.{name}.bias"));
        Self {
            weight: weights.values(&format!("heads.{name}.weight")).to_vec(),
            bias: std::array::from_fn(|output| bias[output]),
            scaling: settings.scaling(),
        }
    }

    fn apply(&self, vector: &[f32]) -> [f32; N] {
        apply(&self.weight, &self.bias, vector)
    }
}

/// A linear layer: `weight` is `[N, hidden]`.
///
/// # Panics
/// If `weight` or `bias` has fewer than `N` rows of the vector's width.
pub fn apply<const N: usize>(weight: &[f32], bias: &[f32], vector: &[f32]) -> [f32; N] {
    let mut rows = weight.chunks_exact(vector.len());
    std::array::from_fn(|output| {
        let row = rows.next().expect("there is a row for each output");
        bias[output] + dot(row, vector)
    })
}

/// In several sums at once, so that the processor need not wait for each addition.
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
