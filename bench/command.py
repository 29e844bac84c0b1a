"""Measures the whole command, from file to file: time, time outside the encoder, memory, and the gain from a second thread.

The input is 10,000 articles of JSON Lines. Also measures the memory of one huge document, and cold starts.

The articles are seeded random samples of the sentences of examples/, so the file is the same everywhere. Runs with one thread
and with two alternate. `--timings` reports the time that threads spend in the encoder. Everything else counts as outside:
starting, reading, finding sentences, tokenizing, cutting windows, heads, writing, and waiting. If threads outnumber processors,
time in the encoder includes preemption by other threads. The share outside is therefore also given in processor time, for one
thread. Run nothing else meanwhile. Run from the root of the repository:

    cargo build --release
    python bench/command.py --output bench/results/command.json
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

MODEL = pathlib.Path("models/small/model.safetensors")
EXAMPLES = sorted(pathlib.Path("examples").glob("*.txt"))
ARTICLE = pathlib.Path("examples/airfield-handover.txt")
TIMINGS = re.compile(r"timings: (?P<wall>[\d.]+) s on (?P<threads>\d+) threads?, (?P<encoder>[\d.]+) s of thread time in the encoder")


def lines_of_examples():
    return [line for path in EXAMPLES for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def articles(count, seed=1):
    """Articles as long as the examples, as lines of JSON."""
    draw, lines = random.Random(seed), lines_of_examples()
    for number in range(count):
        text = "\n".join(draw.sample(lines, draw.randint(8, 16)))
        yield json.dumps({"id": f"article-{number}", "text": text, "number": number}, ensure_ascii=False)


def huge(size, seed=2):
    """One text of just under `size` bytes."""
    draw, lines, text, length = random.Random(seed), lines_of_examples(), [], 0
    while length < size - 4096:
        line = draw.choice(lines)
        text.append(line)
        length += len(line.encode()) + 1
    return "\n".join(text) + "\n"


def run(command):
    """Runs a command to completion. Returns seconds, processor seconds, peak memory in bytes, and its standard error."""
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        said.seek(0)
        said = said.read()
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {status}\n{said[-2000:]}")
    scale = 1 if sys.platform == "darwin" else 1024
    return {"seconds": seconds, "processor_seconds": usage.ru_utime + usage.ru_stime, "peak_memory_bytes": usage.ru_maxrss * scale}, said


def classify(options, source, output, threads):
    command = [options.standpoint, "classify", source, "--output", output, "--timings", "--threads", threads]
    figures, said = run(command)
    inside = TIMINGS.search(said)
    encoder = float(inside["encoder"])
    figures["encoder_thread_seconds"] = encoder
    figures["share_outside_encoder"] = 1 - encoder / (figures["seconds"] * threads)
    return figures


def middle(runs):
    """The median of each figure, and the highest peak memory."""
    medians = {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}
    return {**medians, "peak_memory_bytes": max(run["peak_memory_bytes"] for run in runs), "runs": len(runs)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = re.findall(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return names[0] if names else platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"), metavar="PROGRAM")
    parser.add_argument("--articles", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--threads", default="1,2", metavar="N,...", help="thread counts to measure, starting with 1")
    parser.add_argument("--huge", type=float, default=8, metavar="MIB", help="size of the huge document; 0 skips it")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    options = parser.parse_args()
    threads = [int(number) for number in options.threads.split(",")]
    result = {
        "what": "the whole command, from file to file",
        "command": "python bench/command.py " + " ".join(sys.argv[1:]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{processor()}, {os.cpu_count()} threads, {platform.system()} {platform.machine()}",
        "program": subprocess.run([options.standpoint, "--version"], capture_output=True, text=True, check=True).stdout.strip(),
        "model_sha256": sha256(MODEL),
    }
    with tempfile.TemporaryDirectory() as folder:
        source, labels = pathlib.Path(folder, "articles.jsonl"), pathlib.Path(folder, "labels.jsonl")
        source.write_text("\n".join(articles(options.articles)) + "\n", encoding="utf-8")
        runs, answers = {number: [] for number in threads}, set()
        for _ in range(options.rounds):
            for number in threads:
                runs[number].append(classify(options, source, labels, number))
                answers.add(sha256(labels))
                print(f"{number} threads:", runs[number][-1], flush=True)
        if len(answers) != 1:
            sys.exit("the labels depend on the number of threads")
        with labels.open(encoding="utf-8") as file:
            sentences = sum(1 for _ in file)
        by_threads = {str(number): middle(of_number) for number, of_number in runs.items()}
        one = by_threads[str(threads[0])]
        result["articles"] = {
            "documents": options.articles,
            "bytes": source.stat().st_size,
            "sha256": sha256(source),
            "sentences": sentences,
            "threads": by_threads,
            "processor_share_outside_encoder": round(1 - one["encoder_thread_seconds"] / one["processor_seconds"], 4),
            "times_as_fast": {
                str(number): round(statistics.median(a["seconds"] / b["seconds"] for a, b in zip(runs[threads[0]], runs[number])), 3)
                for number in threads[1:]
            },
        }
        if options.huge:
            text = huge(int(options.huge * (1 << 20)))
            forms = {".txt": text, ".jsonl": json.dumps({"id": "huge", "text": text}) + "\n"}
            result["huge_document"] = []
            for form, content in forms.items():
                source = pathlib.Path(folder, f"huge{form}")
                source.write_text(content, encoding="utf-8")
                figures = classify(options, source, labels, threads[-1])
                result["huge_document"].append({"form": form, "bytes": source.stat().st_size, "sha256": sha256(source), **figures})
        starts = [run([options.standpoint, "classify", "--format", "jsonl", ARTICLE])[0]["seconds"] for _ in range(11)][1:]
        result["cold_start_seconds"] = {"median": round(statistics.median(starts), 4), "fastest": round(min(starts), 4), "slowest": round(max(starts), 4)}
    text = json.dumps(result, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
