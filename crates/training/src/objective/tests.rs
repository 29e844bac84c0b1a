use super::*;
use crate::differentiable::Dimensions;
use crate::differentiable::twin::{self, Rows, Twin};
use crate::labels::HolderLabel;
use crate::plan::{Query, Speaker};
use standpoint_core::label::Stance;
use standpoint_core::model::{Architecture, HEADS, POINTER_WIDTH};
use standpoint_core::tags::Tag;
use standpoint_core::window::{SpecialTokens, WindowShape, text_windows};
use standpoint_kernels::random::SplitMix;

const TINY: Dimensions = Dimensions {
    vocabulary: 9,
    positions: 16,
    token_types: 2,
    hidden: 6,
    layers: 2,
    heads: 2,
    intermediate: 8,
    layer_norm_epsilon: 1e-5,
    architecture: Architecture::Bert,
};

fn example() -> Example {
    let sentences = [vec![4, 5, 6], vec![], vec![7, 8, 4]];
    let shape = WindowShape { max_tokens: 16, lead_tokens: 0 };
    let window = text_windows(&sentences, shape, SpecialTokens { cls: 1, sep: 2 }).remove(0);
    let labels = vec![
        Labels { role: Some(Role::Attributed), ..Labels::default() },
        Labels { attributed: Some(false), taught: Some([0.2, 0.7, 0.1]), ..Labels::default() },
        Labels { role: Some(Role::Background), checkworthy: Some(true), ..Labels::default() },
    ];
    let favor = StanceLabels {
        stance: Some(Stance::Favor),
        holder: Some(HolderLabel::Tokens { first: 1, last: 2 }),
        taught: None,
    };
    let taught = StanceLabels { taught: Some([0.0, 0.6, 0.4]), ..StanceLabels::NONE };
    let elsewhere = StanceLabels { holder: Some(HolderLabel::Elsewhere), ..StanceLabels::default() };
    let query = |token, labels| Query { target: vec![1, token, 2], reversed: false, labels };
    let reversed = StanceLabels { holder: None, ..favor.reversed() };
    let queries = vec![query(3, vec![favor, taught, elsewhere]), query(5, vec![reversed; 3])];
    let mut tags = vec![None; window.tokens.len()];
    tags[2] = Some([Tag::Begin, Tag::Outside, Tag::Inside]);
    tags[3] = Some([Tag::Outside, Tag::Begin, Tag::Inside]);
    let speaker = |sentence, mentions| Speaker { sentence, mentions };
    let speakers = vec![speaker(0, vec![[1, 2], [6, 8]]), speaker(2, vec![[0, 0]])];
    Example { window, labels, tags, speakers, queries }
}

const LOSS: LossConfig = LossConfig {
    role_weights: [1.0, 2.0, 3.0],
    stance_weights: [3.0, 1.0, 2.0],
    stance: 0.5,
    attributed: 0.7,
    checkworthy: 0.8,
    attribution: 2.0,
    holder: 0.6,
    speaker: 0.9,
    taught: 0.4,
    label_smoothing: 0.1,
};

const DROPOUT: DropoutConfig = DropoutConfig { hidden: 0.1, attention: 0.1, heads: 0.2 };
const KEY: u64 = 3;

/// The loss of the example once more, in f64 and from its definition.
struct Definition<'a> {
    encoder: Twin<'a>,
    weights: LabelWeights,
}

