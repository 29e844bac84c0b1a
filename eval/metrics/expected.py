"""Computes expected values for crates/evaluation/src/metrics with scikit-learn, SciPy and krippendorff on random inputs.

Prints the table that tests/fast/metrics.rs compares with. Where a library returns 0 or 1 for an undefined figure, the
table has null. Run from the root of the repository:

    pip install --group eval
    python eval/metrics/expected.py > tests/fast/data/metrics.json
"""

import json
import math
import warnings

import krippendorff
import numpy as np
from scipy.stats import binomtest
from sklearn import metrics

SEED = 20261124
BINS = 15
RESAMPLES = 2000
# Figures that differ by less count as equal, because they were summed in another order.
ROUNDING = 1e-12
ABSTENTION_POINTS = 50


def number(value):
    """A figure for JSON."""
    return None if value is None or math.isnan(value) else float(value)


def numbers(values):
    return [number(value) for value in values]


# One label per sentence


def present(gold, predicted):
    return sorted(set(gold) | set(predicted))


def macro_f1(gold, predicted):
    return metrics.f1_score(gold, predicted, labels=present(gold, predicted), average="macro")


def matthews(gold, predicted):
    varied = len(set(gold)) > 1 and len(set(predicted)) > 1
    return number(metrics.matthews_corrcoef(gold, predicted)) if varied else None


def kappa(one, other):
    return number(metrics.cohen_kappa_score(one, other)) if len(present(one, other)) > 1 else None


def label_figures(gold, predicted, classes):
    if not gold:
        nothing = dict.fromkeys(["accuracy", "macro_f1", "micro_f1", "weighted_f1", "matthews", "kappa"])
        absent = [[None] * classes] * 3
        return {**nothing, "labels": [*absent, [0] * classes], "label_kappa": [None] * classes}
    labels = range(classes)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        gold, predicted, labels=labels, zero_division=np.nan
    )
    return {
        "labels": [numbers(precision), numbers(recall), numbers(f1), [int(count) for count in support]],
        "accuracy": number(metrics.accuracy_score(gold, predicted)),
        "macro_f1": number(macro_f1(gold, predicted)),
        "micro_f1": number(metrics.f1_score(gold, predicted, labels=present(gold, predicted), average="micro")),
        "weighted_f1": number(metrics.f1_score(gold, predicted, labels=present(gold, predicted), average="weighted")),
        "matthews": matthews(gold, predicted),
        "kappa": kappa(gold, predicted),
        "label_kappa": [kappa([g == label for g in gold], [p == label for p in predicted]) for label in labels],
    }


def classes_case(random, classes, size, gold_labels, predicted_labels, right=0.6):
    """`size` sentences with gold and predicted labels from the given ones."""
    gold = [int(label) for label in random.choice(gold_labels, size)]
    predicted = [
        label if label in predicted_labels and random.random() < right else int(random.choice(predicted_labels))
        for label in gold
    ]
    return {
        "classes": classes,
        "gold": gold,
        "predicted": predicted,
        "confusion": metrics.confusion_matrix(gold, predicted, labels=range(classes)).tolist() if size else [[0] * classes] * classes,
        **label_figures(gold, predicted, classes),
    }


# Probabilities


