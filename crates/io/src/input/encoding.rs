//! From the bytes of a file to text: UTF-8 as it stands, anything else decoded with a note of what it was taken for, and what
//! is no text at all refused.

use super::notes::{InputWarningKind, Notes};
use super::open::Opened;
use crate::error::InputProblem;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
pub use encoding_rs::Encoding;
use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

/// The encoding of that name, as web pages and Python call it.
pub fn by_name(name: &str) -> Option<&'static Encoding> {
    let label = |name: &str| Encoding::for_label(name.as_bytes());
    label(name).or_else(|| label(&name.replace('_', "-"))).or_else(|| label(&name.replace(['_', '-'], "")))
}

/// The text of a file, in the encoding that is known or else guessed. UTF-8 is kept to the byte, with its byte order mark,
/// so that offsets into the text slice the file too.
///
/// # Errors
/// [`InputProblem::Binary`] if the bytes do not look like text, [`InputProblem::TooLarge`] if decoded they are more
/// than `limit` bytes.
pub(super) fn decode(
    bytes: Vec<u8>,
    known: Option<&'static Encoding>,
    limit: u64,
    notes: &mut Notes,
) -> Result<String, InputProblem> {
    let is_wide = |encoding: &'static Encoding| encoding == UTF_16LE || encoding == UTF_16BE;
    let marked = Encoding::for_bom(&bytes).map(|(encoding, _)| encoding).filter(|&marked| is_wide(marked));
    let wide = known.filter(|&known| is_wide(known)).or(marked);
    if wide.is_none() && bytes.contains(&0) {
        return Err(match wide_without_mark(&bytes) {
            Some(encoding) => InputProblem::LooksUtf16 { encoding },
            None => InputProblem::Binary { why: "it holds NUL bytes" },
        });
    }
    let text = match (wide.or(known), bytes) {
        (Some(encoding), bytes) if encoding != UTF_8 => {
            let (text, is_whole) = from(&bytes, encoding, limit)?;
            if !is_whole {
                notes.add(None, InputWarningKind::Malformed(encoding.name()));
            }
            if known.is_none() {
                notes.add(None, InputWarningKind::AssumedEncoding(encoding.name()));
            }
            text
        }
        (known, bytes) => String::from_utf8(bytes).or_else(|error| {
            let bytes = error.into_bytes();
            let encoding = known.unwrap_or_else(|| guess(&bytes));
            let (text, _) = from(&bytes, encoding, limit)?;
            notes.add(
                None,
                match known {
                    Some(_) => InputWarningKind::Malformed(encoding.name()),
                    None => InputWarningKind::AssumedEncoding(encoding.name()),
                },
            );
            Ok(text)
        })?,
    };
    match why_binary(&text) {
        Some(why) => Err(InputProblem::Binary { why }),
        None => Ok(text),
    }
}

/// The text at the beginning of a file, as far as it tells what the file is.
pub(super) fn beginning<'a>(head: &'a [u8], known: Option<&'static Encoding>) -> Cow<'a, str> {
    match Encoding::for_bom(head).map(|(encoding, _)| encoding).or(known) {
        Some(encoding) => encoding.decode(head).0,
        None => String::from_utf8_lossy(head),
    }
}

/// A step at a time: decoded, a text may be three times as long. Beside the text comes whether all of it could be decoded.
fn from(bytes: &[u8], encoding: &'static Encoding, limit: u64) -> Result<(String, bool), InputProblem> {
    const STEP: usize = 64 << 10;
    let mut decoder = encoding.new_decoder();
    let (mut text, mut rest, mut is_whole) = (String::new(), bytes, true);
    loop {
        text.reserve(STEP);
        let (result, read, had_errors) = decoder.decode_to_string(rest, &mut text, true);
        rest = &rest[read..];
        is_whole &= !had_errors;
        if text.len() as u64 > limit {
            return Err(InputProblem::TooLarge { limit });
        }
        if result == CoderResult::InputEmpty {
            return Ok((text, is_whole));
        }
    }
}

/// The likeliest encoding of bytes that are not UTF-8 throughout, by its name.
pub fn likely_encoding(bytes: &[u8]) -> &'static str {
    match Encoding::for_bom(bytes) {
        // Whoever converts it has the mark to go by.
        Some((encoding, _)) if encoding != UTF_8 => "utf-16",
        _ => guess(bytes).name(),
    }
}

/// UTF-8 is allowed as an answer: a file with a single broken character is still best read as UTF-8. Models read English, so
/// where most is ASCII the rest are quotation marks, dashes, currencies and accents of windows-1252, unless it has no such
/// character. A detector that weighs all languages alike takes two pound signs for Cyrillic.
fn guess(bytes: &[u8]) -> &'static Encoding {
    if invalid_utf8_is_rare(bytes) {
        return UTF_8;
    }
    let others = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let ascii = bytes.iter().filter(|byte| byte.is_ascii_graphic()).count();
    let is_undefined = |byte: &u8| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    if others <= ascii && !bytes.iter().any(is_undefined) {
        return WINDOWS_1252;
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

/// Which half of the bytes is zero, as in UTF-16 of English.
fn wide_without_mark(bytes: &[u8]) -> Option<&'static str> {
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match bytes.len() / 4 {
        most if odd > most && even * 20 < odd => Some("utf-16le"),
        most if even > most && odd * 20 < even => Some("utf-16be"),
        _ => None,
    }
}

