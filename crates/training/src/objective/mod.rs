//! The loss that training minimizes, and its gradient: the Kullback-Leibler divergence of the heads' probabilities from the wanted
//! ones, on labelled sentences and tokens. That is cross-entropy minus its least possible value.

mod speakers;
mod tokens;

use crate::config::{DropoutConfig, LossConfig};
use crate::differentiable::{Batch, Gradients, HeadLayerRanges, Layout, PassDropout, Trace};
use crate::labels::{Labels, StanceLabels};
use crate::plan::Example;
use standpoint_core::calibration::TemperatureScaling;
use standpoint_core::heads::{self, MentionedSpeaker, mean_state, sentence_tokens};
use standpoint_core::label::{Label, Role};
use standpoint_core::model::{ATTRIBUTION, CHECKWORTHY, ROLE, STANCE};
use standpoint_core::window::Window;
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
    speaker: f64,
    taught_role: f64,
    taught_stance: f64,
}

impl LabelWeights {
    pub fn per_step(steps: &[Vec<Example>], loss: &LossConfig) -> Self {
        let mut sum = Self::default();
        let count = |there: bool| f64::from(u8::from(there));
        for example in steps.iter().flatten() {
            for labels in &example.labels {
                sum.role += labels.role.map_or(0.0, |role| loss.role_weights[role.index()]);
                sum.attributed += count(labels.attributed.is_some());
                sum.checkworthy += count(labels.checkworthy.is_some());
                sum.taught_role += count(labels.taught.is_some());
            }
            for labels in example.queries.iter().flat_map(|query| &query.labels) {
                sum.stance += labels.stance.map_or(0.0, |stance| loss.stance_weights[stance.index()]);
                sum.holder += count(labels.holder.is_some());
                sum.taught_stance += count(labels.taught.is_some());
            }
            sum.speaker += example.speakers.len() as f64;
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
            speaker: mean(sum.speaker),
            taught_role: mean(sum.taught_role),
            taught_stance: mean(sum.taught_stance),
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

/// A sentence in one reading, and its labels. Either those of the text or those toward the target are there.
struct Row {
    /// The tokens whose mean state is the sentence's vector.
    vector: Range<usize>,
    /// The sentence's tokens and the separator after them.
    tokens: Range<usize>,
    text: Labels,
    stance: StanceLabels,
}

/// Examples as a batch.
struct Packed {
    batch: Batch,
    rows: Vec<Row>,
    /// For each example, the rows of its text as it is read without a target.
    texts: Vec<Option<Range<usize>>>,
}

fn pack(examples: &[&Example]) -> Packed {
    let mut packed = Packed { batch: Batch::default(), rows: Vec::new(), texts: Vec::new() };
    for example in examples {
        let Example { window, labels, queries, .. } = example;
        let text = packed.batch.add_sequence(&window.tokens, window.opening_tokens);
        let alone =
            example.has_text_labels().then(|| packed.batch.add_reading(std::slice::from_ref(&text), 0));
        if let Some(reading) = &alone {
            let of = |sentence: usize| (labels[sentence], StanceLabels::default());
            packed.rows.extend(rows(window, reading.start, of));
        }
        packed.texts.push(alone);
        for query in queries {
            let target = packed.batch.add_sequence(&query.target, query.target.len());
            let reading = packed.batch.add_reading(&[target, text.clone()], 0);
            let of = |sentence: usize| (Labels::default(), query.labels[sentence]);
            packed.rows.extend(rows(window, reading.start + query.target.len(), of));
        }
    }
    packed
}

/// The sentences of a window whose first token is row `first`.
fn rows(
    window: &Window,
    first: usize,
    labels: impl Fn(usize) -> (Labels, StanceLabels),
) -> impl Iterator<Item = Row> {
    window.sentences.iter().enumerate().map(move |(index, sentence)| {
        let Range { start, end } = sentence_tokens(sentence);
        let tokens = first + sentence.tokens.start..first + sentence.tokens.end + 1;
        let (text, stance) = labels(index);
        Row { vector: first + start..first + end, tokens, text, stance }
    })
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
        let Packed { batch, rows, texts } = pack(examples);
        let encoder_dropout =
            PassDropout { hidden: self.dropout.hidden, attention: self.dropout.attention, key: self.key };
        trace.forward(self.layout, self.parameters, &batch, Some(encoder_dropout));

        let mut upstream = vec![0.0; trace.states().len()];
        let head_dropout = Dropout { rate: self.dropout.heads, key: !self.key };
        let mut loss = 0.0;
        for (index, row) in rows.iter().enumerate() {
            loss +=
                self.sentence(row, head_dropout.at(index as u64), trace.states(), &mut upstream, gradients);
            loss += self.holder(row, trace.states(), &mut upstream, gradients);
        }
        for (example, text) in examples.iter().zip(texts) {
            if let Some(text) = text {
                loss += self.tags(example, text.start, trace.states(), &mut upstream, gradients);
                loss += self.speakers(example, text.start, trace.states(), &mut upstream, gradients);
            }
        }
        if !self.heads_only {
            let dropout = Some(encoder_dropout);
            trace.backward(self.layout, self.parameters, &batch, dropout, &mut upstream, gradients);
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
        if row.text == Labels::default() && row.stance == StanceLabels::default() {
            return 0.0;
        }
        let Labels { role, attributed, checkworthy, taught: taught_role, .. } = row.text;
        let StanceLabels { stance, taught: taught_stance, .. } = row.stance;
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
        let taught = [
            (role_head, taught_role, weights.taught_role),
            (stance_head, taught_stance, weights.taught_stance),
        ];
        for (head, probabilities, total) in taught {
            if let Some(probabilities) = probabilities {
                let weight = config.taught / total;
                let wanted = Wanted { weight, probabilities: probabilities.map(f64::from) };
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
        apply(self.parameters, head, vector)
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

/// What a model says of a window.
pub struct Answers {
    /// Of all sentences, read without a target; none if nothing of the window is labelled without one.
    pub text: Vec<TextLogits>,
    /// For each query of the example, the logits of stances of all sentences.
    pub stances: Vec<Vec<[f32; 3]>>,
    /// For each token of the window, in the order of [`standpoint_core::heads::AttributionPart::ALL`].
    pub tags: [Vec<[f32; 3]>; 3],
    /// For each of the example's speakers, the mentions that may be meant.
    pub speakers: Vec<Vec<MentionedSpeaker>>,
}

/// The logits of a sentence that do not concern a target.
#[derive(Clone, Copy, Debug)]
pub struct TextLogits {
    pub role: [f32; 3],
    pub checkworthy: [f32; 2],
}

/// The logits of an example, without dropout.
pub fn evaluate(layout: &Layout, parameters: &[f32], example: &Example, trace: &mut Trace) -> Answers {
    let Packed { batch, rows, texts } = pack(&[example]);
    trace.forward(layout, parameters, &batch, None);
    let hidden = layout.dimensions.hidden;
    let of_rows = |rows: &[Row]| -> Vec<Vec<f32>> {
        rows.iter().map(|row| mean_state(trace.states(), hidden, row.vector.clone())).collect()
    };
    let of_text = if texts[0].is_some() { example.window.sentences.len() } else { 0 };
    let (text, stances) = rows.split_at(of_text);
    let [role] = layout.layers_of(&ROLE);
    let [stance] = layout.layers_of(&STANCE);
    let [checkworthy] = layout.layers_of(&CHECKWORTHY);
    let text = of_rows(text)
        .iter()
        .map(|vector| TextLogits {
            role: apply(parameters, role, vector),
            checkworthy: apply(parameters, checkworthy, vector),
        })
        .collect();
    let stances = stances
        .chunks(example.window.sentences.len().max(1))
        .map(|rows| of_rows(rows).iter().map(|vector| apply(parameters, stance, vector)).collect())
        .collect();
    let tokens = texts[0].clone().unwrap_or(0..0);
    let states = &trace.states()[tokens.start * hidden..tokens.end * hidden];
    let tags = layout
        .layers_of(&ATTRIBUTION)
        .each_ref()
        .map(|layer| states.chunks_exact(hidden).map(|state| apply(parameters, layer, state)).collect());
    let speakers = speakers::found(layout, parameters, example, states);
    Answers { text, stances, tags, speakers }
}

fn apply<const N: usize>(parameters: &[f32], layer: &HeadLayerRanges, vector: &[f32]) -> [f32; N] {
    heads::apply(&parameters[layer.weight.clone()], &parameters[layer.bias.clone()], vector)
}

#[cfg(test)]
mod tests;