impl Definition<'_> {
    fn loss(&self, example: &Example) -> f64 {
        let Packed { batch, rows, texts } = pack(&[example]);
        let dropout = PassDropout { hidden: DROPOUT.hidden, attention: DROPOUT.attention, key: KEY };
        let states = self.encoder.states(&batch, Some(dropout));
        let head_dropout = Dropout { rate: DROPOUT.heads, key: !KEY };
        let sentences = rows.iter().enumerate().map(|(index, row)| {
            let width = states[0].len();
            let masked = twin::mask(Some(head_dropout.at(index as u64)))(width);
            let mean = |column: usize| {
                let sum: f64 = states[row.vector.clone()].iter().map(|state| state[column]).sum();
                sum / row.vector.len() as f64 * masked[column]
            };
            let vector: Vec<f64> = (0..width).map(mean).collect();
            self.sentence(row, &vector) + self.holder(row, &states)
        });
        let text = texts[0].clone().expect("the text has labels");
        let states = &states[text];
        sentences.sum::<f64>() + self.tags(example, states) + self.speakers(example, states)
    }

    fn logits(&self, head: &str, vector: &[f64]) -> Vec<f64> {
        let tensor = |part: &str| self.encoder.tensor(&format!("heads.{head}.{part}"));
        twin::linear(vector, tensor("weight"), tensor("bias"))
    }

    fn sentence(&self, row: &Row, vector: &[f64]) -> f64 {
        let probabilities = |head: &str| twin::softmax(&self.logits(head, vector));
        let divergence = |head: &str, wanted: &[f64]| {
            let terms = wanted.iter().zip(probabilities(head));
            terms
                .filter(|(wanted, _)| **wanted > 0.0)
                .map(|(wanted, p)| wanted * (wanted / p).ln())
                .sum::<f64>()
        };
        let label = |head: &str, label: usize| {
            let count = probabilities(head).len();
            let spread = LOSS.label_smoothing / count as f64;
            let kept = |index| if index == label { 1.0 - LOSS.label_smoothing } else { 0.0 };
            divergence(head, &(0..count).map(|index| spread + kept(index)).collect::<Vec<_>>())
        };
        let Labels { role, attributed, checkworthy, taught, .. } = row.text;
        let StanceLabels { stance, taught: taught_stance, .. } = row.stance;
        let weights = &self.weights;
        let mut loss = 0.0;
        if let Some(role) = role {
            loss += LOSS.role_weights[role.index()] / weights.role * label("role", role.index());
        }
        if let Some(attributed) = attributed {
            let probability = probabilities("role")[Role::Attributed.index()];
            let probability = if attributed { probability } else { 1.0 - probability };
            loss -= LOSS.attributed / weights.attributed * probability.ln();
        }
        if let Some(stance) = stance {
            let weight = LOSS.stance * LOSS.stance_weights[stance.index()] / weights.stance;
            loss += weight * label("stance", stance.index());
        }
        if let Some(yes) = checkworthy {
            let weight = LOSS.checkworthy / weights.checkworthy;
            loss += weight * label("checkworthy", usize::from(!yes));
        }
        if let Some(role) = taught {
            loss += LOSS.taught / weights.taught_role * divergence("role", &role.map(f64::from));
        }
        if let Some(stance) = taught_stance {
            loss += LOSS.taught / weights.taught_stance * divergence("stance", &stance.map(f64::from));
        }
        loss
    }

    fn holder(&self, row: &Row, states: &Rows) -> f64 {
        let separator = row.tokens.len() - 1;
        let ends = match row.stance.holder {
            None => return 0.0,
            Some(HolderLabel::Elsewhere) => [separator; 2],
            Some(HolderLabel::Tokens { first, last }) => [first, last],
        };
        let logits = |end: usize| -> Vec<f64> {
            states[row.tokens.clone()].iter().map(|state| self.logits("holder", state)[end]).collect()
        };
        let loss = |end: usize| -twin::softmax(&logits(end))[ends[end]].ln();
        LOSS.holder / self.weights.holder / 2.0 * (loss(0) + loss(1))
    }

    fn speakers(&self, example: &Example, states: &[Vec<f64>]) -> f64 {
        let scale = (POINTER_WIDTH as f64).sqrt();
        let of_end = |speaker: &Speaker, end: usize, head: &str| {
            let tokens = sentence_tokens(&example.window.sentences[speaker.sentence]);
            let mean = |column: usize| {
                let sum: f64 = states[tokens.clone()].iter().map(|state| state[column]).sum();
                sum / tokens.len() as f64
            };
            let vector: Vec<f64> = (0..states[0].len()).map(mean).collect();
            let query = self.logits("speaker_query", &vector);
            let score = |state: &Vec<f64>| {
                self.logits(head, state).iter().zip(&query).map(|(key, query)| key * query).sum::<f64>()
                    / scale
            };
            let probabilities = twin::softmax(&states.iter().map(score).collect::<Vec<_>>());
            let wanted: f64 = speaker.mentions.iter().map(|mention| probabilities[mention[end]]).sum();
            -wanted.ln()
        };
        let loss =
            |speaker: &Speaker| of_end(speaker, 0, "speaker_first") + of_end(speaker, 1, "speaker_last");
        LOSS.speaker / self.weights.speaker / 2.0 * example.speakers.iter().map(loss).sum::<f64>()
    }

    /// One tag sequence among all that are possible: every one of them is looked at.
    fn tags(&self, example: &Example, states: &[Vec<f64>]) -> f64 {
        let marked: Vec<usize> =
            (0..example.tags.len()).filter(|&token| example.tags[token].is_some()).collect();
        let sequences = |length: usize| {
            (0..3_usize.pow(length as u32))
                .map(move |code| {
                    (0..length).map(|token| code / 3_usize.pow(token as u32) % 3).collect::<Vec<_>>()
                })
                .filter(|tags| {
                    tags.windows(2).all(|pair| pair != [Tag::Outside as usize, Tag::Inside as usize])
                })
        };
        let part = |(part, head): (usize, &str)| {
            let logits: Vec<Vec<f64>> =
                marked.iter().map(|&token| self.logits(head, &states[token])).collect();
            let score =
                |tags: &[usize]| tags.iter().zip(&logits).map(|(&tag, logits)| logits[tag]).sum::<f64>();
            let gold: Vec<usize> =
                marked.iter().map(|&token| example.tags[token].unwrap()[part] as usize).collect();
            sequences(marked.len()).map(|tags| score(&tags).exp()).sum::<f64>().ln() - score(&gold)
        };
        let sum: f64 = ATTRIBUTION.layers.iter().copied().enumerate().map(part).sum();
        LOSS.attribution / self.weights.tokens / 3.0 * sum
    }
}

