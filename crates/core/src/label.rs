//! The labels of the annotation guidelines and what a model says about a sentence.
//!
//! Gold and predicted labels share these types. The order of [`Label::ALL`] is the order of every
//! probability vector and of every classification head.

use crate::error::UsageError;
use crate::text::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A closed set of three labels with a fixed order.
pub trait Label: Copy + Eq + fmt::Debug + fmt::Display + FromStr + Send + Sync + 'static {
    /// Every label, in the order of probability vectors.
    const ALL: [Self; 3];

    /// The names of [`Label::ALL`], in its order.
    const NAMES: [&'static str; 3];

    /// The label's name in files, flags and tables.
    fn as_str(self) -> &'static str;

    /// The place of the label in [`Label::ALL`].
    fn index(self) -> usize {
        Self::ALL.iter().position(|label| *label == self).expect("ALL holds every label")
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl Label for $name {
            const ALL: [Self; 3] = [$(Self::$variant),*];
            const NAMES: [&'static str; 3] = [$($text),*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UsageError;

            fn from_str(text: &str) -> Result<Self, UsageError> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UsageError::UnknownLabel { found: text.to_owned(), known: &[$($text),*] }),
                }
            }
        }
    };
}

label! {
    /// What a sentence does in its text.
    Role {
        /// The outlet itself asserts something checkable that this text is here to report.
        Claim = "claim",
        /// The main thing conveyed is presented as coming from somebody other than the outlet.
        Attributed = "attributed",
        /// All else: history, circumstances, captions, questions.
        Background = "background",
    }
}

label! {
    /// The position that a sentence takes toward a target.
    Stance {
        /// Somebody in the sentence wants, supports, demands, orders or does it.
        Favor = "favor",
        /// Somebody opposes, refuses, delays, reverses or warns of it.
        Against = "against",
        /// No position toward this target.
        None = "none",
    }
}

impl Stance {
    /// The stance toward the opposite of a target.
    pub fn reversed(self) -> Self {
        match self {
            Self::Favor => Self::Against,
            Self::Against => Self::Favor,
            Self::None => Self::None,
        }
    }
}

/// A policy or proposition, stated as a noun phrase, toward which a stance is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

impl TryFrom<String> for Target {
    type Error = UsageError;

    fn try_from(phrase: String) -> Result<Self, UsageError> {
        Self::new(&phrase)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl Target {
    /// The target that standpoint was made for.
    pub const DEFAULT: &str = "withdrawal of foreign troops";

    /// The longest target accepted, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// # Errors
    /// If the phrase is empty, longer than [`Target::MAX_BYTES`], or of several lines.
    pub fn new(phrase: &str) -> Result<Self, UsageError> {
        let phrase = phrase.trim();
        if phrase.is_empty() {
            return Err(UsageError::EmptyTarget);
        }
        if phrase.len() > Self::MAX_BYTES {
            return Err(UsageError::LongTarget { bytes: phrase.len(), limit: Self::MAX_BYTES });
        }
        if phrase.chars().any(char::is_control) {
            return Err(UsageError::ControlInTarget);
        }
        Ok(Self(phrase.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Target {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Target {
    type Err = UsageError;

    fn from_str(phrase: &str) -> Result<Self, UsageError> {
        Self::new(phrase)
    }
}

/// The answer of one head: the likeliest label and the calibrated probability of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction<L> {
    label: L,
    probabilities: [f32; 3],
}

impl<L: Label> Prediction<L> {
    /// Takes the likeliest label; of equals, the first in the order of [`Label::ALL`].
    pub fn new(probabilities: [f32; 3]) -> Self {
        let mut best = 0;
        for index in 1..probabilities.len() {
            if probabilities[index] > probabilities[best] {
                best = index;
            }
        }
        Self { label: L::ALL[best], probabilities }
    }

    pub fn label(&self) -> L {
        self.label
    }

    /// In the order of [`Label::ALL`]; they sum to 1.
    pub fn probabilities(&self) -> [f32; 3] {
        self.probabilities
    }

    /// The probability of the label itself.
    pub fn confidence(&self) -> f32 {
        self.probabilities[self.label.index()]
    }
}

/// The stance that a sentence takes toward one target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetStance {
    pub target: Target,
    pub prediction: Prediction<Stance>,
    /// Whose stance it is, where the model finds one in the sentence.
    pub holder: Option<Span>,
}

/// Something presented as coming from somebody: who it comes from, the words that attribute it, and what is
/// attributed. Spans of the document's text; each part may be in pieces, and source and cue may be missing, as
/// in a quote that runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attribution {
    pub source: Vec<Span>,
    pub cue: Vec<Span>,
    pub content: Vec<Span>,
}

/// All that a model says of one sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct SentenceAnalysis {
    pub role: Prediction<Role>,
    /// One for each target asked for, in the order in which they were asked.
    pub stances: Vec<TargetStance>,
    /// From 0 to 1, where the model has that head.
    pub checkworthiness: Option<f32>,
    /// The sentence was longer than a window: only its beginning was read.
    pub truncated: bool,
}

/// All that a model says of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// One entry for each of its sentences, in order.
    pub sentences: Vec<SentenceAnalysis>,
    /// All attributions of the text, in the order of their first bytes; none where the model has no such heads. The
    /// source of a quote that runs over sentences may stand in an earlier one.
    pub attributions: Option<Vec<Attribution>>,
}

impl Analysis {
    /// Adds what is said of the sentences that follow.
    pub fn append(&mut self, next: Self) {
        self.sentences.extend(next.sentences);
        self.attributions = match (self.attributions.take(), next.attributions) {
            (Some(mut attributions), Some(next)) => {
                attributions.extend(next);
                Some(attributions)
            }
            (attributions, next) => attributions.or(next),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
        }
        for stance in Stance::ALL {
            assert_eq!(stance.as_str().parse::<Stance>().unwrap(), stance);
        }
        let unknown = "neutral".parse::<Stance>().unwrap_err();
        assert_eq!(unknown.to_string(), "unknown label \"neutral\": expected favor, against or none");
    }

    #[test]
    fn a_prediction_is_its_likeliest_label() {
        let prediction = Prediction::<Role>::new([0.2, 0.5, 0.3]);
        assert_eq!(prediction.label(), Role::Attributed);
        assert_eq!(prediction.confidence(), 0.5);
    }

    #[test]
    fn a_target_is_one_line_of_text() {
        assert_eq!(Target::new("  a ban on mines ").unwrap().as_str(), "a ban on mines");
        assert!(Target::new(" ").is_err());
        assert!(Target::new("two\nlines").is_err());
        assert!(Target::new(&"x".repeat(Target::MAX_BYTES + 1)).is_err());
    }
}
