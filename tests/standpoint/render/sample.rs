//! Two reports made by hand: one with every part and with text that tries to be markup, one with empty parts.

use standpoint::evaluation::report::{
    AbstentionPoint, CalibrationBin, CalibrationReport, ClassReport, Comparison, ErrorSample, Figure,
    FloorReport, LabelReport, McNemarReport, ModelIdentity, PairReport, RankingReport, Report, RunIdentity,
    SCHEMA, SegmentationReport, SetIdentity, Slice, SpanReport, TaskReport,
};
use std::collections::BTreeMap;

/// What must never become markup.
pub const HOSTILE: &str =
    "<script>alert(\"1\")</script> & <img src=https://example.org/x.png> | *bold* @someone";

fn figure(value: f64, low: f64, high: f64) -> Figure {
    Figure { value: Some(value), interval: Some([low, high]) }
}

fn bare(value: f64) -> Figure {
    Figure { value: Some(value), interval: None }
}

fn label(label: &str, [precision, recall, f1]: [f64; 3], support: u64) -> LabelReport {
    // A curve that falls from certainty to the label's share.
    let curve = (1..=40).map(|step| {
        let recall = f64::from(step) / 40.0;
        [recall, 1.0 - (1.0 - precision) * 1.6 * recall * recall * recall]
    });
    LabelReport {
        label: label.to_owned(),
        precision: Some(precision),
        recall: Some(recall),
        f1: figure(f1, f1 - 0.031, f1 + 0.028),
        support,
        average_precision: Some(precision + 0.04),
        curve: curve.collect(),
    }
}

fn calibration() -> CalibrationReport {
    let bins =
        [(0.0, 0, 0.0), (0.1, 0, 0.0), (0.2, 0, 0.0), (0.3, 18, 0.39), (0.4, 96, 0.44), (0.5, 171, 0.52)]
            .into_iter()
            .chain([(0.6, 204, 0.58), (0.7, 263, 0.71), (0.8, 398, 0.83), (0.9, 1565, 0.93)])
            .map(|(low, count, accuracy)| CalibrationBin {
                low,
                high: low + 0.1,
                count,
                confidence: (count > 0).then_some(low + 0.055),
                accuracy: (count > 0).then_some(accuracy),
            });
    let abstention = [
        (0.0, 1.0, 0.823, Some(0.802)),
        (0.5, 0.96, 0.841, Some(0.819)),
        (0.6, 0.89, 0.866, Some(0.842)),
        (0.7, 0.82, 0.889, Some(0.866)),
        (0.8, 0.72, 0.913, Some(0.884)),
        (0.9, 0.58, 0.934, Some(0.902)),
        (0.99, 0.12, 0.981, None),
    ]
    .map(|(threshold, coverage, accuracy, macro_f1)| AbstentionPoint {
        threshold,
        coverage,
        accuracy,
        macro_f1,
    });
    CalibrationReport {
        error: figure(0.031, 0.022, 0.042),
        brier: figure(0.268, 0.244, 0.291),
        bins: bins.collect(),
        abstention: abstention.to_vec(),
    }
}

fn slice(by: &str, value: &str, sentences: usize, f1: f64) -> Slice {
    let half = 0.9 / (sentences as f64).sqrt();
    Slice {
        by: by.to_owned(),
        value: value.to_owned(),
        sentences,
        macro_f1: figure(f1, f1 - half, (f1 + half).min(1.0)),
        accuracy: figure(f1 + 0.02, f1 + 0.02 - half, (f1 + 0.02 + half).min(1.0)),
    }
}

fn comparison(name: &str, macro_f1: f64, difference: [f64; 3], p: f64) -> Comparison {
    let [value, low, high] = difference;
    Comparison {
        name: name.to_owned(),
        macro_f1: figure(macro_f1, macro_f1 - 0.03, macro_f1 + 0.03),
        difference: figure(value, low, high),
        p_bootstrap: Some(p),
        mcnemar: Some(McNemarReport { only_this_right: 184, only_other_right: 61, p }),
    }
}

fn error(number: usize, gold: &str, predicted: &str, text: &str, target: Option<&str>) -> ErrorSample {
    ErrorSample {
        doc: format!("agency/2019-11-{number:02}-hand-over"),
        index: number,
        target: target.map(str::to_owned),
        before: (number > 1).then(|| "The convoy left the camp before dawn.".to_owned()),
        text: text.to_owned(),
        after: Some("No one was hurt, and the road was open again by noon.".to_owned()),
        gold: gold.to_owned(),
        predicted: predicted.to_owned(),
        confidence: 1.0 - 0.004 * number as f64,
    }
}

