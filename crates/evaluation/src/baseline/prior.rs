//! Baselines that know only the label frequencies.

use super::{Text, certain};
use crate::sample::Sample;
use standpoint_kernels::random::{SplitMix, scramble};

/// The share of each label among the rows. There must be at least one row.
pub fn shares(rows: &[(Text, usize)], labels: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; labels];
    rows.iter().for_each(|(_, label)| counts[*label] += 1);
    counts.iter().map(|&count| count as f64 / rows.len() as f64).collect()
}

/// Draws labels at random, with their shares as probabilities.
#[derive(Debug)]
pub struct StratifiedRandom {
    shares: Vec<f64>,
    seed: u64,
}

impl StratifiedRandom {
    pub fn new(shares: Vec<f64>, seed: u64) -> Self {
        Self { shares, seed }
    }

    /// Draws a label for a sample, as probabilities. The draw depends on the seed and the sample alone, not on the order of
    /// samples or on other samples.
    pub fn draw(&self, sample: &Sample) -> Vec<f64> {
        let target = sample.target.as_deref().unwrap_or_default();
        let parts = [sample.task.as_str(), &sample.file, &sample.doc, &sample.text, target];
        // A separator that UTF-8 never contains distinguishes "ab", "c" from "a", "bc".
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xFF]));
        let key = bytes.fold(self.seed, |key, byte| scramble(key ^ u64::from(byte)));
        let mut left = SplitMix::new(key ^ sample.index as u64).unit();
        let drawn = self.shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        // Because of rounding, the shares may sum to slightly less than 1: the rest belongs to the last possible label.
        let drawn = drawn.or_else(|| self.shares.iter().rposition(|&share| share > 0.0)).unwrap_or(0);
        certain(drawn, self.shares.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;
    use crate::sample::Task;

    #[test]
    fn labels_are_drawn_by_their_shares() {
        let random = StratifiedRandom::new(vec![0.5, 0.0, 0.5 - 1e-17], 3);
        let mut counts = [0; 3];
        for index in 0..4000 {
            let drawn = random.draw(&sample(Task::Role, index, "x", "claim"));
            counts[drawn.iter().position(|p| *p == 1.0).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((1880..2120).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn another_seed_draws_others() {
        let draws = |seed| -> Vec<Vec<f64>> {
            let random = StratifiedRandom::new(vec![0.3, 0.3, 0.4], seed);
            (0..50).map(|index| random.draw(&sample(Task::Role, index, "x", "claim"))).collect()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}
