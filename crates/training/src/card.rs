//! The model card and the provenance that a finished run writes beside the weights: what the model was trained on, its figures
//! on dev, and its most frequent mistakes.

use crate::config::{Keep, TrainConfig};
use crate::dev::{DevReports, DevScore, HeadReport};
use crate::error::Result;
use standpoint_core::atomic::write_whole;
use standpoint_core::label::{Label, Role, Stance};
use standpoint_core::model::{BaseModel, WeightFormat};
use standpoint_evaluation::gold::{GoldFile, GoldLabels};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A file that a run has read, for the card and the provenance.
pub struct DataFile {
    /// The file's name in its folder, such as `gold/documents.train.jsonl`.
    name: String,
    purpose: &'static str,
    rows: usize,
    sentences: usize,
    pub sha256: String,
}

impl DataFile {
    pub fn new(path: &Path, purpose: &'static str, file: &GoldFile) -> Self {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let folder = part(path.parent().and_then(Path::file_name));
        let labelled = |labels: &&GoldLabels| **labels != GoldLabels::default();
        Self {
            name: format!("{folder}/{}", part(path.file_name())),
            purpose,
            rows: file.documents.len(),
            sentences: file.documents.iter().flat_map(|gold| &gold.labels).filter(labelled).count(),
            sha256: file.sha256.clone(),
        }
    }
}

/// Hashes of the weights that a run starts from, learns from or is blended with.
#[derive(Clone, Debug)]
pub struct Origins {
    pub base_sha256: String,
    pub teacher_sha256: Option<String>,
    pub start_sha256: Option<String>,
    /// In the order of the configuration.
    pub blend_sha256: Vec<String>,
}

/// The `[training]` table of `standpoint.toml`, with sorted keys. `best` is the epoch that was kept, from 0.
pub fn provenance(config: &TrainConfig, origins: &Origins, files: &[DataFile], best: usize) -> toml::Table {
    let Origins { base_sha256, teacher_sha256, start_sha256, blend_sha256 } = origins.clone();
    let data: BTreeMap<String, toml::Value> =
        files.iter().map(|file| (file.name.clone(), file.sha256.clone().into())).collect();
    let mut table: BTreeMap<&str, toml::Value> = BTreeMap::from([
        ("base", config.base.clone().into()),
        ("base_sha256", base_sha256.into()),
        ("seed", (config.seed as i64).into()),
        ("epoch", (best as i64 + 1).into()),
        ("epochs", (config.schedule.epochs as i64).into()),
        ("data_sha256", toml::Value::Table(data.into_iter().collect())),
    ]);
    let optional = [("teacher_sha256", teacher_sha256), ("start_sha256", start_sha256)];
    table.extend(optional.into_iter().filter_map(|(name, hash)| Some((name, hash?.into()))));
    if !blend_sha256.is_empty() {
        table.insert("blend_sha256", blend_sha256.into());
    }
    table.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a model card says.
pub struct Facts<'a> {
    pub config: &'a TrainConfig,
    pub base: &'a BaseModel,
    pub origins: &'a Origins,
    /// The number of parameters.
    pub parameters: usize,
    pub files: &'a [DataFile],
    /// The scores of each epoch.
    pub scores: &'a [DevScore],
    /// The epoch that was kept, from 0.
    pub best: usize,
    pub reports: &'a DevReports,
}

/// The card, in Markdown.
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
        "Reads a window of news text, preceded by a target. Labels every sentence as a claim, an attributed statement or \
         background, and with its stance toward the target (by default \"{}\"). English only.\n",
        config.default_target
    )?;
    writeln!(
        card,
        "- Base: {} (parameters `{}`), {} layers of width {}; {:.1} million parameters in total, stored as {}.\n\
         - Windows of up to {} tokens. Role, stance and check-worthiness are linear heads on each sentence's vector, the mean \
         of its tokens' last states. Source, cue and content of attributions, and holders, are linear heads on each token's \
         state. A head exists only if the files below have labels for it.\n\
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
            file.purpose,
            file.rows,
            file.sentences,
            &file.sha256[..16]
        )?;
    }
    writeln!(card, "\nEach epoch reads a sample of the auxiliary files, from rows whose split is train.\n")?;
    if let (Some(teacher), Some(hash)) = (&config.data.teacher, &origins.teacher_sha256) {
        let too = match teacher.text.iter().any(|text| text.attributions) {
            true => " Attributions were learned from the spans that it finds.",
            false => "",
        };
        writeln!(
            card,
            "Files used as *taught* are read without labels. Roles and stances were learned from the probabilities of \
             another model (`{}`, weights `{}`).{too}\n",
            teacher.model,
            &hash[..16]
        )?;
    }
    if let (Some(run), Some(hash)) = (&config.start, &origins.start_sha256) {
        writeln!(
            card,
            "Training started from the parameters of an earlier run (`{}`, parameters `{}`).\n",
            run.display(),
            &hash[..16]
        )?;
    }
    if !config.blend.is_empty() {
        let run = |(run, hash): (&PathBuf, &String)| format!("`{}` (`{}`)", run.display(), &hash[..16]);
        let runs: Vec<String> = config.blend.iter().zip(&origins.blend_sha256).map(run).collect();
        writeln!(card, "The parameters are the mean of this run's and those of {}.\n", runs.join(", "))?;
    }
    writeln!(card, "## On dev\n")?;
    writeln!(
        card,
        "Gold sentences, weights as shipped. Intervals are 95%, by bootstrap over documents. ECE is the expected calibration \
         error. The calibration, and the epoch if the best one is kept, were chosen on this set, so these figures are slightly \
         optimistic.\n"
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
        "- It reads English news and political speech. Its gold labels are about foreign troops. It learned other targets only \
         from the auxiliary files, so test it before relying on it there.\n\
         - It gives one stance for each sentence and target. If two holders disagree, one is lost.\n\
         - It sees one window at a time, not the whole document, and truncates sentences longer than a window.\n\
         - It labels what a text says, not whether that is true.\n"
    )?;
    writeln!(card, "## Licence\n")?;
    writeln!(
        card,
        "The weights are derived from the base, whose licence and notices apply to them. See the base's own card, and \
         NOTICE in the repository for the bundled model. The training texts belong to their outlets and are not part of the \
         model."
    )
}

/// The three most frequent mistakes of a head, each as a share of the sentences with that gold label.
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
        writeln!(
            card,
            "- On dev, {count} of {all} sentences whose {name} is {gold} are predicted as {said}."
        )?;
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
        "**{name}**: macro-F1 {} ({interval}), accuracy {}; ECE {} (before calibration: {}).\n",
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
