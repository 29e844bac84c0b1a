//! Windows: what an encoder reads in one pass.
//!
//! A window is `[CLS] s1 [SEP] s2 [SEP] ...`, and a target a sequence of its own, `[CLS] target [SEP]`. Models of format 3 read
//! `[CLS] target [SEP] s1 [SEP] s2 [SEP] ...` as one window. If a document needs several windows, each has a sentence of context
//! on either side, and the document's first sentences if the model asks for them. Training and inference both cut windows here,
//! so that a model is asked what it was taught. Pure: from token ids to token ids.

use std::ops::Range;

/// The ids of the special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
    pub cls: u32,
    pub sep: u32,
}

/// One sentence in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSentence {
    /// The sentence's index in its document.
    pub index: usize,
    /// The range of its tokens in the window, without the `[SEP]` after it.
    pub tokens: Range<usize>,
    /// Whether this window answers for the sentence. If not, the sentence is context.
    pub answered: bool,
    /// The sentence has more tokens than fit into the window, which lacks the rest.
    pub truncated: bool,
}

/// A sequence of tokens for one pass of an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub tokens: Vec<u32>,
    /// How many tokens stand before the text: `[CLS]`, or `[CLS] target [SEP]`. They are segment 0; the text after them is segment 1.
    pub opening_tokens: usize,
    pub sentences: Vec<WindowSentence>,
}

impl Window {
    /// The segment of each token, as BERT's token type: 0 for the target, 1 for the text.
    pub fn token_types(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.tokens.len()).map(|position| self.token_type(position))
    }

    /// The segment of the token at `position`.
    #[inline(always)]
    pub fn token_type(&self, position: usize) -> u32 {
        u32::from(position >= self.opening_tokens)
    }

    fn new(opening: &[u32]) -> Self {
        Self { opening_tokens: opening.len(), tokens: opening.to_vec(), sentences: Vec::new() }
    }

    fn push(&mut self, index: usize, sentence: &[u32], answered: bool, room: usize, special: SpecialTokens) {
        let kept = sentence.len().min(room);
        let start = self.tokens.len();
        self.tokens.extend_from_slice(&sentence[..kept]);
        self.tokens.push(special.sep);
        self.sentences.push(WindowSentence {
            index,
            tokens: start..start + kept,
            answered,
            truncated: kept < sentence.len(),
        });
    }
}

/// A target as a sequence of its own: `[CLS] target [SEP]`.
pub fn target_sequence(target: &[u32], special: SpecialTokens) -> Vec<u32> {
    let mut tokens = Vec::with_capacity(target.len() + 2);
    tokens.push(special.cls);
    tokens.extend_from_slice(target);
    tokens.push(special.sep);
    tokens
}

/// How long windows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowShape {
    /// The longest window, in tokens.
    pub max_tokens: usize,
    /// The most tokens of the document's first sentences that a later window begins with, as context; 0 for none.
    pub lead_tokens: usize,
}

/// Cuts a document into windows of its text alone. Exactly one window answers for each sentence, in order. A context sentence
/// that does not fit is left out. An answered sentence that is longer than a window is truncated and marked.
///
/// # Panics
/// If `shape` leaves no room for a single token of text.
pub fn text_windows(sentences: &[Vec<u32>], shape: WindowShape, special: SpecialTokens) -> Vec<Window> {
    text_windows_of(0..sentences.len(), sentences, shape, special)
}

/// The windows that answer for a range of sentences. The sentences around the range may be context.
///
/// # Panics
/// If `shape` leaves no room for a single token of text, or the range exceeds the sentences.
pub fn text_windows_of(
    answered: Range<usize>,
    sentences: &[Vec<u32>],
    shape: WindowShape,
    special: SpecialTokens,
) -> Vec<Window> {
    cut(answered, &[special.cls], sentences, shape, special)
}

/// Cuts a document into windows that all begin with `[CLS] target [SEP]`.
///
/// # Panics
/// If `target` leaves no room for a single token of text.
pub fn windows(
    target: &[u32],
    sentences: &[Vec<u32>],
    max_tokens: usize,
    special: SpecialTokens,
) -> Vec<Window> {
    windows_of(0..sentences.len(), target, sentences, max_tokens, special)
}

/// The windows that all begin with `[CLS] target [SEP]` and answer for a range of sentences.
///
/// # Panics
/// If `target` leaves no room for a single token of text, or the range exceeds the sentences.
pub fn windows_of(
    answered: Range<usize>,
    target: &[u32],
    sentences: &[Vec<u32>],
    max_tokens: usize,
    special: SpecialTokens,
) -> Vec<Window> {
    let shape = WindowShape { max_tokens, lead_tokens: 0 };
    cut(answered, &target_sequence(target, special), sentences, shape, special)
}

