//! Files that other programs wrote, whole and damaged. `fixtures/make.py` wrote them.

use super::*;
use crate::input::test::{Outcome, opened, outcomes};
use std::path::Path;

const FIXTURES: [&str; 9] = [
    "duckdb.parquet",
    "pandas.parquet",
    "polars.arrow",
    "polars.parquet",
    "pyarrow.arrows",
    "pyarrow.gzip.parquet",
    "pyarrow.lz4.feather",
    "pyarrow.zstd.arrow",
    "pyarrow.zstd.parquet",
];

fn path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/input/columnar/fixtures").join(name)
}

fn format(name: &str) -> InputFormat {
    if name.ends_with(".parquet") { InputFormat::Parquet } else { InputFormat::Arrow }
}

/// What a file gives that comes from a pipe.
fn piped(name: &str, bytes: Vec<u8>) -> Vec<Outcome> {
    outcomes(Rows::new(opened("f", bytes), format(name), &Arc::default()))
}

/// What a file gives that lies on disk.
fn on_disk(name: &str) -> Vec<Outcome> {
    let mut file = opened("f", fixture(name));
    file.path = Some(path(name));
    outcomes(Rows::new(file, format(name), &Arc::default()))
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

#[test]
fn what_other_programs_write_is_read_from_disk_and_from_a_pipe() {
    let small = [r#"1: "1" "They left. Nobody stayed." {}"#, r#"2: "2" "“Go,” she said." {}"#];
    for name in ["duckdb.parquet", "polars.parquet", "polars.arrow"] {
        assert_eq!(on_disk(name), small, "{name}");
        assert_eq!(piped(name, fixture(name)), small, "{name}");
    }
    let [first, second] = &piped("pandas.parquet", fixture("pandas.parquet"))[..] else { panic!("two rows") };
    assert_eq!(*first, r#"1: "1" "They left. Nobody stayed." {"__index_level_0__":"x"}"#);
    assert_eq!(*second, r#"2: "2" "“Go,” she said." {"__index_level_0__":"y"}"#);
}

#[test]
fn values_of_every_type_travel_along() {
    let fields = concat!(
        r#"{"note":"a","kind":"news","score":0.1,"price":"1.50","day":"2024-09-02","published":"2024-09-02T10:00:00.500Z","#,
        r#""local":"2024-09-02T10:00:00.500","hour":"10:00:00.500","tags":["a",null],"by":{"name":"Ann Lee","age":7},"#,
        r#""counts":{"x":1},"image":null,"raw":"plain","small":true}"#
    );
    let nothing = concat!(
        r#"{"note":null,"kind":"news","score":null,"price":null,"day":null,"published":null,"local":null,"hour":null,"#,
        r#""tags":[],"by":null,"counts":null,"image":null,"raw":null,"small":null}"#
    );
    for name in FIXTURES.into_iter().filter(|name| name.starts_with("pyarrow")) {
        let outcomes = on_disk(name);
        let first = format!(r#"1: "1152921504606846977" "They left. Nobody stayed." {fields}"#);
        assert_eq!(outcomes[0], first.as_str(), "{name}");
        assert_eq!(outcomes[1], format!(r#"2: "f:2" "“Go,” she said." {nothing}"#).as_str(), "{name}");
        assert_eq!(outcomes.len(), 2);
    }
}

#[test]
fn a_list_of_sentences_is_not_cut() {
    let outcomes = on_disk("sentences.parquet");
    assert_eq!(outcomes, [r#"1: "f:1" "They left.\nNobody stayed." {}"#, r#"2: "f:2" "Go." {}"#]);
}

#[test]
fn a_compression_that_is_not_read_says_what_to_do() {
    for (name, codec) in [("pyarrow.brotli.parquet", "BROTLI"), ("pyarrow.lz4.parquet", "LZ4_RAW")] {
        let outcomes = on_disk(name);
        let said = format!("{:?}", outcomes[0]);
        assert!(outcomes.len() == 1 && outcomes[0].is_error(), "{outcomes:?}");
        assert!(said.contains(codec) && said.ends_with("write it with zstd, snappy or gzip"), "{said}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    for name in FIXTURES {
        let whole = fixture(name);
        for end in (0..whole.len()).step_by(7) {
            let outcomes = piped(name, whole[..end].to_vec());
            // A stream may end behind any batch.
            let is_said = outcomes.iter().any(Outcome::is_error) || format(name) == InputFormat::Arrow;
            assert!(is_said && outcomes.len() <= 3, "{name} {end} {outcomes:?}");
        }
    }
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"ARROW1"]
    {
        for name in ["f.parquet", "f.arrow"] {
            let outcomes = piped(name, bytes.to_vec());
            assert!(outcomes.len() == 1 && outcomes[0].is_error(), "{name} {bytes:?} {outcomes:?}");
        }
    }
}

/// Numbers that look like chance and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn a_file_with_wrong_bytes_in_it_ends_in_errors() {
    let mut numbers = Numbers(7);
    for name in FIXTURES {
        let whole = fixture(name);
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(bytes.len());
                bytes[at] =
                    [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)][numbers.below(7)];
            }
            let outcomes = piped(name, bytes);
            assert!(!outcomes.is_empty(), "{name}");
        }
    }
}
