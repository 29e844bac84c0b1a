//! What a file is: by its extension, then by its content.

use super::InputFormat;
use serde_json::{Map, Value};
use std::path::Path;

/// The extensions of compressed files; what is in them stands before: `news.jsonl.gz`.
const COMPRESSED: [&str; 4] = ["gz", "gzip", "zst", "zstd"];

/// The format of a file by its name.
pub(super) fn by_name(path: &Path) -> Option<InputFormat> {
    let extension =
        |path: &Path| path.extension().and_then(|extension| extension.to_str().map(str::to_owned));
    let mut last = extension(path)?;
    if COMPRESSED.iter().any(|known| last.eq_ignore_ascii_case(known)) {
        last = extension(Path::new(path.file_stem()?))?;
    }
    InputFormat::from_extension(&last)
}

/// The format of a file that begins so.
pub(super) fn of(path: &Path, head: &[u8]) -> InputFormat {
    by_name(path).unwrap_or_else(|| match looks_like_records(head) {
        true => InputFormat::Jsonl,
        false => InputFormat::Text,
    })
}

/// Whether the first line is a record.
fn looks_like_records(head: &[u8]) -> bool {
    let first = head.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    first.starts_with(b"{") && serde_json::from_slice::<Map<String, Value>>(first).is_ok()
}
