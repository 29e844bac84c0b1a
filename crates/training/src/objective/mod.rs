//! What training minimizes: how far the heads' probabilities on labelled sentences and tokens are from those that are
//! wanted (cross-entropy, less what no model can take from it), and its gradient.

mod tokens;

use crate::config::{DropoutConfig, LossConfig};
use crate::differentiable::{Gradients, HeadLayerRanges, Layout, PackedTokens, PassDropout, Trace};
use crate::labels::Labels;
use crate::plan::Example;
use crate::teacher::Judgement;
use standpoint_core::calibration::TemperatureScaling;
use standpoint_core::heads::{self, Logits, mean_state, sentence_tokens};
use standpoint_core::label::{Label, Role};
use standpoint_core::model::{ATTRIBUTION, CHECKWORTHY, ROLE, STANCE};
use standpoint_kernels::training::sweeps::Dropout;
use std::ops::Range;

/// What each head's loss over a step is divided by: the weights of all labels of an epoch, over its steps. A label
/// then weighs the same in whichever step it is read, also if it is the only one of its kind there.
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
    pub fn of(steps: &[Vec<Example>], loss: &LossConfig) -> Self {
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
    /// Whether the encoder stays as it is.
    pub heads_only: bool,
    pub layout: &'a Layout,
    pub parameters: &'a [f32],
    pub loss: &'a LossConfig,
    pub dropout: &'a DropoutConfig,
    /// Decides the dropout masks; must differ from pass to pass.
    pub key: u64,
    pub weights: LabelWeights,
}

/// A sentence of a packed batch: its rows and its labels.
struct Row {
    /// Whose mean is the sentence's vector.
    vector: Range<usize>,
    /// Its tokens and the separator behind them.
    tokens: Range<usize>,
    labels: Labels,
}

/// All windows one behind the other, and where their sentences stand.
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

/// The share that a head's loss on one label has in the loss of the step, and the probabilities that are wanted.
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
    /// Adds the gradients of these examples' share of the step's loss, and returns that share.
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

    /// The heads that read a sentence's vector.
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
        mask.apply(&mut vector);
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
        if let Some(Judgement { role, stance }) = taught {
            let weight = config.taught / weights.taught;
            for (head, judgement) in [(role_head, role), (stance_head, stance)] {
                let wanted = Wanted { weight, probabilities: judgement.map(f64::from) };
                loss += self.head(head, &wanted, &vector, &mut vector_gradient, gradients);
            }
        }
        mask.apply(&mut vector_gradient);
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

    /// The weighted loss of one head on one vector, the divergence of its probabilities from those that are wanted; adds
    /// the gradients of the head and of the vector.
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

    /// Adds what follows from the gradient of one output of a head on one vector.
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

/// What is wanted of the role of a sentence that is known to be attributed, or known not to be: in the second case
/// whatever the model thinks of the other two roles, made whole. With these probabilities held fixed, the gradient is
/// that of the logarithm of the sum of both.
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

/// The logits of every labelled sentence of some examples, in order, without dropout.
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
mod tests {
    use super::*;
    use crate::differentiable::Dimensions;
    use crate::labels::HolderLabel;
    use standpoint_core::label::Stance;
    use standpoint_core::model::{Architecture, HEADS};
    use standpoint_core::tags::Tag;
    use standpoint_core::window::{SpecialTokens, windows};
    use standpoint_kernels::random::SplitMix;

    const TINY: Dimensions = Dimensions {
        vocabulary: 9,
        positions: 16,
        token_types: 2,
        hidden: 6,
        layers: 1,
        heads: 2,
        intermediate: 8,
        layer_norm_epsilon: 1e-5,
        architecture: Architecture::Bert,
    };

    fn example() -> Example {
        let sentences = [vec![4, 5, 6], vec![], vec![7, 8, 4]];
        let window = windows(&[3], &sentences, 16, SpecialTokens { cls: 1, sep: 2 }).remove(0);
        let labels = vec![
            Labels {
                role: Some(Role::Attributed),
                stance: Some(Stance::Favor),
                holder: Some(HolderLabel::Tokens { first: 1, last: 2 }),
                ..Labels::default()
            },
            Labels {
                attributed: Some(false),
                stance: Some(Stance::None),
                taught: Some(Judgement { role: [0.2, 0.7, 0.1], stance: [0.0, 0.6, 0.4] }),
                ..Labels::default()
            },
            Labels {
                role: Some(Role::Background),
                checkworthy: Some(true),
                holder: Some(HolderLabel::Elsewhere),
                ..Labels::default()
            },
        ];
        let mut tags = vec![None; window.tokens.len()];
        tags[4] = Some([Tag::Begin, Tag::Outside, Tag::Inside]);
        tags[5] = Some([Tag::Outside, Tag::Begin, Tag::Inside]);
        Example { window, labels, tags }
    }

    #[test]
    fn every_gradient_of_the_loss_is_that_of_a_finite_difference() {
        let layout = Layout::new(TINY, &HEADS);
        let mut random = SplitMix::new(8);
        let parameters: Vec<f32> = (0..layout.len()).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
        let loss_config = LossConfig {
            role_weights: [1.0, 2.0, 3.0],
            stance_weights: [3.0, 1.0, 2.0],
            stance: 0.5,
            attributed: 0.7,
            checkworthy: 0.8,
            attribution: 2.0,
            holder: 0.6,
            taught: 0.4,
            label_smoothing: 0.1,
        };
        let dropout = DropoutConfig { hidden: 0.1, attention: 0.1, heads: 0.2 };
        let example = example();
        let weights = LabelWeights::of(&[vec![example.clone()]], &loss_config);
        let run = |parameters: &[f32], gradients: &mut Gradients| {
            let pass = Pass {
                layout: &layout,
                parameters,
                loss: &loss_config,
                dropout: &dropout,
                key: 3,
                weights,
                heads_only: false,
            };
            pass.run(&[&example], &mut Trace::default(), gradients)
        };
        let mut gradients = Gradients::new(&layout);
        run(&parameters, &mut gradients);

        for segment in layout.segments() {
            let mut largest = 0.0_f64;
            for index in segment.range.clone() {
                let at = |offset: f32| {
                    let mut moved = parameters.clone();
                    moved[index] += offset;
                    run(&moved, &mut Gradients::new(&layout))
                };
                let h = 1e-2;
                let difference =
                    (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * f64::from(h));
                let gradient = f64::from(gradients.values[index]);
                assert!(
                    (gradient - difference).abs() < 3e-4 + 5e-3 * difference.abs(),
                    "{} [{}]: gradient {gradient}, difference {difference}",
                    segment.name,
                    index - segment.range.start
                );
                largest = largest.max(gradient.abs());
            }
            // Softmax does not see what is added to all it compares: the true gradient of these is 0.
            if !segment.name.ends_with("key.bias") && segment.name != "heads.holder.bias" {
                assert!(largest > 1e-3, "{}: no gradient reaches it, at most {largest}", segment.name);
            }
        }
    }
}
