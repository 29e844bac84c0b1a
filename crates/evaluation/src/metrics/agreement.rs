//! Agreement of readers beyond chance.

use super::classes::Margins;
use super::{Confusion, Mergeable};

/// Agreement of two readers. It does not matter which of them is called gold.
impl Confusion {
    /// Cohen's kappa. Undefined if both readers gave only one label, the same: then they could not have disagreed.
    pub fn kappa(&self) -> Option<f64> {
        let Margins { hits, total, products, .. } = self.margins();
        let possible = total * total - products;
        (possible > 0).then(|| (hits * total - products) as f64 / possible as f64)
    }

    /// Cohen's kappa of one label against the rest.
    ///
    /// # Panics
    /// If there is no such label.
    pub fn label_kappa(&self, label: usize) -> Option<f64> {
        self.one_against_rest(label).kappa()
    }
}

/// The coincidence matrix of any number of readers, who may have left sentences out (Krippendorff, Computing Krippendorff's
/// alpha-reliability, 2011): how often two labels were given to the same sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Coincidences {
    labels: usize,
    /// `[label * labels + other]`, symmetric. A sentence contributes the number of its readings.
    counts: Vec<f64>,
}

impl Coincidences {
    /// An empty matrix.
    pub fn new(labels: usize) -> Self {
        Self { labels, counts: vec![0.0; labels * labels] }
    }

    /// Adds one sentence, with the label of each reader. Fewer than two labels add nothing.
    ///
    /// # Panics
    /// If a label is not below the number of labels.
    pub fn add(&mut self, readings: &[Option<usize>]) {
        let given: Vec<usize> = readings.iter().copied().flatten().collect();
        for (reader, &label) in given.iter().enumerate() {
            for (_, &other) in given.iter().enumerate().filter(|&(another, _)| another != reader) {
                assert!(label < self.labels && other < self.labels, "there are {} labels", self.labels);
                self.counts[label * self.labels + other] += 1.0 / (given.len() - 1) as f64;
            }
        }
    }

    /// The share of pairs of readings of a sentence that agree.
    pub fn observed_agreement(&self) -> Option<f64> {
        let total = self.total();
        (total > 0.0).then(|| self.agreeing() / total)
    }

    /// Krippendorff's alpha for nominal labels. Undefined if only one label was given: then readers could not have
    /// disagreed.
    pub fn alpha(&self) -> Option<f64> {
        let total = self.total();
        let squares: f64 = (0..self.labels).map(|label| self.readings(label).powi(2)).sum();
        let by_chance = total * total - squares;
        // If only one label was given, all readings are of the most frequent label.
        let most = (0..self.labels).map(|label| self.readings(label)).fold(0.0, f64::max);
        (total - most > 0.5).then(|| 1.0 - (total - 1.0) * (total - self.agreeing()) / by_chance)
    }

    /// Krippendorff's alpha of one label against the rest.
    ///
    /// # Panics
    /// If there is no such label.
    pub fn label_alpha(&self, label: usize) -> Option<f64> {
        let both = self.counts[label * self.labels + label];
        let one = self.readings(label) - both;
        let counts = vec![both, one, one, self.total() - both - 2.0 * one];
        Self { labels: 2, counts }.alpha()
    }

    /// The number of readings that can be compared with another one.
    fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// The number of readings that agree with another one.
    fn agreeing(&self) -> f64 {
        (0..self.labels).map(|label| self.counts[label * self.labels + label]).sum()
    }

    /// The number of readings with this label.
    fn readings(&self, label: usize) -> f64 {
        self.counts[label * self.labels..(label + 1) * self.labels].iter().sum()
    }
}

impl Mergeable for Coincidences {
    /// # Panics
    /// If the two have different numbers of labels.
    fn merge_times(&mut self, other: &Self, times: u64) {
        assert_eq!(self.labels, other.labels, "only readings of the same labels can be summed");
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count += times as f64 * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SEED, estimates};
    use super::*;

    fn coincidences(units: &[&[Option<usize>]]) -> Coincidences {
        let mut coincidences = Coincidences::new(3);
        units.iter().for_each(|unit| coincidences.add(unit));
        coincidences
    }

    #[test]
    fn what_one_reader_alone_has_read_says_nothing() {
        let alone = coincidences(&[&[Some(0), None], &[None, None], &[]]);
        assert_eq!((alone.alpha(), alone.observed_agreement(), alone.label_alpha(1)), (None, None, None));
        let both = coincidences(&[&[Some(0), None], &[Some(0), Some(1)], &[Some(1), Some(1)]]);
        assert_eq!(both.observed_agreement(), Some(0.5));
        assert_eq!(both, coincidences(&[&[Some(0), Some(1)], &[None, Some(1), Some(1)]]));
    }

    #[test]
    fn readers_who_give_one_label_could_not_disagree() {
        let one = coincidences(&[&[Some(2); 4], &[Some(2); 4]]);
        assert_eq!((one.observed_agreement(), one.alpha(), one.label_alpha(2)), (Some(1.0), None, None));
        let two = coincidences(&[&[Some(2); 4], &[Some(1); 4]]);
        assert_eq!((two.alpha(), two.label_alpha(2), two.label_alpha(0)), (Some(1.0), Some(1.0), None));
    }

    #[test]
    fn both_coefficients_have_intervals_by_document() {
        let documents: Vec<(Confusion, Coincidences)> = (0..30)
            .map(|index| {
                let (mut confusion, mut coincidences) = (Confusion::new(3), Coincidences::new(3));
                for sentence in 0..4 {
                    let one = (index + sentence) % 3;
                    let other = if index % 5 == 0 { 0 } else { one };
                    confusion.add(one, other);
                    coincidences.add(&[Some(one), Some(other)]);
                }
                (confusion, coincidences)
            })
            .collect();
        let nothing = (Confusion::new(3), Coincidences::new(3));
        let figures = |sum: &(Confusion, Coincidences)| {
            vec![sum.0.kappa(), sum.1.alpha(), sum.0.accuracy(), sum.1.observed_agreement()]
        };
        let found = estimates(&documents, &nothing, SEED, figures);
        for estimate in &found {
            let (value, interval) = (estimate.value.unwrap(), estimate.interval.unwrap());
            assert!(interval.low < value && value < interval.high, "{interval:?} around {value}");
        }
        // For two readers, accuracy is the observed agreement.
        assert_eq!(found[2], found[3]);
    }
}
