//! What training minimizes: the cross-entropy of the heads over labelled sentences, and its gradient.

use crate::encoder::differentiable::sweeps::Dropout;
use crate::encoder::differentiable::{Gradients, Head, Layout, PackedTokens, PassDropout, Trace};
use crate::heads::{Logits, sentence_tokens, softmax};
use crate::label::Label;
use crate::train::config::{DropoutConfig, LossConfig};
use crate::train::plan::{Example, Labels};
use std::ops::Range;

/// The heads that training knows, in the order of [`Layout::heads`]; all have three labels.
pub const HEADS: [(&str, usize); 2] = [("role", 3), ("stance", 3)];

/// The weights of all labels in a step: what each head's loss is divided by.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabelWeights {
    role: f64,
    stance: f64,
}

impl LabelWeights {
    pub fn of<'a>(examples: impl Iterator<Item = &'a Example>, loss: &LossConfig) -> Self {
        let mut sum = Self::default();
        for labels in examples.flat_map(|example| &example.labels) {
            sum.role += labels.role.map_or(0.0, |role| loss.role_weights[role.index()]);
            sum.stance += labels.stance.map_or(0.0, |stance| loss.stance_weights[stance.index()]);
        }
        sum
    }
}

/// One forward and backward pass over some examples.
pub struct Pass<'a> {
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
            let tokens = sentence_tokens(sentence);
            rows.push(Row { tokens: first + tokens.start..first + tokens.end, labels });
        }
    }
    (packed, rows)
}

impl Pass<'_> {
    /// Adds the gradients of these examples' share of the step's loss, and returns that share.
    pub fn run(&self, examples: &[&Example], trace: &mut Trace, gradients: &mut Gradients) -> f64 {
        let (packed, rows) = pack(examples);
        let encoder_dropout =
            PassDropout { hidden: self.dropout.hidden, attention: self.dropout.attention, key: self.key };
        trace.forward(self.layout, self.parameters, &packed, Some(encoder_dropout));

        let hidden = self.layout.dimensions.hidden;
        let head_dropout = Dropout { rate: self.dropout.heads, key: !self.key };
        let mut upstream = vec![0.0; trace.states().len()];
        let mut loss = 0.0;
        for (index, row) in rows.iter().enumerate() {
            if row.labels == Labels::default() {
                continue;
            }
            let mut vector = mean_state(trace.states(), &row.tokens, hidden);
            let mask = head_dropout.at(index as u64);
            mask.apply(&mut vector);
            let mut vector_gradient = vec![0.0; hidden];
            let [role, stance] = self.layout.heads() else { unreachable!("a layout of HEADS") };
            if let Some(label) = row.labels.role {
                let weight = self.loss.role_weights[label.index()] / self.weights.role;
                loss += self.head(role, label.index(), weight, &vector, &mut vector_gradient, gradients);
            }
            if let Some(label) = row.labels.stance {
                let weight = self.loss.stance * self.loss.stance_weights[label.index()] / self.weights.stance;
                loss += self.head(stance, label.index(), weight, &vector, &mut vector_gradient, gradients);
            }
            mask.apply(&mut vector_gradient);
            let share = 1.0 / row.tokens.len() as f32;
            for state in upstream[row.tokens.start * hidden..row.tokens.end * hidden].chunks_exact_mut(hidden)
            {
                for (gradient, value) in state.iter_mut().zip(&vector_gradient) {
                    *gradient += share * value;
                }
            }
        }
        trace.backward(
            self.layout,
            self.parameters,
            &packed,
            Some(encoder_dropout),
            &mut upstream,
            gradients,
        );
        loss
    }

    /// The weighted loss of one head on one sentence; adds the gradients of the head and of the vector.
    fn head(
        &self,
        head: &Head,
        label: usize,
        weight: f64,
        vector: &[f32],
        vector_gradient: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let probabilities = softmax(logits(head, self.parameters, vector), 1.0);
        let smoothing = self.loss.label_smoothing;
        let mut loss = 0.0;
        for (output, &probability) in probabilities.iter().enumerate() {
            let wanted = smoothing / 3.0 + if output == label { 1.0 - smoothing } else { 0.0 };
            loss -= wanted * f64::from(probability.max(f32::MIN_POSITIVE)).ln();
            let slope = (weight * (f64::from(probability) - wanted)) as f32;
            gradients.values[head.bias.start + output] += slope;
            let row = head.weight.start + output * vector.len();
            for (index, value) in vector.iter().enumerate() {
                gradients.values[row + index] += slope * value;
                vector_gradient[index] += slope * self.parameters[row + index];
            }
        }
        weight * loss
    }
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
    let [role, stance] = layout.heads() else { unreachable!("a layout of HEADS") };
    rows.iter()
        .filter(|row| row.labels != Labels::default())
        .map(|row| {
            let vector = mean_state(trace.states(), &row.tokens, layout.dimensions.hidden);
            let logits = Logits {
                role: logits(role, parameters, &vector),
                stance: logits(stance, parameters, &vector),
            };
            (row.labels, logits)
        })
        .collect()
}

fn mean_state(states: &[f32], tokens: &Range<usize>, hidden: usize) -> Vec<f32> {
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

fn logits(head: &Head, parameters: &[f32], vector: &[f32]) -> [f32; 3] {
    let weight = &parameters[head.weight.clone()];
    let bias = &parameters[head.bias.clone()];
    std::array::from_fn(|output| {
        let row = &weight[output * vector.len()..][..vector.len()];
        bias[output] + row.iter().zip(vector).map(|(weight, value)| weight * value).sum::<f32>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::differentiable::Dimensions;
    use crate::label::{Role, Stance};
    use crate::random::SplitMix;
    use crate::window::{SpecialTokens, windows};

    const TINY: Dimensions = Dimensions {
        vocabulary: 9,
        positions: 16,
        token_types: 2,
        hidden: 6,
        layers: 1,
        heads: 2,
        intermediate: 8,
        layer_norm_epsilon: 1e-5,
    };

    fn example() -> Example {
        let sentences = [vec![4, 5, 6], vec![], vec![7, 8, 4]];
        let window = windows(&[3], &sentences, 16, SpecialTokens { cls: 1, sep: 2 }).remove(0);
        let labels = vec![
            Labels { role: Some(Role::Attributed), stance: Some(Stance::Favor) },
            Labels { role: None, stance: Some(Stance::None) },
            Labels { role: Some(Role::Background), stance: None },
        ];
        Example { window, labels }
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
            label_smoothing: 0.1,
        };
        let dropout = DropoutConfig { hidden: 0.1, attention: 0.1, heads: 0.2 };
        let example = example();
        let weights = LabelWeights::of([&example].into_iter(), &loss_config);
        let run = |parameters: &[f32], gradients: &mut Gradients| {
            let pass =
                Pass { layout: &layout, parameters, loss: &loss_config, dropout: &dropout, key: 3, weights };
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
            // Softmax does not see a key's bias: its true gradient is 0.
            if !segment.name.ends_with("key.bias") {
                assert!(largest > 1e-3, "{}: no gradient reaches it, at most {largest}", segment.name);
            }
        }
    }
}
