//! Models on the Hugging Face Hub, or on a mirror of it. Takes files from the local cache and fetches those that are missing.
//! This is the only file of this crate that opens a socket, and it opens none when asked to stay offline.
//!
//! Honours `HF_HUB_OFFLINE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_CACHE` as Python's
//! `huggingface_hub` does, and shares its cache.

use crate::error::ModelProblem;
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use std::env;
use std::path::PathBuf;

/// The folder in the cache that holds all of `files`, as one commit of `revision` has them. Fetches missing files.
///
/// # Errors
/// If a file is not in the cache and cannot be fetched, or if `offline` forbids it.
pub(super) fn snapshot(
    id: &str,
    revision: Option<&str>,
    offline: bool,
    files: &[&'static str],
) -> Result<PathBuf, ModelProblem> {
    let revision = revision.unwrap_or("main");
    let repo = Repo::with_revision(id.to_owned(), RepoType::Model, revision.to_owned());
    let home = home();
    let path = absolute("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub"));
    let cache = Cache::new(path.clone());
    let lacking = match cached(&cache.repo(repo.clone()), revision, files) {
        Ok(folder) => return Ok(folder),
        Err(file) => file,
    };
    if offline || asked_offline() {
        return Err(ModelProblem::NotCached { file: lacking, cache: path.display().to_string() });
    }

    let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let failed = |file, source| ModelProblem::Hub { file, endpoint: endpoint.clone(), source };
    let token = set("HF_TOKEN").or_else(|| Cache::new(home.join("hub")).token());
    let api = ApiBuilder::from_cache(cache.clone())
        .with_endpoint(endpoint.clone())
        .with_token(token)
        .build()
        .map_err(|error| failed(lacking, error.into()))?;
    let remote = api.repo(repo.clone());
    // The first round may find files of an older commit in the cache and fetch the others from the newest commit. The second
    // round then completes the newest.
    for _ in 0..2 {
        for &file in files {
            remote.get(file).map_err(|error| failed(file, error.into()))?;
        }
        if let Ok(folder) = cached(&cache.repo(repo.clone()), revision, files) {
            return Ok(folder);
        }
    }
    Err(failed(lacking, "the repository keeps changing: try again".into()))
}

/// The snapshot that has all files, or else the first missing file.
fn cached(repo: &CacheRepo, revision: &str, files: &[&'static str]) -> Result<PathBuf, &'static str> {
    let mut folder = None;
    for &file in files {
        // A commit that is given by its hash has a folder, but no reference to it.
        let direct = repo.pointer_path(revision).join(file);
        let path = repo.get(file).or_else(|| direct.exists().then_some(direct)).ok_or(file)?;
        match (&folder, path.parent()) {
            (None, Some(parent)) => folder = Some(parent.to_owned()),
            (Some(folder), parent) if Some(folder.as_path()) != parent => return Err(file),
            _ => {}
        }
    }
    folder.ok_or("config.json")
}

/// Hugging Face's own folder on this machine.
fn home() -> PathBuf {
    absolute("HF_HOME")
        .unwrap_or_else(|| env::home_dir().unwrap_or_else(env::temp_dir).join(".cache").join("huggingface"))
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// hf-hub makes relative links between files, for which it needs absolute paths.
fn absolute(variable: &str) -> Option<PathBuf> {
    set(variable).and_then(|path| std::path::absolute(path).ok())
}

fn asked_offline() -> bool {
    set("HF_HUB_OFFLINE")
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"))
}
