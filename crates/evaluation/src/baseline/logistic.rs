//! Multinomial logistic regression on sparse rows, by L-BFGS.
//!
//! Written here because no crate offers it: linfa's regression needs dense matrices, in which 150,000 features would not fit
//! into memory, and the crates with sparse rows are young and little used. Everything runs in a fixed order on one thread,
//! so the same rows give the same weights.

use std::collections::VecDeque;

/// The inverse strength of the L2 regularization, scikit-learn's `C`. Its cross-validation on the gold train rows chose
/// this value (`eval/baselines/tfidf.py`).
const C: f64 = 3.0;

/// The search ends if no partial derivative exceeds [`TOLERANCE`], or after [`MOST_STEPS`].
const TOLERANCE: f64 = 1e-4;
const MOST_STEPS: usize = 200;

/// The number of steps that L-BFGS remembers.
const MEMORY: usize = 10;

/// Rows of sparse features.
#[derive(Debug, Default)]
pub struct SparseRows {
    /// Where each row ends.
    ends: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl SparseRows {
    /// Adds a row: columns and values.
    pub fn push(&mut self, row: &[(u32, f32)]) {
        self.entries.extend_from_slice(row);
        self.ends.push(self.entries.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[(u32, f32)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.entries[start..end])
    }
}

/// A fitted regression.
#[derive(Debug)]
pub struct Regression {
    labels: usize,
    /// `[features + 1, labels]`. The last row is the bias.
    weights: Vec<f64>,
}

impl Regression {
    /// Fits the weights to rows over `features` columns and their gold labels. All labels have the same total weight, however
    /// rare they are.
    pub fn fit(rows: &SparseRows, features: usize, gold: &[usize], labels: usize) -> Self {
        let mut counts = vec![0.0_f64; labels];
        gold.iter().for_each(|&label| counts[label] += 1.0);
        let present = counts.iter().filter(|&&count| count > 0.0).count() as f64;
        // The weights of all rows sum to 1.
        let row_weights = counts.iter().map(|&count| if count > 0.0 { 1.0 / (count * present) } else { 0.0 });
        let objective = Objective {
            rows,
            gold,
            labels,
            row_weights: row_weights.collect(),
            shrinkage: 1.0 / (C * gold.len() as f64),
        };
        Self { labels, weights: minimize(&objective, vec![0.0; (features + 1) * labels]) }
    }

    /// The probability of each label.
    pub fn probabilities(&self, row: &[(u32, f32)]) -> Vec<f64> {
        let mut scores = vec![0.0; self.labels];
        score(&self.weights, row, &mut scores);
        softmax(&mut scores);
        scores
    }
}

/// The function to minimize: the weighted mean cross-entropy of the rows, plus the L2 penalty.
struct Objective<'a> {
    rows: &'a SparseRows,
    gold: &'a [usize],
    labels: usize,
    row_weights: Vec<f64>,
    shrinkage: f64,
}

impl Objective<'_> {
    /// Returns the value at `weights`, and writes the derivatives to `gradient`.
    fn evaluate(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let free = weights.len() - self.labels;
        let mut value = 0.0;
        for (slope, weight) in gradient[..free].iter_mut().zip(weights) {
            *slope = self.shrinkage * weight;
            value += 0.5 * self.shrinkage * weight * weight;
        }
        // The bias is not regularized.
        gradient[free..].fill(0.0);
        let mut scores = vec![0.0; self.labels];
        for (row, &gold) in self.rows.iter().zip(self.gold) {
            score(weights, row, &mut scores);
            let of_gold = scores[gold];
            let sum = softmax(&mut scores);
            let row_weight = self.row_weights[gold];
            value += row_weight * (sum - of_gold);
            scores[gold] -= 1.0;
            scores.iter_mut().for_each(|score| *score *= row_weight);
            for &(column, feature) in row {
                let slopes = &mut gradient[column as usize * self.labels..][..self.labels];
                for (slope, score) in slopes.iter_mut().zip(&scores) {
                    *slope += f64::from(feature) * score;
                }
            }
            for (slope, score) in gradient[free..].iter_mut().zip(&scores) {
                *slope += score;
            }
        }
        value
    }
}

/// Writes the score of each label for a row.
fn score(weights: &[f64], row: &[(u32, f32)], scores: &mut [f64]) {
    let labels = scores.len();
    scores.copy_from_slice(&weights[weights.len() - labels..]);
    for &(column, feature) in row {
        let weights = &weights[column as usize * labels..][..labels];
        for (score, weight) in scores.iter_mut().zip(weights) {
            *score += f64::from(feature) * weight;
        }
    }
}

/// Turns scores into probabilities. Returns the logarithm of the sum of their exponentials.
fn softmax(scores: &mut [f64]) -> f64 {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = (*score - highest).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
    highest + sum.ln()
}

