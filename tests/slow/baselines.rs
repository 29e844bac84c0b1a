//! The TF-IDF baseline is as good as scikit-learn's on the same rows (`eval/results/tfidf-words-gold-dev.json`), and
//! the others say something. The gold rows are not part of this repository: without them this test is skipped.

use serde_json::{Map, Value};
use standpoint::evaluation::baseline::{Baseline, LabelledText};
use standpoint::evaluation::{Annotations, Sample, Task};
use standpoint::gold::read_gold;
use standpoint::label::Label;
use standpoint::metrics::Confusion;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Where the rows are; `STANDPOINT_GOLD` names another folder.
fn gold() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/gold");
    std::env::var_os("STANDPOINT_GOLD").map_or_else(usual, PathBuf::from)
}

/// Every labelled sentence of a split, for one task.
fn samples(task: Task, split: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    for name in ["documents", "sentences"] {
        let file = format!("{name}.{split}.jsonl");
        for gold in read_gold(&gold().join(&file)).unwrap().documents {
            let texts: Vec<&str> = gold.sentences().map(|(text, _)| text).collect();
            for (index, labels) in gold.labels.iter().enumerate() {
                let label = match task {
                    Task::Stance => labels.stance.map(Label::as_str),
                    _ => labels.role.map(Label::as_str),
                };
                let Some(label) = label else { continue };
                let span = gold.document.sentences()[index];
                let neighbour = |at: Option<usize>| Some((*texts.get(at?)?).to_owned());
                samples.push(Sample {
                    task,
                    file: file.clone(),
                    doc: gold.document.id().to_owned(),
                    index,
                    of: texts.len(),
                    start: span.start(),
                    end: span.end(),
                    text: texts[index].to_owned(),
                    before: neighbour(index.checked_sub(1)),
                    after: neighbour(Some(index + 1)),
                    target: (task == Task::Stance).then(|| gold.target.clone()),
                    fields: Map::new(),
                    annotations: Annotations::Label {
                        gold: label.to_owned(),
                        predicted: label.to_owned(),
                        probs: Vec::new(),
                    },
                });
            }
        }
    }
    samples
}

fn macro_f1(samples: &[Sample], answers: &[Vec<f64>]) -> f64 {
    let mut confusion = Confusion::new(3);
    for (sample, answer) in samples.iter().zip(answers) {
        let best = (0..3).max_by(|a, b| answer[*a].total_cmp(&answer[*b])).unwrap();
        let gold = LabelledText::of(sample).unwrap().label;
        confusion.add(sample.task.labels().iter().position(|label| *label == gold).unwrap(), best);
    }
    confusion.macro_f1().unwrap()
}

#[test]
fn baselines_on_gold_dev_are_what_they_should_be() {
    if !gold().join("documents.train.jsonl").is_file() {
        eprintln!("skipped: no gold rows in {}", gold().display());
        return;
    }
    let committed: Value =
        serde_json::from_str(include_str!("../../eval/results/tfidf-words-gold-dev.json")).unwrap();
    for task in [Task::Role, Task::Stance] {
        let (train, dev) = (samples(task, "train"), samples(task, "dev"));
        let rows: Vec<LabelledText> = train.iter().filter_map(LabelledText::of).collect();
        let asked: Vec<&Sample> = dev.iter().collect();
        let score = |baseline: Baseline| {
            let started = Instant::now();
            let answers = baseline.fit(task, &rows, 1).unwrap().answer(&asked);
            let score = macro_f1(&dev, &answers);
            println!("{task}, {baseline}: {score:.4} in {:.1} s", started.elapsed().as_secs_f64());
            score
        };
        let [majority, stratified, lexical, tfidf] = Baseline::ALL.map(score);
        assert!(majority < stratified && stratified < lexical && lexical < tfidf);
        let theirs = committed["scores"]["all"][task.as_str()]["macro_f1"].as_f64().unwrap();
        assert!((tfidf - theirs).abs() < 0.02, "{task}: {tfidf:.4}, scikit-learn's {theirs}");
    }
}
