//! Dropout whose masks are computed from a key and a place, and never stored.

use super::vectorized;
use crate::Isa;
use crate::random::scramble;

/// Inverted dropout whose mask depends on its key and place alone: nothing is stored, backward passes compute the same
/// mask again, and a resumed run continues with the masks that it would have had.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The share of values dropped, from 0 to below 1.
    pub rate: f32,
    pub key: u64,
}

impl Dropout {
    /// The mask for another place of the network.
    pub fn at(self, site: u64) -> Self {
        Self { key: scramble(self.key ^ site.wrapping_mul(0x9E37_79B9_7F4A_7C15)), ..self }
    }

    pub(super) fn draw(self) -> Draw {
        if self.rate <= 0.0 {
            return Draw::NOTHING;
        }
        Draw {
            dropped: (f64::from(self.rate) * 2f64.powi(32)) as u32,
            scale: 1.0 / (1.0 - self.rate),
            key: (self.key as u32, (self.key >> 32) as u32),
        }
    }

    /// Multiplies by the mask: forward on values, backward on gradients.
    pub fn apply(self, isa: Isa, values: &mut [f32]) {
        let draw = self.draw();
        vectorized!(isa, || {
            for (index, value) in values.iter_mut().enumerate() {
                *value *= draw.factor(index as u32);
            }
        });
    }
}

/// What a mask is computed with.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    dropped: u32,
    pub scale: f32,
    key: (u32, u32),
}

impl Draw {
    pub const NOTHING: Self = Self { dropped: 0, scale: 1.0, key: (0, 0) };

    /// Whether the value at a place is kept: by multiplications and shifts, which are cheap and vectorised.
    #[inline(always)]
    pub fn keeps(self, index: u32) -> bool {
        let mut hash = (index ^ self.key.0).wrapping_mul(0x9E37_79B1);
        hash = (hash ^ (hash >> 15) ^ self.key.1).wrapping_mul(0x85EB_CA77);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE3D);
        hash ^ (hash >> 16) >= self.dropped
    }

    #[inline(always)]
    fn factor(self, index: u32) -> f32 {
        if self.keeps(index) { self.scale } else { 0.0 }
    }
}

/// `masked = dropout(values)`
pub fn masked(isa: Isa, values: &[f32], dropout: Option<Dropout>, masked: &mut Vec<f32>) {
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    masked.resize(values.len(), 0.0);
    vectorized!(isa, || {
        for (index, (masked, value)) in masked.iter_mut().zip(values).enumerate() {
            *masked = value * draw.factor(index as u32);
        }
    });
}

/// `sum = kept + dropout(sum)`
pub fn add_residual(isa: Isa, sum: &mut [f32], dropout: Option<Dropout>, kept: &[f32]) {
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    vectorized!(isa, || {
        for (index, (sum, kept)) in sum.iter_mut().zip(kept).enumerate() {
            *sum = kept + *sum * draw.factor(index as u32);
        }
    });
}

/// What dropout left of probabilities, from the signs that [`softmax`](super::rowwise::softmax) gave them.
pub fn apply_again(isa: Isa, probabilities: &[f32], dropout: Option<Dropout>, used: &mut Vec<f32>) {
    let scale = dropout.map_or(Draw::NOTHING, Dropout::draw).scale;
    used.resize(probabilities.len(), 0.0);
    vectorized!(isa, || {
        for (used, &probability) in used.iter_mut().zip(probabilities) {
            *used = if probability > 0.0 { probability * scale } else { 0.0 };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[test]
    fn dropout_keeps_the_mean_and_repeats_itself() {
        let isa = Isa::detect();
        let dropout = Dropout { rate: 0.1, key: 42 }.at(7);
        let mut values = vec![1.0; 100_000];
        dropout.apply(isa, &mut values);
        let dropped = values.iter().filter(|&&v| v == 0.0).count();
        assert!((9_500..10_500).contains(&dropped), "{dropped} of 100,000 dropped at rate 0.1");
        let mut again = vec![1.0; 100_000];
        dropout.apply(isa, &mut again);
        assert_eq!(values, again);
        let mut elsewhere = vec![1.0; 100_000];
        dropout.at(1).apply(isa, &mut elsewhere);
        assert_ne!(values, elsewhere);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let numbers: Vec<f32> = (0..1003).map(|i| i as f32 / 300.0 - 1.0).collect();
        let dropout = Some(Dropout { rate: 0.3, key: 7 });
        let all = |isa: Isa| {
            let (mut sum, mut used) = (numbers.clone(), Vec::new());
            add_residual(isa, &mut sum, dropout, &numbers);
            masked(isa, &numbers, dropout, &mut used);
            let mut again = Vec::new();
            apply_again(isa, &numbers, dropout, &mut again);
            [sum, used, again].map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<u32>>())
        };
        let expected = all(Isa::Portable);
        for isa in instruction_sets() {
            assert!(all(isa) == expected, "{isa}");
        }
    }
}