/// A remembered step: how the weights and the gradient changed, and 1 divided by the product of both changes.
struct Step {
    moved: Vec<f64>,
    changed: Vec<f64>,
    inverse: f64,
}

/// L-BFGS (Nocedal and Wright, Numerical optimization, algorithm 7.5) with backtracking: a step is halved until the value
/// decreases enough. The objective is convex, so this finds its minimum.
fn minimize(objective: &Objective, start: Vec<f64>) -> Vec<f64> {
    let mut weights = start;
    let mut gradient = vec![0.0; weights.len()];
    let mut value = objective.evaluate(&weights, &mut gradient);
    let mut memory: VecDeque<Step> = VecDeque::with_capacity(MEMORY);
    for _ in 0..MOST_STEPS {
        if gradient.iter().all(|slope| slope.abs() <= TOLERANCE) {
            break;
        }
        let direction = direction(&gradient, &memory);
        let descent = dot(&direction, &gradient);
        // The first direction has no scale yet.
        let mut length = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        let mut next_gradient = vec![0.0; weights.len()];
        let taken = (0..30).find_map(|_| {
            let next: Vec<f64> = weights.iter().zip(&direction).map(|(w, d)| w + length * d).collect();
            let next_value = objective.evaluate(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * length * descent {
                return Some((next, next_value));
            }
            length *= 0.5;
            None
        });
        // No step decreases the value: this is the minimum, up to rounding.
        let Some((next, next_value)) = taken else { break };
        let moved: Vec<f64> = next.iter().zip(&weights).map(|(new, old)| new - old).collect();
        let changed: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&moved, &changed);
        if curvature > 0.0 {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back(Step { moved, changed, inverse: 1.0 / curvature });
        }
        (weights, gradient, value) = (next, next_gradient, next_value);
    }
    weights
}

/// The direction of the next step.
fn direction(gradient: &[f64], memory: &VecDeque<Step>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for step in memory.iter().rev() {
        let share = step.inverse * dot(&step.moved, &direction);
        add(&mut direction, -share, &step.changed);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = 1.0 / (last.inverse * dot(&last.changed, &last.changed));
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (step, share) in memory.iter().zip(shares.iter().rev()) {
        let other = step.inverse * dot(&step.changed, &direction);
        add(&mut direction, share - other, &step.moved);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_kernels::random::SplitMix;

    /// Rows of three features each. In four rows of five, the first feature shows the label.
    fn made_up() -> (SparseRows, Vec<usize>) {
        let mut random = SplitMix::new(5);
        let (mut rows, mut gold) = (SparseRows::default(), Vec::new());
        for _ in 0..300 {
            let label = random.below(3);
            let told = if random.unit() < 0.8 { label } else { random.below(3) };
            rows.push(&[(told as u32, 1.0), (3 + random.below(5) as u32, 0.5), (8, random.unit() as f32)]);
            gold.push(label);
        }
        (rows, gold)
    }

    #[test]
    fn the_gradient_is_that_of_a_finite_difference() {
        let (rows, gold) = made_up();
        let objective = Objective {
            rows: &rows,
            gold: &gold,
            labels: 3,
            row_weights: vec![0.1, 0.2, 0.3],
            shrinkage: 0.7,
        };
        let mut random = SplitMix::new(1);
        let weights: Vec<f64> = (0..30).map(|_| random.unit() - 0.5).collect();
        let (mut gradient, mut unused) = (vec![0.0; 30], vec![0.0; 30]);
        objective.evaluate(&weights, &mut gradient);
        for index in 0..weights.len() {
            let mut value_at = |shift: f64| {
                let mut moved = weights.clone();
                moved[index] += shift;
                objective.evaluate(&moved, &mut unused)
            };
            let slope = (value_at(1e-5) - value_at(-1e-5)) / 2e-5;
            assert!((slope - gradient[index]).abs() < 1e-6, "{index}: {slope} and {}", gradient[index]);
        }
    }

    #[test]
    fn the_minimum_is_found_and_always_the_same() {
        let (rows, gold) = made_up();
        let regression = Regression::fit(&rows, 9, &gold, 3);
        let mut right = 0;
        for (row, &label) in rows.iter().zip(&gold) {
            let probabilities = regression.probabilities(row);
            right += usize::from(probabilities.iter().all(|p| *p <= probabilities[label]));
        }
        assert!(right > 240, "{right} of 300");
        assert_eq!(regression.weights, Regression::fit(&rows, 9, &gold, 3).weights);
    }

    #[test]
    fn a_label_without_rows_is_never_likely() {
        let mut rows = SparseRows::default();
        (0..20).for_each(|row| rows.push(&[(row % 2, 1.0)]));
        let gold: Vec<usize> = (0..20).map(|row| row % 2).collect();
        let probabilities = Regression::fit(&rows, 2, &gold, 3).probabilities(&[(0, 1.0)]);
        assert!(probabilities[0] > 0.5 && probabilities[2] < 0.1, "{probabilities:?}");
    }
}
