//! The library's figures are those of scikit-learn, SciPy and krippendorff: compared with the table that
//! `eval/metrics/expected.py` makes.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use standpoint::metrics::{
    Calibration, Coincidences, Confusion, Estimate, GradedAnswer, Mergeable, RankedSentence, Ranking,
    SpanCounts, abstention_curve, estimates, mcnemar, paired_bootstrap,
};
use standpoint::text::Span;

type Figure = Option<f64>;

/// The cases of a section of the table.
fn cases<T: DeserializeOwned>(section: &str) -> Vec<T> {
    let table: Value = serde_json::from_str(include_str!("data/metrics.json")).unwrap();
    let cases: Vec<T> = serde_json::from_value(table[section].clone()).unwrap();
    assert!(!cases.is_empty(), "the table has cases of {section}");
    cases
}

fn same(what: &str, case: usize, found: impl Into<Figure>, expected: impl Into<Figure>) {
    let (found, expected) = (found.into(), expected.into());
    let equal = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (None, None) => true,
        _ => false,
    };
    assert!(equal, "{what} of case {case} is {found:?}, but {expected:?} was expected");
}

fn same_list(what: &str, case: usize, found: &[Figure], expected: &[Figure]) {
    assert_eq!(found.len(), expected.len(), "{what} of case {case}: {found:?}, {expected:?}");
    found.iter().zip(expected).for_each(|(&found, &expected)| same(what, case, found, expected));
}

#[derive(Deserialize)]
struct Classes {
    classes: usize,
    gold: Vec<usize>,
    predicted: Vec<usize>,
    confusion: Vec<Vec<u64>>,
    /// Precision, recall, F1 and support of each label.
    labels: (Vec<Figure>, Vec<Figure>, Vec<Figure>, Vec<u64>),
    accuracy: Figure,
    macro_f1: Figure,
    micro_f1: Figure,
    weighted_f1: Figure,
    matthews: Figure,
    kappa: Figure,
    label_kappa: Vec<Figure>,
}

#[test]
fn figures_of_classes() {
    for (index, case) in cases::<Classes>("classes").into_iter().enumerate() {
        let mut confusion = Confusion::new(case.classes);
        case.gold.iter().zip(&case.predicted).for_each(|(&gold, &predicted)| confusion.add(gold, predicted));
        assert_eq!(confusion.counts(), case.confusion);
        let (precision, recall, f1, support) = case.labels;
        for (label, score) in confusion.scores().into_iter().enumerate() {
            same("precision", index, score.precision, precision[label]);
            same("recall", index, score.recall, recall[label]);
            same("F1", index, score.f1, f1[label]);
            assert_eq!(score.support, support[label]);
            same("kappa of a label", index, confusion.label_kappa(label), case.label_kappa[label]);
        }
        same("accuracy", index, confusion.accuracy(), case.accuracy);
        same("macro-F1", index, confusion.macro_f1(), case.macro_f1);
        same("micro-F1", index, confusion.micro_f1(), case.micro_f1);
        same("weighted F1", index, confusion.weighted_f1(), case.weighted_f1);
        same("Matthews", index, confusion.matthews(), case.matthews);
        same("kappa", index, confusion.kappa(), case.kappa);
    }
}

#[derive(Deserialize)]
struct Probabilities {
    classes: usize,
    gold: Vec<usize>,
    predicted: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    error: Figure,
    brier: Figure,
    /// Count, mean confidence and accuracy.
    bins: Vec<(u64, Figure, Figure)>,
    /// Threshold, coverage, accuracy and macro-F1.
    curve: Vec<[Figure; 4]>,
}

