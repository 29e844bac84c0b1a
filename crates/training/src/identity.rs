//! What identifies a run and what identifies a teacher's predictions: hashes of canonical JSON, so that they depend on the keys
//! of the configuration and not on the names of Rust.

use crate::card::{DataFile, Origins};
use crate::config::{ScheduleConfig, TrainConfig};
use crate::targets::Phrases;
use serde::Serialize;
use standpoint_core::hash::canonical_sha256;
use standpoint_core::model::{Settings, WeightFormat};
use standpoint_evaluation::gold::GoldDocument;
use std::path::PathBuf;

/// Raised when a run with the same settings would no longer go on in the same way.
const RUN_VERSION: u32 = 3;

/// Raised when the same teacher would no longer answer the same about the same text.
const TEACHER_VERSION: u32 = 2;

/// The hash of everything that decides what a run trains. A checkpoint of another hash is not resumed.
pub fn of_run(config: &TrainConfig, origins: &Origins, files: &[DataFile]) -> String {
    #[derive(Serialize)]
    struct Run<'a> {
        version: u32,
        configuration: TrainConfig,
        base_sha256: &'a str,
        teacher_sha256: Option<&'a str>,
        start_sha256: Option<&'a str>,
        data_sha256: Vec<&'a str>,
    }
    canonical_sha256(&Run {
        version: RUN_VERSION,
        // What a run trains does not depend on where, how and how often it writes, nor on what is blended in at the end.
        configuration: TrainConfig {
            blend: Vec::new(),
            output: PathBuf::new(),
            weights: WeightFormat::default(),
            run: PathBuf::new(),
            schedule: ScheduleConfig { checkpoint_minutes: 0.0, ..config.schedule.clone() },
            ..config.clone()
        },
        base_sha256: &origins.base_sha256,
        teacher_sha256: origins.teacher_sha256.as_deref(),
        start_sha256: origins.start_sha256.as_deref(),
        data_sha256: files.iter().map(|file| file.sha256.as_str()).collect(),
    })
}

