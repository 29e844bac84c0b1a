"""Labelling speed of `standpoint` against PyTorch and ONNX Runtime: the same weights, the same windows, in turn.

Every round runs each program once, so that whatever else slows the machine slows all of them; ratios are taken within
a round, to ONNX Runtime in f32, and their median is given. Where a processor lacks an instruction set that is forced
in OURS, the run ends: take it out. Tokenization and the cutting of windows are part of the
work and timed (bench/peers/classify.py). The peers' labels must be standpoint's on 99.9% of the sentences; int8 is
another model, and its agreement is only reported. Run from the root of the repository:

    cargo build --release
    pip install -r bench/peers/requirements.txt
    python bench/inference.py --output bench/results/inference.json
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).parent / "peers"
REFERENCE = "ONNX Runtime f32"
AGREEMENT = 0.999
# What `standpoint bench` measures latency on.
ARTICLE = pathlib.Path("examples/airfield-handover.txt")
EXACT = ["PyTorch f32", "ONNX Runtime f32"]
# What standpoint computes in, and the instruction set that is forced on it.
OURS = {
    "standpoint int8": ("int8", None),
    "standpoint bf16": ("bf16", None),
    "standpoint f32": ("f32", None),
    "standpoint int8, AVX2 with VNNI": ("int8", "avx2-vnni"),
    "standpoint int8, AVX2": ("int8", "avx2"),
    "candle f32 (reference encoder)": ("reference", None),
}


def run(command):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def classify(options, texts):
    """What `standpoint classify` says: for each document its sentences, and their labels."""
    sentences, labels = {}, {}
    command = [options.standpoint, "classify", "--model", options.model, "--dtype", "f32", "--format", "jsonl", *texts]
    for line in run(command).splitlines():
        row = json.loads(line)
        sentences.setdefault(row["doc"], []).append(row["text"])
        labels.setdefault(row["doc"], []).append([row["role"], row["stance"][0]["stance"]])
    return sentences, labels


def write_documents(path, sentences):
    rows = [json.dumps({"id": doc, "sentences": of_doc}) for doc, of_doc in sentences.items()]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def commands(options, documents, article, onnx):
    """How each program measures itself, but for where it writes."""
    measured = ["--threads", options.threads, "--batch", options.batch, "--seconds", options.seconds]
    measured += ["--repetitions", options.repetitions]
    peer = ["--model", options.model, "--documents", documents, "--article", article, "--max-batch-tokens", options.max_batch_tokens, *measured]
    ours = {}
    for name, (dtype, isa) in OURS.items():
        forced = ["--isa", isa] if isa else []
        ours[name] = [options.standpoint, "bench", documents, "--model", options.model, "--dtype", dtype, *forced, "--format", "json", *measured]
    return {
        **ours,
        "PyTorch f32": [sys.executable, PEERS / "classify_pytorch.py", *peer],
        "ONNX Runtime f32": [sys.executable, PEERS / "classify_onnx.py", "--onnx", onnx, *peer],
        "ONNX Runtime int8": [sys.executable, PEERS / "classify_onnx.py", "--onnx", onnx, "--dtype", "int8", *peer],
    }


def agreement(labels, others):
    """The share of sentences of which both say the same role and the same stance."""
    pairs = [pair for doc, of_doc in labels.items() for pair in zip(of_doc, others[doc], strict=True)]
    return sum(one == other for one, other in pairs) / len(pairs)


def figures(report):
    """The figures of one run. standpoint gives lists, of which each has one entry here."""
    throughput, latency = report["throughput"], report["latency"]
    if isinstance(throughput, list):
        throughput, latency = throughput[0], latency[0]
    return {
        "sentences_per_second": throughput["sentences_per_second"],
        "tokens_per_second": throughput["tokens_per_second"],
        "latency_ms": latency["p50"],
        "peak_memory_mib": (report["peak_memory_bytes"] or 0) / 2**20,
    }


def summary(rounds):
    """For each program the median figures, and how many times as fast as the reference it is."""
    summary = {}
    for name in rounds[0]:
        medians = {key: statistics.median(one[name][key] for one in rounds) for key in rounds[0][name]}
        ratios = {
            "throughput_ratio": statistics.median(
                one[name]["sentences_per_second"] / one[REFERENCE]["sentences_per_second"] for one in rounds
            ),
            "latency_ratio": statistics.median(one[REFERENCE]["latency_ms"] / one[name]["latency_ms"] for one in rounds),
        }
        summary[name] = {key: round(value, 3) for key, value in (medians | ratios).items()}
    return summary


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="*", type=pathlib.Path, default=sorted(pathlib.Path("examples").glob("*.txt")), help="files or folders, as `standpoint classify` reads them [default: the examples]")
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/small"), metavar="FOLDER")
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"), metavar="PROGRAM")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=64, help="documents at once")
    parser.add_argument("--max-batch-tokens", type=int, default=1024, help="tokens that a peer encodes at once")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--repetitions", type=int, default=5, help="of each measurement, within its seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    return parser.parse_args()


def main():
    options = parse()
    options.standpoint = options.standpoint.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        documents, article = temporary / "documents.jsonl", temporary / "article.jsonl"
        onnx, output = temporary / "onnx", temporary / "report.json"
        sentences, labels = classify(options, options.texts)
        write_documents(documents, sentences)
        write_documents(article, classify(options, [ARTICLE])[0])
        # Once more from these sentences: white space between them is not what it was.
        labels = classify(options, [documents])[1]
        run([sys.executable, PEERS / "export_onnx.py", "--model", options.model, "--onnx", onnx])

        rounds, agreements, reports = [], {}, {}
        for number in range(options.rounds):
            one = {}
            for name, command in commands(options, documents, article, onnx).items():
                run([*command, "--output", output])
                reports[name] = json.loads(output.read_text(encoding="utf-8"))
                one[name] = figures(reports[name])
                if name not in OURS:
                    agreements[name] = agreement(labels, reports[name]["labels"])
            rounds.append(one)
            said = ", ".join(f"{name} {one[name]['sentences_per_second']:.0f}" for name in one)
            print(f"round {number + 1}, sentences/s: {said}", flush=True)

    ours = reports["standpoint int8"]
    result = {
        "what": "labelling speed: the same weights, the same windows, tokenization included",
        "command": " ".join(["python", *sys.argv]),
        **{key: ours[key] for key in ("date", "machine", "program", "model", "text", "article")},
        "settings": {key: getattr(options, key) for key in ("threads", "batch", "max_batch_tokens", "seconds", "repetitions")},
        "versions": {name: report["versions"] for name, report in reports.items() if name not in OURS},
        "agreement": agreements,
        "ratios_to": REFERENCE,
        "median": summary(rounds),
        "rounds": rounds,
    }
    for name, median in result["median"].items():
        labelled = f", labels agree on {agreements[name]:.2%}" if name in agreements else ""
        print(
            f"{name}: {median['sentences_per_second']:.0f} sentences/s ({median['throughput_ratio']:.2f} x {REFERENCE}),"
            f" article {median['latency_ms']:.1f} ms ({median['latency_ratio']:.2f} x as fast),"
            f" {median['peak_memory_mib']:.0f} MiB{labelled}"
        )
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    apart = [name for name in EXACT if agreements[name] < AGREEMENT]
    if apart:
        sys.exit(f"{', '.join(apart)}: labels agree on less than {AGREEMENT:.1%} of the sentences; the windows are not the same")


if __name__ == "__main__":
    main()
