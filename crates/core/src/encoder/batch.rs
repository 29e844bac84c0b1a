//! What an encoder reads in one pass.

use crate::window::Window;
use std::ops::Range;

/// Texts and targets, and how they are read together.
///
/// The lower layers read each *sequence* by itself: a text, or a target. The upper layers read *readings*: a text alone, or a
/// target followed by a text. A sequence can be part of several readings. What lower layers make of it is computed once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    tokens: Vec<u32>,
    sequences: Vec<Sequence>,
    lower_rows: Vec<usize>,
    readings: Vec<Reading>,
}

/// A text or a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The rows of its tokens in the lower layers.
    pub rows: Range<usize>,
    /// How many tokens are of segment 0. The others are of segment 1.
    pub opening_tokens: usize,
}

/// Some sequences, read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The rows of its tokens in the upper layers.
    pub rows: Range<usize>,
    /// Those whose states are asked for.
    pub asked: Range<usize>,
}

impl Batch {
    /// A sequence and a reading of each window.
    pub fn of_windows<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Self {
        let mut batch = Self::default();
        for window in windows {
            let rows = batch.add_sequence(&window.tokens, window.opening_tokens);
            batch.add_reading(&[rows], 0);
        }
        batch
    }

    /// Adds a sequence, and returns its rows in the lower layers. Its first `opening_tokens` are of segment 0.
    pub fn add_sequence(&mut self, tokens: &[u32], opening_tokens: usize) -> Range<usize> {
        let rows = self.tokens.len()..self.tokens.len() + tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.sequences.push(Sequence { rows: rows.clone(), opening_tokens });
        rows
    }

    /// Adds a reading of some sequences, one after the other, and returns its rows in the upper layers. The states of the
    /// first `unasked` of them are not asked for.
    ///
    /// # Panics
    /// If there are fewer rows.
    pub fn add_reading(&mut self, sequences: &[Range<usize>], unasked: usize) -> Range<usize> {
        let start = self.lower_rows.len();
        sequences.iter().for_each(|rows| self.lower_rows.extend(rows.clone()));
        let rows = start..self.lower_rows.len();
        assert!(unasked <= rows.len(), "a reading has no more than its rows");
        self.readings.push(Reading { rows: rows.clone(), asked: start + unasked..rows.end });
        rows
    }

    /// All tokens, a row of the lower layers each.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// For each row of the upper layers, the row of the lower ones that it continues.
    pub fn lower_rows(&self) -> &[usize] {
        &self.lower_rows
    }

    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_after_each_target_and_stored_once() {
        let mut batch = Batch::default();
        let text = batch.add_sequence(&[1, 5, 6], 1);
        let target = batch.add_sequence(&[1, 9], 2);
        assert_eq!(batch.add_reading(std::slice::from_ref(&text), 0), 0..3);
        assert_eq!(batch.add_reading(&[target, text], 2), 3..8);
        assert_eq!(batch.tokens(), [1, 5, 6, 1, 9]);
        assert_eq!(batch.lower_rows(), [0, 1, 2, 3, 4, 0, 1, 2]);
        assert_eq!(batch.readings()[1].asked, 5..8);
    }
}