fn task(name: &str) -> TaskReport {
    TaskReport {
        task: name.to_owned(),
        sentences: 2715,
        documents: 426,
        classes: None,
        calibration: None,
        ranking: None,
        spans: Vec::new(),
        segmentation: None,
        pairs: Vec::new(),
        slices: Vec::new(),
        baselines: Vec::new(),
        comparison: None,
        errors: Vec::new(),
        floors: Vec::new(),
    }
}

fn role() -> TaskReport {
    let said =
        "The deployment, he said, had \"run its course\", and every soldier would be home by the summer.";
    let errors = (1..=12).map(|number| match number {
        1 => error(1, "claim", "background", HOSTILE, None),
        number => error(number, "attributed", "claim", said, None),
    });
    TaskReport {
        classes: Some(ClassReport {
            labels: vec![
                label("claim", [0.742, 0.801, 0.770], 911),
                label("attributed", [0.918, 0.906, 0.912], 1071),
                label("background", [0.759, 0.693, 0.724], 733),
            ],
            macro_f1: figure(0.802, 0.781, 0.821),
            micro_f1: Some(0.823),
            weighted_f1: Some(0.8134),
            accuracy: figure(0.823, 0.806, 0.839),
            matthews: figure(0.729, 0.703, 0.754),
            confusion: vec![vec![730, 48, 133], vec![76, 970, 25], vec![188, 37, 508]],
        }),
        calibration: Some(calibration()),
        segmentation: Some(SegmentationReport {
            gold: 2715,
            predicted: 2702,
            matched: 2611,
            f1: Some(0.964),
        }),
        slices: vec![
            slice("quotes", "with quotation marks", 702, 0.861),
            slice("quotes", "without", 2013, 0.771),
            slice("length", "up to 8 words", 311, 0.702),
            slice("length", "9 to 24 words", 1502, 0.811),
            slice("length", "25 words or more", 902, 0.797),
            slice("place in the document", "first fifth", 544, 0.752),
            slice("place in the document", "the rest", 2171, 0.806),
            slice("outlet", "An Outlet With a Very Long Name | of <News> and Other Matters", 61, 0.688),
            Slice {
                by: "outlet".to_owned(),
                value: "wire".to_owned(),
                sentences: 1,
                macro_f1: Figure::default(),
                accuracy: bare(1.0),
            },
        ],
        baselines: vec![
            comparison("majority label", 0.188, [0.614, 0.593, 0.633], 0.0),
            comparison("cue words", 0.604, [0.198, 0.171, 0.226], 0.0),
            comparison("TF-IDF and logistic regression", 0.741, [0.061, 0.038, 0.084], 0.0),
        ],
        comparison: Some(comparison("standpoint-small 0.0.9", 0.794, [0.008, -0.004, 0.019], 0.104)),
        errors: errors.collect(),
        floors: vec![
            FloorReport {
                metric: "macro_f1".to_owned(),
                floor: 0.78,
                figure: figure(0.802, 0.781, 0.821),
                holds: true,
            },
            FloorReport {
                metric: "f1.background".to_owned(),
                floor: 0.75,
                figure: figure(0.724, 0.693, 0.752),
                holds: false,
            },
        ],
        pairs: [("all", 88, 0.88), ("negation <b>", 24, 0.79), ("quote", 64, 0.91)]
            .map(|(kind, pairs, right)| PairReport {
                kind: kind.to_owned(),
                pairs,
                accuracy: figure(right, right - 0.08, right + 0.06),
            })
            .to_vec(),
        ..task("role")
    }
}

fn checkworthy() -> TaskReport {
    TaskReport {
        sentences: 318,
        documents: 1,
        classes: Some(ClassReport {
            labels: vec![label("yes", [0.81, 0.694, 0.748], 108), label("no", [0.853, 0.917, 0.884], 210)],
            macro_f1: bare(0.816),
            micro_f1: Some(0.842),
            weighted_f1: Some(0.838),
            accuracy: bare(0.842),
            matthews: bare(0.637),
            confusion: vec![vec![75, 33], vec![17, 193]],
        }),
        ranking: Some(RankingReport {
            average_precision: figure(0.846, 0.801, 0.883),
            reciprocal_rank: Some(1.0),
            r_precision: Some(0.741),
            precision_at: vec![(1, Some(1.0)), (10, Some(0.9)), (1000, None)],
            positive_f1: bare(0.748),
        }),
        ..task("checkworthy")
    }
}

