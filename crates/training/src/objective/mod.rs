//! The loss that training minimizes, and its gradient: the Kullback-Leibler divergence of the heads' probabilities from the wanted
//! ones, on labelled sentences and tokens. That is cross-entropy minus its least possible value.

mod tokens;

use crate::config::{DropoutConfig, LossConfig};
use crate::differentiable::{Gradients, HeadLayerRanges, Layout, PackedTokens, PassDropout, Trace};
use crate::labels::Labels;
use crate::plan::Example;
use crate::teacher::TeacherPrediction;
use standpoint_core::calibration::TemperatureScaling;
use standpoint_core::heads::{self, Logits, mean_state, sentence_tokens};
use standpoint_core::label::{Label, Role};
use standpoint_core::model::{ATTRIBUTION, CHECKWORTHY, ROLE, STANCE};
use standpoint_kernels::Isa;
use standpoint_kernels::training::dropout::Dropout;
use std::ops::Range;

/// The total label weights of an average step, by which each head's loss is divided. A label then has the same weight in whichever
/// step it is read, even if it is the only one of its kind there.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelWeights {
    role: f64,
    attributed: f64,
    stance: f64,
    checkworthy: f64,
    tokens: f64,
    holder: f64,
    taught: f64,
}

impl LabelWeights {
    pub fn per_step(steps: &[Vec<Example>], loss: &LossConfig) -> Self {
        let mut sum = Self::default();
        for example in steps.iter().flatten() {
            for labels in &example.labels {
                sum.role += labels.role.map_or(0.0, |role| loss.role_weights[role.index()]);
                sum.attributed += f64::from(u8::from(labels.attributed.is_some()));
                sum.stance += labels.stance.map_or(0.0, |stance| loss.stance_weights[stance.index()]);
                sum.checkworthy += f64::from(u8::from(labels.checkworthy.is_some()));
                sum.holder += f64::from(u8::from(labels.holder.is_some()));
                sum.taught += f64::from(u8::from(labels.taught.is_some()));
            }
            sum.tokens += example.tags.iter().flatten().count() as f64;
        }
        let steps = steps.len().max(1) as f64;
        let mean = |sum: f64| (sum / steps).max(f64::MIN_POSITIVE);
        Self {
            role: mean(sum.role),
            attributed: mean(sum.attributed),
            stance: mean(sum.stance),
            checkworthy: mean(sum.checkworthy),
            tokens: mean(sum.tokens),
            holder: mean(sum.holder),
            taught: mean(sum.taught),
        }
    }
}

/// One forward and backward pass over some examples.
pub struct Pass<'a> {
    /// Whether the encoder is frozen.
    pub heads_only: bool,
    pub layout: &'a Layout,
    pub parameters: &'a [f32],
    pub loss: &'a LossConfig,
    pub dropout: &'a DropoutConfig,
    /// The key of the dropout masks. It must differ from pass to pass.
    pub key: u64,
    pub weights: LabelWeights,
}

/// A sentence of a packed batch: its rows and its labels.
struct Row {
    /// The tokens whose mean state is the sentence's vector.
    vector: Range<usize>,
    /// The sentence's tokens and the separator after them.
    tokens: Range<usize>,
    labels: Labels,
}

/// All windows, concatenated, and the ranges of their sentences.
fn pack(examples: &[&Example]) -> (PackedTokens, Vec<Row>) {
    let mut packed = PackedTokens::default();
    let mut rows = Vec::new();
    for example in examples {
        let first = packed.tokens.len();
        packed.push(&example.window);
        for (sentence, &labels) in example.window.sentences.iter().zip(&example.labels) {
            let Range { start, end } = sentence_tokens(sentence);
            let tokens = first + sentence.tokens.start..first + sentence.tokens.end + 1;
            rows.push(Row { vector: first + start..first + end, tokens, labels });
        }
    }
    (packed, rows)
}

/// The wanted probabilities of a head on one sentence, and the weight of that label in the loss of the step.
struct Wanted<const N: usize> {
    weight: f64,
    probabilities: [f64; N],
}

impl<const N: usize> Wanted<N> {
    fn label(label: usize, weight: f64, smoothing: f64) -> Self {
        let share = smoothing / N as f64;
        let probability = |output| share + if output == label { 1.0 - smoothing } else { 0.0 };
        Self { weight, probabilities: std::array::from_fn(probability) }
    }
}