/// The hash of a teacher and of all text that it labels.
pub fn of_teacher_predictions(
    teacher_sha256: &str,
    settings: &Settings,
    documents: &[&GoldDocument],
) -> String {
    #[derive(Serialize)]
    struct Teaching<'a> {
        version: u32,
        teacher_sha256: &'a str,
        settings: &'a Settings,
        documents: Vec<Text<'a>>,
    }
    #[derive(Serialize)]
    struct Text<'a> {
        id: &'a str,
        targets: Vec<String>,
        text: &'a str,
        /// Start and end of each sentence, in bytes.
        sentences: Vec<[usize; 2]>,
    }
    fn text(gold: &GoldDocument) -> Text<'_> {
        let document = &gold.document;
        Text {
            id: document.id(),
            targets: Phrases::of(gold).into_iter().map(|phrases| phrases.target).collect(),
            text: document.text(),
            sentences: document.sentences().iter().map(|span| [span.start(), span.end()]).collect(),
        }
    }
    canonical_sha256(&Teaching {
        version: TEACHER_VERSION,
        teacher_sha256,
        settings,
        documents: documents.iter().map(|gold| text(gold)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::calibration::TemperatureScaling;
    use standpoint_core::label::Target;
    use standpoint_core::model::{ROLE, STANCE};
    use standpoint_core::text::Document;
    use standpoint_evaluation::gold::GoldLabels;

    /// Every key that a configuration can have.
    const CONFIG: &str = r#"
        name = "a name"
        version = "1.2.3"
        base = "owner/base"
        base_revision = "main"
        start = "runs/start"
        blend = ["runs/other"]
        output = "model"
        weights = "int8"
        run = "run"
        seed = 7
        max_tokens = 128
        default_target = "a target"

        [data]
        train = ["train.jsonl"]
        dev = ["dev.jsonl"]
        mixed = 0.5
        further_dev.one = { path = "further.jsonl", format = "checkthat" }
        auxiliary.one = { path = "one.jsonl", format = "polnear", part = "all but 1 of 5", sample = 10, unrelated = 0.25 }
        auxiliary.two = { path = "two.jsonl", sample = 5, targets = [{ phrase = "its opposite", reversed = true }] }

        [data.teacher]
        model = "teacher"
        text.one = { path = "text.txt", sample = 3, attributions = true }
        text.two = { path = "pairs.jsonl", format = "standpoint", sample = 4 }

        [schedule]
        epochs = 2
        learning_rate = 1e-4
        head_learning_rate = 1e-3
        weight_decay = 0.02
        warmup = 0.1
        clip_norm = 0.5
        step_tokens = 2048
        pass_tokens = 1024
        shards = 3
        arithmetic = "fixed-point"
        average = 0.99
        keep = "last"
        checkpoint_minutes = 1.0

        [dropout]
        hidden = 0.25
        attention = 0.125
        heads = 0.5

        [loss]
        role_weights = [1.0, 2.0, 3.0]
        stance_weights = [3.0, 2.0, 1.0]
        stance = 0.5
        attributed = 0.25
        checkworthy = 0.125
        attribution = 2.0
        holder = 0.75
        speaker = 0.625
        taught = 1.5
        label_smoothing = 0.05
    "#;

    fn run(config: &str) -> String {
        let config: TrainConfig = toml::from_str(config).unwrap();
        let origins = Origins {
            base_sha256: "b".into(),
            teacher_sha256: Some("t".into()),
            start_sha256: None,
            blend_sha256: vec!["o".into()],
        };
        of_run(&config, &origins, &[])
    }

    #[test]
    fn a_checkpoint_stays_useful_whatever_fields_are_called_in_rust() {
        assert_eq!(run(CONFIG), "b75fdd4e7bdcb64ebe8413c99384e472eb9bf8669212cbd86ebc1f85a41a1e14");
    }

    #[test]
    fn only_what_decides_a_run_is_part_of_its_identity() {
        for (key, other) in [
            ("output = \"model\"", "output = \"elsewhere\""),
            ("run = \"run\"", "run = \"elsewhere\""),
            ("weights = \"int8\"", "weights = \"f16\""),
            ("blend = [\"runs/other\"]", ""),
            ("checkpoint_minutes = 1.0", "checkpoint_minutes = 9.0"),
        ] {
            assert!(CONFIG.contains(key));
            assert_eq!(run(&CONFIG.replace(key, other)), run(CONFIG), "{key}");
        }
        for (key, other) in
            [("seed = 7", "seed = 8"), ("holder = 0.75", "holder = 0.5"), ("sample = 3", "sample = 2")]
        {
            assert!(CONFIG.contains(key));
            assert_ne!(run(&CONFIG.replace(key, other)), run(CONFIG), "{key}");
        }
    }

    #[test]
    fn a_teachers_predictions_stay_useful_whatever_fields_are_called_in_rust() {
        let settings = Settings {
            format: Settings::FORMAT,
            name: "a name".into(),
            version: "1.2.3".into(),
            max_tokens: 128,
            lead_tokens: 0,
            text_layers: None,
            default_target: Target::DEFAULT.into(),
            heads: [(ROLE, 1.5), (STANCE, 0.5)]
                .map(|(head, temperature)| (head, TemperatureScaling::of_temperature(temperature)))
                .into_iter()
                .collect(),
            training: toml::Table::new(),
        };
        let gold = |target: &str| GoldDocument {
            document: Document::from_sentences("an id", &["One.", "Two."]),
            target: target.into(),
            labels: vec![GoldLabels::default(); 2],
            attributions: None,
        };
        let (one, other) = (gold("a target"), gold("another"));
        let hash = |gold: &[&GoldDocument]| of_teacher_predictions("t", &settings, gold);
        assert_eq!(hash(&[&one]), "8482006332747a6ac61426bca042df20c7f3039d728a64cd85daee66c8bf5b31");
        assert_ne!(hash(&[&one]), hash(&[&other]));
    }
}
