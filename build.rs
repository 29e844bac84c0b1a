//! Tells the crate whether there is a model to compile into it: feature `bundled` is on and
//! `models/small` is complete. Without one the crate still builds, and asks for `--model`.

use std::path::Path;
use std::process::Command;

const FILES: [&str; 4] = ["config.json", "tokenizer.json", "model.safetensors", "standpoint.toml"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bundled_model)");
    // A path that does not exist would make every build start over.
    if Path::new("models/small").is_dir() {
        println!("cargo::rerun-if-changed=models/small");
    }
    let wanted = std::env::var_os("CARGO_FEATURE_BUNDLED").is_some();
    let complete = FILES.iter().all(|file| Path::new("models/small").join(file).is_file());
    if wanted && complete {
        println!("cargo::rustc-cfg=bundled_model");
    }
    if let Some(commit) = commit() {
        println!("cargo::rustc-env=STANDPOINT_COMMIT={commit}");
    }
}

/// The commit that this is built from, for reports of evaluations; none outside of a checkout.
fn commit() -> Option<String> {
    let log = Path::new(".git/logs/HEAD");
    if !log.is_file() {
        return None;
    }
    println!("cargo::rerun-if-changed={}", log.display());
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}
