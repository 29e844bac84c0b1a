"""Speed ratios within a few seconds: each dtype relative to candle's f32, and two threads relative to one.

A quick check of a change, not a measurement. On a busy machine the ratios can be anything, so none has a bound. Fails only if
`standpoint bench` fails or omits a figure. Run from the root of the repository:

    cargo build --release
    python bench/smoke.py
"""

import argparse
import json
import pathlib
import subprocess

DTYPES = ["reference", "f32", "bf16", "int8"]


def bench(standpoint, dtype, seconds):
    command = [standpoint, "bench", "--dtype", dtype, "--threads", "1,2", "--batch", "8", "--seconds", str(seconds), "--repetitions", "1", "--format", "json"]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    speeds = {row["threads"]: row["tokens_per_second"] for row in report["throughput"]}
    return speeds, report["cold_start"]["median"], report["peak_memory_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--standpoint", type=pathlib.Path, default=pathlib.Path("target/release/standpoint"), metavar="PROGRAM")
    parser.add_argument("--seconds", type=float, default=0.3, help="duration for each figure")
    options = parser.parse_args()
    reference = None
    print(f"{'dtype':<10}{'tokens/s':>10}{'to reference':>14}{'2 threads to 1':>16}{'cold start':>12}{'memory':>10}")
    for dtype in DTYPES:
        speeds, start, memory = bench(options.standpoint, dtype, options.seconds)
        reference = reference or speeds[2]
        memory = f"{memory >> 20} MiB" if memory else "?"
        print(f"{dtype:<10}{speeds[2]:>10.0f}{speeds[2] / reference:>14.2f}{speeds[2] / speeds[1]:>16.2f}{start * 1000:>9.0f} ms{memory:>10}")


if __name__ == "__main__":
    main()
