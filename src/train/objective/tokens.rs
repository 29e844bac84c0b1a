//! The heads that read each token's state: tags, links, and the ends of holders.

use super::{Pass, Row};
use crate::encoder::differentiable::Gradients;
use crate::heads::link::{self, LinkVector};
use crate::heads::tags::{Tag, marginals};
use crate::model::LINK_WIDTH;
use crate::train::labels::HolderLabel;
use crate::train::plan::Example;

impl Pass<'_> {
    /// The tags of an example's tokens, the first of which is row `first`: sequences as a linear chain has them, as they
    /// are what is asked for.
    pub(super) fn tags(
        &self,
        example: &Example,
        first: usize,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let hidden = self.layout.dimensions.hidden;
        let [_, _, _, parts @ .., _, _] = self.layout.heads() else { unreachable!("a layout of HEADS") };
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
                    // What goes on, but lost its beginning to another span, begins here.
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

    /// The cue that each token's content belongs to, chosen among all tokens of the window.
    pub(super) fn links(
        &self,
        example: &Example,
        first: usize,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        if example.links.iter().all(Option::is_none) {
            return 0.0;
        }
        let hidden = self.layout.dimensions.hidden;
        let head = self.layout.heads().last().expect("a layout of HEADS");
        let range = first * hidden..(first + example.window.tokens.len()) * hidden;
        let (states, upstream) = (&states[range.clone()], &mut upstream[range]);
        let vectors: Vec<(LinkVector, LinkVector)> =
            states.chunks_exact(hidden).map(|state| link::vectors(&self.logits(head, state))).collect();
        let mut slopes = vec![[0.0_f32; 2 * LINK_WIDTH]; vectors.len()];
        let weight = self.loss.link / self.weights.links;
        let mut loss = 0.0;
        for (token, &cue) in example.links.iter().enumerate() {
            let Some(cue) = cue else { continue };
            let wanted = &vectors[token].0;
            let fits: Vec<f64> =
                vectors.iter().map(|(_, answer)| f64::from(link::fit(wanted, answer))).collect();
            let highest = fits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = fits.iter().map(|fit| (fit - highest).exp()).sum();
            loss += weight * (sum.ln() + highest - fits[cue]);
            for (other, fit) in fits.iter().enumerate() {
                let probability = (fit - highest).exp() / sum;
                let slope = weight * (probability - f64::from(u8::from(other == cue)));
                let slope = (slope / (LINK_WIDTH as f64).sqrt()) as f32;
                for index in 0..LINK_WIDTH {
                    slopes[token][index] += slope * vectors[other].1[index];
                    slopes[other][LINK_WIDTH + index] += slope * wanted[index];
                }
            }
        }
        let rows = states.chunks_exact(hidden).zip(upstream.chunks_exact_mut(hidden));
        for (slopes, (state, upstream)) in slopes.iter().zip(rows) {
            for (output, &slope) in slopes.iter().enumerate() {
                self.add_slope(head, output, slope, state, upstream, gradients);
            }
        }
        loss
    }

    /// The first and the last token of a stance's holder; where it is not in the sentence, both are its separator.
    pub(super) fn holder(
        &self,
        row: &Row,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let Some(label) = row.labels.holder else { return 0.0 };
        let hidden = self.layout.dimensions.hidden;
        let [.., head, _] = self.layout.heads() else { unreachable!("a layout of HEADS") };
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
