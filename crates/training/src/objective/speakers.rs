//! The head that points to mentions of speakers.

use super::{Pass, apply};
use crate::differentiable::{Gradients, Layout};
use crate::plan::Example;
use standpoint_core::heads::{
    MentionedSpeaker, mean_state, mentions, pointer_probabilities, pointer_scores, sentence_tokens,
};
use standpoint_core::model::{POINTER_WIDTH, SPEAKER};

impl Pass<'_> {
    /// The loss of who speaks in the sentences of an example, whose first token is row `first`: the negative logarithm of the
    /// probability that a mention begins, and that one ends, where any mention of the speaker does.
    pub(super) fn speakers(
        &self,
        example: &Example,
        first: usize,
        states: &[f32],
        upstream: &mut [f32],
        gradients: &mut Gradients,
    ) -> f64 {
        if example.speakers.is_empty() {
            return 0.0;
        }
        let hidden = self.layout.dimensions.hidden;
        let [query_layer, ends @ ..]: &[_; 3] = self.layout.layers_of(&SPEAKER);
        let of_window = first * hidden..(first + example.window.tokens.len()) * hidden;
        let (states, upstream) = (&states[of_window.clone()], &mut upstream[of_window]);
        let keys = ends.each_ref().map(|layer| -> Vec<f32> {
            states.chunks_exact(hidden).flat_map(|state| self.logits::<POINTER_WIDTH>(layer, state)).collect()
        });
        let mut key_slopes = keys.each_ref().map(|keys| vec![0.0; keys.len()]);
        let weight = self.loss.speaker / self.weights.speaker / 2.0;
        let scale = 1.0 / (POINTER_WIDTH as f32).sqrt();
        let mut loss = 0.0;
        for speaker in &example.speakers {
            let tokens = sentence_tokens(&example.window.sentences[speaker.sentence]);
            let vector = mean_state(states, hidden, tokens.clone());
            let query: [f32; POINTER_WIDTH] = self.logits(query_layer, &vector);
            let mut query_slope = [0.0; POINTER_WIDTH];
            for (end, (keys, key_slopes)) in keys.iter().zip(&mut key_slopes).enumerate() {
                let scores = pointer_scores(&query, keys);
                let mut wanted = vec![false; scores.len()];
                for mention in &speaker.mentions {
                    wanted[mention[end]] = true;
                }
                let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let powers: Vec<f64> = scores.iter().map(|score| f64::from(score - highest).exp()).collect();
                let sum: f64 = powers.iter().sum();
                let of_wanted: f64 =
                    powers.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(power, _)| power).sum();
                let of_wanted = of_wanted.max(f64::MIN_POSITIVE);
                loss -= weight * (of_wanted / sum).ln();
                let slopes = key_slopes.chunks_exact_mut(POINTER_WIDTH);
                for ((power, wanted), (key, key_slope)) in
                    powers.iter().zip(&wanted).zip(keys.chunks_exact(POINTER_WIDTH).zip(slopes))
                {
                    let share = if *wanted { power / of_wanted } else { 0.0 };
                    let slope = (weight * (power / sum - share)) as f32 * scale;
                    for row in 0..POINTER_WIDTH {
                        query_slope[row] += slope * key[row];
                        key_slope[row] += slope * query[row];
                    }
                }
            }
            let mut vector_gradient = vec![0.0; hidden];
            for (row, &slope) in query_slope.iter().enumerate() {
                self.add_slope(query_layer, row, slope, &vector, &mut vector_gradient, gradients);
            }
            let share = 1.0 / tokens.len() as f32;
            for state in upstream[tokens.start * hidden..tokens.end * hidden].chunks_exact_mut(hidden) {
                for (gradient, value) in state.iter_mut().zip(&vector_gradient) {
                    *gradient += share * value;
                }
            }
        }
        for (layer, slopes) in ends.iter().zip(&key_slopes) {
            let states = states.chunks_exact(hidden).zip(upstream.chunks_exact_mut(hidden));
            for ((state, upstream), slopes) in states.zip(slopes.chunks_exact(POINTER_WIDTH)) {
                for (row, &slope) in slopes.iter().enumerate() {
                    self.add_slope(layer, row, slope, state, upstream, gradients);
                }
            }
        }
        loss
    }
}

/// The mentions that may be meant by each of an example's speakers. `states` are those of its window.
pub(super) fn found(
    layout: &Layout,
    parameters: &[f32],
    example: &Example,
    states: &[f32],
) -> Vec<Vec<MentionedSpeaker>> {
    if example.speakers.is_empty() {
        return Vec::new();
    }
    let hidden = layout.dimensions.hidden;
    let [query_layer, ends @ ..]: &[_; 3] = layout.layers_of(&SPEAKER);
    let keys = ends.each_ref().map(|layer| -> Vec<f32> {
        states
            .chunks_exact(hidden)
            .flat_map(|state| apply::<POINTER_WIDTH>(parameters, layer, state))
            .collect()
    });
    let window = &example.window;
    let sentences: Vec<_> = window.sentences.iter().map(|sentence| sentence.tokens.clone()).collect();
    let of_speaker = |sentence: usize| {
        let vector = mean_state(states, hidden, sentence_tokens(&window.sentences[sentence]));
        let query: [f32; POINTER_WIDTH] = apply(parameters, query_layer, &vector);
        let [first, last] = keys.each_ref().map(|keys| pointer_probabilities(&pointer_scores(&query, keys)));
        mentions(&first, &last, &sentences, &vec![false; window.tokens.len()])
    };
    example.speakers.iter().map(|speaker| of_speaker(speaker.sentence)).collect()
}
