"""The code that all peers of `standpoint` share, so that they do the same work: windows and measurement.

Sentences are tokenized by the `tokenizers` package, cut into windows by the rule of crates/core/src/window.rs, sorted by length, padded in
batches, encoded by the peer, and pooled and labelled here. All steps are timed. A peer is a function from token ids, token types
and mask, each `[windows, longest]`, to states `[windows, longest, hidden]`.
Not a program of its own: classify_pytorch.py and classify_onnx.py import it.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import resource
import statistics
import time
import tomllib

import numpy as np
import tokenizers
from safetensors.numpy import load_file

HEADS = ("role", "stance")


class Classifier:
    """A standpoint model without its encoder."""

    def __init__(self, folder, encode, max_batch_tokens):
        settings = tomllib.loads((folder / "standpoint.toml").read_text(encoding="utf-8"))
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.encode_special_tokens = True
        self.cls, self.sep = (self.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        self.max_tokens = settings["max_tokens"]
        self.target = self.token_ids([settings["default_target"]])[0]
        self.labels = [settings[head]["labels"] for head in HEADS]
        weights = load_file(folder / "model.safetensors")
        self.heads = [
            (weights[f"heads.{head}.weight"].astype(np.float32), weights[f"heads.{head}.bias"].astype(np.float32))
            for head in HEADS
        ]
        self.encode = encode
        self.max_batch_tokens = max_batch_tokens

    def token_ids(self, texts):
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def windows(self, sentences):
        """Windows of a document, given as the token ids of its sentences: pairs of token ids and of the answered
        sentences (index, start, end). The rule is that of crates/core/src/window.rs."""
        frame = [self.cls, *self.target, self.sep]
        capacity = self.max_tokens - len(frame)
        cost = [len(tokens) + 1 for tokens in sentences]
        first = 0
        while first < len(sentences):
            before = first - 1 if first > 0 and cost[first - 1] + cost[first] <= capacity else first
            used = sum(cost[before:first]) + min(cost[first], capacity)
            end = first + 1
            while end < len(sentences) and used + cost[end] <= capacity:
                used += cost[end]
                end += 1
            answered_end = end - 1 if end < len(sentences) and end - first > 1 else end
            window, answered = list(frame), []
            for index in range(before, end):
                tokens = sentences[index][: capacity - 1]
                if first <= index < answered_end:
                    answered.append((index, len(window), len(window) + max(1, len(tokens))))
                window += [*tokens, self.sep]
            yield window, answered
            first = answered_end

    def batches(self, windows):
        """As many windows of about the same length as have `max_batch_tokens` tokens together, padding included."""
        batch = []
        for window in sorted(windows, key=lambda window: -len(window[1])):
            if batch and (len(batch) + 1) * len(batch[0][1]) > self.max_batch_tokens:
                yield batch
                batch = []
            batch.append(window)
        if batch:
            yield batch

    def classify(self, documents):
        """For each document, given as its sentences, the role and the stance of each; and the number of tokens."""
        texts = [text for document in documents for text in document]
        ids = iter(self.token_ids(texts))
        tokenized = [[next(ids) for _ in document] for document in documents]
        answers = [[None] * len(document) for document in documents]
        windows = [
            (number, tokens, answered)
            for number, sentences in enumerate(tokenized)
            for tokens, answered in self.windows(sentences)
        ]
        for batch in self.batches(windows):
            shape = (len(batch), len(batch[0][1]))
            tokens, types, mask = (np.zeros(shape, dtype=np.int64) for _ in range(3))
            for row, (_, window, _) in enumerate(batch):
                tokens[row, : len(window)] = window
                types[row, len(self.target) + 2 : len(window)] = 1
                mask[row, : len(window)] = 1
            states = self.encode(tokens, types, mask)
            for row, (number, _, answered) in enumerate(batch):
                means = np.stack([states[row, start:end].mean(axis=0) for _, start, end in answered])
                of_heads = [(means @ weight.T + bias).argmax(axis=1) for weight, bias in self.heads]
                for (index, _, _), *best in zip(answered, *of_heads, strict=True):
                    answers[number][index] = [labels[one] for labels, one in zip(self.labels, best, strict=True)]
        return answers, sum(len(sentence) for document in tokenized for sentence in document)


def read_documents(path):
    """JSON Lines of `{"id", "sentences"}`, as `standpoint classify` reads them."""
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return [row["id"] for row in rows], [row["sentences"] for row in rows]


def throughput(classifier, documents, batch, seconds, repetitions):
    """Medians over the repetitions, as `standpoint bench` measures them: around and around, `batch` documents at once."""
    length = -(-len(documents) // batch) * batch
    around = [documents[i % len(documents)] for i in range(length)]
    batches = [around[i : i + batch] for i in range(0, length, batch)]
    classifier.classify(documents[:1])
    rates, at, begun = [], 0, time.perf_counter()
    while not rates or (len(rates) < repetitions and time.perf_counter() - begun < seconds):
        sentences = tokens = 0
        started = time.perf_counter()
        while sentences == 0 or time.perf_counter() - started < seconds / repetitions:
            tokens += classifier.classify(batches[at])[1]
            sentences += sum(map(len, batches[at]))
            at = (at + 1) % len(batches)
        elapsed = time.perf_counter() - started
        rates.append((sentences / elapsed, tokens / elapsed))
    return {
        "sentences_per_second": statistics.median(rate for rate, _ in rates),
        "tokens_per_second": statistics.median(rate for _, rate in rates),
    }


def latency(classifier, article, seconds):
    classifier.classify([article])
    times, started = [], time.perf_counter()
    while not times or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        classifier.classify([article])
        times.append(1000 * (time.perf_counter() - begun))
    times.sort()
    return {"runs": len(times)} | {
        name: times[math.ceil(share * len(times)) - 1] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }


def parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/small"), metavar="FOLDER")
    parser.add_argument("--documents", type=pathlib.Path, required=True, metavar="FILE", help='JSON Lines of {"id", "sentences"}')
    parser.add_argument("--article", type=pathlib.Path, required=True, metavar="FILE", help="the same of one document, of which latency is measured")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=64, help="documents at once")
    parser.add_argument("--max-batch-tokens", type=int, default=1024, help="tokens that are encoded at once, padding included")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="FILE", help="figures and labels, as JSON")
    return parser


def limit_threads(threads):
    """For the tokenizer, before its first use; the encoder's threads are set by the peer."""
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"


def measure(options, encode, versions):
    """Measures a peer and writes what was found."""
    classifier = Classifier(options.model, encode, options.max_batch_tokens)
    ids, documents = read_documents(options.documents)
    report = {
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "tokenizers": tokenizers.__version__, **versions},
        "throughput": throughput(classifier, documents, options.batch, options.seconds, options.repetitions),
        "latency": latency(classifier, read_documents(options.article)[1][0], options.seconds),
        # Linux counts ru_maxrss in KiB.
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    answers = [classifier.classify([document])[0][0] for document in documents]
    report["labels"] = dict(zip(ids, answers, strict=True))
    options.output.write_text(json.dumps(report), encoding="utf-8")
