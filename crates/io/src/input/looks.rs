//! What the beginning of a file looks like, where that is plain. Prose looks like nothing.

use super::InputFormat;
use super::encoding;
use csv::ReaderBuilder;
use encoding_rs::Encoding;
use serde::de::IgnoredAny;
use std::collections::HashSet;

/// Kinds of content that are no prose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Jsonl,
    JsonArray,
    JsonObject,
    Csv,
    Tsv,
    Html,
    Feed,
    Xml,
    WebVtt,
    Srt,
    Parquet,
    Arrow,
    Rtf,
    /// No text at all.
    Binary(Binary),
}

/// A kind of file that is not read, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary {
    what: &'static str,
    remedy: &'static str,
}

const TAKE_TEXT: &str = "take its text out, as with pandoc -t plain --wrap=none, and give that";
const UNPACK: &str = "unpack it, and give what is in it";

/// First bytes of files that are no text, what they are, and what to do.
const BINARIES: [(&[u8], &str, &str); 15] = [
    (b"%PDF-", "a PDF file", "take its text out, as with pdftotext, and give that"),
    (b"%!PS", "a PostScript file", "take its text out, as with ps2ascii, and give that"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Word or Excel file",
        "save it as text or CSV, and give that",
    ),
    (b"\x1f\x8b", "a gzip file within a gzip file", "decompress it once"),
    (b"\x28\xb5\x2f\xfd", "a compressed file within a compressed file", "decompress it once"),
    (b"BZh", "a bzip2 file", "decompress it, as with bzip2 -d"),
    (b"\xfd7zXZ\0", "an xz file", "decompress it, as with xz -d"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"SQLite format 3\0", "an SQLite database", "export its texts as CSV or JSON Lines, and give these"),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)", "read its text by OCR, and give that"),
    (b"\xff\xd8\xff", "an image (JPEG)", "read its text by OCR, and give that"),
    (b"GIF8", "an image (GIF)", "read its text by OCR, and give that"),
    (b"ID3", "a recording (MP3)", "transcribe it, and give the text"),
    (b"\x7fELF", "a program", "give text"),
];

/// What ZIP archives are, by what their first kilobytes hold.
const ARCHIVES: [(&[u8], &str, &str); 5] = [
    (b"word/", "a Word document", TAKE_TEXT),
    (b"xl/", "an Excel workbook", "save it as CSV, and give that"),
    (b"application/vnd.oasis.opendocument.text", "an OpenDocument text", TAKE_TEXT),
    (b"application/epub+zip", "an EPUB book", TAKE_TEXT),
    (b"PK", "a ZIP archive", UNPACK),
];

/// Elements with which a piece of a web page may begin.
const ELEMENTS: [&str; 20] = [
    "html", "head", "body", "article", "div", "p", "main", "section", "header", "meta", "title", "script",
    "style", "span", "h1", "h2", "table", "ul", "link", "figure",
];

impl Look {
    /// What a file looks like that begins so.
    pub fn of(head: &[u8], encoding: Option<&'static Encoding>) -> Option<Self> {
        if let Some(binary) = binary(head) {
            return Some(binary);
        }
        let text = encoding::beginning(head, encoding);
        let text = text.trim_start_matches('\u{feff}');
        json(text.trim_start())
            .or_else(|| markup(text.trim_start()))
            .or_else(|| captions(text))
            .or_else(|| table(text))
    }

    /// What reads it.
    pub fn format(self) -> Option<InputFormat> {
        InputFormat::from_name(match self {
            Self::Jsonl => "jsonl",
            Self::JsonArray | Self::JsonObject => "json",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Html => "html",
            Self::Feed => "feed",
            Self::WebVtt => "vtt",
            Self::Srt => "srt",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            _ => return None,
        })
    }

    /// Whether nobody who writes it can mean text.
    pub fn is_unmistakable(self) -> bool {
        !matches!(self, Self::Csv | Self::Tsv)
    }

