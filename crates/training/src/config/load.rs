//! Reading a configuration from its file, and from the files that it extends.

use super::TrainConfig;
use crate::error::{Result, TomlError, TrainError};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The key with which a file names the one that it extends, by a path relative to its own folder.
const EXTENDS: &str = "extends";

/// One file of a configuration, without its `extends`.
struct ConfigFile {
    path: PathBuf,
    text: String,
    table: Table,
}

impl TrainConfig {
    /// Reads and checks a configuration. A file that `extends` another is merged with it: tables key by key, and of any other
    /// value the file's own replaces the extended file's. Labelled and taught files with a `sample` of 0 are left out.
    ///
    /// # Errors
    /// If a file cannot be read, is not TOML or extends itself, if the merged configuration has unknown or missing keys, or if
    /// a value is out of range.
    pub fn load(path: &Path) -> Result<Self> {
        let files = read_with_extended(path)?;
        let mut config = match &*files {
            // Parsed from the text, so that an error has a line.
            [file] => toml::from_str(&file.text).map_err(|error| not_toml(&file.path, &file.text, &error))?,
            [_, extended @ ..] => {
                let names: Vec<String> =
                    extended.iter().map(|file| file.path.display().to_string()).collect();
                let merged = files.iter().rev().fold(Table::new(), |mut merged, file| {
                    merge(&mut merged, &file.table);
                    merged
                });
                Self::deserialize(Value::Table(merged)).map_err(|error| {
                    let message = error.to_string().trim().replace('\n', " ");
                    invalid(path, format!("merged with {}: {message}", names.join(" and ")))
                })?
            }
            [] => unreachable!("the first file is always there"),
        };
        config.data.auxiliary.retain(|file| file.sample > 0);
        if let Some(teacher) = &mut config.data.teacher {
            teacher.text.retain(|text| text.sample > 0);
        }
        match config.problem() {
            Some(problem) => Err(invalid(path, problem.to_owned()).into()),
            None => Ok(config),
        }
    }
}

