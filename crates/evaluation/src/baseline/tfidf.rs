//! TF-IDF features: words and pairs of neighbouring words, weighted by rarity.
//!
//! The fields of a row are the sentence, its two neighbours, and the target if the rows have several. Each field has its own
//! features and is normalized to length 1, so that a long neighbour does not outweigh a short sentence.

use super::logistic::{Regression, SparseRows};
use super::{Text, words};
use std::collections::{BTreeSet, HashMap};

/// A feature must occur in this many rows: one that occurs in a single row says nothing about other rows.
const LEAST_ROWS: u32 = 2;

/// The weight of a neighbour. The sentence itself has 1.
const NEIGHBOUR_WEIGHT: f64 = 0.4;

/// A field of a row. Its prefix is in the names of its features, so a word in the sentence and the same word before it are
/// two features.
#[derive(Clone, Copy)]
enum Field {
    Sentence,
    Before,
    After,
    Target,
}

impl Field {
    const ALL: [Self; 4] = [Self::Sentence, Self::Before, Self::After, Self::Target];

    fn text<'a>(self, text: &Text<'a>) -> &'a str {
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

    /// What the names of its features begin with.
    fn prefix(self) -> char {
        match self {
            Self::Sentence => 's',
            Self::Before => 'b',
            Self::After => 'a',
            Self::Target => 't',
        }
    }
}

/// The features by name.
#[derive(Debug)]
struct Vocabulary {
    /// Column and inverse document frequency.
    features: HashMap<String, (u32, f64)>,
    /// Whether the target is a field, because the rows have several.
    targets: bool,
}

impl Vocabulary {
    fn learn(rows: &[(Text, usize)]) -> Self {
        let targets = rows.iter().map(|(text, _)| text.target).collect::<BTreeSet<_>>().len() > 1;
        // For each feature, the number of rows with it and the last of them.
        let mut seen: HashMap<String, (u32, usize)> = HashMap::new();
        // Columns are in order of first occurrence, so that sums are the same in every run.
        let mut order: Vec<String> = Vec::new();
        for (row, (text, _)) in rows.iter().enumerate() {
            for field in fields(targets) {
                for_each_feature(field, field.text(text), |feature| match seen.get_mut(feature) {
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
                // Smoothed, as if one more row had every feature.
                let rarity = ((1 + rows.len()) as f64 / f64::from(1 + having)).ln() + 1.0;
                let column = features.len() as u32;
                features.insert(feature, (column, rarity));
            }
        }
        Self { features, targets }
    }

    /// The features of a text: columns in ascending order, with their values.
    fn vector(&self, text: &Text) -> Vec<(u32, f32)> {
        let mut vector = Vec::new();
        for field in fields(self.targets) {
            let mut counts: HashMap<u32, (u32, f64)> = HashMap::new();
            for_each_feature(field, field.text(text), |feature| {
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
                values.iter().map(|(column, value)| (*column, (value / length * field.weight()) as f32)),
            );
        }
        vector.sort_unstable_by_key(|(column, _)| *column);
        vector
    }
}

fn fields(targets: bool) -> impl Iterator<Item = Field> {
    Field::ALL.into_iter().filter(move |field| targets || !matches!(field, Field::Target))
}

/// Calls `take` with the feature name of each word and each pair of neighbouring words.
fn for_each_feature(field: Field, text: &str, mut take: impl FnMut(&str)) {
    let words = words(text);
    let mut name = String::new();
    let mut emit = |words: &[&str]| {
        name.clear();
        name.push(field.prefix());
        for word in words {
            name.push(' ');
            name.push_str(word);
        }
        take(&name);
    };
    words.iter().for_each(|word| emit(&[word]));
    words.windows(2).for_each(|pair| emit(&[&pair[0], &pair[1]]));
}

/// Logistic regression over TF-IDF features.
#[derive(Debug)]
pub struct Classifier {
    vocabulary: Vocabulary,
    regression: Regression,
}

impl Classifier {
    /// Trains on rows of text and label index. There must be at least one.
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
    fn each_field_has_its_own_features_and_length() {
        let rows = [
            (text("red boat", Some("boat sank"), "t"), 0),
            (text("red boat boat", Some("boat sank"), "t"), 1),
            (text("green", None, "t"), 1),
        ];
        let vocabulary = Vocabulary::learn(&rows);
        assert!(!vocabulary.targets, "a single target is no field");
        let mut names: Vec<&str> = vocabulary.features.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["b boat", "b boat sank", "b sank", "s boat", "s red", "s red boat"]);

        let squares: f32 = vocabulary.vector(&rows[1].0).iter().map(|(_, value)| value * value).sum();
        let weight = NEIGHBOUR_WEIGHT as f32;
        assert!((squares - (1.0 + weight * weight)).abs() < 1e-6);
        assert!(vocabulary.vector(&rows[2].0).is_empty(), "a word that occurs once is no feature");
    }

    #[test]
    fn words_of_targets_are_features_if_there_are_several() {
        let rows =
            [(text("so", None, "a ban"), 0), (text("so", None, "a ban"), 0), (text("so", None, "a tax"), 1)];
        let classifier = Classifier::fit(&rows, 2);
        assert!(classifier.vocabulary.features.contains_key("t a ban"));
        assert!(classifier.answer(&text("so", None, "a ban"))[0] > 0.5);
    }
}