    /// Whether a file of another format may look so. Its reader says then what it lacks.
    pub fn may_be(self, format: InputFormat) -> bool {
        match format {
            InputFormat::Json => matches!(self, Self::Jsonl | Self::JsonArray | Self::JsonObject),
            InputFormat::Csv | InputFormat::Tsv => matches!(self, Self::Csv | Self::Tsv),
            InputFormat::Html => matches!(self, Self::Html | Self::Xml | Self::Csv | Self::Tsv),
            // Feeds are written in JSON, too.
            InputFormat::Feed => matches!(self, Self::Feed | Self::Xml | Self::JsonObject),
            _ => false,
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Jsonl => "JSON Lines",
            Self::JsonArray => "a JSON array",
            Self::JsonObject => "a JSON object over several lines",
            Self::Csv => "CSV",
            Self::Tsv => "a table with tabs (TSV)",
            Self::Html => "a web page",
            Self::Feed => "a feed (RSS or Atom)",
            Self::Xml => "XML",
            Self::WebVtt => "captions (WebVTT)",
            Self::Srt => "captions (SRT)",
            Self::Parquet => "a Parquet file",
            Self::Arrow => "an Arrow file",
            Self::Rtf => "an RTF document",
            Self::Binary(Binary { what, .. }) => what,
        }
    }

    pub fn remedy(self) -> String {
        if let Self::Binary(Binary { remedy, .. }) = self {
            return remedy.to_owned();
        }
        let own = match (self, self.format()) {
            (_, Some(format)) => format!("give --input-format {}", format.name()),
            (Self::Parquet | Self::Arrow, _) => {
                "this program was built without Parquet and Arrow: make it JSON Lines".to_owned()
            }
            (Self::Rtf, _) => TAKE_TEXT.to_owned(),
            _ => "give its text as plain text or JSON Lines".to_owned(),
        };
        match self {
            Self::Parquet | Self::Arrow => own,
            _ => format!("{own}, or --input-format text to read it as it stands"),
        }
    }
}

fn binary(head: &[u8]) -> Option<Look> {
    let known = |(magic, what, remedy): &(&[u8], &'static str, &'static str)| {
        head.starts_with(magic).then_some(Look::Binary(Binary { what, remedy }))
    };
    let holds = |needle: &[u8]| head.windows(needle.len()).any(|window| window == needle);
    match head {
        [b'P', b'A', b'R', b'1', ..] => Some(Look::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, _, _, 0, 0, ..] => {
            Some(Look::Arrow)
        }
        [b'{', b'\\', b'r', b't', b'f', ..] => Some(Look::Rtf),
        [b'P', b'K', 3, 4, ..] => {
            let archive = ARCHIVES.iter().find(|(mark, ..)| holds(mark));
            archive.map(|(_, what, remedy)| Look::Binary(Binary { what, remedy }))
        }
        _ if head.get(257..262) == Some(b"ustar") => {
            Some(Look::Binary(Binary { what: "a tar archive", remedy: UNPACK }))
        }
        _ => BINARIES.iter().find_map(known),
    }
}

fn json(text: &str) -> Option<Look> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let first = text.chars().next().filter(|&c| c == '{' || c == '[')?;
    let inside = text[1..].trim_start();
    let is_keyed =
        |json: &str| json.starts_with('"') && json.lines().next().is_some_and(|line| line.contains("\":"));
    let value = values.next()?;
    let end = values.byte_offset();
    match (first, value) {
        ('{', Ok(_)) => {
            let rest_of_line = text[end..].lines().next().unwrap_or_default();
            let is_one_line = !text[..end].contains('\n') && rest_of_line.trim().is_empty();
            Some(if is_one_line { Look::Jsonl } else { Look::JsonObject })
        }
        ('{', Err(_)) if is_keyed(&text[1..]) => Some(Look::Jsonl),
        ('{', Err(_)) => is_keyed(inside).then_some(Look::JsonObject),
        (_, Ok(_)) => text[end..].trim().is_empty().then_some(Look::JsonArray),
        (_, Err(error)) => {
            let is_list = inside.strip_prefix('{').is_some_and(|object| is_keyed(object.trim_start()));
            (is_list || error.is_eof() && inside.starts_with(['{', '"', '['])).then_some(Look::JsonArray)
        }
    }
}