/// A file and, behind it, the files that it extends, each followed by what it extends itself.
fn read_with_extended(path: &Path) -> Result<Vec<ConfigFile>, TrainError> {
    let mut files: Vec<ConfigFile> = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let text = std::fs::read_to_string(&path).map_err(|error| match files.last() {
            None => invalid(&path, format!("could not be read: {error}")),
            Some(last) => {
                invalid(&last.path, format!("extends {}, which could not be read: {error}", path.display()))
            }
        })?;
        let mut table: Table = toml::from_str(&text).map_err(|error| not_toml(&path, &text, &error))?;
        next = match table.remove(EXTENDS) {
            None => None,
            Some(Value::String(name)) => Some(path.with_file_name(name)),
            Some(_) => return Err(invalid(&path, "extends must be the path of a file".to_owned())),
        };
        files.push(ConfigFile { path, text, table });
        if let Some(next) = &next
            && files.iter().any(|file| is_same(&file.path, next))
        {
            let last = &files[files.len() - 1].path;
            return Err(invalid(last, format!("extends {}, which extends it", next.display())));
        }
    }
    Ok(files)
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Puts `table` over `merged`. Keys of both keep the place that they have in `merged`: the order of files decides what an
/// epoch draws.
fn merge(merged: &mut Table, table: &Table) {
    for (key, value) in table {
        match (merged.get_mut(key), value) {
            (Some(Value::Table(merged)), Value::Table(table)) => merge(merged, table),
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
}

fn invalid(path: &Path, problem: String) -> TrainError {
    TrainError::Setting { path: path.to_owned(), problem }
}

fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> TrainError {
    TrainError::Config { path: path.to_owned(), source: TomlError::new(error, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::hash::canonical_sha256;

    /// The hash of all settings of each shipped configuration. They were taken when each configuration was one file, without
    /// `extends`. Change one only if a model is to be trained in another way.
    const SHIPPED: [(&str, &str); 1] =
        [("base", "bc0ac83bb35e9b37182520253826d4d1a7dd76749c8f703d0a339893814a7350")];

    #[test]
    fn shipped_configurations_are_what_the_models_were_trained_with() {
        for (name, expected) in SHIPPED {
            let path = format!("{}/../../train/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            let config = TrainConfig::load(Path::new(&path)).unwrap();
            let json = serde_json::to_string_pretty(&config).unwrap();
            assert_eq!(canonical_sha256(&config), expected, "{name}: {json}");
        }
    }

    const BASE: &str = r#"
        name = "a"
        version = "1"
        base = "b"
        output = "o"
        run = "r"
        seed = 1
        max_tokens = 64

        [data]
        train = ["one.jsonl", "two.jsonl"]
        dev = ["dev.jsonl"]

        [data.auxiliary.second]
        path = "second.jsonl"
        sample = 5

        [data.auxiliary.first]
        path = "first.jsonl"
        sample = 7
        unrelated = 0.5
    "#;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn load(files: &[(&str, &str)]) -> Result<TrainConfig, String> {
        let folder = folder(files);
        let loaded = TrainConfig::load(&folder.path().join(files[0].0));
        loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn tables_are_merged_and_all_else_is_replaced() {
        let config = load(&[
            (
                "runs/run.toml",
                "extends = \"../middle.toml\"\nname = \"c\"\n[data]\ntrain = [\"three.jsonl\"]\n\
                 [data.auxiliary.first]\nsample = 2\n[data.auxiliary.third]\npath = \"third.jsonl\"\nsample = 1\n",
            ),
            ("middle.toml", "extends = \"base.toml\"\nname = \"b\"\nseed = 2\n[schedule]\nepochs = 9\n"),
            ("base.toml", BASE),
        ])
        .unwrap();
        assert_eq!((config.name.as_str(), config.version.as_str(), config.seed), ("c", "1", 2));
        assert_eq!(config.schedule.epochs, 9);
        assert_eq!(config.data.train, [Path::new("three.jsonl")]);
        let files: Vec<(&str, usize, f64)> = config
            .data
            .auxiliary
            .iter()
            .map(|file| (file.path.to_str().unwrap(), file.sample, file.unrelated))
            .collect();
        assert_eq!(files, [("second.jsonl", 5, 0.0), ("first.jsonl", 2, 0.5), ("third.jsonl", 1, 0.0)]);
    }

    #[test]
    fn an_inherited_file_can_be_left_out() {
        let leaves_out = "extends = \"base.toml\"\n[data.auxiliary]\nsecond.sample = 0\n";
        let config = load(&[("run.toml", leaves_out), ("base.toml", BASE)]).unwrap();
        assert_eq!(config.data.auxiliary.len(), 1);
        assert_eq!(config.data.auxiliary[0].path, Path::new("first.jsonl"));
    }

    #[test]
    fn what_cannot_be_merged_is_said_with_its_files() {
        let error = |files: &[(&str, &str)]| load(files).unwrap_err();
        let run = "extends = \"base.toml\"\n";
        let said = error(&[("run.toml", run)]);
        assert!(said.starts_with("run.toml: extends base.toml, which could not be read: "), "{said}");
        assert_eq!(
            error(&[("run.toml", run), ("base.toml", "extends = \"run.toml\"")]),
            "base.toml: extends run.toml, which extends it"
        );
        assert_eq!(error(&[("run.toml", "extends = 3")]), "run.toml: extends must be the path of a file");
        let said = error(&[("run.toml", run), ("base.toml", "\n\nseed = = 1")]);
        assert!(said.starts_with("base.toml: line 3: "), "{said}");
        let said = error(&[("run.toml", run), ("base.toml", &format!("sed = 1\n{BASE}"))]);
        assert!(said.starts_with("run.toml: merged with base.toml: unknown field `sed`"), "{said}");
        let said = error(&[("run.toml", "seed = 1\nsed = 2")]);
        assert!(said.starts_with("run.toml: line 2: unknown field `sed`"), "{said}");
        let said =
            error(&[("run.toml", &format!("{run}seed = 2\n[schedule]\nepochs = 0")), ("base.toml", BASE)]);
        assert_eq!(said, "run.toml: schedule.epochs must be 1 or more");
    }
}
