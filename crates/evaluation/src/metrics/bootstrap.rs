//! Bootstrap intervals of figures, and tests of one system against another.
//!
//! Documents are drawn with replacement, because the sentences of a document are not independent. A resample is a list of
//! how often each document was drawn, so no document is copied and a ranking is sorted only once. The same seed gives the
//! same draws for every figure.

use standpoint_kernels::random::SplitMix;

/// The number of resamples.
pub const RESAMPLES: usize = 2000;

/// The seed of every interval, so that a figure always has the same interval.
pub const SEED: u64 = 1;

/// Figures that differ by less count as equal, because they were summed in another order.
const ROUNDING: f64 = 1e-12;

/// Statistics that can be summed over documents.
pub trait Mergeable: Clone {
    /// Adds `other` to these statistics, `times` times.
    fn merge_times(&mut self, other: &Self, times: u64);

    /// Adds `other` once.
    fn merge(&mut self, other: &Self) {
        self.merge_times(other, 1);
    }
}

impl<A: Mergeable, B: Mergeable> Mergeable for (A, B) {
    fn merge_times(&mut self, other: &Self, times: u64) {
        self.0.merge_times(&other.0, times);
        self.1.merge_times(&other.1, times);
    }
}

/// A 95% interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// From the 2.5th to the 97.5th percentile of the resampled figures (nearest rank).
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| figures.get(((figures.len() as f64 - 1.0) * share).round() as usize).copied();
        Some(Self { low: at(0.025)?, high: at(0.975)? })
    }
}

/// A figure with its interval. Resamples in which the figure is undefined do not count for the interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    pub value: Option<f64>,
    pub interval: Option<Interval>,
}

/// Computes figures of the sum of all documents, with percentile bootstrap intervals, in the order of `figures`. `nothing`
/// has the statistics of no document.
pub fn estimates<S: Mergeable>(
    documents: &[S],
    nothing: &S,
    seed: u64,
    figures: impl Fn(&S) -> Vec<Option<f64>>,
) -> Vec<Estimate> {
    estimates_by_draw(documents.len(), seed, |draws| figures(&sum(documents, nothing, draws)))
}

/// As [`estimates`], for figures that do not follow from a sum. `figures` gets the number of times that each document was
/// drawn, and must always return the same number of figures.
pub fn estimates_by_draw(
    documents: usize,
    seed: u64,
    mut figures: impl FnMut(&[u64]) -> Vec<Option<f64>>,
) -> Vec<Estimate> {
    let values = figures(&vec![1; documents]);
    let mut resampled = vec![Vec::with_capacity(RESAMPLES); values.len()];
    resample(documents, seed, |draws| {
        for (found, figure) in resampled.iter_mut().zip(figures(draws)) {
            found.extend(figure);
        }
    });
    values
        .into_iter()
        .zip(resampled)
        .map(|(value, found)| Estimate { value, interval: Interval::of(found) })
        .collect()
}

/// The paired bootstrap of a figure of one system minus that of another, on the same documents.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairedBootstrap {
    /// The first system's figure minus the second's.
    pub difference: Estimate,
    /// The share of resamples in which the second system is at least as good. One is added to both counts (Davison and
    /// Hinkley, Bootstrap methods and their application, 1997), so it is never 0. Near 0 if the first system is better, near
    /// 1 if the second is, or if both always have the same figure.
    pub p: Option<f64>,
}

/// The paired bootstrap. Each document has the statistics of both systems, which are drawn together. Resamples in which
/// one of the figures is undefined do not count.
pub fn paired_bootstrap<S: Mergeable>(
    documents: &[(S, S)],
    nothing: &S,
    seed: u64,
    figure: impl Fn(&S) -> Option<f64>,
) -> PairedBootstrap {
    let nothing = (nothing.clone(), nothing.clone());
    let difference = |draws: &[u64]| {
        let (first, second) = sum(documents, &nothing, draws);
        Some(figure(&first)? - figure(&second)?)
    };
    let value = difference(&vec![1; documents.len()]);
    let mut resampled = Vec::with_capacity(RESAMPLES);
    resample(documents.len(), seed, |draws| resampled.extend(difference(draws)));
    let behind = resampled.iter().filter(|&&difference| difference <= ROUNDING).count();
    let p = (!resampled.is_empty()).then(|| (behind + 1) as f64 / (resampled.len() + 1) as f64);
    PairedBootstrap { difference: Estimate { value, interval: Interval::of(resampled) }, p }
}

/// Calls `visit` with the draws of each resample. With fewer than two documents there are none: one document says nothing
/// about how figures vary between documents, and no interval is better than one without width.
fn resample(documents: usize, seed: u64, mut visit: impl FnMut(&[u64])) {
    if documents < 2 {
        return;
    }
    let mut random = SplitMix::new(seed);
    let mut draws = vec![0; documents];
    for _ in 0..RESAMPLES {
        draws.fill(0);
        (0..documents).for_each(|_| draws[random.below(documents)] += 1);
        visit(&draws);
    }
}

