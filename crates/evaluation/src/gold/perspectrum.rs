//! Perspectrum, the stance of perspectives toward a claim: the folder of JSON files that is published, or JSON
//! Lines of pairs in our own form.

use super::collect::{Collector, Draft};
use super::standpoint::{PAIR, PairRow};
use super::{GoldLabels, GoldSource, file, unknown};
use crate::error::{GoldProblem, InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::Stance;
use std::collections::{HashMap, HashSet};

const POOL: &str = "perspective_pool_v1.0.json";
const SPLIT: &str = "dataset_split_v1.0.json";
const CLAIMS: &str = "perspectrum_with_answers_v1.0.json";

#[derive(Deserialize)]
struct Perspective {
    #[serde(rename = "pId")]
    id: u64,
    text: String,
}

#[derive(Deserialize)]
struct Claim {
    #[serde(rename = "cId")]
    id: u64,
    text: String,
    source: Option<Value>,
    topics: Option<Value>,
    perspectives: Vec<Cluster>,
}

/// Perspectives that say the same, one of them the original and the others paraphrases.
#[derive(Deserialize)]
struct Cluster {
    pids: Vec<u64>,
    stance_label_3: String,
}

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    if source.path.is_dir() {
        return read_folder(source, digest, collector);
    }
    file::json_lines(&source.path, digest, PAIR, |at, row| PairRow::read(row, at, collector))
}

fn read_folder(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    let [pool, splits, claims] = [POOL, SPLIT, CLAIMS].map(|name| source.path.join(name));
    for (path, name) in [(&pool, POOL), (&splits, SPLIT), (&claims, CLAIMS)] {
        if !path.is_file() {
            return Err(file::at(&source.path, GoldProblem::Folder { expected: name.to_owned() }).into());
        }
    }
    let mut texts = HashMap::new();
    file::json_array(&pool, digest, "a perspective (pId, text)", |_, perspective: Perspective| {
        texts.insert(perspective.id, perspective.text);
        Ok(())
    })?;
    let split: HashMap<String, String> = serde_json::from_str(&file::whole(&splits, digest)?)
        .map_err(|error| file::at(&splits, InputProblem::Json(error)))?;
    let expected = "a claim (cId, text, perspectives with pids and stance_label_3)";
    file::json_array(&claims, digest, expected, |at, claim: Claim| {
        if !collector.wants(split.get(&claim.id.to_string()).map(String::as_str)) {
            return Ok(());
        }
        let mut fields = Map::new();
        fields.extend(claim.source.map(|value| ("source".to_owned(), value)));
        fields.extend(claim.topics.map(|value| ("topics".to_owned(), value)));
        for (pid, stance) in stances(claim.perspectives)? {
            let missing = || GoldProblem::Dangling { what: "perspective", id: pid.to_string() };
            let text = texts.get(&pid).ok_or_else(missing)?.clone();
            let labels = GoldLabels { stance: Some(stance), ..GoldLabels::default() };
            let id = format!("{}:{pid}", claim.id);
            let draft = Draft::whole(id, Some(claim.text.clone()), text, labels);
            collector.add(at, draft.with_fields(fields.clone()))?;
        }
        Ok(())
    })
}

/// Each perspective with its stance, once. Some stand in several clusters; those in clusters of opposite stances
/// are left out, for nobody can say which holds.
fn stances(clusters: Vec<Cluster>) -> Result<Vec<(u64, Stance)>, InputProblem> {
    let mut stances: Vec<(u64, Stance)> = Vec::new();
    let mut contradicted = HashSet::new();
    for Cluster { pids, stance_label_3 } in clusters {
        let stance = match stance_label_3.as_str() {
            "SUPPORT" => Stance::Favor,
            "UNDERMINE" => Stance::Against,
            "NOT_A_PERSPECTIVE" => continue,
            other => {
                return Err(unknown("stance_label_3", other, &["SUPPORT", "UNDERMINE", "NOT_A_PERSPECTIVE"]));
            }
        };
        for pid in pids {
            match stances.iter().find(|(known, _)| *known == pid) {
                None => stances.push((pid, stance)),
                Some((_, first)) => {
                    if *first != stance {
                        contradicted.insert(pid);
                    }
                }
            }
        }
    }
    stances.retain(|(pid, _)| !contradicted.contains(pid));
    Ok(stances)
}
