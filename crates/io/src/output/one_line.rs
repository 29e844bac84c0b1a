//! JSON without a line break of any kind. JSON lets U+2028, U+2029 and U+0085 stand in strings as they are, but some readers,
//! such as Python's `splitlines`, end a line there. Escaped, one line is one record for every reader.

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// Writes a value as JSON on one line, without its end.
///
/// # Errors
/// If the writer fails.
pub(super) fn write(writer: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(writer, OneLine))?)
}

/// Writes what is JSON already.
///
/// # Errors
/// If the writer fails.
pub(super) fn write_json(writer: &mut dyn Write, json: &str) -> io::Result<()> {
    OneLine.write_string_fragment(writer, json)
}

/// A value as JSON on one line.
pub(super) fn to_string(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes, value).expect("a vector takes everything");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['\u{85}', '\u{2028}', '\u{2029}']) {
            let Some(character) = rest[at..].chars().next() else { break };
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            write!(writer, "\\u{:04x}", u32::from(character))?;
            rest = &rest[at + character.len_utf8()..];
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn no_reader_finds_a_line_break() {
        let value = json!({"a\u{2028}": ["b\u{2029}\u{85}", "\n\r\u{b}\u{c}\u{1c}“é”"]});
        let written = to_string(&value);
        let breaks =
            ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
        assert!(!written.contains(breaks), "{written}");
        assert!(written.contains("\\u2028") && written.contains("“é”"));
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        let mut raw = Vec::new();
        write_json(&mut raw, "[1.10, \"\u{2028}\"]").unwrap();
        assert_eq!(raw, b"[1.10, \"\\u2028\"]");
    }
}
