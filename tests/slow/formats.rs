//! Files that other programs wrote, in each format: as they lie on disk, compressed, and from a pipe; and files that are made to
//! do harm. `tests/fixtures/formats/make.py` and `crates/io/src/input/columnar/fixtures/make.py` wrote the former.

use assert_cmd::Command;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

struct Run {
    code: i32,
    /// Each sentence, as its document and its text.
    sentences: Vec<(String, String)>,
    lines: Vec<serde_json::Value>,
    stderr: String,
}

fn segment(arguments: &[&str], stdin: &[u8]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_standpoint"))
        .args(["segment", "--format", "jsonl"])
        .args(arguments)
        .write_stdin(stdin)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap().to_owned();
    Run {
        code: output.status.code().expect("standpoint exits by itself"),
        sentences: lines.iter().map(|line| (text(line, "doc"), text(line, "text"))).collect(),
        lines,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The names of the formats that a pipe does not tell.
fn flag(name: &str) -> &'static [&'static str] {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("csv") => &["--input-format", "csv"],
        Some("tsv") => &["--input-format", "tsv"],
        _ => &[],
    }
}

/// What a file gives, by whatever way it comes.
fn by_all_ways(path: &Path) -> Run {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let on_disk = segment(&[path.to_str().unwrap()], b"");
    assert_eq!(on_disk.code, 0, "{name}: {}", on_disk.stderr);
    for (extension, packed) in [("gz", gzip(&bytes)), ("zst", zstd::encode_all(&bytes[..], 3).unwrap())] {
        let compressed = folder.path().join(format!("{name}.{extension}"));
        fs::write(&compressed, &packed).unwrap();
        let run = segment(&[compressed.to_str().unwrap()], b"");
        assert_eq!(run.sentences, on_disk.sentences, "{name}.{extension}: {}", run.stderr);
        let run = segment(&[&["-"], flag(name)].concat(), &packed);
        assert_eq!(run.sentences, on_disk.sentences, "{name}.{extension} from a pipe: {}", run.stderr);
    }
    let piped = segment(&[&["-"], flag(name)].concat(), &bytes);
    assert_eq!(piped.sentences, on_disk.sentences, "{name} from a pipe: {}", piped.stderr);
    on_disk
}

fn own(sentences: &[(&str, &str)]) -> Vec<(String, String)> {
    sentences.iter().map(|&(document, text)| (document.to_owned(), text.to_owned())).collect()
}

#[test]
fn tables_lists_and_feeds_of_other_programs_are_read() {
    let names = [
        "duckdb.csv",
        "excel.csv",
        "excel.tsv",
        "feedgen.atom",
        "feedgen.rss",
        "pandas.csv",
        "pandas.json",
        "pandas.jsonl",
        "polars.tsv",
        "python.json",
    ];
    let expected = own(&[
        ("a", "They left, she said."),
        ("a", "“Nobody stayed.”"),
        ("b", "The port closed."),
        ("b", "It is old."),
    ]);
    for name in names {
        let run = by_all_ways(&root().join("tests/fixtures/formats").join(name));
        assert_eq!(run.sentences, expected, "{name}");
        assert_eq!(run.lines[0]["title"], "The \"pier\"", "{name}");
    }
}

#[test]
fn columnar_files_of_other_programs_are_read() {
    let folder = root().join("crates/io/src/input/columnar/fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = ["They left.", "Nobody stayed.", "“Go,” she said."];
    let mut count = 0;
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_unread = ["make.py", "sentences.parquet", "pyarrow.brotli.parquet", "pyarrow.lz4.parquet"];
        if is_unread.contains(&name) {
            continue;
        }
        let (run, is_own) = match name {
            // Without an id, a document is called as its file, which differs.
            name if name.starts_with("pyarrow") => (segment(&[path.to_str().unwrap()], b""), true),
            _ => (by_all_ways(&path), false),
        };
        let read: Vec<&str> = run.sentences.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(read, texts, "{name}: {}", run.stderr);
        if is_own {
            let piped = segment(&["-"], &gzip(&fs::read(&path).unwrap()));
            assert_eq!(piped.sentences.last().unwrap(), &("-:2".to_owned(), texts[2].to_owned()), "{name}");
        }
        count += 1;
    }
    assert_eq!(count, 10);
}

const PAGE: &str = r#"<!DOCTYPE html><html lang="en"><head><title>Troops leave the valley | The Coast</title>
<meta name="author" content="Ann Lee"><meta property="article:published_time" content="2024-09-02T10:00:00Z">
<meta property="og:site_name" content="The Coast"><link rel="canonical" href="https://example.org/news/1"></head><body>
<nav><a href="/">Home</a> <a href="/sport">Sport</a></nav><article><h1>Troops leave the valley</h1>
<p>The last <b>troops</b> left the valley on Monday, the premier said, and nobody in the village was sorry to see them go.</p>
<p>“We will rebuild the bridge before the winter,” she told reporters who had come up from the coast to watch.</p>
<p>The opposition called the withdrawal hasty, and asked who would now guard the pass and the two dams above it.</p></article>
<aside><a href="/2">Read also: ten lakes to swim in</a></aside><footer>All rights reserved.</footer></body></html>"#;

