//! The model card and the provenance that a finished run writes beside the weights: what it was trained on, how
//! good it is on dev, where it fails.

use crate::config::{Keep, TrainConfig};
use crate::dev::{DevReports, DevScore, HeadReport};
use crate::error::Result;
use standpoint_core::atomic::write_whole;
use standpoint_core::label::{Label, Role, Stance};
use standpoint_core::model::{BaseModel, WeightFormat};
use standpoint_evaluation::gold::{GoldFile, GoldLabels};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A file that a run has read.
pub struct DataFile {
    /// The file's name in its folder, such as `gold/documents.train.jsonl`.
    name: String,
    role: &'static str,
    rows: usize,
    sentences: usize,
    pub sha256: String,
}

impl DataFile {
    pub fn new(path: &Path, role: &'static str, file: &GoldFile) -> Self {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let folder = part(path.parent().and_then(Path::file_name));
        let labelled = |labels: &&GoldLabels| **labels != GoldLabels::default();
        Self {
            name: format!("{folder}/{}", part(path.file_name())),
            role,
            rows: file.documents.len(),
            sentences: file.documents.iter().flat_map(|gold| &gold.labels).filter(labelled).count(),
            sha256: file.sha256.clone(),
        }
    }
}

/// Hashes of the weights that a run has learnt from.
#[derive(Clone, Debug)]
pub struct Origins {
    pub base_sha256: String,
    pub teacher_sha256: Option<String>,
    pub start_sha256: Option<String>,
    /// In the order of the configuration.
    pub blend_sha256: Vec<String>,
}

/// The `[training]` table of `standpoint.toml`.
pub fn provenance(config: &TrainConfig, origins: &Origins, files: &[DataFile], best: usize) -> toml::Table {
    let mut table = toml::Table::new();
    table.insert("base".into(), config.base.clone().into());
    let Origins { base_sha256, teacher_sha256, start_sha256, blend_sha256 } = origins.clone();
    table.insert("base_sha256".into(), base_sha256.into());
    let others = [("teacher_sha256", teacher_sha256), ("start_sha256", start_sha256)];
    table.extend(others.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash?.into()))));
    if !blend_sha256.is_empty() {
        table.insert("blend_sha256".into(), blend_sha256.into());
    }
    table.insert("seed".into(), (config.seed as i64).into());
    table.insert("epoch".into(), (best as i64 + 1).into());
    table.insert("epochs".into(), (config.schedule.epochs as i64).into());
    let data = files.iter().map(|file| (file.name.clone(), toml::Value::from(file.sha256.clone())));
    table.insert("data_sha256".into(), toml::Value::Table(data.collect()));
    table
}

/// All that a model card says.
pub struct Facts<'a> {
    pub config: &'a TrainConfig,
    pub base: &'a BaseModel,
    pub origins: &'a Origins,
    pub parameters: usize,
    pub files: &'a [DataFile],
    pub scores: &'a [DevScore],
    pub best: usize,
    pub reports: &'a DevReports,
}

pub fn render(facts: &Facts<'_>) -> String {
    let mut card = String::new();
    write_card(&mut card, facts).expect("writing to a string does not fail");
    card
}

/// # Errors
/// If the card cannot be written.
pub fn save(folder: &Path, card: &str) -> Result<()> {
    Ok(write_whole(&folder.join("MODEL_CARD.md"), card.as_bytes())?)
}

