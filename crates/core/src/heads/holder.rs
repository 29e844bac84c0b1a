//! Whose stance it is: the likeliest first and last token of a holder in a sentence.

use std::ops::Range;

/// A holder has at most this many tokens.
const LONGEST: usize = 24;

/// The span whose first and last token have the highest sum of logits. `logits` are those of a sentence's tokens and of the
/// separator after it, as first and as last token. `None` if the separator has the highest sum: the sentence then names no
/// holder.
pub fn likeliest(logits: &[[f32; 2]]) -> Option<Range<usize>> {
    let (separator, tokens) = logits.split_last()?;
    let mut best = (separator[0] + separator[1], None);
    for (first, logits) in tokens.iter().enumerate() {
        for (last, ends) in tokens.iter().enumerate().skip(first).take(LONGEST) {
            let score = logits[0] + ends[1];
            if score > best.0 {
                best = (score, Some(first..last + 1));
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_ends_after_it_begins_or_there_is_none() {
        let logits = [[0.0, 8.0], [5.0, 0.0], [0.0, 4.0], [1.0, 1.0]];
        assert_eq!(likeliest(&logits), Some(1..3), "the best last token stands before the best first one");
        assert_eq!(likeliest(&[[0.0, 1.0], [1.0, 1.0]]), None);
        assert_eq!(likeliest(&[[1.0, 1.0]]), None, "a sentence without tokens");
        assert_eq!(likeliest(&[]), None);
    }

    #[test]
    fn a_holder_is_not_half_a_text() {
        let mut logits = vec![[0.0, 0.0]; LONGEST + 1];
        logits[0] = [9.0, 0.0];
        logits.push([-1.0, -1.0]);
        logits[LONGEST] = [0.0, 9.0];
        assert_eq!(likeliest(&logits).map(|tokens| tokens.len() <= LONGEST), Some(true));
    }
}