/// A file as UTF-8, if its encoding is known, or is UTF-16 by its mark. For formats that are read as they come.
pub(super) fn utf8(mut file: Opened, known: Option<&'static Encoding>) -> Opened {
    let marked = Encoding::for_bom(&file.head).map(|(encoding, _)| encoding);
    if let Some(encoding) = marked.or(known).filter(|&encoding| encoding != UTF_8) {
        file.bytes = Box::new(BufReader::new(Utf8::new(file.bytes, encoding)));
    }
    file
}

/// Turns what is read into UTF-8.
struct Utf8<R> {
    source: R,
    decoder: Decoder,
    decoded: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: BufRead> Utf8<R> {
    pub fn new(source: R, encoding: &'static Encoding) -> Self {
        Self { source, decoder: encoding.new_decoder(), decoded: Vec::new(), given: 0, ended: false }
    }
}

impl<R: BufRead> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.decoded.len() && !self.ended {
            let available = self.source.fill_buf()?;
            let is_last = available.is_empty();
            self.decoded.resize(8 << 10, 0);
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(available, &mut self.decoded, is_last);
            self.source.consume(read);
            self.decoded.truncate(written);
            self.given = 0;
            self.ended = is_last && result == CoderResult::InputEmpty;
        }
        let rest = &self.decoded[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
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

    fn decode(bytes: &[u8], limit: u64) -> Result<String, InputProblem> {
        super::decode(bytes.to_vec(), None, limit, &mut Notes::default())
    }

    /// The text, and what is said of it.
    fn read(bytes: &[u8], known: Option<&'static Encoding>) -> (String, Vec<InputWarningKind>) {
        let mut notes = Notes::default();
        let text = super::decode(bytes.to_vec(), known, 1 << 20, &mut notes).unwrap();
        (text, notes.take().into_iter().map(|warning| warning.kind).collect())
    }

    fn decoded(bytes: &[u8]) -> (String, Option<&'static str>) {
        let (text, said) = read(bytes, None);
        let assumed = |kind: &InputWarningKind| match kind {
            InputWarningKind::AssumedEncoding(name) => Some(*name),
            _ => None,
        };
        (text, said.iter().find_map(assumed))
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
        let (bytes, _, _) = WINDOWS_1252.encode(text);
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
        assert!(matches!(decode(b"\x89PNG\0\0\0", 9), Err(InputProblem::Binary { .. })));
        assert!(matches!(decode(b"ab\x01\x02\x03", 9), Err(InputProblem::Binary { .. })));
        assert!(matches!(decode(b"\xff\xfe\0\0a\0\0\0", 9), Err(InputProblem::Binary { .. })));
    }

    #[test]
    fn what_is_too_long_when_decoded_is_refused() {
        let bytes = WINDOWS_1252.encode(&"“é” ".repeat(50_000)).0.into_owned();
        assert_eq!(bytes.len(), 200_000);
        assert_eq!(decode(&bytes, 450_000).unwrap().len(), 450_000);
        assert!(matches!(decode(&bytes, 449_999), Err(InputProblem::TooLarge { limit: 449_999 })));
    }

    #[test]
    fn english_is_in_windows_1252_whatever_its_few_other_bytes_are() {
        for text in [
            "The port cost £5m and the dredger £3m.",
            "“£10 is £10,” the clerk said.",
            "“Go,” he said – and they’d gone… for €5.",
            "¿Señor Núñez? Café, 10°, ½ naïve.",
        ] {
            let (bytes, ..) = WINDOWS_1252.encode(text);
            assert_eq!(decoded(&bytes), (text.to_owned(), Some("windows-1252")));
        }
        let russian = "Президент заявил, что войска останутся там до лета.";
        let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(russian);
        assert_eq!(decoded(&bytes), (russian.to_owned(), Some("windows-1251")));
    }

    #[test]
    fn an_encoding_that_is_named_is_the_one() {
        let text = "Zażółć gęślą jaźń.";
        let (bytes, ..) = encoding_rs::ISO_8859_2.encode(text);
        assert_eq!(read(&bytes, by_name("latin2")), (text.to_owned(), vec![]));
        let wide: Vec<u8> = "“Go”".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&wide, by_name("UTF_16BE")), ("“Go”".to_owned(), vec![]));
        assert_eq!(read("\u{feff}“Go”".as_bytes(), by_name("utf-8")), ("\u{feff}“Go”".to_owned(), vec![]));
        let (text, said) = read(b"Go\xe9.", by_name("utf8"));
        assert_eq!((text.as_str(), said), ("Go\u{fffd}.", vec![InputWarningKind::Malformed("UTF-8")]));
        assert_eq!(by_name("latin_1"), Some(WINDOWS_1252));
        assert_eq!(by_name("klingon"), None);
    }

    #[test]
    fn utf16_without_a_mark_is_told_from_binary_files() {
        let wide: Vec<u8> = "They left.".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(matches!(decode(&wide, 99), Err(InputProblem::LooksUtf16 { encoding: "utf-16le" })));
        assert!(matches!(decode(&[0; 50], 99), Err(InputProblem::Binary { .. })));
    }

    #[test]
    fn what_comes_bit_by_bit_is_decoded_as_a_whole() {
        let text = "“Go” 😀 naïve\n".repeat(3000);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut read = String::new();
        Utf8::new(BufReader::with_capacity(7, &wide[..]), UTF_16LE).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }
}
