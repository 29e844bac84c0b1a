//! Baselines that a model should beat: label frequencies, cue words, and TF-IDF with logistic regression, which is trained on
//! the spot. Only for tasks that give each sentence one label.

mod lexical;
mod logistic;
mod prior;
mod tfidf;

use crate::{Annotations, Sample, Task};
use standpoint_core::label::Target;
use std::fmt;

/// A kind of baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Baseline {
    /// Always the most frequent label. Its probabilities are the labels' shares.
    Majority,
    /// Labels drawn at random, with their shares as probabilities.
    Stratified,
    /// A short list of cue words for each label. Learns nothing.
    Lexical,
    /// Logistic regression over words and pairs of words, weighted by TF-IDF.
    TfIdf,
}

impl Baseline {
    pub const ALL: [Self; 4] = [Self::Majority, Self::Stratified, Self::Lexical, Self::TfIdf];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Majority => "majority",
            Self::Stratified => "stratified random",
            Self::Lexical => "lexical",
            Self::TfIdf => "TF-IDF",
        }
    }

    /// Whether it learns from the rows' texts, so that it must not be fitted to the rows that it is tested on. The others learn
    /// at most the label frequencies.
    pub fn learns(self) -> bool {
        self == Self::TfIdf
    }

    /// Fits the baseline to `rows`. `Majority` and `Stratified` take their shares from them; without training data, give
    /// them the rows of the set itself ([`LabelledText::of`]) and say so in the report. `Lexical` needs no rows. Rows whose
    /// label is not one of the task's do not count. The same rows and seed give the same answers.
    ///
    /// `None` if the task marks spans, or if the baseline needs rows and none counts.
    pub fn fit(self, task: Task, rows: &[LabelledText], seed: u64) -> Option<FittedBaseline> {
        let labels = task.labels();
        if labels.is_empty() {
            return None;
        }
        let known: Vec<(Text, usize)> = rows
            .iter()
            .filter_map(|row| Some((row.text, labels.iter().position(|label| *label == row.label)?)))
            .collect();
        let rule = match self {
            Self::Lexical => Rule::Lexical(task),
            _ if known.is_empty() => return None,
            Self::Majority => Rule::Majority(prior::shares(&known, labels.len())),
            Self::Stratified => {
                Rule::Stratified(prior::StratifiedRandom::new(prior::shares(&known, labels.len()), seed))
            }
            Self::TfIdf => Rule::TfIdf(Box::new(tfidf::Classifier::fit(&known, labels.len()))),
        };
        Some(FittedBaseline { rule })
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A sentence with its context.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub text: &'a str,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
    pub target: Option<&'a str>,
}

impl<'a> Text<'a> {
    /// The sentence of a sample.
    pub fn of(sample: &'a Sample) -> Self {
        Self {
            text: &sample.text,
            before: sample.before.as_deref(),
            after: sample.after.as_deref(),
            target: sample.target.as_deref(),
        }
    }

    /// Whether the target is the one that the lexical baseline has cue words for.
    fn has_default_target(&self) -> bool {
        self.target.is_some_and(|target| target.eq_ignore_ascii_case(Target::DEFAULT))
    }
}

/// A sentence and its gold label for one task.
#[derive(Clone, Copy, Debug)]
pub struct LabelledText<'a> {
    pub text: Text<'a>,
    pub label: &'a str,
}

impl<'a> LabelledText<'a> {
    /// The sentence of a sample with its gold label. `None` for a task that marks spans.
    pub fn of(sample: &'a Sample) -> Option<Self> {
        match &sample.annotations {
            Annotations::Label { gold, .. } => Some(Self { text: Text::of(sample), label: gold }),
            Annotations::Spans { .. } => None,
        }
    }
}

/// A fitted baseline.
#[derive(Debug)]
pub struct FittedBaseline {
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Majority(Vec<f64>),
    Stratified(prior::StratifiedRandom),
    Lexical(Task),
    TfIdf(Box<tfidf::Classifier>),
}

impl FittedBaseline {
    /// The probabilities of the labels for each sample, in the order of [`Task::labels`]. They sum to 1. The answer for a
    /// sample does not depend on the other samples.
    pub fn answer(&self, samples: &[&Sample]) -> Vec<Vec<f64>> {
        samples
            .iter()
            .map(|sample| match &self.rule {
                Rule::Majority(shares) => shares.clone(),
                Rule::Stratified(random) => random.draw(sample),
                Rule::Lexical(task) => lexical::answer(*task, &Text::of(sample)),
                Rule::TfIdf(classifier) => classifier.answer(&Text::of(sample)),
            })
            .collect()
    }
}

/// All probability on one label.
fn certain(label: usize, labels: usize) -> Vec<f64> {
    (0..labels).map(|other| f64::from(u8::from(other == label))).collect()
}

