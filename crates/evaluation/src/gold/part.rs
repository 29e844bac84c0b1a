//! Parts of a file: a share of its documents that stays the same however the file grows, so that one part can be
//! trained on and the rest kept for measuring.

use crate::error::UnknownPart;
use serde::Deserialize;
use standpoint_core::hash::sha256;
use std::fmt;
use std::str::FromStr;

/// Some of the documents of a file, or all others: "1 of 5", "all but 1 of 5". Which documents these are follows from
/// a hash of their texts, or of their ids where several rows are of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Part {
    /// From 1.
    number: u64,
    of: u64,
    /// All documents but these.
    others: bool,
}

impl Part {
    /// Whether a document with this text, or id, is in the part.
    pub(super) fn holds(self, key: &str) -> bool {
        let digits = sha256([key.as_bytes()]);
        let hash = u64::from_str_radix(&digits[..15], 16).expect("a hash is hexadecimal");
        (hash % self.of + 1 == self.number) != self.others
    }
}

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(text: &str) -> Result<Self, UnknownPart> {
        let (rest, others) = match text.strip_prefix("all but ") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let numbers = rest.split_once(" of ").and_then(|(number, of)| {
            let (number, of) = (number.trim().parse().ok()?, of.trim().parse().ok()?);
            (1 <= number && number <= of).then_some((number, of))
        });
        match numbers {
            Some((number, of)) => Ok(Self { number, of, others }),
            None => Err(UnknownPart { found: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Part {
    type Error = UnknownPart;

    fn try_from(text: String) -> Result<Self, UnknownPart> {
        text.parse()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} of {}", if self.others { "all but " } else { "" }, self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Part {
        text.parse().unwrap()
    }

    #[test]
    fn every_document_is_in_one_part_and_in_the_rest_of_the_others() {
        let mut sizes = [0; 4];
        for number in 0..1000 {
            let key = format!("Sentence {number}.");
            let holding: Vec<usize> =
                (1..=4).filter(|part_number| part(&format!("{part_number} of 4")).holds(&key)).collect();
            assert_eq!(holding.len(), 1);
            sizes[holding[0] - 1] += 1;
            for other in 1..=4 {
                assert_eq!(part(&format!("all but {other} of 4")).holds(&key), other != holding[0]);
            }
        }
        assert!(sizes.iter().all(|size| (190..=310).contains(size)), "{sizes:?}");
        // Figures and training runs rest on which these are.
        assert!(part("2 of 4").holds("Sentence 0.") && part("1 of 4").holds("Sentence 2."));
    }

    #[test]
    fn a_part_reads_as_it_is_written() {
        for text in ["1 of 5", "all but 1 of 5", "2 of 2"] {
            assert_eq!(part(text).to_string(), text);
        }
        for text in ["", "0 of 5", "6 of 5", "1/5", "but 1 of 5", "-1 of 5"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