#[test]
fn figures_of_calibration() {
    for (index, case) in cases::<Probabilities>("calibration").into_iter().enumerate() {
        let (mut calibration, mut rest) = (Calibration::default(), Calibration::default());
        let mut outcomes = Vec::new();
        for (row, (&gold, &predicted)) in case.probabilities.iter().zip(case.gold.iter().zip(&case.predicted))
        {
            // Two parts, as of two documents.
            if outcomes.len() % 3 == 0 { &mut calibration } else { &mut rest }.add(row, predicted, gold);
            outcomes.push(GradedAnswer { gold, predicted, confidence: row[predicted] });
        }
        calibration.merge(&rest);
        assert_eq!(calibration.total(), case.gold.len() as u64);
        same("calibration error", index, calibration.calibration_error(), case.error);
        same("Brier score", index, calibration.brier(), case.brier);
        assert_eq!(calibration.bins().len(), case.bins.len());
        for (bin, &(count, confidence, accuracy)) in calibration.bins().iter().zip(&case.bins) {
            assert_eq!(bin.count, count);
            same("confidence of a bin", index, bin.confidence, confidence);
            same("accuracy of a bin", index, bin.accuracy, accuracy);
        }
        let curve = abstention_curve(case.classes, &outcomes);
        assert_eq!(curve.len(), case.curve.len());
        for (point, expected) in curve.iter().zip(&case.curve) {
            let found = [point.threshold, point.coverage, point.accuracy, point.macro_f1].map(Some);
            same_list("point of the abstention curve", index, &found, expected);
        }
    }
}

#[derive(Deserialize)]
struct Ranked {
    positive: Vec<u8>,
    scores: Vec<f64>,
    average_precision: Figure,
    draws: Vec<u64>,
    drawn_average_precision: Figure,
    curve: Vec<[Figure; 2]>,
    precision_at: Vec<(usize, Figure)>,
    reciprocal_rank: Figure,
    r_precision: Figure,
}

#[test]
fn figures_of_rankings() {
    for (index, case) in cases::<Ranked>("ranking").into_iter().enumerate() {
        let items = case.scores.iter().zip(&case.positive).enumerate();
        let items = items.map(|(document, (&score, &positive))| RankedSentence {
            score,
            positive: positive == 1,
            document,
        });
        let ranking = Ranking::new(items.collect());
        same("average precision", index, ranking.average_precision(), case.average_precision);
        let drawn = ranking.average_precision_of(&case.draws);
        same("average precision of a resample", index, drawn, case.drawn_average_precision);
        let curve = ranking.curve();
        assert_eq!(curve.len(), case.curve.len());
        for (point, expected) in curve.iter().zip(&case.curve) {
            same_list("point of the curve", index, &point.map(Some), expected);
        }
        for (k, expected) in case.precision_at {
            same("precision at k", index, ranking.precision_at(k), expected);
        }
        same("reciprocal rank", index, ranking.reciprocal_rank(), case.reciprocal_rank);
        same("R-precision", index, ranking.r_precision(), case.r_precision);
    }
}

type Parts = Vec<Vec<(usize, usize)>>;

#[derive(Deserialize)]
struct Spans {
    /// Gold and predicted parts of each text, as their pieces.
    texts: Vec<(Parts, Parts)>,
    gold: u64,
    predicted: u64,
    /// Precision, recall and F1.
    exact: [Figure; 3],
    overlap: [Figure; 3],
}

#[test]
fn figures_of_spans() {
    let spans = |parts: Parts| -> Vec<Vec<Span>> {
        let part = |pieces: Vec<(usize, usize)>| {
            pieces.into_iter().map(|(start, end)| Span::new(start, end)).collect()
        };
        parts.into_iter().map(part).collect()
    };
    for (index, case) in cases::<Spans>("spans").into_iter().enumerate() {
        let mut counts = SpanCounts::default();
        for (gold, predicted) in case.texts {
            counts.merge(&SpanCounts::of(&spans(gold), &spans(predicted)));
        }
        assert_eq!((counts.gold(), counts.predicted()), (case.gold, case.predicted));
        let exact = [counts.exact_precision(), counts.exact_recall(), counts.exact_f1()];
        same_list("exact figure", index, &exact, &case.exact);
        let overlap = [counts.overlap_precision(), counts.overlap_recall(), counts.overlap_f1()];
        same_list("overlap figure", index, &overlap, &case.overlap);
    }
}

