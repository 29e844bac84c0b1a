//! Sentences that came before, alike but for space, quotes and case.

use serde::Serialize;
use standpoint_core::text::Document;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// The most sentences that are remembered, which takes some 64 MB; of later ones, only repeats of these are known.
pub const MOST_REMEMBERED: usize = 1_000_000;

/// The most bytes of ids that are remembered.
const MOST_ID_BYTES: usize = 64 << 20;

/// A sentence by its document's id and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct First<'a> {
    pub doc: &'a str,
    pub index: usize,
}

/// Remembers the sentences of a run, by their hashes.
#[derive(Default)]
pub struct Repeats {
    seen: HashMap<u128, (u32, u32)>,
    /// The ids of the documents that have the sentences.
    docs: Vec<String>,
    id_bytes: usize,
    is_full: bool,
}

impl Repeats {
    /// The first sentence that is like this one; `None` if this is it. Sentences are to be asked about in the order of the
    /// run, each once.
    pub fn first(&mut self, document: &Document, index: usize) -> Option<First<'_>> {
        let key = key(document.sentence(index))?;
        if let Some(&(doc, index)) = self.seen.get(&key) {
            return Some(First { doc: &self.docs[doc as usize], index: index as usize });
        }
        self.remember(key, document.id(), index);
        None
    }

    /// Whether there were more sentences than are remembered.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    fn remember(&mut self, key: u128, doc: &str, index: usize) {
        let is_new = self.docs.last().is_none_or(|last| last != doc);
        let id_bytes = self.id_bytes + if is_new { doc.len() } else { 0 };
        self.is_full |= self.seen.len() >= MOST_REMEMBERED || id_bytes > MOST_ID_BYTES;
        if self.is_full {
            return;
        }
        if is_new {
            self.docs.push(doc.to_owned());
            self.id_bytes = id_bytes;
        }
        // There are fewer than 2^32 of either: a document has two million sentences at the most.
        self.seen.insert(key, (self.docs.len() as u32 - 1, index as u32));
    }
}

/// A hash of all that counts in a sentence: two different ones of a million share it once in 10^26 times. `None` if nothing
/// counts.
fn key(sentence: &str) -> Option<u128> {
    let words = sentence.split_whitespace().map(without_quotes).filter(|word| !word.is_empty());
    let mut hashers = [DefaultHasher::new(), DefaultHasher::new()];
    hashers[1].write_u8(1);
    let mut is_empty = true;
    for word in words {
        is_empty = false;
        for hasher in &mut hashers {
            hasher.write(word.as_bytes());
            // No word ends so: two words are never one.
            hasher.write_u8(b' ');
        }
    }
    let [high, low] = hashers.map(|hasher| u128::from(hasher.finish()));
    (!is_empty).then_some(high << 64 | low)
}

/// A word in lower case. Quotation marks are left out, but for what is an apostrophe within it: "we're" is not "were".
fn without_quotes(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut characters = word.chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        match character {
            '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '＂' | '‹' | '›' => {}
            '\'' | '‘' | '’' | '‚' | '‛' | '＇' => {
                let is_letter =
                    |character: Option<&char>| character.is_some_and(|next| next.is_alphanumeric());
                if is_letter(before.as_ref()) && is_letter(characters.peek()) {
                    plain.push('\'');
                }
            }
            other => plain.extend(other.to_lowercase()),
        }
        before = Some(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_quotes_and_case_do_not_count() {
        let same =
            ["“We  go,” she said.", "\"we go,\" SHE said.", " 'We\u{a0}go,'\nshe said. ", "We go, she said."];
        for sentence in same {
            assert_eq!(key(sentence), key(same[0]), "{sentence}");
        }
        for other in [
            "We'go, she said.",
            "We go, she said",
            "We went, she said.",
            "We go she said.",
            "Wego, she said.",
        ] {
            assert_ne!(key(other), key(same[0]), "{other}");
        }
        assert_eq!(key("They’re out."), key("they're out."));
        assert_ne!(key("They're out."), key("Theyre out."));
        assert_eq!(key(" ” "), None);
    }

    #[test]
    fn a_repeat_points_to_the_first() {
        let mut repeats = Repeats::default();
        let a = Document::from_sentences("a", &["They left.", "Nobody stayed.", "THEY left."]);
        let b = Document::from_sentences("b", &["“Nobody stayed.”", "It rained."]);
        assert_eq!(repeats.first(&a, 0), None);
        assert_eq!(repeats.first(&a, 1), None);
        assert_eq!(repeats.first(&a, 2), Some(First { doc: "a", index: 0 }));
        assert_eq!(repeats.first(&b, 0), Some(First { doc: "a", index: 1 }));
        assert_eq!(repeats.first(&b, 1), None);
        assert!(!repeats.is_full());
    }
}
