//! TF-IDF: words and pairs of neighbouring words as features, weighted by how rare they are.
//!
//! A sentence, the one before it and the one after it each have features of their own, and so has the target where
//! there is more than one. Each of these parts is a vector of its own length 1, so that a long neighbour does not
//! drown a short sentence.

use super::logistic::{Regression, SparseRows};
use super::{Text, words};
use std::collections::{BTreeSet, HashMap};

/// A feature that only one row has tells nothing of other rows.
const LEAST_ROWS: u32 = 2;

/// How much a neighbour counts beside the sentence itself.
const NEIGHBOUR_WEIGHT: f64 = 0.4;

/// Where in a row a feature stands. Part of the feature's name: the same word before the sentence and in it is two.
#[derive(Clone, Copy)]
enum Part {
    Sentence,
    Before,
    After,
    Target,
}

impl Part {
    const ALL: [Self; 4] = [Self::Sentence, Self::Before, Self::After, Self::Target];

    fn of<'a>(self, text: &Text<'a>) -> &'a str {
        match self {
            Self::Sentence => Some(text.text),
            Self::Before => text.before,
            Self::After => text.after,
            Self::Target => text.target,
        }
        .unwrap_or_default()
    }

    fn weight(self) -> f64 {
        match self {
            Self::Sentence | Self::Target => 1.0,
            Self::Before | Self::After => NEIGHBOUR_WEIGHT,
        }
    }

    /// Sets the features of this part apart from those of the others.
    fn mark(self) -> char {
        match self {
            Self::Sentence => 's',
            Self::Before => 'b',
            Self::After => 'a',
            Self::Target => 't',
        }
    }
}

/// What each feature is called, its column, and how rare it is.
#[derive(Debug)]
struct Vocabulary {
    /// Column and inverse document frequency.
    features: HashMap<String, (u32, f64)>,
    /// Whether the target tells rows apart.
    targets: bool,
}

impl Vocabulary {
    fn learn(rows: &[(Text, usize)]) -> Self {
        let targets = rows.iter().map(|(text, _)| text.target).collect::<BTreeSet<_>>().len() > 1;
        // How many rows have a feature, and which row had it last.
        let mut seen: HashMap<String, (u32, usize)> = HashMap::new();
        // Columns are in the order in which features are met, so that sums are the same in every run.
        let mut order: Vec<String> = Vec::new();
        for (row, (text, _)) in rows.iter().enumerate() {
            for part in parts(targets) {
                for_each_feature(part, part.of(text), |feature| match seen.get_mut(feature) {
                    Some((rows, last)) => {
                        *rows += u32::from(*last != row);
                        *last = row;
                    }
                    None => {
                        seen.insert(feature.to_owned(), (1, row));
                        order.push(feature.to_owned());
                    }
                });
            }
        }
        let mut features = HashMap::new();
        for feature in order {
            let (having, _) = seen[&feature];
            if having >= LEAST_ROWS {
                // Smooth: as if one more row had every feature.
                let rarity = ((1 + rows.len()) as f64 / f64::from(1 + having)).ln() + 1.0;
                let column = features.len() as u32;
                features.insert(feature, (column, rarity));
            }
        }
        Self { features, targets }
    }

    /// The features of a text: columns in rising order, and their values.
    fn vector(&self, text: &Text) -> Vec<(u32, f32)> {
        let mut vector = Vec::new();
        for part in parts(self.targets) {
            let mut counts: HashMap<u32, (u32, f64)> = HashMap::new();
            for_each_feature(part, part.of(text), |feature| {
                if let Some(&(column, rarity)) = self.features.get(feature) {
                    counts.entry(column).or_insert((0, rarity)).0 += 1;
                }
            });
            let mut values: Vec<(u32, f64)> = counts
                .into_iter()
                .map(|(column, (count, rarity))| (column, (1.0 + f64::from(count).ln()) * rarity))
                .collect();
            values.sort_unstable_by_key(|(column, _)| *column);
            let length = values.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
            vector.extend(
                values.iter().map(|(column, value)| (*column, (value / length * part.weight()) as f32)),
            );
        }
        vector.sort_unstable_by_key(|(column, _)| *column);
        vector
    }
}

fn parts(targets: bool) -> impl Iterator<Item = Part> {
    Part::ALL.into_iter().filter(move |part| targets || !matches!(part, Part::Target))
}

/// Hands over the name of each word and of each pair of words.
fn for_each_feature(part: Part, text: &str, mut take: impl FnMut(&str)) {
    let words = words(text);
    let mut name = String::new();
    let mut hand_over = |words: &[&str]| {
        name.clear();
        name.push(part.mark());
        for word in words {
            name.push(' ');
            name.push_str(word);
        }
        take(&name);
    };
    words.iter().for_each(|word| hand_over(&[word]));
    words.windows(2).for_each(|pair| hand_over(&[&pair[0], &pair[1]]));
}

/// A vocabulary and a regression over it.
#[derive(Debug)]
pub struct Classifier {
    vocabulary: Vocabulary,
    regression: Regression,
}

impl Classifier {
    /// Learns from rows, of which there is at least one.
    pub fn fit(rows: &[(Text, usize)], labels: usize) -> Self {
        let vocabulary = Vocabulary::learn(rows);
        let mut matrix = SparseRows::default();
        rows.iter().for_each(|(text, _)| matrix.push(&vocabulary.vector(text)));
        let gold: Vec<usize> = rows.iter().map(|(_, label)| *label).collect();
        let regression = Regression::fit(&matrix, vocabulary.features.len(), &gold, labels);
        Self { vocabulary, regression }
    }

    pub fn answer(&self, text: &Text) -> Vec<f64> {
        self.regression.probabilities(&self.vocabulary.vector(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str, before: Option<&'static str>, target: &'static str) -> Text<'static> {
        Text { text, before, after: None, target: Some(target) }
    }

    #[test]
    fn each_part_of_a_row_has_features_and_a_length_of_its_own() {
        let rows = [
            (text("red boat", Some("boat sank"), "t"), 0),
            (text("red boat boat", Some("boat sank"), "t"), 1),
            (text("green", None, "t"), 1),
        ];
        let vocabulary = Vocabulary::learn(&rows);
        assert!(!vocabulary.targets, "a single target tells nothing");
        let mut names: Vec<&str> = vocabulary.features.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["b boat", "b boat sank", "b sank", "s boat", "s red", "s red boat"]);

        let squares: f32 = vocabulary.vector(&rows[1].0).iter().map(|(_, value)| value * value).sum();
        let weight = NEIGHBOUR_WEIGHT as f32;
        assert!((squares - (1.0 + weight * weight)).abs() < 1e-6);
        assert!(vocabulary.vector(&rows[2].0).is_empty(), "what was seen once is no feature");
    }

    #[test]
    fn of_many_targets_their_words_are_features() {
        let rows =
            [(text("so", None, "a ban"), 0), (text("so", None, "a ban"), 0), (text("so", None, "a tax"), 1)];
        let classifier = Classifier::fit(&rows, 2);
        assert!(classifier.vocabulary.features.contains_key("t a ban"));
        assert!(classifier.answer(&text("so", None, "a ban"))[0] > 0.5);
    }
}
