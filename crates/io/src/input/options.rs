//! How input is read: what a user may say about it. Every reader gets the same options.

use encoding_rs::Encoding;
use standpoint_core::segment;
use standpoint_core::transcript::Transcript;

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    /// The file is one document.
    Text,
    /// Each line is one document.
    Jsonl,
    /// Captions: the file is one document.
    WebVtt,
    Srt,
    /// Each element of an array is one document.
    Json,
    /// Each row of a table is one document.
    Csv,
    /// The same, with tabs between cells.
    Tsv,
    /// The article of a web page is one document.
    Html,
    /// Each entry of an RSS, Atom or JSON feed is one document.
    Feed,
    /// Each row is one document.
    #[cfg(feature = "parquet")]
    Parquet,
    /// Each row of an Arrow IPC file or stream is one document.
    #[cfg(feature = "parquet")]
    Arrow,
}

impl InputFormat {
    /// Every format, with its name and the extensions of its files.
    pub const ALL: &[(Self, &str, &[&str])] = &[
        (Self::Text, "text", &["txt", "text"]),
        (Self::Jsonl, "jsonl", &["jsonl", "ndjson"]),
        (Self::WebVtt, "vtt", &["vtt"]),
        (Self::Srt, "srt", &["srt"]),
        (Self::Json, "json", &["json"]),
        (Self::Csv, "csv", &["csv"]),
        (Self::Tsv, "tsv", &["tsv", "tab"]),
        (Self::Html, "html", &["html", "htm", "xhtml"]),
        (Self::Feed, "feed", &["rss", "atom"]),
        #[cfg(feature = "parquet")]
        (Self::Parquet, "parquet", &["parquet", "pq"]),
        #[cfg(feature = "parquet")]
        (Self::Arrow, "arrow", &["arrow", "arrows", "ipc", "feather"]),
    ];

    /// What a user calls the format.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(format, ..)| *format == self).map_or("auto", |(_, name, _)| name)
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(format, ..)| *format)
    }

    /// The format that an extension stands for, in any case.
    pub fn from_extension(extension: &str) -> Option<Self> {
        let knows = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(extension));
        Self::ALL.iter().find(|(.., known)| knows(known)).map(|(format, ..)| *format)
    }
}

/// What is known of the input beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct InputOptions {
    /// `None`: as a file's extension or its content says.
    pub format: Option<InputFormat>,
    /// `None`: as the bytes say.
    pub encoding: Option<&'static Encoding>,
    /// The field of a record that holds its text. `None`: `text`, or `sentences`.
    pub text_field: Option<String>,
    /// The field of a record that holds its id. `None`: `id`.
    pub id_field: Option<String>,
    /// The field of a record that holds targets of its own.
    pub target_field: Option<String>,
    pub segmentation: segment::Options,
    pub transcript: Transcript,
}
