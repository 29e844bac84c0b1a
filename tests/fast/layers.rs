//! What the compiler does not hold of the architecture: within `crates/core` each module uses only those declared before
//! it, and some dependencies stay behind one module.

use std::fs;
use std::path::{Path, PathBuf};

/// Crates that only one module of `crates/core` may name.
const CONFINED: [(&[&str], &str); 2] =
    [(&["candle_core", "candle_nn", "candle_transformers"], "encoder"), (&["hf_hub"], "model")];

struct Source {
    /// The module of `crates/core` that the file belongs to.
    module: String,
    path: PathBuf,
    /// Its lines without comments.
    lines: Vec<String>,
}

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/src")
}

fn sources() -> Vec<Source> {
    let root = core();
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
    assert!(sources.len() > 20, "the sources are where this test looks for them");
    sources
}

/// The modules in the order in which `lib.rs` declares them.
fn declared(library: &str) -> Vec<&str> {
    let mut modules = Vec::new();
    for line in library.lines() {
        let declaration = line.strip_prefix("pub ").unwrap_or(line);
        modules.extend(declaration.strip_prefix("mod ").and_then(|name| name.strip_suffix(';')));
    }
    modules.retain(|module| *module != "random_tests");
    modules
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
fn a_module_of_core_uses_only_those_before_it() {
    let library = fs::read_to_string(core().join("lib.rs")).unwrap();
    let order = declared(&library);
    assert!(order.len() > 10, "lib.rs declares the modules: {order:?}");
    let place = |module: &str| order.iter().position(|known| *known == module);
    let mut uses = 0;
    for source in sources() {
        let Some(own) = place(&source.module) else {
            assert!(
                ["lib", "random_tests"].contains(&source.module.as_str()),
                "{} is not declared",
                source.module
            );
            continue;
        };
        for line in &source.lines {
            for other in used(line).into_iter().filter_map(place) {
                uses += 1;
                let (path, module, name) = (source.path.display(), &source.module, order[other]);
                assert!(other <= own, "{path}: {module} must not use {name}, which comes after it: {line}");
            }
        }
    }
    assert!(uses > 50, "the uses are found: {uses}");
}

#[test]
fn some_dependencies_stay_behind_one_module() {
    for source in sources() {
        for (words, module) in CONFINED.iter().filter(|(_, module)| *module != source.module) {
            let named = source.lines.iter().find(|line| words.iter().any(|word| line.contains(word)));
            assert_eq!(named, None, "{}: only {module} may name {words:?}", source.path.display());
        }
    }
}

#[test]
fn names_are_found_in_use_lines() {
    assert_eq!(used("use crate::text::Span;"), ["text"]);
    assert_eq!(used("use crate::{error::Error, label::{Role, Stance}, text};"), ["error", "label", "text"]);
    assert_eq!(used("fn f() -> crate::error::Result<crate::text::Document> {"), ["error", "text"]);
    assert_eq!(declared("mod random_tests;\npub mod error;\npub mod text;\n"), ["error", "text"]);
}
