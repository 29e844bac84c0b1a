"""Compares extractors of articles in Rust, and standpoint as it reads pages, with gold texts and with Python's trafilatura.

Gold texts: the 181 pages of https://github.com/scrapinghub/article-extraction-benchmark (--gold, a checkout). Pages without
gold: the test pages of https://github.com/mozilla/readability (--pages, its test/test-pages), where Python's trafilatura is
the oracle, and so it is for titles and dates of both. Neither is part of this repository.

Texts are compared as in that benchmark: by the four-word sequences that they share, as means of the precision and recall of
pages; F1 is that of the two means. Run from the root of the repository, after `cargo build --release`:

    cargo build --release --manifest-path bench/peers/extractors/Cargo.toml
    pip install trafilatura==2.3.1 lxml_html_clean
    python bench/extraction.py --gold ../article-extraction-benchmark --pages ../readability/test/test-pages \
        --output bench/results/extraction.json
"""

import argparse
import collections
import datetime
import gzip
import html
import importlib.metadata
import json
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile
import time

import trafilatura

STANDPOINT = pathlib.Path("target/release/standpoint")
PEERS = pathlib.Path("bench/peers/extractors/target/release/extractors")
ORACLE = "trafilatura (Python)"


def words(text):
    return re.findall(r"\w+", text)


def shingles(text, length=4):
    all_words = words(text)
    return collections.Counter(tuple(all_words[at : at + length]) for at in range(max(1, len(all_words) - length + 1)))


def overlap(wanted, found):
    """Precision and recall of a page, None where there is nothing to divide by."""
    wanted, found = shingles(wanted), shingles(found)
    shared = (wanted & found).total()
    return [shared / count.total() if count.total() else None for count in (found, wanted)]


def plain(markup):
    """The words of HTML; where its blocks end makes no odds here."""
    return html.unescape(re.sub(r"<[^>]*>", " ", markup or ""))


def oracle(pages):
    for page in pages:
        source = page.read_bytes()
        start = time.perf_counter()
        text = trafilatura.extract(source, include_comments=False) or ""
        about = trafilatura.extract_metadata(source)
        yield page, {
            "text": text,
            "seconds": time.perf_counter() - start,
            "title": about.title if about else None,
            "date": about.date if about else None,
        }


def peers(pages):
    done = subprocess.run([PEERS, *pages], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        found = row["found"] or {}
        yield row["tool"], pathlib.Path(row["page"]), {
            "text": plain(found.get("html")),
            "seconds": row["seconds"],
            "title": found.get("title"),
            "date": (found.get("date") or "")[:10],
        }


def standpoint(pages):
    """Its sentences are the text; a page that it refuses has none."""
    found = {page: {"text": "", "seconds": None, "title": None, "date": ""} for page in pages}
    start = time.perf_counter()
    command = [STANDPOINT, "segment", "--format", "jsonl", "--input-format", "html", *pages]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    for line in done.stdout.splitlines():
        row = json.loads(line)
        page = found[pathlib.Path(row["doc"])]
        page["text"] += row["text"] + "\n"
        page["title"], page["date"] = row.get("title"), row.get("published", "")[:10]
    for page in found.values():
        page["seconds"] = seconds / len(pages)
    return found


def run(pages):
    """What each tool finds in each page."""
    found = collections.defaultdict(dict)
    found[ORACLE] = dict(oracle(pages))
    for tool, page, article in peers(pages):
        found[tool][page] = article
    found["standpoint"] = standpoint(pages)
    return found


def mean(values):
    values = [value for value in values if value is not None]
    return statistics.mean(values) if values else None


def scores(wanted, found, about):
    pairs = [overlap(text, found[page]["text"]) for page, text in wanted.items()]
    precision, recall = (mean(column) for column in zip(*pairs))
    same = {}
    for field in ("title", "date"):
        known = {page: article[field] for page, article in about.items() if article[field]}
        same[f"same_{field}"] = mean(words(found[page][field] or "") == words(value) for page, value in known.items())
    figures = {
        "f1": 2 * precision * recall / (precision + recall),
        "precision": precision,
        "recall": recall,
        "empty_pages": sum(not words(article["text"]) for article in found.values()),
        **same,
        "milliseconds_a_page": 1000 * mean(article["seconds"] for article in found.values()),
    }
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=pathlib.Path, required=True)
    parser.add_argument("--pages", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    report = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "versions": {"trafilatura (Python)": importlib.metadata.version("trafilatura")},
        "results": {},
    }
    manifest = pathlib.Path("bench/peers/extractors/Cargo.toml").read_text(encoding="utf-8")
    report["versions"] |= dict(re.findall(r'^(\S+) = "=(\S+)"$', manifest, re.MULTILINE))

    with tempfile.TemporaryDirectory() as folder:
        gold = json.loads((arguments.gold / "ground-truth.json").read_text(encoding="utf-8"))
        texts = {}
        for name, page in gold.items():
            path = pathlib.Path(folder, f"{name}.html")
            path.write_bytes(gzip.decompress((arguments.gold / "html" / f"{name}.html.gz").read_bytes()))
            texts[path] = page["articleBody"]
        found = run(list(texts))
        about = found[ORACLE]
        report["results"]["gold"] = {tool: scores(texts, articles, about) for tool, articles in found.items()}
        by_oracle = {page: article["text"] for page, article in about.items()}
        report["results"]["gold pages, by the oracle"] = {
            tool: scores(by_oracle, articles, about) for tool, articles in found.items() if tool != ORACLE
        }
    found = run(sorted(arguments.pages.glob("*/source.html")))
    by_oracle = {page: article["text"] for page, article in found[ORACLE].items()}
    report["results"]["test pages, by the oracle"] = {
        tool: scores(by_oracle, articles, found[ORACLE]) for tool, articles in found.items() if tool != ORACLE
    }
    report["pages"] = {"gold": len(texts), "test pages": len(by_oracle)}

    for name, results in report["results"].items():
        print(name)
        for tool, figures in results.items():
            print(f"  {tool:22}" + "  ".join(f"{name} {value}" for name, value in figures.items()))
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
