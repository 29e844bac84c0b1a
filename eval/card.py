"""Writes evaluation results into a model card.

    python eval/card.py models/small eval/results/small-*.json

Reads JSON reports of `standpoint eval` and replaces the text between the two markers in MODEL_CARD.md. If there are no
markers yet, adds it before "## Licence". Figures and 95% intervals are copied from the reports.
"""

import json
import sys
from pathlib import Path

START, END = "<!-- measured: eval/card.py -->", "<!-- end of measured -->"
SLICES = {"file", "genre", "outlet", "length", "quotes", "negation", "source", "publisher", "kind", "manner"}
# Smaller slices, such as outlets with a handful of sentences, are uninformative.
FEWEST = 30


def figure(estimate):
    if not estimate or estimate.get("value") is None:
        return "–"
    interval = estimate.get("interval")
    text = f"{estimate['value']:.3f}"
    return f"{text} ({interval[0]:.3f} to {interval[1]:.3f})" if interval else text


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head, rows):
    return [row(*head), row(*["---"] + ["---:"] * (len(head) - 1))] + [row(*cells) for cells in rows]


def headline(report, task):
    """A task's rows in the first table."""
    name, rows = f"{report['set']['name']}, {task['task']}", []
    for part in task.get("spans") or []:
        exact = task["task"] == "spans"
        # Parts of the task `holder` are called "holder" and "holder, any sentence".
        label = f"{name}, {part['kind']}" if exact else f"{report['set']['name']}, {part['kind']}"
        kind = "exact F1" if exact else "overlap F1"
        rows.append((label, kind, figure(part["exact_f1" if exact else "overlap_f1"]), part["gold"]))
    if task.get("ranking"):
        positive = task["ranking"]["positive_f1"]
        rows.append((name, "F1 of the positive label", figure(positive), task["sentences"]))
        precision = task["ranking"]["average_precision"]
        rows.append((name, "average precision", figure(precision), task["sentences"]))
    elif task.get("classes"):
        rows.append((name, "macro-F1", figure(task["classes"]["macro_f1"]), task["sentences"]))
    for pairs in task.get("pairs") or []:
        if pairs["kind"] == "all":
            rows.append((name, "pairs with both sides right", figure(pairs["accuracy"]), pairs["pairs"]))
    if task.get("calibration") and task["task"] in ("role", "stance", "checkworthy"):
        error = task["calibration"]["error"]
        rows.append((name, "ECE", figure(error), task["sentences"]))
    return rows


def labels(report, task):
    classes = task.get("classes")
    if not classes or task["task"] not in ("role", "stance"):
        return []
    rows = [
        (
            label["label"],
            *(f"{label[key]:.3f}" if label[key] is not None else "–" for key in ("precision", "recall")),
            figure(label["f1"]),
            label["support"],
        )
        for label in classes["labels"]
    ]
    title = f"**{report['set']['name']}, {task['task']}**"
    return [title, ""] + table(("label", "precision", "recall", "F1", "sentences"), rows) + [""]


def slices(report, task):
    rows = [
        (f"{part['by']}: {part['value']}", part["sentences"], figure(part["macro_f1"]), figure(part["accuracy"]))
        for part in task.get("slices") or []
        if part["by"] in SLICES and part["sentences"] >= FEWEST
    ]
    if not rows or task["task"] not in ("role", "stance"):
        return []
    title = f"**{report['set']['name']}, {task['task']}**"
    return [title, ""] + table(("slice", "sentences", "macro-F1", "accuracy"), rows) + [""]


def mistakes(report, task):
    classes = task.get("classes")
    if not classes or task["task"] not in ("role", "stance"):
        return []
    names = [label["label"] for label in classes["labels"]]
    wrong = [
        (count, names[gold], names[said], sum(counts))
        for gold, counts in enumerate(classes["confusion"])
        for said, count in enumerate(counts)
        if gold != said and count
    ]
    return [
        f"- {report['set']['name']}, {task['task']}: {count} of {of} {gold} sentences are predicted as {said}."
        for count, gold, said, of in sorted(wrong, reverse=True)[:3]
    ]


def measured(reports):
    run = reports[0]["run"]
    lines = [
        START,
        "## Results on the sets of eval/",
        "",
        f"Measured with the {run['encoder'].split(' on ')[0]} encoder on {run['date'][:10]}, on {run['machine']}. The model's "
        f"hash is `{reports[0]['model']['sha256'][:16]}`. Intervals are 95%, by bootstrap over documents. `n` counts sentences, "
        "gold spans or pairs. ECE is the expected calibration error. `eval/results/` has the full reports, with the hashes of the "
        "data.",
        "",
        *table(
            ("set, task", "figure", "value", "n"),
            [cells for report in reports for task in report["tasks"] for cells in headline(report, task)],
        ),
        "",
        "### By label",
        "",
    ]
    each = [(report, task) for report in reports for task in report["tasks"]]
    lines += [line for pair in each for line in labels(*pair)]
    lines += ["### By slice", "", f"Slices with at least {FEWEST} sentences.", ""]
    lines += [line for pair in each for line in slices(*pair)]
    lines += ["### Most frequent errors", ""] + [line for pair in each for line in mistakes(*pair)]
    return "\n".join(lines + ["", END])


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    path = Path(sys.argv[1]) / "MODEL_CARD.md"
    reports = [json.loads(Path(name).read_text()) for name in sys.argv[2:]]
    models = {report["model"]["sha256"] for report in reports}
    if len(models) > 1:
        sys.exit(f"the reports are for different models: {', '.join(sorted(model[:16] for model in models))}")
    card, text = path.read_text(), measured(reports)
    if START in card:
        before, rest = card.split(START)
        card = before + text + rest.split(END)[1]
    else:
        before, licence, rest = card.partition("## Licence")
        card = before + text + "\n\n" + licence + rest
    path.write_text(card)


if __name__ == "__main__":
    main()