#[test]
fn every_gradient_of_the_loss_is_that_of_a_finite_difference() {
    let layout = Layout::new(TINY, &HEADS).with_text_layers(1);
    let mut random = SplitMix::new(8);
    let parameters: Vec<f32> = (0..layout.len()).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
    let example = example();
    let weights = LabelWeights::per_step(&[vec![example.clone()]], &LOSS);
    let pass = Pass {
        layout: &layout,
        parameters: &parameters,
        loss: &LOSS,
        dropout: &DROPOUT,
        key: KEY,
        weights,
        heads_only: false,
    };
    let mut gradients = Gradients::new(&layout);
    let found = pass.run(&[&example], &mut Trace::default(), &mut gradients);

    let loss = |parameters: &[f64]| {
        Definition { encoder: Twin { layout: &layout, parameters }, weights }.loss(&example)
    };
    let exact: Vec<f64> = parameters.iter().map(|&x| f64::from(x)).collect();
    let expected = loss(&exact);
    assert!((found - expected).abs() < 1e-5 * expected, "the loss is {found}, but {expected} in f64");
    // Softmax ignores what is added to all that it compares: the scores of a query, or the tokens of a sentence.
    let ignored = |name: &str| {
        name.ends_with("key.bias")
            || name == "heads.holder.bias"
            || ["heads.speaker_first.bias", "heads.speaker_last.bias"].contains(&name)
    };
    let differences = twin::finite_differences(&parameters, loss);
    twin::assert_gradients_agree(&layout, &gradients.values, &differences, ignored);
}
