"""Compares the training speed of `standpoint train` with PyTorch, on the same windows and the same optimizer step.

Generates labelled text from words of one token each, so that both programs train on the same token windows: short ones (32
windows of 32 tokens per step) and long ones (120 to 250 tokens). Runs both programs in turn, several times, and prints tokens/s
and their ratio. Run from the root of the repository:

    cargo build --release
    pip install --group peers
    python bench/training.py --base BASE --output bench/results/training.json

BASE is a folder with config.json, tokenizer.json and model.safetensors of all-MiniLM-L6-v2 (docs/training.md). --larger
FOLDER, with those of all-mpnet-base-v2, also measures the training of that model on the same windows.
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

TARGET = "withdrawal of foreign troops"
SHAPES = {"short": {"step_tokens": 1024}, "long": {"step_tokens": 2048}}
STEPS = 60
# `standpoint train` prints its speed every 50 steps, smoothed over about 20.
SAID = re.compile(r"step (\d+)/\d+ .* (\d+) tokens/s")


def single_token_words(vocabulary):
    """Words that are a single token, in order of their ids."""
    words = (word for word, _ in sorted(vocabulary.items(), key=lambda item: item[1]))
    return [word for word in words if word.isascii() and word.isalpha() and word.islower() and len(word) > 2]


def make_windows(shape, vocabulary, count_tokens, seed):
    """Documents as lists of sentences, one window each, and the windows as token ids."""
    draw = random.Random(seed)
    words = single_token_words(vocabulary)
    target = [vocabulary[word] for word in TARGET.split()]
    cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
    documents, windows, tokens = [], [], 0
    while tokens < count_tokens:
        room = (32 if shape == "short" else draw.randint(120, 250)) - len(target) - 2
        sentences = []
        while room > 1:
            length = min(room - 1, 32 if shape == "short" else draw.randint(8, 40))
            sentences.append([draw.choice(words) for _ in range(length)])
            room -= length + 1
        window = [cls, *target, sep]
        for sentence in sentences:
            window += [*(vocabulary[word] for word in sentence), sep]
        documents.append([" ".join(sentence) for sentence in sentences])
        windows.append(window)
        tokens += len(window)
    return documents, windows


def write_gold(path, documents, seed):
    draw = random.Random(seed)
    with path.open("w") as file:
        for number, sentences in enumerate(documents):
            labelled = [
                {
                    "text": text,
                    "role": draw.choice(["claim", "attributed", "background"]),
                    "stance": draw.choice(["favor", "against", "none"]),
                }
                for text in sentences
            ]
            file.write(json.dumps({"doc_id": str(number), "target": TARGET, "sentences": labelled}) + "\n")


def config(folder, base, step_tokens):
    return f"""
name = "benchmark"
version = "0"
base = {json.dumps(str(base.resolve()))}
output = {json.dumps(str(folder / "model"))}
run = {json.dumps(str(folder / "run"))}
seed = 1
max_tokens = 256
[data]
train = [{json.dumps(str(folder / "train.jsonl"))}]
dev = [{json.dumps(str(folder / "dev.jsonl"))}]
[schedule]
epochs = 1
step_tokens = {step_tokens}
pass_tokens = {step_tokens}
checkpoint_minutes = 60
"""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return done


def time_ours(program, folder):
    """Tokens/s near the end of one epoch, and peak memory in MiB."""
    for old in (folder / "run").glob("*"):
        old.unlink()
    with (folder / "stderr").open("w+") as stderr:
        process = subprocess.Popen([program, "train", folder / "train.toml", "--offline"], stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        stderr.seek(0)
        text = stderr.read()
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{program} train: exit code {os.waitstatus_to_exitcode(status)}\n{text[-2000:]}")
    return float(SAID.findall(text)[-1][1]), usage.ru_maxrss // 1024


def time_pytorch(folder, base, step_tokens):
    """The median over steps of tokens/s without padding, and PyTorch's version."""
    result = folder / "pytorch.json"
    script = pathlib.Path(__file__).parent / "peers" / "train_pytorch.py"
    run([
        sys.executable, script, "--base", base, "--windows", folder / "windows.jsonl",
        "--max-batch-tokens", str(step_tokens), "--steps", "20", "--output", result,
    ])
    return json.loads(result.read_text())


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"))
    parser.add_argument("--larger", type=pathlib.Path, metavar="FOLDER", help="a larger base, measured without a peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    options = parser.parse_args()

    vocabulary = json.loads((options.base / "tokenizer.json").read_text())["model"]["vocab"]
    shapes = {}
    with tempfile.TemporaryDirectory() as temporary:
        for shape, settings in SHAPES.items():
            step_tokens = settings["step_tokens"]
            folder = pathlib.Path(temporary) / shape
            folder.mkdir()
            documents, windows = make_windows(shape, vocabulary, STEPS * step_tokens, seed=1)
            write_gold(folder / "train.jsonl", documents, seed=2)
            write_gold(folder / "dev.jsonl", documents[:5], seed=3)
            (folder / "windows.jsonl").write_text("".join(json.dumps({"tokens": w}) + "\n" for w in windows))
            (folder / "train.toml").write_text(config(folder, options.base, step_tokens))
            rounds, memory = [], 0
            for number in range(options.rounds):
                ours, most = time_ours(options.standpoint.resolve(), folder)
                memory = max(memory, most)
                peer = time_pytorch(folder, options.base, step_tokens)
                theirs = peer["results"]["windows.jsonl"][0]["tokens_per_second"]
                rounds.append({"standpoint": ours, "pytorch": theirs, "ratio": ours / theirs})
                print(f"{shape}, round {number + 1}: standpoint {ours:.0f}, PyTorch {theirs:.0f} tokens/s,"
                      f" ratio {ours / theirs:.2f}", flush=True)
            median = {key: round(statistics.median(r[key] for r in rounds), 3) for key in rounds[0]}
            print(f"{shape}, median: {median}", flush=True)
            shapes[shape] = {
                "step_tokens": step_tokens, "median": median, "standpoint_peak_memory_mib": memory, "rounds": rounds,
            }
            if options.larger:
                (folder / "train.toml").write_text(config(folder, options.larger, step_tokens))
                larger, most = time_ours(options.standpoint.resolve(), folder)
                share = larger / median["standpoint"]
                shapes[shape]["larger"] = {"standpoint": larger, "share_of_base": round(share, 3), "peak_memory_mib": most}
                print(f"{shape}, larger base: {shapes[shape]['larger']}", flush=True)

    result = {
        "what": "training speed in tokens/s: forward, backward, clipping, AdamW, dropout on; PyTorch in f32, standpoint with its linear layers in what is fastest on the processor: bf16 with AMX, block fixed point with AVX-512 VNNI",
        "command": "python bench/training.py --base BASE",
        "date": datetime.date.today().isoformat(),
        "machine": processor(),
        "base_sha256": hashlib.sha256((options.base / "model.safetensors").read_bytes()).hexdigest(),
        "larger_sha256": options.larger and hashlib.sha256((options.larger / "model.safetensors").read_bytes()).hexdigest(),
        "peer": peer.get("versions"),
        "shapes": shapes,
    }
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