fn cut(
    answered: Range<usize>,
    opening: &[u32],
    sentences: &[Vec<u32>],
    shape: WindowShape,
    special: SpecialTokens,
) -> Vec<Window> {
    assert!(opening.len() + 2 <= shape.max_tokens, "a window must have room for text");
    let whole = shape.max_tokens - opening.len();
    let cost = |index: usize| sentences[index].len() + 1;
    let mut lead = 0..0;
    let mut lead_cost = 0;
    // Half a window is the text's own.
    while lead.end < sentences.len() && lead_cost + cost(lead.end) <= shape.lead_tokens.min(whole / 2) {
        lead_cost += cost(lead.end);
        lead.end += 1;
    }
    let mut windows = Vec::new();
    let mut first = answered.start;
    while first < answered.end {
        let mut window = Window::new(opening);
        let mut capacity = whole;
        // The first sentences are read where they do not come anyway.
        if first > lead.end {
            for index in lead.clone() {
                window.push(index, &sentences[index], false, capacity - 1, special);
            }
            capacity -= lead_cost;
        }
        let before = first.checked_sub(1).filter(|&index| cost(index) + cost(first) <= capacity);
        let mut used = before.map_or(0, cost) + cost(first).min(capacity);
        let mut end = first + 1;
        while end < sentences.len() && used + cost(end) <= capacity {
            used += cost(end);
            end += 1;
        }
        // The last sentence that fits is context for the one before it, and the next window answers for it with the
        // sentences after it in sight. That is not so if the document ends here, or if only one sentence fits.
        let answered_end = if end < sentences.len() && end - first > 1 { end - 1 } else { end };
        let answered_end = answered_end.min(answered.end);

        if let Some(index) = before {
            window.push(index, &sentences[index], false, capacity - 1, special);
        }
        for (index, sentence) in sentences.iter().enumerate().take(end).skip(first) {
            window.push(index, sentence, index < answered_end, capacity - 1, special);
        }
        windows.push(window);
        first = answered_end;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPECIAL: SpecialTokens = SpecialTokens { cls: 101, sep: 102 };

    fn document(lengths: &[usize]) -> Vec<Vec<u32>> {
        lengths.iter().enumerate().map(|(index, &length)| vec![1000 + index as u32; length]).collect()
    }

    #[test]
    fn a_short_document_is_one_window() {
        let windows = windows(&[7, 8], &document(&[2, 3]), 64, SPECIAL);
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].tokens, [101, 7, 8, 102, 1000, 1000, 102, 1001, 1001, 1001, 102]);
        assert_eq!(windows[0].token_types().collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(windows[0].sentences[1].tokens, 7..10);
    }

    #[test]
    fn a_long_document_gets_context_on_either_side() {
        let windows = windows(&[7], &document(&[4; 6]), 3 + 15, SPECIAL);
        let shape: Vec<Vec<(usize, bool)>> =
            windows.iter().map(|w| w.sentences.iter().map(|s| (s.index, s.answered)).collect()).collect();
        assert_eq!(
            shape,
            [
                vec![(0, true), (1, true), (2, false)],
                vec![(1, false), (2, true), (3, false)],
                vec![(2, false), (3, true), (4, false)],
                vec![(3, false), (4, true), (5, true)],
            ]
        );
    }

    #[test]
    fn a_sentence_longer_than_a_window_is_cut_and_says_so() {
        let windows = windows(&[7], &document(&[3, 100, 3]), 20, SPECIAL);
        let cut: Vec<(usize, bool, usize)> = windows
            .iter()
            .flat_map(|w| &w.sentences)
            .filter(|s| s.answered)
            .map(|s| (s.index, s.truncated, s.tokens.len()))
            .collect();
        assert_eq!(cut, [(0, false, 3), (1, true, 16), (2, false, 3)]);
    }

    #[test]
    fn sentences_around_a_range_are_context_only() {
        let windows = windows_of(1..3, &[7], &document(&[2; 4]), 64, SPECIAL);
        let shape: Vec<_> = windows[0].sentences.iter().map(|s| (s.index, s.answered)).collect();
        assert_eq!((windows.len(), shape), (1, vec![(0, false), (1, true), (2, true), (3, false)]));
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn every_sentence_is_answered_once_and_no_window_is_too_long(
            lengths in prop::collection::vec(0usize..80, 0..60),
            target in 1usize..10,
            max_tokens in 16usize..100,
            border in 0usize..60,
        ) {
            let sentences = document(&lengths);
            let border = border.min(lengths.len());
            // In two ranges, of which one may be empty.
            let windows: Vec<Window> = [0..border, border..lengths.len()]
                .into_iter()
                .flat_map(|range| windows_of(range, &vec![1; target], &sentences, max_tokens, SPECIAL))
                .collect();
            let answered: Vec<usize> = windows
                .iter()
                .flat_map(|w| w.sentences.iter().filter(|s| s.answered).map(|s| s.index))
                .collect();
            prop_assert_eq!(answered, (0..lengths.len()).collect::<Vec<_>>());
            for window in &windows {
                prop_assert!(window.tokens.len() <= max_tokens);
                for sentence in &window.sentences {
                    let original = &sentences[sentence.index];
                    let kept = &window.tokens[sentence.tokens.clone()];
                    prop_assert_eq!(kept, &original[..kept.len()]);
                    prop_assert_eq!(sentence.truncated, kept.len() < original.len());
                }
            }
        }
    }
}