fn write_card(card: &mut String, facts: &Facts<'_>) -> std::fmt::Result {
    let Facts { config, base, origins, .. } = facts;
    writeln!(card, "# {} {}\n", config.name, config.version)?;
    writeln!(
        card,
        "Reads a window of news text with a target in front and says of every sentence whether it is a claim, \
         an attributed statement or background, and which stance it takes toward the target (by default \
         \"{}\"). English only.\n",
        config.default_target
    )?;
    writeln!(
        card,
        "- Base: {} (parameters `{}`), {} layers of width {}; {:.1} million parameters in all, stored as {}.\n\
         - Windows of up to {} tokens. Linear heads read each sentence's vector, the mean of its tokens' last states \
         (role, stance, check-worthiness), and each token's state (source, cue and content of attributions, holders); \
         those are there that the files below have labels for.\n\
         - Written by `standpoint train`; seed {}, epoch {} of {} kept ({}).\n",
        config.base,
        &origins.base_sha256[..16],
        base.config.num_hidden_layers,
        base.config.hidden_size,
        facts.parameters as f64 / 1e6,
        match config.weights {
            WeightFormat::F16 => "f16",
            WeightFormat::Int8 => "int8",
        },
        config.max_tokens,
        config.seed,
        facts.best + 1,
        config.schedule.epochs,
        match config.schedule.keep {
            Keep::Best => "the best mean of both macro-F1 on dev",
            Keep::Last => "the last",
        },
    )?;
    writeln!(
        card,
        "## Trained on\n\n| file | use | rows | labelled sentences | SHA-256 |\n| --- | --- | ---: | ---: | --- |"
    )?;
    for file in facts.files {
        writeln!(
            card,
            "| {} | {} | {} | {} | `{}` |",
            file.name,
            file.role,
            file.rows,
            file.sentences,
            &file.sha256[..16]
        )?;
    }
    writeln!(card, "\nOf auxiliary files each epoch reads a sample, of rows whose split is train.\n")?;
    if let (Some(teacher), Some(hash)) = (&config.data.teacher, &origins.teacher_sha256) {
        let too = match teacher.text.iter().any(|text| text.attributions) {
            true => ", and attributions from the spans that it finds",
            false => "",
        };
        writeln!(
            card,
            "What is read as *taught* is read without labels: roles and stances were learnt from the probabilities \
             that another model gives them (`{}`, weights `{}`){too}.\n",
            teacher.model,
            &hash[..16]
        )?;
    }
    if let (Some(run), Some(hash)) = (&config.start, &origins.start_sha256) {
        writeln!(
            card,
            "It goes on from an earlier run (`{}`, parameters `{}`), whose parameters it started from.\n",
            run.display(),
            &hash[..16]
        )?;
    }
    if !config.blend.is_empty() {
        let run = |(run, hash): (&PathBuf, &String)| format!("`{}` (`{}`)", run.display(), &hash[..16]);
        let runs: Vec<String> = config.blend.iter().zip(&origins.blend_sha256).map(run).collect();
        writeln!(card, "Its parameters are the mean of this run's and those of {}.\n", runs.join(", "))?;
    }
    writeln!(card, "## On dev\n")?;
    writeln!(
        card,
        "Gold sentences, weights as shipped. Intervals are 95%, by bootstrap over documents. Temperatures, and the \
         epoch where the best one is kept, were chosen on this same set, so that these figures flatter the model a little.\n"
    )?;
    write_head::<Role>(card, "Role", &facts.reports.role)?;
    write_head::<Stance>(card, "Stance", &facts.reports.stance)?;
    writeln!(card, "Macro-F1 by epoch:\n\n| epoch | role | stance |\n| ---: | ---: | ---: |")?;
    for (epoch, score) in facts.scores.iter().enumerate() {
        writeln!(card, "| {} | {:.3} | {:.3} |", epoch + 1, score.role, score.stance)?;
    }
    writeln!(card, "\n## Where it fails\n")?;
    write_mistakes::<Role>(card, "role", &facts.reports.role)?;
    write_mistakes::<Stance>(card, "stance", &facts.reports.stance)?;
    writeln!(
        card,
        "- It reads English news and political speech. Its gold labels are about foreign troops; toward other \
         targets it has learnt from the auxiliary files alone, and should be tried before it is relied on.\n\
         - It gives one stance for each sentence and target: of two holders who disagree, one is lost.\n\
         - It sees a window at a time, not the whole document, and cuts sentences longer than a window.\n\
         - It says what a text conveys, not whether that is true.\n"
    )?;
    writeln!(card, "## Licence\n")?;
    writeln!(
        card,
        "The weights are derived from the base, whose licence and notices apply to them: see the base's own card, \
         and NOTICE in the repository for the bundled model. The texts that it was trained on belong to their \
         outlets and are not part of it."
    )
}

/// The most frequent mistakes of a head, each as a share of the sentences with that gold label.
fn write_mistakes<L: Label>(card: &mut String, name: &str, report: &HeadReport) -> std::fmt::Result {
    let counts = report.score.confusion.counts();
    let mut mistakes: Vec<(u64, L, L)> = L::ALL
        .iter()
        .flat_map(|&gold| L::ALL.map(|said| (counts[gold.index()][said.index()], gold, said)))
        .filter(|&(count, gold, said)| count > 0 && gold != said)
        .collect();
    mistakes.sort_by_key(|&(count, ..)| std::cmp::Reverse(count));
    for (count, gold, said) in mistakes.into_iter().take(3) {
        let all = report.score.confusion.score(gold.index()).support;
        writeln!(card, "- On dev, {count} of {all} sentences whose {name} is {gold} are taken for {said}.")?;
    }
    Ok(())
}

fn write_head<L: Label>(card: &mut String, name: &str, report: &HeadReport) -> std::fmt::Result {
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let interval = report
        .score
        .interval
        .map_or("–".to_owned(), |interval| format!("{:.3} to {:.3}", interval.low, interval.high));
    writeln!(
        card,
        "**{name}**: macro-F1 {} ({interval}), accuracy {}; calibration error {} (before calibration: {}).\n",
        figure(report.score.confusion.macro_f1()),
        figure(report.score.confusion.accuracy()),
        figure(report.score.calibration_error),
        figure(report.uncalibrated_error),
    )?;
    writeln!(card, "| label | precision | recall | F1 | support |\n| --- | ---: | ---: | ---: | ---: |")?;
    for label in L::ALL {
        let score = report.score.confusion.score(label.index());
        writeln!(
            card,
            "| {label} | {} | {} | {} | {} |",
            figure(score.precision),
            figure(score.recall),
            figure(score.f1),
            score.support
        )?;
    }
    writeln!(card)
}