/// The words of a text in lower case, and as words of their own the marks that say a lot about who is speaking: quotation
/// marks, colons, question marks. Hyphens and apostrophes inside a word belong to it (`pull-out`, `don't`).
fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if is_word(letter) {
            word.extend(letter.to_lowercase());
        } else if !word.is_empty()
            && matches!(letter, '\'' | '’' | '-')
            && letters.peek().is_some_and(|next| is_word(*next))
        {
            word.push(if letter == '’' { '\'' } else { letter });
        } else {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if matches!(letter, '"' | '“' | '”' | ':' | '?') {
                words.push(letter.to_string());
            }
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    pub(super) fn sample(task: Task, index: usize, text: &str, gold: &str) -> Sample {
        Sample {
            task,
            file: "made-up.jsonl".to_owned(),
            doc: "d".to_owned(),
            index,
            of: 100,
            start: 0,
            end: text.len(),
            text: text.to_owned(),
            before: None,
            after: None,
            target: Some(Target::DEFAULT.to_owned()),
            fields: Map::new(),
            annotations: Annotations::Label {
                gold: gold.to_owned(),
                predicted: gold.to_owned(),
                probs: vec![1.0 / 3.0; 3],
            },
        }
    }

    fn likeliest(probabilities: &[f64]) -> usize {
        (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap()
    }

    #[test]
    fn words_keep_their_hyphens_and_quotes_are_words() {
        assert_eq!(
            words("“Don’t ask: the pull-out's over,” she_ said - 'no'?"),
            ["“", "don't", "ask", ":", "the", "pull-out's", "over", "”", "she_", "said", "no", "?"]
        );
        assert!(words(" -- …").is_empty());
    }

    #[test]
    fn every_baseline_gives_each_sample_probabilities_of_all_labels() {
        for task in [Task::Role, Task::Stance, Task::Attributed, Task::Checkworthy] {
            let labels = task.labels();
            let samples: Vec<Sample> = (0..60)
                .map(|i| sample(task, i, &format!("Crate {i} was loaded twice."), labels[i % labels.len()]))
                .collect();
            let rows: Vec<LabelledText> = samples.iter().filter_map(LabelledText::of).collect();
            let asked: Vec<&Sample> = samples.iter().collect();
            let reversed: Vec<&Sample> = samples.iter().rev().collect();
            for baseline in Baseline::ALL {
                let fitted = baseline.fit(task, &rows, 1).unwrap();
                let answers = fitted.answer(&asked);
                assert_eq!(answers.len(), samples.len());
                for probabilities in &answers {
                    assert_eq!(probabilities.len(), labels.len());
                    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{baseline}");
                    assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{baseline}");
                }
                let mut backwards = fitted.answer(&reversed);
                backwards.reverse();
                assert_eq!(answers, backwards, "{baseline} does not depend on the order");
            }
        }
    }

    #[test]
    fn without_labels_or_rows_there_is_no_baseline() {
        let samples = [sample(Task::Role, 0, "One.", "claim")];
        let rows: Vec<LabelledText> = samples.iter().filter_map(LabelledText::of).collect();
        for baseline in Baseline::ALL {
            assert!(baseline.fit(Task::Spans, &rows, 1).is_none());
            assert_eq!(baseline.fit(Task::Role, &[], 1).is_some(), baseline == Baseline::Lexical);
            let elsewhere = [LabelledText { label: "favor", ..rows[0] }];
            assert_eq!(baseline.fit(Task::Role, &elsewhere, 1).is_some(), baseline == Baseline::Lexical);
        }
    }

    #[test]
    fn the_majority_is_that_of_the_rows() {
        let samples: Vec<Sample> =
            (0..10).map(|i| sample(Task::Role, i, "x", if i < 6 { "background" } else { "claim" })).collect();
        let rows: Vec<LabelledText> = samples.iter().filter_map(LabelledText::of).collect();
        let answers = Baseline::Majority.fit(Task::Role, &rows, 1).unwrap().answer(&[&samples[9]]);
        assert_eq!(answers, [[0.4, 0.0, 0.6]]);
    }

    #[test]
    fn tf_idf_learns_which_words_go_with_which_label() {
        let made_up = |range: std::ops::Range<usize>| -> Vec<Sample> {
            range
                .map(|i| {
                    let (text, label) = match i % 3 {
                        0 => (format!("The mayor said that ferry {i} would sink."), "attributed"),
                        1 => (format!("Ferry {i} sank overnight."), "claim"),
                        _ => (format!("Ferry {i} was built long ago."), "background"),
                    };
                    sample(Task::Role, i, &text, label)
                })
                .collect()
        };
        let (seen, unseen) = (made_up(0..60), made_up(60..90));
        let rows: Vec<LabelledText> = seen.iter().filter_map(LabelledText::of).collect();
        let fitted = Baseline::TfIdf.fit(Task::Role, &rows, 1).unwrap();
        for (sample, probabilities) in unseen.iter().zip(fitted.answer(&unseen.iter().collect::<Vec<_>>())) {
            let gold = LabelledText::of(sample).unwrap().label;
            assert_eq!(Task::Role.labels()[likeliest(&probabilities)], gold, "{}", sample.text);
        }
    }
}
