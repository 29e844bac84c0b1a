//! The heads on token states: tags of attributions, and the first and last tokens of holders.

use super::{Pass, Row};
use crate::differentiable::Gradients;
use crate::labels::HolderLabel;
use crate::plan::Example;
use standpoint_core::model::{ATTRIBUTION, HOLDER};
use standpoint_core::tags::{Tag, marginals};

impl Pass<'_> {
    /// The loss of the tags of an example, whose first token is row `first`: the negative log-likelihood of whole tag sequences, as
    /// in a linear chain.
    pub(super) fn tags(
        &self,
        example: &Example,
        first: usize,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let hidden = self.layout.dimensions.hidden;
        let parts: &[_; 3] = self.layout.layers_of(&ATTRIBUTION);
        let weight = self.loss.attribution / self.weights.tokens / parts.len() as f64;
        let mut loss = 0.0;
        let mut start = 0;
        for sequence in example.tags.chunk_by(|one, next| one.is_some() == next.is_some()) {
            let rows = first + start;
            start += sequence.len();
            let tags: Vec<[Tag; 3]> = sequence.iter().copied().flatten().collect();
            let of_states = rows * hidden..(rows + tags.len()) * hidden;
            let states = &states[of_states.clone()];
            for (part, head) in parts.iter().enumerate() {
                let logits: Vec<[f32; 3]> =
                    states.chunks_exact(hidden).map(|state| self.logits(head, state)).collect();
                let (probabilities, total) = marginals(&logits);
                let mut open = true;
                let mut of_gold = 0.0;
                let upstream = upstream[of_states.clone()].chunks_exact_mut(hidden);
                for (((tags, logits), probabilities), (state, upstream)) in tags
                    .iter()
                    .zip(&logits)
                    .zip(&probabilities)
                    .zip(states.chunks_exact(hidden).zip(upstream))
                {
                    // A span that lost its beginning to another span begins here.
                    let tag = if tags[part] == Tag::Inside && !open { Tag::Begin } else { tags[part] };
                    open = tag != Tag::Outside;
                    of_gold += f64::from(logits[tag as usize]);
                    for (output, probability) in probabilities.iter().enumerate() {
                        let wanted = f64::from(u8::from(output == tag as usize));
                        let slope = (weight * (probability - wanted)) as f32;
                        self.add_slope(head, output, slope, state, upstream, gradients);
                    }
                }
                loss += weight * (total - of_gold);
            }
        }
        loss
    }

    /// The loss of the first and the last token of a stance's holder. If the sentence does not name the holder, both are the
    /// separator.
    pub(super) fn holder(
        &self,
        row: &Row,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let Some(label) = row.stance.holder else { return 0.0 };
        let hidden = self.layout.dimensions.hidden;
        let [head] = self.layout.layers_of(&HOLDER);
        let separator = row.tokens.len() - 1;
        let places = match label {
            HolderLabel::Elsewhere => [separator; 2],
            HolderLabel::Tokens { first, last } => [first, last],
        };
        let range = row.tokens.start * hidden..row.tokens.end * hidden;
        let (states, upstream) = (&states[range.clone()], &mut upstream[range]);
        let logits: Vec<[f32; 2]> =
            states.chunks_exact(hidden).map(|state| self.logits(head, state)).collect();
        let weight = self.loss.holder / self.weights.holder / 2.0;
        let mut loss = 0.0;
        for (output, &wanted) in places.iter().enumerate() {
            let highest = logits.iter().map(|logits| logits[output]).fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f64> =
                logits.iter().map(|logits| f64::from(logits[output] - highest).exp()).collect();
            let sum: f64 = powers.iter().sum();
            loss -= weight * (powers[wanted] / sum).max(f64::MIN_POSITIVE).ln();
            for (token, power) in powers.iter().enumerate() {
                let slope = (weight * (power / sum - f64::from(u8::from(token == wanted)))) as f32;
                let state = token * hidden..(token + 1) * hidden;
                self.add_slope(head, output, slope, &states[state.clone()], &mut upstream[state], gradients);
            }
        }
        loss
    }
}
