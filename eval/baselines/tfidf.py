"""The baseline for the transformer: TF-IDF and logistic regression on the gold rows.

Trains one classifier for role and one for stance on the gold train rows (sentences of documents and single sentences
together), and scores the gold dev rows. Features, C and class weights are chosen by cross-validation within train, grouped
by document. Dev is read once, at the end. Run from the root of the repository:

    pip install --group eval
    python eval/baselines/tfidf.py --output eval/results/tfidf-gold-dev.json
    python eval/baselines/tfidf.py --features words --output eval/results/tfidf-words-gold-dev.json
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import platform
import sys
import time
import warnings

import numpy as np
import scipy
import scipy.sparse
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

LABELS = {"role": ["claim", "attributed", "background"], "stance": ["favor", "against", "none"]}
SETS = ["documents", "sentences"]
FOLDS = 3
RESAMPLES = 2000
SEED = 20240

# The feature sets tried, as blocks of one sparse matrix. `before` and `after` are the neighbouring sentences.
FEATURES = {
    "words": ["words"],
    "characters": ["characters"],
    "words+characters": ["words", "characters"],
    "words+neighbours": ["words", "before", "after"],
    "words+characters+neighbours": ["words", "characters", "before", "after"],
}
CLASS_WEIGHTS = {"none": None, "balanced": "balanced"}
C_VALUES = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
FIRST_C = 3.0


def read_rows(gold, split):
    """Every labelled sentence of a split, with its neighbours and its set."""
    rows = []
    for line in (gold / f"documents.{split}.jsonl").open(encoding="utf-8"):
        document = json.loads(line)
        texts = ["", *(sentence["text"] for sentence in document["sentences"]), ""]
        for i, sentence in enumerate(document["sentences"]):
            rows.append({
                "set": "documents", "doc_id": document["doc_id"], "before": texts[i], "text": sentence["text"],
                "after": texts[i + 2], "role": sentence["role"], "stance": sentence["stance"],
            })
    for line in (gold / f"sentences.{split}.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        rows.append({
            "set": "sentences", "doc_id": row["doc_id"], "before": row["before"] or "", "text": row["text"],
            "after": row["after"] or "", "role": row["role"], "stance": row["stance"],
        })
    return rows


def vectorizer(block):
    if block == "characters":
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=5, sublinear_tf=True, dtype=np.float32)
    # Quotation marks count as words, because they are strong evidence of who is speaking.
    return TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32, token_pattern=r"\w+(?:[’'-]\w+)*|[\"“”?:]"
    )


def column(block, rows):
    field = block if block in ("before", "after") else "text"
    return [row[field] for row in rows]


class Blocks:
    """The feature blocks of a training part and of the part to predict, each vectorised once."""

    def __init__(self, train, other):
        self.train, self.other = {}, {}
        for block in ["words", "characters", "before", "after"]:
            fitted = vectorizer(block)
            self.train[block] = fitted.fit_transform(column(block, train))
            self.other[block] = fitted.transform(column(block, other))

    def pair(self, features):
        blocks = FEATURES[features]
        return tuple(
            scipy.sparse.hstack([part[block] for block in blocks], format="csr") for part in (self.train, self.other)
        )


def predict(blocks, labels, setting):
    train, other = blocks.pair(setting["features"])
    model = LogisticRegression(C=setting["C"], class_weight=CLASS_WEIGHTS[setting["class_weight"]], max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return model.fit(train, labels).predict(other)


def confusion(task, gold, predicted):
    """Counts, gold label by predicted label."""
    index = {label: i for i, label in enumerate(LABELS[task])}
    counts = np.zeros((3, 3), dtype=np.int64)
    for gold_label, predicted_label in zip(gold, predicted, strict=True):
        counts[index[gold_label], index[predicted_label]] += 1
    return counts


def f1(counts):
    """F1 of each class, over the last two axes; NaN for a class that is neither present nor predicted."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.divide(2.0 * hits, both, out=np.full(hits.shape, np.nan), where=both > 0)


def macro_f1(counts):
    return np.nanmean(f1(counts), axis=-1)


def choose(task, rows, folds):
    """The setting with the best macro-F1 over the pooled held-out folds of train. A greedy search: first features, at one C
    with balanced weights; then, for the best features, class weights, and C up or down for as long as that helps."""
    labels = np.array([row[task] for row in rows])
    tried = []

    def run(**setting):
        predicted = np.empty(len(rows), dtype=labels.dtype)
        for train, held_out, blocks in folds:
            predicted[held_out] = predict(blocks, labels[train], setting)
        score = float(macro_f1(confusion(task, labels, predicted)))
        tried.append({**setting, "macro_f1": round(score, 4)})
        print(f"  {task}: {setting['features']}, C {setting['C']}, weights {setting['class_weight']}: {score:.4f}", file=sys.stderr)

    def best():
        return max(tried, key=lambda one: one["macro_f1"])

    for features in FEATURES:
        run(features=features, C=FIRST_C, class_weight="balanced")
    run(features=best()["features"], C=FIRST_C, class_weight="none")
    start = C_VALUES.index(FIRST_C)
    for values in (C_VALUES[start + 1 :], C_VALUES[:start][::-1]):
        for c in values:
            before = best()
            run(features=before["features"], C=c, class_weight=before["class_weight"])
            if best() is before:
                break
        if best()["C"] != FIRST_C:
            break
    other = "balanced" if best()["class_weight"] == "none" else "none"
    if best()["C"] != FIRST_C:
        run(features=best()["features"], C=best()["C"], class_weight=other)
    chosen = dict(best())
    return chosen, tried


