//! How a text is written, as far as it changes what ends a sentence. Found out when first asked for.

use std::cell::OnceCell;

/// As much of a text as tells how it is written, in bytes.
const SAMPLE: usize = 1 << 16;

pub(super) struct Style<'a> {
    text: &'a str,
    is_informal: OnceCell<bool>,
}

impl<'a> Style<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, is_informal: OnceCell::new() }
    }

    /// Whether sentences begin with small letters, as in chats: then a small letter says nothing of a full stop.
    pub(super) fn is_informal(&self) -> bool {
        *self.is_informal.get_or_init(|| is_informal(&self.text[..self.text.floor_char_boundary(SAMPLE)]))
    }
}

/// If a quarter of what follows a full stop and a space is in lower case, and `i` stands alone or lines begin so.
fn is_informal(text: &str) -> bool {
    let (mut small, mut large, mut lines) = (0, 0, 0);
    let bytes = text.as_bytes();
    for window in bytes.windows(6) {
        if let [_, b'a'..=b'z', b'a'..=b'z', b'.' | b'!' | b'?', b' ', next] = window {
            small += usize::from(next.is_ascii_lowercase());
            large += usize::from(next.is_ascii_uppercase());
        }
        if let [_, _, b'.' | b'!' | b'?', b'\n', next, _] = window {
            lines += usize::from(next.is_ascii_lowercase());
        }
        if let [_, b' ', b'i', b' ' | b'\'', _, _] = window {
            lines += 1;
        }
    }
    small >= 2 && lines >= 2 && small * 3 >= large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_informal_and_news_is_not() {
        let chat = "its over. i saw the boat leave. they went at dawn. nobody waved.\nwell i did. so what. anyone else?";
        assert!(Style::new(chat).is_informal());
        let news = "Some 300 marines, approx. half the force, will stay. Troops, incl. reservists, flew on Mon. morning.";
        assert!(!Style::new(news).is_informal());
    }
}