fn markup(text: &str) -> Option<Look> {
    let mut rest = text;
    let mut is_xml = false;
    loop {
        rest = rest.trim_start();
        let skipped = if rest.starts_with("<?xml") {
            is_xml = true;
            rest.split_once("?>")
        } else if rest.starts_with("<?") {
            rest.split_once("?>")
        } else if rest.starts_with("<!--") {
            rest.split_once("-->")
        } else {
            break;
        };
        match skipped {
            Some((_, behind)) => rest = behind,
            None => return is_xml.then_some(Look::Xml),
        }
    }
    let tag =
        rest.strip_prefix('<')?.split(['>', '<', ' ', '\t', '\n', '\r', '/']).next()?.to_ascii_lowercase();
    let is_page = tag == "!doctype" && rest[9..].trim_start().get(..4)?.eq_ignore_ascii_case("html");
    match tag.as_str() {
        "rss" | "feed" | "rdf:rdf" => Some(Look::Feed),
        "html" => Some(Look::Html),
        _ if is_page => Some(Look::Html),
        _ if is_xml => Some(Look::Xml),
        tag => (ELEMENTS.contains(&tag) && rest.contains("</")).then_some(Look::Html),
    }
}

fn captions(text: &str) -> Option<Look> {
    if text.starts_with("WEBVTT") && text[6..].starts_with([' ', '\t', '\r', '\n']) {
        return Some(Look::WebVtt);
    }
    let mut lines = text.lines().skip_while(|line| line.trim().is_empty());
    let number = lines.next()?.trim();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let (from, to) = lines.next()?.split_once("-->")?;
    let is_time = |time: &str| {
        let time = time.trim();
        time.len() >= 9 && time.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':')
    };
    (is_number && is_time(from) && is_time(to)).then_some(Look::Srt)
}

/// A table has a first row of names, and as many cells in each other row.
fn table(text: &str) -> Option<Look> {
    let delimiter = [b'\t', b',', b';', b'|'].into_iter().find(|&delimiter| is_table(text, delimiter))?;
    Some(if delimiter == b'\t' { Look::Tsv } else { Look::Csv })
}

