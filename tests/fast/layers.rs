//! The order of the modules, held: each uses only those before it, and what is dear stays where it belongs.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up.
const ORDER: [&str; 22] = [
    "error",
    "hash",
    "machine",
    "text",
    "label",
    "positions",
    "random",
    "metrics",
    "segment",
    "window",
    "input",
    "gold",
    "output",
    "model",
    "encoder",
    "heads",
    "pipeline",
    "train",
    "eval",
    "bench",
    "serve",
    "cli",
];

/// Words that only some modules may say, at the top of `src/`.
const KEPT: [(&[&str], &[&str]); 3] = [
    (&["candle_core", "candle_nn", "candle_transformers"], &["encoder"]),
    (&["hf_hub"], &["model"]),
    (&["println!", "eprintln!", "print!", "eprint!"], &["cli", "main"]),
];

struct Source {
    /// The module at the top of `src/` to which the file belongs.
    module: String,
    path: PathBuf,
    /// Its lines without comments.
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&root).unwrap();
                let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
                let text = fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                sources.push(Source {
                    module: first.trim_end_matches(".rs").to_owned(),
                    lines: code.map(str::to_owned).collect(),
                    path,
                });
            }
        }
    }
    assert!(sources.len() > 5, "the sources are where this test looks for them");
    sources
}

/// The modules that a line names after `crate::`, also in braces.
fn used(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut used = Vec::new();
    for (at, found) in line.match_indices("crate::") {
        let rest = &line[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 0;
                let list = list.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                used.extend(list.map(|item| item.trim().split(|c| !is_name(c)).next().unwrap_or("")));
            }
            None => used.extend(rest.split(|c| !is_name(c)).next()),
        }
    }
    used.retain(|name| !name.is_empty());
    used
}

#[test]
fn a_module_uses_only_those_before_it() {
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    for source in sources() {
        if ["lib", "main"].contains(&source.module.as_str()) {
            continue;
        }
        let own =
            place(&source.module).unwrap_or_else(|| panic!("{} has no place in the order", source.module));
        for line in &source.lines {
            for name in used(line) {
                let Some(other) = place(name) else { continue };
                assert!(
                    other <= own,
                    "{}: {} must not use {name}, which comes after it: {line}",
                    source.path.display(),
                    source.module
                );
            }
        }
    }
}

#[test]
fn the_modules_are_declared_in_their_order() {
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let places: Vec<Option<usize>> =
        declared.map(|module| ORDER.iter().position(|known| *known == module)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "src/lib.rs keeps the order");
}

#[test]
fn some_things_are_known_to_some_modules_only() {
    for source in sources() {
        for (words, modules) in KEPT {
            if modules.contains(&source.module.as_str()) {
                continue;
            }
            for line in &source.lines {
                for word in words {
                    assert!(
                        !line.contains(word),
                        "{}: only {} may say {word}: {line}",
                        source.path.display(),
                        modules.join(", ")
                    );
                }
            }
        }
    }
}

#[test]
fn names_are_found_in_use_lines() {
    assert_eq!(used("use crate::text::Span;"), ["text"]);
    assert_eq!(used("use crate::{error::Error, label::{Role, Stance}, text};"), ["error", "label", "text"]);
    assert_eq!(used("fn f() -> crate::error::Result<crate::text::Document> {"), ["error", "text"]);
}
