//! What a file is: by its extension, then by its content. A file that is plainly something else than it would be read as is
//! refused, with what to do.

use super::InputFormat;
use super::looks::Look;
use crate::error::InputProblem;
use encoding_rs::Encoding;
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
///
/// # Errors
/// If it is plainly something that is not read, or that its name does not say.
pub(super) fn of(
    path: &Path,
    head: &[u8],
    encoding: Option<&'static Encoding>,
) -> Result<InputFormat, InputProblem> {
    let (named, look) = (by_name(path), Look::of(head, encoding));
    let Some(look) = look else { return Ok(named.unwrap_or(InputFormat::Text)) };
    match named {
        Some(named) if look.format() == Some(named) => Ok(named),
        Some(named) if look.may_be(named) => Ok(named),
        None if look.is_unmistakable() && look.format().is_some() => {
            Ok(look.format().unwrap_or(InputFormat::Text))
        }
        _ => Err(InputProblem::LooksLike { what: look.what(), remedy: look.remedy() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, head: &str) -> Result<InputFormat, String> {
        of(Path::new(name), head.as_bytes(), None).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_compressed_file_is_named_by_what_is_in_it() {
        assert_eq!(by_name(Path::new("a/news.JSONL.gz")), Some(InputFormat::Jsonl));
        assert_eq!(by_name(Path::new("news.txt.zst")), Some(InputFormat::Text));
        assert_eq!(by_name(Path::new("news.gz")), None);
        assert_eq!(by_name(Path::new("gz")), None);
    }

    #[test]
    fn a_name_goes_before_the_content_and_content_before_nothing() {
        let record = "{\"text\": \"They left.\"}\n";
        assert_eq!(named("a.jsonl", record), Ok(InputFormat::Jsonl));
        assert_eq!(named("-", record), Ok(InputFormat::Jsonl));
        assert_eq!(named("records", record), Ok(InputFormat::Jsonl));
        assert_eq!(named("a.txt", "They left.\n"), Ok(InputFormat::Text));
        assert_eq!(named("-", "They left.\n"), Ok(InputFormat::Text));
        assert_eq!(named("notes.md", "# They left\n"), Ok(InputFormat::Text));
        assert_eq!(
            named("a.jsonl", "no record\n"),
            Ok(InputFormat::Jsonl),
            "its first line is an error of its own"
        );
    }

    #[test]
    fn what_has_no_name_is_what_it_looks_like() {
        for name in ["-", "download", "page.php"] {
            assert_eq!(named(name, "[{\"text\": \"They left.\"}]\n"), Ok(InputFormat::Json));
            assert_eq!(named(name, "{\n  \"text\": \"They left.\"\n}\n"), Ok(InputFormat::Json));
            assert_eq!(named(name, "<!DOCTYPE html><p>They left.</p>"), Ok(InputFormat::Html));
            assert_eq!(named(name, "<?xml version=\"1.0\"?><rss><channel>"), Ok(InputFormat::Feed));
        }
        assert!(named("a.xml", "<?xml version=\"1.0\"?><tei>").unwrap_err().starts_with("looks like XML: "));
    }

    #[test]
    fn kinds_that_are_near_to_each_other_are_read_by_either_name() {
        assert_eq!(named("a.json", "{\"text\": \"They left.\"}\n"), Ok(InputFormat::Json));
        assert_eq!(named("a.csv", "id\ttext\n1\tThey left.\n"), Ok(InputFormat::Csv));
        assert_eq!(named("a.tsv", "id,text\n1,They left.\n"), Ok(InputFormat::Tsv));
    }

    #[test]
    fn what_is_of_another_kind_is_refused_with_what_to_do() {
        let record = "{\"text\": \"They left.\"}\n";
        assert_eq!(
            named("a.txt", record).unwrap_err(),
            "looks like JSON Lines: give --input-format jsonl, or --input-format text to read it as it stands"
        );
        let array = "[{\"text\": \"They left.\"}]\n";
        for name in ["a.txt", "a.jsonl", "a.csv", "a.html"] {
            assert_eq!(
                named(name, array).unwrap_err(),
                "looks like a JSON array: give --input-format json, or --input-format text to read it as it stands"
            );
        }
        let table = "id,text\n1,They left.\n";
        for name in ["a.txt", "a.jsonl", "a.json", "-", "table"] {
            assert_eq!(
                named(name, table).unwrap_err(),
                "looks like CSV: give --input-format csv, or --input-format text to read it as it stands"
            );
        }
        let page = "<!DOCTYPE html><p>They left.</p>";
        for name in ["a.txt", "a.csv", "a.json", "a.rss"] {
            assert!(
                named(name, page).unwrap_err().starts_with("looks like a web page: give --input-format html")
            );
        }
        let pdf = named("a.txt", "%PDF-1.7\n").unwrap_err();
        assert_eq!(pdf, "looks like a PDF file: take its text out, as with pdftotext, and give that");
    }
}
