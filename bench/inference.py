"""Compares the labelling speed of `standpoint` with PyTorch and ONNX Runtime, on the same weights and windows.

Every round runs each program twice: on articles in windows, and on each sentence as a document of its own. Running them in
turn means that other load on the machine slows all of them. Ratios to ONNX Runtime in f32 are computed within a round, and
their median is reported. Tokenization and window cutting are timed too (bench/peers/classify.py). In f32, the peers must give
the same labels as standpoint on 99.9% of the sentences. ONNX Runtime's int8 quantizes differently, so its agreement is only
reported. If the processor lacks an instruction set in OURS, the run fails; remove that entry. Run from the root of the
repository:

    cargo build --release
    pip install --group peers
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
# The text on which `standpoint bench` measures latency.
ARTICLE = pathlib.Path("examples/airfield-handover.txt")
EXACT = ["PyTorch f32", "ONNX Runtime f32"]
# Dtype, the instruction set to force, and the number of threads; None uses as many threads as the others.
OURS = {
    "standpoint int8": ("int8", None, None),
    "standpoint int8, one thread": ("int8", None, 1),
    "standpoint bf16": ("bf16", None, None),
    "standpoint f32": ("f32", None, None),
    "standpoint int8, AVX-512 with VNNI": ("int8", "avx512-vnni", None),
    "standpoint f32, AVX-512 with VNNI": ("f32", "avx512-vnni", None),
    "standpoint f32, AVX-512": ("f32", "avx512", None),
    "standpoint int8, AVX2 with VNNI": ("int8", "avx2-vnni", None),
    "standpoint int8, AVX2": ("int8", "avx2", None),
    "candle f32 (reference encoder)": ("reference", None, None),
}
SCALED = ("standpoint int8", "standpoint int8, one thread")


def run(command):
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def classify(options, texts):
    """The output of `standpoint classify`: for each document its sentences, and their labels."""
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


def commands(options, documents, batch, article, onnx):
    """The command that makes each program measure itself, without its output file."""
    measured = ["--batch", batch, "--seconds", options.seconds, "--repetitions", options.repetitions, "--threads"]
    peer = ["--model", options.model, "--documents", documents, "--article", article, "--max-batch-tokens", options.max_batch_tokens, *measured, options.threads]
    ours = {}
    for name, (dtype, isa, threads) in OURS.items():
        forced = ["--isa", isa] if isa else []
        ours[name] = [options.standpoint, "bench", documents, "--model", options.model, "--dtype", dtype, *forced, "--format", "json", *measured, threads or options.threads]
    programs = {
        **ours,
        "PyTorch f32": [sys.executable, PEERS / "classify_pytorch.py", *peer],
        "ONNX Runtime f32": [sys.executable, PEERS / "classify_onnx.py", "--onnx", onnx, *peer],
        "ONNX Runtime int8": [sys.executable, PEERS / "classify_onnx.py", "--onnx", onnx, "--dtype", "int8", *peer],
    }
    return {name: command for name, command in programs.items() if name == REFERENCE or not options.only or name in options.only}


def agreement(labels, others):
    """The share of sentences to which both give the same role and the same stance."""
    pairs = [pair for doc, of_doc in labels.items() for pair in zip(of_doc, others[doc], strict=True)]
    return sum(one == other for one, other in pairs) / len(pairs)


def figures(report):
    """The figures of one run. standpoint reports lists, which have a single entry here."""
    throughput, latency = report["throughput"], report["latency"]
    if isinstance(throughput, list):
        throughput, latency = throughput[0], latency[0]
    return {
        "sentences_per_second": throughput["sentences_per_second"],
        "tokens_per_second": throughput["tokens_per_second"],
        "latency_ms": latency["p50"],
        "peak_memory_mib": (report["peak_memory_bytes"] or 0) / 2**20,
    }


def ratio(rounds, key, name, other):
    """The median over rounds of a figure's ratio to another program's in the same round."""
    return statistics.median(one[name][key] / one[other][key] for one in rounds)


def summary(rounds):
    """For each program, its median figures and its speed relative to the reference."""
    summary = {}
    for name in rounds[0]:
        medians = {key: statistics.median(one[name][key] for one in rounds) for key in rounds[0][name]}
        ratios = {
            "throughput_ratio": ratio(rounds, "sentences_per_second", name, REFERENCE),
            "single_throughput_ratio": ratio(rounds, "single_sentences_per_second", name, REFERENCE),
            "latency_ratio": ratio(rounds, "latency_ms", REFERENCE, name),
        }
        summary[name] = {key: round(value, 3) for key, value in (medians | ratios).items()}
    return summary


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="*", type=pathlib.Path, default=sorted(pathlib.Path("examples").glob("*.txt")), help="files or folders, as `standpoint classify` reads them [default: the examples]")
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/small"), metavar="FOLDER")
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"), metavar="PROGRAM")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=64, help="documents per batch")
    parser.add_argument("--max-batch-tokens", type=int, default=1024, help="tokens per batch of a peer")
    parser.add_argument("--only", nargs="*", metavar="NAME", help=f"programs to run besides {REFERENCE} [default: all]")
    parser.add_argument("--seconds", type=float, default=10.0, help="duration of each measurement")
    parser.add_argument("--repetitions", type=int, default=5, help="repetitions of each measurement, within its duration")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    return parser.parse_args()


def main():
    options = parse()
    options.standpoint = options.standpoint.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        documents, article, singles = (temporary / f"{name}.jsonl" for name in ("documents", "article", "singles"))
        onnx, output = temporary / "onnx", temporary / "report.json"
        sentences, labels = classify(options, options.texts)
        write_documents(documents, sentences)
        write_documents(article, classify(options, [ARTICLE])[0])
        write_documents(singles, {f"{doc} {i}": [one] for doc, of_doc in sentences.items() for i, one in enumerate(of_doc)})
        # Label these sentences again, because the white space between them has changed.
        labels = classify(options, [documents])[1]
        run([sys.executable, PEERS / "export_onnx.py", "--model", options.model, "--onnx", onnx])

        rounds, agreements, reports = [], {}, {}
        for number in range(options.rounds):
            one = {}
            # The same number of sentences per batch as for articles.
            alone = commands(options, singles, options.batch * sum(map(len, sentences.values())) // len(sentences), article, onnx)
            for name, command in commands(options, documents, options.batch, article, onnx).items():
                run([*alone[name], "--output", output])
                single = figures(json.loads(output.read_text(encoding="utf-8")))
                run([*command, "--output", output])
                reports[name] = json.loads(output.read_text(encoding="utf-8"))
                one[name] = figures(reports[name])
                for key in ("sentences_per_second", "tokens_per_second"):
                    one[name][f"single_{key}"] = single[key]
                if name not in OURS:
                    agreements[name] = agreement(labels, reports[name]["labels"])
            rounds.append(one)
            said = ", ".join(f"{name} {one[name]['sentences_per_second']:.0f}/{one[name]['single_sentences_per_second']:.0f}" for name in one)
            print(f"round {number + 1}, sentences/s in windows/alone: {said}", flush=True)

    ours = next(reports[name] for name in reports if name in OURS)
    scaled = all(name in reports for name in SCALED)
    result = {
        "what": "labelling speed: the same weights, the same windows, tokenization included",
        "command": " ".join(["python", *sys.argv]),
        **{key: ours[key] for key in ("date", "machine", "program", "model", "text", "article")},
        "settings": {key: getattr(options, key) for key in ("threads", "batch", "max_batch_tokens", "seconds", "repetitions")},
        "versions": {name: report["versions"] for name, report in reports.items() if name not in OURS},
        "agreement": agreements,
        "ratios_to": REFERENCE,
        "scaling": {key: round(ratio(rounds, key, *SCALED), 3) for key in ("sentences_per_second", "single_sentences_per_second")} if scaled else None,
        "median": summary(rounds),
        "rounds": rounds,
    }
    for name, median in result["median"].items():
        labelled = f", labels agree on {agreements[name]:.2%}" if name in agreements else ""
        print(
            f"{name}: {median['sentences_per_second']:.0f} sentences/s ({median['throughput_ratio']:.2f} x {REFERENCE}; alone {median['single_throughput_ratio']:.2f} x),"
            f" article {median['latency_ms']:.1f} ms ({median['latency_ratio']:.2f} x as fast),"
            f" {median['peak_memory_mib']:.0f} MiB{labelled}"
        )
    if scaled:
        print("from one thread to all:", ", ".join(f"{value:.2f}" for value in result["scaling"].values()))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    apart = [name for name in EXACT if agreements.get(name, 1.0) < AGREEMENT]
    if apart:
        sys.exit(f"{', '.join(apart)}: labels agree on less than {AGREEMENT:.1%} of the sentences; the windows are not the same")


if __name__ == "__main__":
    main()