def calibration_case(random, classes, size, sharpness, digits):
    """Probabilities are rounded, so that confidences tie. Those of a sentence still sum to 1, as exactly as possible."""
    gold, rows = [], []
    for _ in range(size):
        label = int(random.integers(classes))
        weights = np.ones(classes)
        weights[label if random.random() < 0.7 else random.integers(classes)] += sharpness
        row = [round(float(share), digits) for share in random.dirichlet(weights)]
        row[-1] = round(1.0 - sum(row[:-1]), digits)
        gold.append(label)
        rows.append(row)
    predicted = [int(np.argmax(row)) for row in rows]
    confidences = np.array([max(row) for row in rows])
    right = np.array([g == p for g, p in zip(gold, predicted)], dtype=float)

    places = np.minimum((confidences * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for place in range(BINS):
        inside = places == place
        count = int(inside.sum())
        confidence, accuracy = (confidences[inside].mean(), right[inside].mean()) if count else (None, None)
        bins.append([count, number(confidence), number(accuracy)])
        error += abs(confidence - accuracy) * count / size if count else 0.0

    curve = []
    thresholds = sorted(set(confidences), reverse=True)
    assert len(thresholds) <= ABSTENTION_POINTS, "the table holds curves that need no thinning"
    for threshold in thresholds:
        kept = [i for i in range(size) if confidences[i] >= threshold]
        some_gold, some_predicted = [gold[i] for i in kept], [predicted[i] for i in kept]
        curve.append(
            numbers([
                threshold, len(kept) / size, metrics.accuracy_score(some_gold, some_predicted),
                macro_f1(some_gold, some_predicted),
            ])
        )
    brier = metrics.brier_score_loss(gold, rows, labels=list(range(classes)), scale_by_half=False) if size else None
    return {
        "classes": classes, "gold": gold, "predicted": predicted, "probabilities": rows, "error": number(error) if size else None,
        "brier": number(brier), "bins": bins, "curve": curve,
    }


# Rankings


def ranking_case(random, size, positives, digits):
    positive = [bool(value) for value in random.random(size) < positives]
    scores = [round(float(random.normal(0.8 * is_positive)), digits) for is_positive in positive]
    draws = [int(count) for count in random.integers(0, 4, size)]
    total, drawn = sum(positive), sum(count for is_positive, count in zip(positive, draws) if is_positive)
    ranked = [positive[i] for i in sorted(range(size), key=lambda i: -scores[i])]
    average, curve = None, []
    if total:
        average = metrics.average_precision_score(positive, scores)
        precision, recall, _ = metrics.precision_recall_curve(positive, scores)
        # From the highest threshold, without the point at recall 0, which has no threshold.
        curve = [[number(r), number(p)] for r, p in zip(recall[-2::-1], precision[-2::-1])]
    return {
        "positive": [int(value) for value in positive], "scores": scores,
        "average_precision": number(average), "curve": curve, "draws": draws,
        "drawn_average_precision": float(metrics.average_precision_score(positive, scores, sample_weight=draws)) if drawn else None,
        "precision_at": [[k, sum(ranked[:k]) / k if 0 < k <= size else None] for k in (1, 3, 10, 30)],
        "reciprocal_rank": 1 / (ranked.index(True) + 1) if total else None,
        "r_precision": sum(ranked[:total]) / total if total else None,
    }


# Spans, as sets of byte offsets


def random_part(random):
    pieces = []
    for _ in range(int(random.choice([1, 1, 1, 2, 3]))):
        start = int(random.integers(0, 70))
        pieces.append([start, start + int(random.integers(0, 12))])
    return pieces


def predicted_part(random, part):
    """The part unchanged, reordered, shifted slightly, or replaced."""
    fate = random.random()
    if fate < 0.4:
        return part[::-1]
    if fate < 0.8:
        return [[start + int(random.integers(0, 3)), end + int(random.integers(2, 6))] for start, end in part]
    return random_part(random)


def span_case(random, documents, parts):
    texts = []
    for _ in range(documents):
        gold = [random_part(random) for _ in range(int(random.integers(0, parts + 1)))]
        predicted = [predicted_part(random, part) for part in gold if random.random() < 0.8]
        predicted += [random_part(random) for _ in range(int(random.integers(0, 2)) if parts else 0)]
        predicted += predicted[:1] if random.random() < 0.2 else []
        texts.append([gold, predicted])

    matched, sides = 0, {"gold": [], "predicted": []}
    for gold, predicted in texts:
        marked = [
            [marks for part in side if (marks := frozenset(b for start, end in part for b in range(start, end)))]
            for side in (gold, predicted)
        ]
        left = list(marked[1])
        for part in marked[0]:
            if part in left:
                left.remove(part)
                matched += 1
        for name, own, other in (("gold", *marked), ("predicted", *marked[::-1])):
            union = frozenset().union(*other)
            sides[name] += [len(part & union) / len(part) for part in own]
    gold, predicted = len(sides["gold"]), len(sides["predicted"])
    recall = sum(sides["gold"]) / gold if gold else None
    precision = sum(sides["predicted"]) / predicted if predicted else None
    overlap_f1 = None
    if gold or predicted:
        overlap_f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
    return {
        "texts": texts, "gold": gold, "predicted": predicted,
        "exact": [
            matched / predicted if predicted else None, matched / gold if gold else None,
            2 * matched / (gold + predicted) if gold + predicted else None,
        ],
        "overlap": [precision, recall, overlap_f1],
    }


# Resampling, with the project's own generator, by Steele, Lea and Flood (2014)


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        x = self.state
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return ((x ^ (x >> 31)) * bound) >> 64


def percentiles(figures):
    """Nearest ranks, with halves rounded away from zero."""
    figures = sorted(figures)
    at = [math.floor((len(figures) - 1) * share + 0.5) for share in (0.025, 0.975)]
    return [figures[place] for place in at]


def f1_of_counts(counts):
    both = counts.sum(axis=0) + counts.sum(axis=1)
    f1 = 2 * np.diagonal(counts)[both > 0] / both[both > 0]
    return float(f1.mean())


def bootstrap_case(random, classes, documents, seed):
    """Documents as lists of gold label, our label and the other model's label."""
    texts = []
    for _ in range(documents):
        gold = random.integers(classes, size=random.integers(1, 6))
        ours = np.where(random.random(len(gold)) < 0.7, gold, random.integers(classes, size=len(gold)))
        other = np.where(random.random(len(gold)) < 0.6, gold, random.integers(classes, size=len(gold)))
        texts.append(np.stack([gold, ours, other], axis=1))
    counts = np.zeros((documents, 2, classes, classes), dtype=np.int64)
    for document, text in enumerate(texts):
        for gold, ours, other in text:
            counts[document, 0, gold, ours] += 1
            counts[document, 1, gold, other] += 1

    generator = SplitMix(seed)
    figures = []
    for _ in range(RESAMPLES):
        drawn = counts[[generator.below(documents) for _ in range(documents)]].sum(axis=0)
        figures.append([f1_of_counts(drawn[0]), f1_of_counts(drawn[1])])
    differences = [ours - other for ours, other in figures]
    gold, ours, other = np.concatenate(texts).T.tolist()
    return {
        "classes": classes, "seed": seed, "documents": [text.tolist() for text in texts],
        "macro_f1": macro_f1(gold, ours), "difference": macro_f1(gold, ours) - macro_f1(gold, other),
        # One document shows nothing about the variation between documents.
        "interval": percentiles([ours for ours, _ in figures]) if documents > 1 else None,
        "difference_interval": percentiles(differences) if documents > 1 else None,
        "p": (1 + sum(difference <= ROUNDING for difference in differences)) / (1 + RESAMPLES) if documents > 1 else None,
    }


def mcnemar_case(only_first, only_second):
    return [only_first, only_second, float(binomtest(only_first, only_first + only_second).pvalue)]


# Annotator agreement


def alpha(units):
    """Krippendorff's alpha of rows of readings; None where a reader skipped a sentence."""
    given = [[label for label in unit if label is not None] for unit in units]
    if len({label for unit in given if len(unit) > 1 for label in unit}) < 2:
        return None
    readers = [[np.nan if label is None else label for label in reader] for reader in zip(*units)]
    return number(krippendorff.alpha(reliability_data=readers, level_of_measurement="nominal"))


def agreement_case(random, labels, readers, size, missing, offered):
    units = []
    for _ in range(size):
        common = int(random.choice(offered))
        unit = [common if random.random() < 0.6 else int(random.choice(offered)) for _ in range(readers)]
        units.append([None if random.random() < missing else label for label in unit])
    shares = []
    for unit in units:
        given = [label for label in unit if label is not None]
        for reader, label in enumerate(given):
            others = given[:reader] + given[reader + 1 :]
            shares += [others.count(label) / len(others)] if others else []
    against_rest = [[[None if label is None else int(label == one) for label in unit] for unit in units] for one in range(labels)]
    case = {
        "labels": labels, "units": units, "observed": float(np.mean(shares)) if shares else None,
        "alpha": alpha(units), "label_alpha": [alpha(one) for one in against_rest],
    }
    if readers == 2 and not missing and size:
        one, other = zip(*units)
        case["kappa"] = kappa(one, other)
        case["label_kappa"] = [kappa(*zip(*binary)) for binary in against_rest]
    return case


def main():
    warnings.simplefilter("ignore")
    random = np.random.default_rng(SEED)
    table = {
        "classes": [
            classes_case(random, 3, 0, [0, 1, 2], [0, 1, 2]),
            classes_case(random, 3, 1, [1], [1]),
            classes_case(random, 3, 2, [0], [2], right=0.0),
            classes_case(random, 2, 12, [0, 1], [0, 1]),
            classes_case(random, 2, 12, [0], [0, 1]),
            classes_case(random, 2, 12, [0, 1], [1]),
            classes_case(random, 2, 5, [1], [1]),
            classes_case(random, 2, 150, [0, 1], [0, 1], right=0.2),
            classes_case(random, 3, 20, [0, 2], [0, 1, 2]),
            classes_case(random, 3, 20, [0, 1, 2], [0, 1]),
            classes_case(random, 3, 20, [0, 2], [0, 2]),
            classes_case(random, 3, 300, [0, 1, 1, 1, 2, 2], [0, 1, 2]),
            classes_case(random, 3, 60, [0, 1, 2], [0, 1, 2], right=0.0),
            classes_case(random, 5, 80, [0, 1, 2, 4], [0, 1, 2, 3, 4]),
        ],
        "calibration": [
            calibration_case(random, 3, 0, 2, 2),
            calibration_case(random, 3, 1, 2, 3),
            calibration_case(random, 2, 45, 2, 3),
            calibration_case(random, 3, 45, 6, 4),
            calibration_case(random, 3, 60, 2, 1),
            calibration_case(random, 2, 30, 30, 2),
        ],
        "ranking": [
            ranking_case(random, 0, 0.5, 1),
            ranking_case(random, 1, 1.0, 1),
            ranking_case(random, 4, 0.0, 1),
            ranking_case(random, 6, 1.0, 1),
            ranking_case(random, 20, 0.4, 3),
            ranking_case(random, 60, 0.3, 1),
            ranking_case(random, 60, 0.1, 0),
            ranking_case(random, 70, 0.3, 4),
        ],
        "spans": [
            span_case(random, 0, 0), span_case(random, 1, 0), span_case(random, 1, 1), span_case(random, 1, 5),
            span_case(random, 4, 2), span_case(random, 12, 4),
        ],
        "bootstrap": [
            bootstrap_case(random, 3, 1, 1), bootstrap_case(random, 2, 8, 1), bootstrap_case(random, 3, 25, 1),
            bootstrap_case(random, 3, 12, 2**64 - 1),
        ],
        "mcnemar": [
            mcnemar_case(*counts)
            for counts in [
                (0, 1), (1, 0), (0, 5), (3, 3), (3, 4), (10, 2), (40, 61), (400, 470), (900, 901), (30, 300),
                (5000, 5300), (20000, 21000), (500000, 502500),
            ]
        ],
        "agreement": [
            agreement_case(random, 3, 2, 0, 0.0, [0, 1, 2]),
            agreement_case(random, 3, 2, 40, 0.0, [0, 1, 2]),
            agreement_case(random, 2, 2, 25, 0.0, [0, 0, 0, 1]),
            agreement_case(random, 3, 2, 10, 0.0, [1]),
            agreement_case(random, 3, 2, 20, 0.0, [0, 2]),
            agreement_case(random, 3, 3, 30, 0.25, [0, 1, 2]),
            agreement_case(random, 3, 5, 30, 0.5, [0, 1, 1, 2]),
            agreement_case(random, 2, 4, 12, 0.6, [0, 1]),
        ],
    }
    # One case per line, for readable diffs.
    sections = []
    for name, cases in table.items():
        lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
        sections.append(f'"{name}": [\n{lines}\n]')
    print("{\n" + ",\n".join(sections) + "\n}")


if __name__ == "__main__":
    main()