#[derive(Deserialize)]
struct Resampled {
    classes: usize,
    seed: u64,
    /// Sentences as gold label, our label and the other system's.
    documents: Vec<Vec<[usize; 3]>>,
    macro_f1: f64,
    interval: Option<[f64; 2]>,
    difference: f64,
    difference_interval: Option<[f64; 2]>,
    p: Option<f64>,
}

#[test]
fn intervals_and_paired_differences() {
    let check = |what: &str, index: usize, found: Estimate, value: f64, ends: Option<[f64; 2]>| {
        same(what, index, found.value, value);
        same("the low end", index, found.interval.map(|interval| interval.low), ends.map(|[low, _]| low));
        same("the high end", index, found.interval.map(|interval| interval.high), ends.map(|[_, high]| high));
    };
    for (index, case) in cases::<Resampled>("bootstrap").into_iter().enumerate() {
        let nothing = Confusion::new(case.classes);
        let of = |document: &Vec<[usize; 3]>| {
            let mut pair = (nothing.clone(), nothing.clone());
            for &[gold, ours, other] in document {
                pair.0.add(gold, ours);
                pair.1.add(gold, other);
            }
            pair
        };
        let pairs: Vec<(Confusion, Confusion)> = case.documents.iter().map(of).collect();
        let ours: Vec<Confusion> = pairs.iter().map(|(ours, _)| ours.clone()).collect();
        let found = estimates(&ours, &nothing, case.seed, |sum| vec![sum.macro_f1()]);
        check("macro-F1", index, found[0], case.macro_f1, case.interval);
        let found = paired_bootstrap(&pairs, &nothing, case.seed, Confusion::macro_f1);
        check("difference", index, found.difference, case.difference, case.difference_interval);
        same("p", index, found.p, case.p);
    }
}

#[test]
fn mcnemar_tests() {
    for (index, (first, second, p)) in cases::<(u64, u64, f64)>("mcnemar").into_iter().enumerate() {
        let found = mcnemar(first, second);
        // Small probabilities must agree in their digits, not in their distance.
        same("p of McNemar's test", index, found / p, 1.0);
        assert_eq!(found, mcnemar(second, first));
    }
}

#[derive(Deserialize)]
struct Readings {
    labels: usize,
    units: Vec<Vec<Option<usize>>>,
    observed: Figure,
    alpha: Figure,
    label_alpha: Vec<Figure>,
    /// For two readers who have read everything.
    kappa: Option<Value>,
    label_kappa: Option<Vec<Figure>>,
}

#[test]
fn figures_of_agreement() {
    for (index, case) in cases::<Readings>("agreement").into_iter().enumerate() {
        let mut coincidences = Coincidences::new(case.labels);
        case.units.iter().for_each(|unit| coincidences.add(unit));
        same("observed agreement", index, coincidences.observed_agreement(), case.observed);
        same("alpha", index, coincidences.alpha(), case.alpha);
        let by_label: Vec<Figure> = (0..case.labels).map(|label| coincidences.label_alpha(label)).collect();
        same_list("alpha of a label", index, &by_label, &case.label_alpha);
        let Some(label_kappa) = case.label_kappa else { continue };
        let mut confusion = Confusion::new(case.labels);
        case.units.iter().for_each(|unit| confusion.add(unit[0].unwrap(), unit[1].unwrap()));
        same("kappa", index, confusion.kappa(), case.kappa.and_then(|kappa| kappa.as_f64()));
        let by_label: Vec<Figure> = (0..case.labels).map(|label| confusion.label_kappa(label)).collect();
        same_list("kappa of a label", index, &by_label, &label_kappa);
    }
}