fn is_table(text: &str, delimiter: u8) -> bool {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows: Vec<csv::StringRecord> = reader.records().map_while(Result::ok).collect();
    if rows.len() > 2 {
        // The head of a file may end within a row.
        rows.pop();
    }
    let Some((names, rows)) = rows.split_first() else { return false };
    let is_name = |(index, name): (usize, &str)| {
        let is_word = |c: char| c.is_alphanumeric() || "_ -/()#%:@".contains(c);
        let begins = name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '#');
        // Data frames write a first column without a name.
        name.is_empty() && index == 0
            || name.len() <= 40 && begins && name.trim() == name && name.chars().all(is_word)
    };
    let distinct: HashSet<&str> = names.iter().collect();
    names.len() >= 2
        && !rows.is_empty()
        && rows.iter().all(|row| row.len() == names.len())
        && names.iter().enumerate().all(is_name)
        && distinct.len() == names.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_tests::config;
    use proptest::prelude::*;

    fn look(text: &str) -> Option<Look> {
        Look::of(text.as_bytes(), None)
    }

    #[test]
    fn records_arrays_and_objects_are_told_apart() {
        assert_eq!(look("{\"id\": 1, \"text\": \"They left.\"}\n{\"id\""), Some(Look::Jsonl));
        assert_eq!(look("\u{feff}\n{}"), Some(Look::Jsonl));
        assert_eq!(look("{\"id\": 1,\n{\"id\": 2}\n"), Some(Look::Jsonl), "with a first line that is broken");
        assert_eq!(look(&format!("{{\"text\": \"{}", "go ".repeat(5000))), Some(Look::Jsonl));
        assert_eq!(look("{\n  \"id\": 1\n}\n"), Some(Look::JsonObject));
        assert_eq!(look("{\n  \"id\": 1,\n"), Some(Look::JsonObject));
        assert_eq!(look("[{\"id\": 1}, {\"id\""), Some(Look::JsonArray));
        assert_eq!(look("[\n  {\"id\": 1}\n]\n"), Some(Look::JsonArray));
        assert_eq!(look("[\"They left.\"]"), Some(Look::JsonArray));
        for text in
            ["[APPLAUSE] They left.", "[1] They left.", "{They} left.", "[\"We go,\" he said.]", "[", "{", ""]
        {
            assert_eq!(look(text), None, "{text}");
        }
    }

    #[test]
    fn pages_and_feeds_are_known_by_their_first_element() {
        let page = "<!DOCTYPE html>\n<html><body><p>They left.</p></body></html>";
        assert_eq!(look(page), Some(Look::Html));
        assert_eq!(look("<!-- saved --> <HTML lang=en><p>They left."), Some(Look::Html));
        assert_eq!(look("<p>They left.</p>\n"), Some(Look::Html));
        assert_eq!(look("<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel>"), Some(Look::Feed));
        assert_eq!(look("<feed xmlns=\"http://www.w3.org/2005/Atom\">"), Some(Look::Feed));
        assert_eq!(look("<?xml version=\"1.0\"?><tei>"), Some(Look::Xml));
        assert_eq!(look("<?xml version=\"1.0\"?><!DOCTYPE html><html>"), Some(Look::Html));
        for text in [
            "<They> left.",
            "<p",
            "< 5% of them left.",
            "<!doctype",
            "<!DOCTYPE é",
            "<applause> They left.</applause>",
        ] {
            assert_eq!(look(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_has_names_above_rows_of_the_same_length() {
        assert_eq!(look("id,text\n1,\"They left, and nobody stayed.\"\n"), Some(Look::Csv));
        assert_eq!(look("id;text;date\n1;They left.;May 3\n2;They came.;May 4\n"), Some(Look::Csv));
        assert_eq!(look(",url,body\n0,https://example.org,They left.\n"), Some(Look::Csv));
        assert_eq!(look("id\ttext\n1\tThey left.\n"), Some(Look::Tsv));
        for text in [
            "Paris, London\nThey left, at last.\n",
            "The town, he said, was quiet.\nThe port, she said, was not.\n",
            "They left.\tThen they came.\nNobody stayed.\tNobody.\n",
            "Yes,\nwe go,\nhe said.",
            "one,two\n",
            "Ferry returns; port is dredged\nThe ferry came.\n",
        ] {
            assert_eq!(look(text), None, "{text}");
        }
    }

    #[test]
    fn captions_are_known_by_their_times() {
        assert_eq!(look("WEBVTT\n\n00:01.000 --> 00:02.000\nThey left."), Some(Look::WebVtt));
        assert_eq!(look("1\r\n00:00:01,000 --> 00:00:02,000\r\nThey left.\r\n"), Some(Look::Srt));
        assert_eq!(look("1\nThey left --> and came."), None);
    }

    #[test]
    fn files_that_are_no_text_are_known_by_their_first_bytes() {
        let what = |head: &[u8]| Look::of(head, None).map(Look::what);
        assert_eq!(what(b"%PDF-1.4"), Some("a PDF file"));
        assert_eq!(what(b"{\\rtf1\\ansi"), Some("an RTF document"));
        assert_eq!(what(b"PK\x03\x04....[Content_Types].xml..word/document.xml"), Some("a Word document"));
        assert_eq!(what(b"PK\x03\x04....a.txt"), Some("a ZIP archive"));
        assert_eq!(what(b"PAR1...."), Some("a Parquet file"));
        assert_eq!(what(b"PARIS, May 3"), None);
    }

    #[test]
    fn another_encoding_does_not_hide_what_it_is() {
        let utf16: Vec<u8> = "\u{feff}{\"id\": 1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Look::of(&utf16, None), Some(Look::Jsonl));
        assert_eq!(Look::of(&utf16[2..], Some(encoding_rs::UTF_16LE)), Some(Look::Jsonl));
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn whatever_a_file_holds_it_has_a_look_or_none(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    &b"<!DOCTYPE"[..], b"html", b"<?xml", b"?>", b"<!--", b"<p", b">", b"{", b"[", b"\"", b"\":", b"}", b"\n", b",",
                    b"\t", b"1", b"-->", b"WEBVTT", b"PK\x03\x04", b"\xc3\xa9", b"\xff", b"\xfe", b"\0", b" ", b"id", b"<",
                ]),
                0..12,
            ),
        ) {
            let bytes = parts.concat();
            for encoding in [None, Some(encoding_rs::UTF_16BE), Some(encoding_rs::WINDOWS_1252)] {
                let _ = Look::of(&bytes, encoding);
            }
            let _ = encoding::decode(bytes, None, 1 << 20, &mut crate::input::notes::Notes::default());
        }
    }
}