/// The sum of all documents, each as often as it was drawn.
fn sum<S: Mergeable>(documents: &[S], nothing: &S, draws: &[u64]) -> S {
    let mut sum = nothing.clone();
    for (document, &times) in documents.iter().zip(draws) {
        if times > 0 {
            sum.merge_times(document, times);
        }
    }
    sum
}

/// McNemar's exact test, two-sided, from the sentences that only one of two systems answered right. The probability of a
/// split at least as uneven, if each system were equally likely to be the right one. 1 if there is no such sentence. Takes
/// as many steps as the smaller count.
pub fn mcnemar(only_first_right: u64, only_second_right: u64) -> f64 {
    let fewer = only_first_right.min(only_second_right);
    let all = only_first_right.saturating_add(only_second_right);
    // The sum of the binomial coefficients from 0 to `fewer`, as a number and an exponent of two: from about a thousand
    // sentences on, it exceeds an f64.
    let (mut coefficient, mut sum, mut exponent) = (1.0_f64, 1.0_f64, 0.0_f64);
    for drawn in 0..fewer {
        coefficient *= (all - drawn) as f64 / (drawn + 1) as f64;
        sum += coefficient;
        if sum > SCALE {
            coefficient /= SCALE;
            sum /= SCALE;
            exponent += SCALE.log2();
        }
    }
    // Divided by two to the power of `all`. The 1 doubles it, for both tails.
    (1.0 + sum.log2() + (exponent - all as f64)).exp2().min(1.0)
}

/// A power of two, so that dividing by it loses no digits.
const SCALE: f64 = (1_u128 << 100) as f64;

#[cfg(test)]
mod tests {
    use super::super::Confusion;
    use super::*;

    fn documents(count: usize, wrong_every: usize) -> Vec<Confusion> {
        (0..count)
            .map(|index| {
                let mut confusion = Confusion::new(3);
                confusion.add(0, if index % wrong_every == 0 { 2 } else { 0 });
                confusion.add(1, 1);
                confusion.add(2, 2);
                confusion
            })
            .collect()
    }

    fn figures(sum: &Confusion) -> Vec<Option<f64>> {
        let mut figures = vec![sum.macro_f1(), sum.accuracy(), sum.matthews()];
        figures.extend(sum.scores().iter().map(|score| score.f1));
        figures
    }

    #[test]
    fn an_interval_holds_the_figure_and_repeats_itself() {
        let documents = documents(40, 3);
        let found = estimates(&documents, &Confusion::new(3), 7, figures);
        assert_eq!(found.len(), 6);
        for Estimate { value, interval } in &found {
            let (value, interval) = (value.unwrap(), interval.unwrap());
            assert!(interval.low <= value && value <= interval.high, "{interval:?} around {value}");
            assert!(interval.high - interval.low < 0.35, "{interval:?}");
        }
        assert_eq!(estimates(&documents, &Confusion::new(3), 7, figures), found);
    }

    #[test]
    fn fewer_than_two_documents_have_no_interval() {
        let nothing = Confusion::new(3);
        assert_eq!(estimates(&[], &nothing, 1, figures), [Estimate::default(); 6]);
        assert_eq!(paired_bootstrap(&[], &nothing, 1, Confusion::accuracy), PairedBootstrap::default());
        for estimate in estimates(&documents(1, 2), &nothing, 1, |sum| vec![sum.accuracy()]) {
            assert!(estimate.value.is_some() && estimate.interval.is_none(), "{estimate:?}");
        }
    }

    #[test]
    fn resamples_without_the_figure_do_not_count() {
        let mut documents = vec![Confusion::new(2); 30];
        documents[0].add(0, 0);
        documents[1].add(1, 1);
        let matthews = |sum: &Confusion| vec![sum.matthews()];
        let found = estimates(&documents, &Confusion::new(2), 1, matthews);
        assert_eq!(found[0], Estimate { value: Some(1.0), interval: Some(Interval { low: 1.0, high: 1.0 }) });
        let never = estimates(&documents[..1], &Confusion::new(2), 1, matthews);
        assert_eq!(never, [Estimate::default()]);
    }

    #[test]
    fn the_better_of_two_is_found_and_equals_are_not() {
        let compare = |first: &[Confusion], second: &[Confusion]| {
            let pairs: Vec<_> = first.iter().cloned().zip(second.iter().cloned()).collect();
            paired_bootstrap(&pairs, &Confusion::new(3), 1, Confusion::macro_f1)
        };
        let (good, bad) = (documents(60, 10), documents(60, 2));
        let better = compare(&good, &bad);
        assert!(better.difference.interval.unwrap().low > 0.0 && better.p.unwrap() < 0.01, "{better:?}");
        assert!(compare(&bad, &good).p.unwrap() > 0.99);
        let same = compare(&good, &good);
        assert_eq!((same.difference.value, same.p), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn mcnemar_is_exact_also_for_large_counts() {
        assert_eq!((mcnemar(0, 0), mcnemar(0, 1), mcnemar(4, 4)), (1.0, 1.0, 1.0));
        assert_eq!((mcnemar(0, 5), mcnemar(5, 0)), (0.0625, 0.0625));
        assert_eq!(mcnemar(0, 5000), 0.0);
        assert_eq!(mcnemar(1_000_000, 1_000_000), 1.0);
    }
}