#[test]
fn a_page_is_its_article_whatever_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let named = segment(&[&path("page.html", PAGE.as_bytes())], b"");
    assert_eq!(named.code, 0, "{}", named.stderr);
    let text: Vec<&str> = named.sentences.iter().map(|(_, text)| text.as_str()).collect();
    assert!(text.iter().any(|text| text.starts_with("“We will rebuild the bridge before the winter,”")));
    assert!(!text.iter().any(|text| text.contains("Sport") || text.contains("lakes")), "{text:?}");
    let fields = ["title", "author", "published", "source", "url"].map(|name| named.lines[0][name].clone());
    assert_eq!(
        fields,
        ["Troops leave the valley", "Ann Lee", "2024-09-02", "The Coast", "https://example.org/news/1"]
    );
    assert!(named.stderr.contains("start and end count the text that was taken out of the page"));

    for (arguments, stdin) in [
        (vec!["-".to_owned()], PAGE.as_bytes().to_vec()),
        (vec!["-".to_owned()], gzip(PAGE.as_bytes())),
        (vec![path("page", PAGE.as_bytes())], Vec::new()),
        (vec![path("page.html.zst", &zstd::encode_all(PAGE.as_bytes(), 3).unwrap())], Vec::new()),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = segment(&arguments, &stdin);
        let read: Vec<&str> = run.sentences.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(read, text, "{}", run.stderr);
    }
    let run = segment(&[&path("page.txt", PAGE.as_bytes())], b"");
    assert_eq!((run.code, run.sentences.len()), (1, 0));
    assert!(run.stderr.contains("looks like a web page: give --input-format html, or --input-format text"));
    let run = segment(&[&path("page.txt", PAGE.as_bytes()), "--input-format", "text"], b"");
    assert!(run.code == 0 && run.sentences[0].1.starts_with("<!DOCTYPE"));
}

#[test]
fn a_folder_reads_or_names_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &str| fs::write(folder.path().join(name), bytes).unwrap();
    for number in 1..=3 {
        write(&format!("page{number}.html"), PAGE);
        write(&format!("text{number}.txt"), "They left.");
    }
    write("report.pdf", "%PDF-1.7");
    write("list.csv", "id,body\n1,They left.\n");
    let run = segment(&[folder.path().to_str().unwrap()], b"");
    let documents: std::collections::BTreeSet<&String> =
        run.sentences.iter().map(|(document, _)| document).collect();
    assert_eq!((run.code, documents.len()), (1, 6), "{}", run.stderr);
    assert!(run.stderr.contains("1 file left out: 1 .pdf"), "{}", run.stderr);
    let remedy = "has no field \"text\", but \"body\": give --text-field body if that is its text";
    assert!(run.stderr.contains(&format!("list.csv:1: {remedy}")), "{}", run.stderr);
}

#[test]
fn a_bomb_is_refused_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let blank = vec![b' '; 16 << 20];
    let gzip_bomb: Vec<u8> = std::iter::repeat_n(gzip(&blank), 32).flatten().collect();
    let zstd_bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b' '), 512 << 20), 3).unwrap();
    let good = write("z.txt", b"They left.");
    for extension in ["txt", "jsonl", "json", "csv", "html", "rss", "parquet", "arrow", "vtt"] {
        let gzip_bomb = write(&format!("gzip.{extension}"), &gzip_bomb);
        let zstd_bomb = write(&format!("zstd.{extension}"), &zstd_bomb);
        let run = segment(&[&gzip_bomb, &zstd_bomb, &good], b"");
        assert_eq!(run.sentences, own(&[(&good, "They left.")]), "{extension}: {}", run.stderr);
        assert_eq!(run.code, 1);
        for bomb in [&gzip_bomb, &zstd_bomb] {
            let said = run.stderr.lines().filter(|line| line.starts_with(&format!("error: {bomb}")));
            let said: Vec<&str> = said.collect();
            assert!(said.len() == 1, "{said:?}");
            let is_clear = [
                "unfold to more than 500 times",
                "is larger than the limit of",
                "looks like",
                "does not begin with a message",
            ];
            assert!(is_clear.iter().any(|reason| said[0].contains(reason)), "{said:?}");
        }
    }
}

#[test]
fn a_nul_in_a_line_costs_that_line_alone() {
    let records = b"{\"text\":\"One.\"}\n{\"text\":\"T\0wo.\"}\n{\"text\":\"Three.\"}\n";
    let run = segment(&["-"], records);
    assert_eq!(run.sentences, own(&[("-:1", "One."), ("-:3", "Three.")]));
    let said = "error: -:2: looks like a binary file (it holds NUL bytes): give plain text or JSON Lines";
    assert_eq!(run.stderr.lines().next(), Some(said));
    let run = segment(&["-", "--input-format", "csv"], b"text\nOne.\nT\0wo.\nThree.\n");
    assert_eq!(run.sentences, own(&[("-:2", "One."), ("-:4", "Three.")]), "{}", run.stderr);
    assert!(run.stderr.starts_with("error: -:3: looks like a binary file"), "{}", run.stderr);
}
