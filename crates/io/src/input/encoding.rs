//! From the bytes of a text file to text: UTF-8 as it stands, anything else decoded with a note of what it
//! was taken for, and what is no text at all refused.

use crate::error::InputProblem;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Text, and the encoding it was decoded from where that was not UTF-8.
#[derive(Debug)]
pub struct Decoded {
    pub text: String,
    /// The encoding's name. Offsets count the decoded text, not the file's bytes.
    pub from: Option<&'static str>,
}

/// UTF-8 is kept to the byte, with its byte order mark, so that offsets into the text slice the file too.
///
/// # Errors
/// [`InputProblem::Binary`] if the bytes do not look like text, [`InputProblem::TooLarge`] if decoded they are more
/// than `limit` bytes.
pub fn decode(bytes: Vec<u8>, limit: u64) -> Result<Decoded, InputProblem> {
    let decoded = match Encoding::for_bom(&bytes) {
        Some((encoding, _)) if encoding == UTF_16LE || encoding == UTF_16BE => from(&bytes, encoding, limit)?,
        _ if bytes.contains(&0) => return Err(InputProblem::Binary { why: "it holds NUL bytes" }),
        _ => match String::from_utf8(bytes) {
            Ok(text) => Decoded { text, from: None },
            Err(error) => {
                let bytes = error.into_bytes();
                let encoding = guess(&bytes);
                from(&bytes, encoding, limit)?
            }
        },
    };
    match why_binary(&decoded.text) {
        Some(why) => Err(InputProblem::Binary { why }),
        None => Ok(decoded),
    }
}

/// A step at a time: decoded, a text may be three times as long.
fn from(bytes: &[u8], encoding: &'static Encoding, limit: u64) -> Result<Decoded, InputProblem> {
    const STEP: usize = 64 << 10;
    let mut decoder = encoding.new_decoder();
    let (mut text, mut rest) = (String::new(), bytes);
    loop {
        text.reserve(STEP);
        let (result, read, _) = decoder.decode_to_string(rest, &mut text, true);
        rest = &rest[read..];
        if text.len() as u64 > limit {
            return Err(InputProblem::TooLarge { limit });
        }
        if result == CoderResult::InputEmpty {
            return Ok(Decoded { text, from: Some(encoding.name()) });
        }
    }
}

/// The likeliest encoding of bytes that are not UTF-8 throughout. UTF-8 is allowed as an answer: a file with a
/// single broken character is still best read as UTF-8.
fn guess(bytes: &[u8]) -> &'static Encoding {
    if invalid_utf8_is_rare(bytes) {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// Whether most of the characters beyond ASCII are well-formed UTF-8: a legacy encoding yields almost none.
fn invalid_utf8_is_rare(bytes: &[u8]) -> bool {
    let (mut valid, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    valid > broken * 4
}

/// Text has few control characters beside white space and the escape of terminal colours.
fn why_binary(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("it holds NUL characters");
    }
    let is_odd = |c: &char| c.is_control() && !c.is_whitespace() && *c != '\u{1b}';
    let (odd, all) = (text.chars().filter(is_odd).count(), text.chars().count());
    (odd * 20 > all).then_some("it is full of control characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (String, Option<&'static str>) {
        let decoded = decode(bytes.to_vec(), 1 << 20).unwrap();
        (decoded.text, decoded.from)
    }

    #[test]
    fn utf8_is_kept_to_the_byte() {
        assert_eq!(decoded("\u{feff}naïve\r\n".as_bytes()), ("\u{feff}naïve\r\n".to_owned(), None));
    }

    #[test]
    fn utf16_is_known_by_its_mark() {
        let bytes: Vec<u8> = "\u{feff}“Go”".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&bytes), ("“Go”".to_owned(), Some("UTF-16LE")));
    }

    #[test]
    fn a_legacy_encoding_is_guessed_and_named() {
        let text = "Le président a déclaré que l’armée resterait là-bas jusqu’à l’été prochain.";
        let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(text);
        assert_eq!(decoded(&bytes), (text.to_owned(), Some("windows-1252")));
    }

    #[test]
    fn one_broken_character_does_not_turn_utf8_into_something_else() {
        let mut bytes = "“Go,” he said. “Now.” “Please – all of you.”".as_bytes().to_vec();
        bytes.extend([b' ', 0xe2, 0x80, b' ']);
        let (text, from) = decoded(&bytes);
        assert!(text.starts_with("“Go,”") && text.contains('\u{fffd}'));
        assert_eq!(from, Some("UTF-8"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(matches!(decode(b"\x89PNG\0\0\0".to_vec(), 9), Err(InputProblem::Binary { .. })));
        assert!(matches!(decode(b"ab\x01\x02\x03".to_vec(), 9), Err(InputProblem::Binary { .. })));
        assert!(matches!(decode(b"\xff\xfe\0\0a\0\0\0".to_vec(), 9), Err(InputProblem::Binary { .. })));
    }

    #[test]
    fn what_is_too_long_when_decoded_is_refused() {
        let bytes = encoding_rs::WINDOWS_1252.encode(&"“é” ".repeat(50_000)).0.into_owned();
        assert_eq!(bytes.len(), 200_000);
        assert_eq!(decode(bytes.clone(), 450_000).unwrap().text.len(), 450_000);
        assert!(matches!(decode(bytes, 449_999), Err(InputProblem::TooLarge { limit: 449_999 })));
    }
}