fn spans() -> TaskReport {
    let kind = |kind: &str, exact: f64, overlap: f64| SpanReport {
        kind: kind.to_owned(),
        gold: 902,
        predicted: 871,
        exact_precision: Some(exact + 0.012),
        exact_recall: Some(exact - 0.012),
        exact_f1: figure(exact, exact - 0.026, exact + 0.024),
        overlap_precision: Some(overlap + 0.01),
        overlap_recall: Some(overlap - 0.01),
        overlap_f1: figure(overlap, overlap - 0.02, overlap + 0.02),
    };
    let without = SpanReport {
        gold: 0,
        predicted: 0,
        exact_precision: None,
        exact_recall: None,
        exact_f1: Figure::default(),
        overlap_precision: None,
        overlap_recall: None,
        overlap_f1: Figure::default(),
        ..kind("holder", 0.5, 0.5)
    };
    TaskReport {
        spans: vec![
            kind("source", 0.718, 0.836),
            kind("cue", 0.694, 0.731),
            kind("content", 0.617, 0.868),
            without,
        ],
        ..task("spans")
    }
}

/// Every part of a report, and hostile text in each that can hold text.
pub fn full() -> Report {
    let stance = TaskReport {
        classes: Some(ClassReport {
            labels: vec![
                label("favor", [0.684, 0.652, 0.668], 402),
                label("against", [0.641, 0.577, 0.607], 213),
                label("none", [0.924, 0.947, 0.935], 2100),
            ],
            macro_f1: figure(0.737, 0.702, 0.769),
            micro_f1: Some(0.875),
            weighted_f1: Some(0.870),
            accuracy: figure(0.875, 0.861, 0.889),
            matthews: figure(0.671, 0.634, 0.706),
            confusion: vec![vec![262, 31, 109], vec![36, 123, 54], vec![85, 38, 1977]],
        }),
        errors: vec![error(3, "against", "favor", "Leave now, and pay for it later.", Some(HOSTILE))],
        ..task("stance")
    };
    let hash = |digit: &str| digit.repeat(64);
    Report {
        schema: SCHEMA,
        set: SetIdentity {
            name: "gold-dev".to_owned(),
            version: 3,
            description: format!(
                "News and speeches about troops abroad, read sentence by sentence. {HOSTILE}"
            ),
            sha256: hash("a"),
            data_sha256: BTreeMap::from([
                ("documents.dev.jsonl".to_owned(), hash("b")),
                ("sentences.dev.jsonl".to_owned(), hash("c")),
            ]),
        },
        model: ModelIdentity {
            name: "standpoint-small".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: hash("d"),
            settings_sha256: hash("e"),
        },
        run: RunIdentity {
            encoder: "packed int8 on avx2".to_owned(),
            program: "standpoint 0.1.0".to_owned(),
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
            date: "2026-11-24T02:03:04Z".to_owned(),
            machine: "Some Processor @ 2.50GHz, 2 cores".to_owned(),
            threads: 2,
            seconds: 48.25,
            seed: 7,
            resamples: 1000,
        },
        tasks: vec![role(), stance, checkworthy(), spans()],
        notes: vec![format!("One document was cut by the model. {HOSTILE}")],
        answers: Vec::new(),
    }
}

/// A report whose parts hold nothing: a task whose figures have no values, and one without figures.
pub fn empty() -> Report {
    let nothing = TaskReport {
        sentences: 0,
        documents: 0,
        classes: Some(ClassReport {
            labels: vec![LabelReport {
                label: "claim".to_owned(),
                precision: None,
                recall: None,
                f1: Figure::default(),
                support: 0,
                average_precision: None,
                curve: Vec::new(),
            }],
            macro_f1: Figure::default(),
            micro_f1: None,
            weighted_f1: None,
            accuracy: Figure::default(),
            matthews: Figure::default(),
            confusion: vec![vec![0]],
        }),
        calibration: Some(CalibrationReport {
            error: Figure::default(),
            brier: Figure::default(),
            bins: Vec::new(),
            abstention: Vec::new(),
        }),
        floors: vec![FloorReport {
            metric: "macro_f1".to_owned(),
            floor: 0.5,
            figure: Figure::default(),
            holds: false,
        }],
        baselines: vec![Comparison {
            name: "majority label".to_owned(),
            macro_f1: Figure::default(),
            difference: Figure::default(),
            p_bootstrap: None,
            mcnemar: None,
        }],
        ..task("role")
    };
    let full = full();
    Report {
        set: SetIdentity { description: String::new(), data_sha256: BTreeMap::new(), ..full.set },
        run: RunIdentity { commit: None, ..full.run },
        tasks: vec![nothing, TaskReport { sentences: 0, documents: 0, ..task("holder") }],
        notes: Vec::new(),
        answers: Vec::new(),
        ..full
    }
}
