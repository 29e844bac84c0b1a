"""Compares each kernel with the processor's peak, as measured by bench/kernels.rs, and plots the result.

Over several runs, each kernel's minimum time and the highest peak are used, because other load can only add time. Run from the
root of the repository:

    python bench/roofline.py --output bench/results/kernels.json    # measures, and plots
    python bench/roofline.py --from bench/results/kernels.json      # only plots
"""

import argparse
import json
import pathlib
import subprocess

PLOT = pathlib.Path("docs/kernels.svg")
# One panel each: instruction set, dtype, and weights, which are on an int8 grid ("bytes") or arbitrary ("any").
PANELS = [
    ("avx512-amx", "int8", "bytes"),
    ("avx512-amx", "f32", "bytes"),
    ("avx512-amx", "f32", "any"),
    ("avx512-vnni", "int8", "bytes"),
    ("avx512-vnni", "f32", "bytes"),
    ("avx512-vnni", "f32", "any"),
    ("avx2-vnni", "int8", "bytes"),
]
WIDTH, ROW, LABEL, BAR = 760, 22, 210, 400
INK, FAINT, TIME, REACH = "#222", "#999", "#c9d5e3", "#2b6cb0"


def text(x, y, said, anchor="start", color=INK, weight="normal"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}" font-weight="{weight}">{said}</text>'


def bar(x, y, width, height, color):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height}" fill="{color}"/>'


def name(run):
    return f"{run['dtype']}{' of any weights' if run['weights'] == 'any' else ''}, {run['isa']}"


def panel(run, top):
    """SVG lines and their bottom edge: each kernel's share of the time, and how much of that it would need at peak."""
    profile = run["profile"]
    whole = sum(kernel["nanoseconds"] for kernel in profile["kernels"])
    longest = max(kernel["nanoseconds"] for kernel in profile["kernels"])
    least = sum(kernel["nanoseconds"] * kernel["reach"] for kernel in profile["kernels"])
    title = f"{name(run)}: peak {profile['peak'] / 1e9:.0f} G multiply-adds/s, {profile['bandwidth'] / 1e9:.0f} GB/s; a layer reaches {least / whole:.0%}"
    lines, y = [text(12, top + 16, title, weight="bold")], top + 28
    for kernel in profile["kernels"]:
        share, reach = kernel["nanoseconds"] / whole, min(kernel["reach"], 1.0)
        width = BAR * kernel["nanoseconds"] / longest
        lines += [
            text(LABEL - 8, y + 14, kernel["kernel"], "end"),
            bar(LABEL, y + 2, width, ROW - 6, TIME),
            bar(LABEL, y + 2, width * reach, ROW - 6, REACH),
            text(LABEL + width + 6, y + 14, f"{share:.0%} of the time, {reach:.0%} of the roof", color=FAINT),
        ]
        y += ROW
    return lines, y + 14


def plot(report):
    lines, top = [], 8
    for wanted in PANELS:
        for run in report["runs"]:
            if (run["isa"], run["dtype"], run["weights"]) == wanted:
                more, top = panel(run, top)
                lines += more
    lines.append(text(12, top + 8, f"Dark: what the peak and the cache's bandwidth would need. One thread, {report['machine'].split(',')[0]}.", color=FAINT))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 20}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top + 20}" fill="#fff"/>', *lines, "</svg>"]) + "\n"


def fastest(reports):
    """One report with the fastest figures of all."""
    report = {**reports[0], "of_runs": len(reports)}
    for index, run in enumerate(report["runs"]):
        profile, others = run["profile"], [other["runs"][index]["profile"] for other in reports]
        for key in ("peak", "bandwidth"):
            profile[key] = max(other[key] for other in others)
        for at, kernel in enumerate(profile["kernels"]):
            kernel["nanoseconds"] = min(other["kernels"][at]["nanoseconds"] for other in others)
            # As in benches/kernels.rs.
            needed = max(kernel["multiply_adds"] / profile["peak"], kernel["bytes"] / profile["bandwidth"])
            kernel["reach"] = needed * 1e9 / kernel["nanoseconds"]
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE", help="plot these figures instead of measuring")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="number of measurements [default: 5]")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="where to write the figures as JSON")
    parser.add_argument("--plot", type=pathlib.Path, default=PLOT, metavar="FILE")
    options = parser.parse_args()
    if options.source:
        report = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        command = ["cargo", "bench", "--locked", "--bench", "kernels"]
        runs = [subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True) for _ in range(options.runs)]
        report = fastest([json.loads(run.stdout) for run in runs])
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    options.plot.write_text(plot(report), encoding="utf-8")
    for run in report["runs"]:
        kernels = run["profile"]["kernels"]
        whole = sum(kernel["nanoseconds"] for kernel in kernels)
        said = ", ".join(f"{kernel['kernel']} {kernel['nanoseconds'] / whole:.0%} of time, {kernel['reach']:.0%} of roof" for kernel in kernels)
        print(f"{name(run)}: {said}")


if __name__ == "__main__":
    main()