impl Pass<'_> {
    /// Adds the gradients of the examples' share of the step's loss, and returns that share.
    pub fn run(&self, examples: &[&Example], trace: &mut Trace, gradients: &mut Gradients) -> f64 {
        let (packed, rows) = pack(examples);
        let encoder_dropout =
            PassDropout { hidden: self.dropout.hidden, attention: self.dropout.attention, key: self.key };
        trace.forward(self.layout, self.parameters, &packed, Some(encoder_dropout));

        let mut upstream = vec![0.0; trace.states().len()];
        let head_dropout = Dropout { rate: self.dropout.heads, key: !self.key };
        let mut loss = 0.0;
        for (index, row) in rows.iter().enumerate() {
            loss +=
                self.sentence(row, head_dropout.at(index as u64), trace.states(), &mut upstream, gradients);
            loss += self.holder(row, trace.states(), &mut upstream, gradients);
        }
        let mut first = 0;
        for example in examples {
            loss += self.tags(example, first, trace.states(), &mut upstream, gradients);
            first += example.window.tokens.len();
        }
        if !self.heads_only {
            let dropout = Some(encoder_dropout);
            trace.backward(self.layout, self.parameters, &packed, dropout, &mut upstream, gradients);
        }
        loss
    }

    /// The loss of the heads on a sentence's vector.
    fn sentence(
        &self,
        row: &Row,
        mask: Dropout,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let hidden = self.layout.dimensions.hidden;
        let Labels { role, attributed, stance, checkworthy, taught, .. } = row.labels;
        let labelled = role.is_some() || attributed.is_some() || stance.is_some() || checkworthy.is_some();
        if !labelled && taught.is_none() {
            return 0.0;
        }
        let mut vector = mean_state(states, hidden, row.vector.clone());
        mask.apply(Isa::default(), &mut vector);
        let mut vector_gradient = vec![0.0; hidden];
        let [role_head] = self.layout.layers_of(&ROLE);
        let [stance_head] = self.layout.layers_of(&STANCE);
        let [checkworthy_head] = self.layout.layers_of(&CHECKWORTHY);
        let (config, weights) = (self.loss, &self.weights);
        let smoothing = config.label_smoothing;
        let mut loss = 0.0;
        if let Some(label) = role {
            let weight = config.role_weights[label.index()] / weights.role;
            let wanted = Wanted::<3>::label(label.index(), weight, smoothing);
            loss += self.head(role_head, &wanted, &vector, &mut vector_gradient, gradients);
        } else if let Some(attributed) = attributed {
            let weight = config.attributed / weights.attributed;
            let probabilities = TemperatureScaling::NONE.apply(self.logits(role_head, &vector));
            let wanted = attributed_or_not(attributed, weight, probabilities);
            loss += self.head(role_head, &wanted, &vector, &mut vector_gradient, gradients);
        }
        if let Some(label) = stance {
            let weight = config.stance * config.stance_weights[label.index()] / weights.stance;
            let wanted = Wanted::<3>::label(label.index(), weight, smoothing);
            loss += self.head(stance_head, &wanted, &vector, &mut vector_gradient, gradients);
        }
        if let Some(yes) = checkworthy {
            let weight = config.checkworthy / weights.checkworthy;
            let wanted = Wanted::<2>::label(usize::from(!yes), weight, smoothing);
            loss += self.head(checkworthy_head, &wanted, &vector, &mut vector_gradient, gradients);
        }
        if let Some(TeacherPrediction { role, stance }) = taught {
            let weight = config.taught / weights.taught;
            for (head, prediction) in [(role_head, role), (stance_head, stance)] {
                let wanted = Wanted { weight, probabilities: prediction.map(f64::from) };
                loss += self.head(head, &wanted, &vector, &mut vector_gradient, gradients);
            }
        }
        mask.apply(Isa::default(), &mut vector_gradient);
        let share = 1.0 / row.vector.len() as f32;
        for state in upstream[row.vector.start * hidden..row.vector.end * hidden].chunks_exact_mut(hidden) {
            for (gradient, value) in state.iter_mut().zip(&vector_gradient) {
                *gradient += share * value;
            }
        }
        loss
    }

    fn logits<const N: usize>(&self, head: &HeadLayerRanges, vector: &[f32]) -> [f32; N] {
        heads::apply(&self.parameters[head.weight.clone()], &self.parameters[head.bias.clone()], vector)
    }

    /// The weighted loss of one head on one vector. Adds the gradients of the head and of the vector.
    fn head<const N: usize>(
        &self,
        head: &HeadLayerRanges,
        wanted: &Wanted<N>,
        vector: &[f32],
        vector_gradient: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let probabilities = TemperatureScaling::NONE.apply(self.logits::<N>(head, vector));
        let mut loss = 0.0;
        for (output, (&probability, wanted_here)) in
            probabilities.iter().zip(wanted.probabilities).enumerate()
        {
            if wanted_here > 0.0 {
                loss += wanted_here * (wanted_here / f64::from(probability.max(f32::MIN_POSITIVE))).ln();
            }
            let slope = (wanted.weight * (f64::from(probability) - wanted_here)) as f32;
            self.add_slope(head, output, slope, vector, vector_gradient, gradients);
        }
        wanted.weight * loss
    }

    /// Adds the gradients of a head and of a vector that follow from `slope`, the gradient of one output.
    fn add_slope(
        &self,
        head: &HeadLayerRanges,
        output: usize,
        slope: f32,
        vector: &[f32],
        vector_gradient: &mut [f32],
        gradients: &mut Gradients,
    ) {
        gradients.values[head.bias.start + output] += slope;
        let row = head.weight.start + output * vector.len()..head.weight.start + (output + 1) * vector.len();
        for (gradient, value) in gradients.values[row.clone()].iter_mut().zip(vector) {
            *gradient += slope * value;
        }
        for (gradient, weight) in vector_gradient.iter_mut().zip(&self.parameters[row]) {
            *gradient += slope * weight;
        }
    }
}