def score(task, rows, predicted):
    """Scores with a 95% bootstrap interval: documents are drawn with replacement, and macro-F1 is recomputed in each resample."""
    documents = {}
    for row, label in zip(rows, predicted, strict=True):
        documents.setdefault(row["doc_id"], []).append((row[task], label))
    by_document = np.stack([confusion(task, *zip(*pairs)) for pairs in documents.values()])
    counts = by_document.sum(axis=0)
    draws = np.random.default_rng(SEED).multinomial(len(documents), np.full(len(documents), 1 / len(documents)), RESAMPLES)
    low, high = np.percentile(macro_f1(np.tensordot(draws, by_document, axes=1)), [2.5, 97.5])

    classes = {}
    for i, label in enumerate(LABELS[task]):
        support, answered, hits = counts[i].sum(), counts[:, i].sum(), counts[i, i]
        classes[label] = {
            "precision": round(float(hits / answered), 4) if answered else None,
            "recall": round(float(hits / support), 4) if support else None,
            "f1": round(float(f1(counts)[i]), 4) if support + answered else None,
            "support": int(support),
        }
    return {
        "rows": len(rows),
        "documents": len(documents),
        "macro_f1": round(float(macro_f1(counts)), 4),
        "macro_f1_95": [round(float(low), 4), round(float(high), 4)],
        "accuracy": round(float(np.trace(counts) / counts.sum()), 4),
        "classes": classes,
        "confusion": {"labels": LABELS[task], "gold_by_predicted": counts.tolist()},
    }


def cpu_model():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def print_report(result):
    for task, chosen in result["chosen"].items():
        print(f"{task}: {chosen['features']}, C {chosen['C']}, class weights {chosen['class_weight']} (cross-validation {chosen['macro_f1']:.4f})")
    for name, tasks in result["scores"].items():
        for task, one in tasks.items():
            low, high = one["macro_f1_95"]
            print(f"\n{name}, {task}: macro-F1 {one['macro_f1']:.4f} [{low:.4f}, {high:.4f}], {one['rows']} rows, {one['documents']} documents")
            for label, values in one["classes"].items():
                shown = "  ".join(f"{key} {values[key] if values[key] is None else format(values[key], '.3f')}" for key in ("precision", "recall", "f1"))
                print(f"  {label:<11} {shown}  support {values['support']}")


def main():
    parser = argparse.ArgumentParser(description="TF-IDF and logistic regression on the gold rows.")
    parser.add_argument("--gold", type=pathlib.Path, default=pathlib.Path("../shared/data/gold"), metavar="DIR")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    parser.add_argument("--features", choices=list(FEATURES), help="use only these features, instead of the best ones")
    arguments = parser.parse_args()
    if arguments.features:
        for other in set(FEATURES) - {arguments.features}:
            del FEATURES[other]

    files = {f"{name}.{split}.jsonl": arguments.gold / f"{name}.{split}.jsonl" for name in SETS for split in ("train", "dev")}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        sys.exit(
            f"{arguments.gold} has no {', '.join(missing)}. The gold data is not part of this repository; "
            "name the folder that has it with --gold DIR."
        )

    started = time.monotonic()
    train, dev = read_rows(arguments.gold, "train"), read_rows(arguments.gold, "dev")
    groups = [row["doc_id"] for row in train]
    folds = []
    for train_part, held_out in GroupKFold(FOLDS, shuffle=True, random_state=SEED).split(train, groups=groups):
        folds.append((train_part, held_out, Blocks([train[i] for i in train_part], [train[i] for i in held_out])))

    blocks = Blocks(train, dev)
    chosen, tried, predicted = {}, {}, {}
    for task in LABELS:
        chosen[task], tried[task] = choose(task, train, folds)
        predicted[task] = predict(blocks, [row[task] for row in train], chosen[task])

    scores = {}
    for name in ["all", *SETS]:
        kept = [i for i, row in enumerate(dev) if name in ("all", row["set"])]
        scores[name] = {task: score(task, [dev[i] for i in kept], [predicted[task][i] for i in kept]) for task in LABELS}

    result = {
        "what": "TF-IDF and logistic regression, trained on gold train, scored on gold dev",
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "seconds": round(time.monotonic() - started),
        "machine": cpu_model(),
        "versions": {
            "python": platform.python_version(), "numpy": np.__version__,
            "scipy": scipy.__version__, "scikit-learn": sklearn.__version__,
        },
        "data_sha256": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
        "train_rows": len(train),
        "bootstrap": {"unit": "doc_id", "resamples": RESAMPLES, "seed": SEED, "interval": 0.95},
        "chosen": chosen,
        "scores": scores,
        "cross_validation": {"folds": FOLDS, "grouped_by": "doc_id", "tried": tried},
    }
    print_report(result)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
