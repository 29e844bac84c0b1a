"""Compares standpoint's sentences with those of BlingFire, pySBD, spaCy's sentencizer and sentencex, on gold sentences.

The gold file is JSON Lines: id, genre, text, and sentences as pairs of offsets in characters. A boundary is the end of a
sentence without the white space around it. The score is the F1 of the boundaries of a genre, and the share of gold sentences
that come out whole, from the right beginning to the right end. Quotes of several sentences are cut, as in the gold.

Some tools take a line break for a space. So every other tool runs twice: on the whole text, and on each line by itself. Both
scores are given. A package that is not installed is named and left out. With --speed, texts of JSON Lines are joined and
segmented on one thread. Run from the root of the repository:

    cargo build --release -p standpoint-core --example segment
    pip install blingfire pysbd spacy sentencex
    python bench/segmentation.py --output bench/results/segmentation.json
"""

import argparse
import collections
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess
import sys

GOLD = pathlib.Path("../shared/data/segmentation/ud.dev.jsonl")
SEGMENT = pathlib.Path("target/release/examples/segment")


def standpoint(texts, quotes="cut"):
    rows = "".join(json.dumps({"id": number, "text": text}) + "\n" for number, text in enumerate(texts))
    done = subprocess.run([SEGMENT, "--quotes", quotes], input=rows, capture_output=True, text=True, check=True)
    return [json.loads(line)["sentences"] for line in done.stdout.splitlines()]


def blingfire():
    import blingfire

    return lambda text: blingfire.text_to_sentences_and_offsets(text)[1]


def pysbd():
    import pysbd

    segmenter = pysbd.Segmenter(language="en", clean=False, char_span=True)
    return lambda text: [(sentence.start, sentence.end) for sentence in segmenter.segment(text)]


def spacy():
    import spacy

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    language.max_length = 10**9
    return lambda text: [(sentence.start_char, sentence.end_char) for sentence in language(text).sents]


def sentencex():
    import sentencex

    def run(text):
        found, reached = [], 0
        for sentence in sentencex.segment("en", text):
            start = text.find(sentence.strip(), reached)
            if start >= 0 and sentence.strip():
                reached = start + len(sentence.strip())
                found.append((start, reached))
        return found

    return run


def by_lines(run):
    def lines(text):
        found, reached = [], 0
        for line in text.split("\n"):
            if line.strip():
                found += [(start + reached, end + reached) for start, end in run(line)]
            reached += len(line) + 1
        return found

    return lines


def trimmed(text, spans):
    for start, end in spans:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        if piece.strip():
            yield start, start + len(piece.strip())


def scores(documents, answers):
    counts = collections.defaultdict(collections.Counter)
    for document, spans in zip(documents, answers):
        found = set(trimmed(document["text"], spans))
        gold = {tuple(sentence) for sentence in document["sentences"]}
        ends, right = {end for _, end in found}, {end for _, end in gold}
        counts[document["genre"]].update(
            both=len(ends & right), found=len(ends), gold=len(right), sentences=len(gold), whole=len(found & gold)
        )
    return {
        genre: {
            "boundary_f1": round(2 * count["both"] / (count["found"] + count["gold"]), 4),
            "whole": round(count["whole"] / count["sentences"], 4),
        }
        for genre, count in sorted(counts.items())
    }


def speed(paths):
    texts = (json.loads(line).get("text") or "" for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    text = "\n\n".join(texts)
    row = json.dumps({"id": "all", "text": text})
    seconds = {}
    for quotes in ("cut", "whole"):
        command = [SEGMENT, "--quotes", quotes, "--repeat", "5"]
        seconds[quotes] = float(subprocess.run(command, input=row, capture_output=True, text=True, check=True).stderr)
    megabytes = len(text.encode()) / 1e6
    return {"megabytes": round(megabytes, 1), **{quotes: round(megabytes / taken, 1) for quotes, taken in seconds.items()}}


def processor():
    """The processor's name, where the system tells it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown processor"
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=pathlib.Path, default=GOLD)
    parser.add_argument("--speed", type=pathlib.Path, nargs="*", default=[], metavar="FILE", help="JSON Lines with texts")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    if not arguments.gold.exists():
        sys.exit(f"{arguments.gold} is not part of this repository: nothing was measured")
    documents = [json.loads(line) for line in arguments.gold.read_text(encoding="utf-8").splitlines()]
    texts = [document["text"] for document in documents]

    results = {"standpoint": scores(documents, standpoint(texts))}
    versions = {}
    for tool in (blingfire, pysbd, spacy, sentencex):
        name = tool.__name__
        try:
            run = tool()
        except ImportError:
            print(f"{name} is not installed: left out", file=sys.stderr)
            continue
        versions[name] = importlib.metadata.version(name)
        results[name] = scores(documents, map(run, texts))
        results[f"{name}, by line"] = scores(documents, map(by_lines(run), texts))

    genres = sorted({document["genre"] for document in documents})
    print(f"{'boundary F1':22}" + "".join(f"{genre:>11}" for genre in genres))
    for name, result in results.items():
        print(f"{name:22}" + "".join(f"{result[genre]['boundary_f1']:11.4f}" for genre in genres))
    report = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{processor()}, {platform.machine()}",
        "data_sha256": hashlib.sha256(arguments.gold.read_bytes()).hexdigest(),
        "versions": versions,
        "documents": dict(sorted(collections.Counter(document["genre"] for document in documents).items())),
        "results": results,
    }
    if arguments.speed:
        report["megabytes_per_second"] = speed(arguments.speed)
        print("megabytes a second:", report["megabytes_per_second"])
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
