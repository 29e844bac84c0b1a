"""Compares the labels and sentence vectors of each dtype with those of candle's f32 encoder, on the gold dev rows.

Runs `standpoint eval` once for each dtype and compares the answers sentence by sentence. bench/cosine.rs compares the
vectors. Run from the root of the repository:

    cargo build --release
    python bench/dtypes.py --output bench/results/dtypes.json
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

SET = pathlib.Path("eval/gold-dev.toml")
TASKS = ["role", "stance"]
# Dtype, and the instruction set to force; None uses the best one available.
RUNS = [("reference", None), ("f32", None), ("bf16", None), ("int8", None), ("int8", "avx2")]


def evaluate(standpoint, folder, dtype, isa):
    command = [standpoint, "eval", SET, "--dtype", dtype, "--report", folder]
    if isa:
        command += ["--isa", isa]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / f"{SET.stem}.json").read_text(encoding="utf-8"))


def answers(report, task):
    rows = (row for row in report["answers"] if row["task"] == task)
    return {(row["file"], row["doc"], row["start"]): row["predicted"] for row in rows}


def macro_f1(report, task):
    return next(one["classes"]["macro_f1"]["value"] for one in report["tasks"] if one["task"] == task)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"), metavar="PROGRAM")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reports = [evaluate(options.standpoint, pathlib.Path(folder), *run) for run in RUNS]
    cosines = subprocess.run(["cargo", "bench", "--locked", "--bench", "cosine"], check=True, stdout=subprocess.PIPE, text=True)
    cosines = {row.pop("encoder"): row for row in json.loads(cosines.stdout)["rows"]}
    reference, rows = reports[0], []
    for report in reports:
        row = {"encoder": report["run"]["encoder"]}
        for task in TASKS:
            expected, found = answers(reference, task), answers(report, task)
            same = sum(found[key] == label for key, label in expected.items())
            row[task] = {
                "equal": round(same / len(expected), 4),
                "macro_f1": round(macro_f1(report, task), 4),
                "difference": round(macro_f1(report, task) - macro_f1(reference, task), 4),
            }
        if cosine := cosines.get(row["encoder"]):
            row["cosine"] = {name: round(value, 5) for name, value in cosine.items()}
        rows.append(row)
        print(row["encoder"], *(f"{task}: {row[task]['equal']:.2%} equal, macro-F1 {row[task]['difference']:+.4f}" for task in TASKS), row.get("cosine", ""), sep="; ")
    result = {
        "what": "labels and sentence vectors of each dtype against candle's f32 encoder",
        "command": "python bench/dtypes.py",
        "sentences": len(answers(reference, TASKS[0])),
        **{key: reference["run"][key] for key in ("date", "machine", "program")},
        "set": reference["set"],
        "model": reference["model"],
        "rows": rows,
    }
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