/// The wanted role of a sentence that is only known to be attributed or not. If it is not, the model's probabilities of the other
/// two roles are wanted, scaled to a sum of 1. With these held fixed, the gradient is that of the logarithm of their sum.
fn attributed_or_not(attributed: bool, weight: f64, probabilities: [f32; 3]) -> Wanted<3> {
    let is_attributed = Role::Attributed.index();
    if attributed {
        return Wanted::label(is_attributed, weight, 0.0);
    }
    let others = f64::from(1.0 - probabilities[is_attributed]).max(f64::MIN_POSITIVE);
    let share = |role: usize| match role == is_attributed {
        true => 0.0,
        false => f64::from(probabilities[role]) / others,
    };
    Wanted { weight, probabilities: std::array::from_fn(share) }
}

/// The logits of all labelled sentences of the examples, in order, without dropout.
pub fn evaluate(
    layout: &Layout,
    parameters: &[f32],
    examples: &[&Example],
    trace: &mut Trace,
) -> Vec<(Labels, Logits)> {
    let (packed, rows) = pack(examples);
    trace.forward(layout, parameters, &packed, None);
    let [role] = layout.layers_of(&ROLE);
    let [stance] = layout.layers_of(&STANCE);
    let [checkworthy] = layout.layers_of(&CHECKWORTHY);
    rows.iter()
        .filter(|row| row.labels != Labels::default())
        .map(|row| {
            let vector = mean_state(trace.states(), layout.dimensions.hidden, row.vector.clone());
            let values = |range: &Range<usize>| &parameters[range.clone()];
            let logits = Logits {
                role: heads::apply(values(&role.weight), values(&role.bias), &vector),
                stance: heads::apply(values(&stance.weight), values(&stance.bias), &vector),
                checkworthy: Some(heads::apply(
                    values(&checkworthy.weight),
                    values(&checkworthy.bias),
                    &vector,
                )),
            };
            (row.labels, logits)
        })
        .collect()
}

/// The logits of every token of an example for each tag, in the order of [`standpoint_core::heads::AttributionPart::ALL`], without
/// dropout.
pub fn evaluate_tags(
    layout: &Layout,
    parameters: &[f32],
    example: &Example,
    trace: &mut Trace,
) -> [Vec<[f32; 3]>; 3] {
    trace.forward(layout, parameters, &pack(&[example]).0, None);
    layout.layers_of(&ATTRIBUTION).each_ref().map(|head| {
        let (weight, bias) = (&parameters[head.weight.clone()], &parameters[head.bias.clone()]);
        let states = trace.states().chunks_exact(layout.dimensions.hidden);
        states.map(|state| heads::apply(weight, bias, state)).collect()
    })
}

#[cfg(test)]
mod tests;
