//! Folds: a fixed share of a file's documents, so that one share can be trained on and the rest kept for measuring.
//! Sets and training configurations name it `part`.

use crate::error::UnknownPart;
use serde::{Deserialize, Serialize};
use standpoint_core::hash::sha256;
use std::fmt;
use std::str::FromStr;

/// A share of a file's documents ("1 of 5"), or all documents outside of that share ("all but 1 of 5"). The hash of a
/// document's text decides its fold, or the hash of its id if a document has several rows. So the fold of a document
/// never changes, whatever else the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fold {
    /// Which share, from 1 to `of`.
    number: u64,
    of: u64,
    /// Whether the fold is everything outside of that share.
    complement: bool,
}

impl Fold {
    /// Whether the fold contains the document with this text, or with this id.
    pub(super) fn contains(self, key: &str) -> bool {
        let digits = sha256([key.as_bytes()]);
        let hash = u64::from_str_radix(&digits[..15], 16).expect("a hash is hexadecimal");
        (hash % self.of + 1 == self.number) != self.complement
    }
}

impl FromStr for Fold {
    type Err = UnknownPart;

    fn from_str(text: &str) -> Result<Self, UnknownPart> {
        let (rest, complement) = match text.strip_prefix("all but ") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let numbers = rest.split_once(" of ").and_then(|(number, of)| {
            let (number, of) = (number.trim().parse().ok()?, of.trim().parse().ok()?);
            (1 <= number && number <= of).then_some((number, of))
        });
        match numbers {
            Some((number, of)) => Ok(Self { number, of, complement }),
            None => Err(UnknownPart { found: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Fold {
    type Error = UnknownPart;

    fn try_from(text: String) -> Result<Self, UnknownPart> {
        text.parse()
    }
}

impl From<Fold> for String {
    fn from(fold: Fold) -> Self {
        fold.to_string()
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} of {}", if self.complement { "all but " } else { "" }, self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> Fold {
        text.parse().unwrap()
    }

    #[test]
    fn every_document_is_in_one_fold_and_in_the_complement_of_the_others() {
        let mut sizes = [0; 4];
        for number in 0..1000 {
            let key = format!("Sentence {number}.");
            let containing: Vec<usize> =
                (1..=4).filter(|fold_number| fold(&format!("{fold_number} of 4")).contains(&key)).collect();
            assert_eq!(containing.len(), 1);
            sizes[containing[0] - 1] += 1;
            for other in 1..=4 {
                assert_eq!(fold(&format!("all but {other} of 4")).contains(&key), other != containing[0]);
            }
        }
        assert!(sizes.iter().all(|size| (190..=310).contains(size)), "{sizes:?}");
        // Committed figures and training runs depend on this assignment.
        assert!(fold("2 of 4").contains("Sentence 0.") && fold("1 of 4").contains("Sentence 2."));
    }

    #[test]
    fn a_fold_is_displayed_as_it_was_written() {
        for text in ["1 of 5", "all but 1 of 5", "2 of 2"] {
            assert_eq!(fold(text).to_string(), text);
        }
        for text in ["", "0 of 5", "6 of 5", "1/5", "but 1 of 5", "-1 of 5"] {
            assert!(text.parse::<Fold>().is_err(), "{text}");
        }
    }
}
