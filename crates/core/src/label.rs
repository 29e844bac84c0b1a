//! The labels of the annotation guidelines. Gold and predicted labels share these types.
//!
//! The order of [`Label::ALL`] is the order of every probability vector and of every classification head.

use crate::error::UnknownLabel;
pub use crate::target::Target;
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
            type Err = UnknownLabel;

            fn from_str(text: &str) -> Result<Self, UnknownLabel> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownLabel { found: text.to_owned(), known: &[$($text),*] }),
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

/// Something that the text presents as coming from somebody: its source, the cue (the words that attribute it), and its
/// content. All are spans of the document's text. Each may have several spans; source and cue may be missing, as in a
/// quote that runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Attribution {
    pub source: Vec<Span>,
    pub cue: Vec<Span>,
    pub content: Vec<Span>,
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
}
