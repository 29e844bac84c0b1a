"""Draws docs/example.svg, the picture in the README, from a run of standpoint on an example.

    pip install --group docs
    python docs/example.py [target/release/standpoint]

The picture asks for no font and no file from the network.
"""

import io
import pathlib
import re
import subprocess
import sys

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ARTICLE = "examples/airfield-handover.txt"
SHOWN = (3, 7, 9, 11, 12, 14)  # Numbers of sentences, from 1, that have every role and every stance.
COLUMNS = 100

THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [(72, 79, 88), (255, 123, 114), (126, 231, 135), (240, 200, 90), (121, 192, 255), (210, 168, 255), (86, 212, 221), (230, 237, 243)],
    [(110, 118, 129), (255, 161, 152), (126, 231, 135), (240, 200, 90), (121, 192, 255), (226, 197, 255), (86, 212, 221), (255, 255, 255)],
)

# rich's own frame names fonts on the network.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>Six sentences of an article with the role, stance and check-worthiness that standpoint gives them</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; white-space: pre; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="10" fill="#0d1117"/>
<g transform="translate({terminal_x}, 20)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def lines_shown(output):
    """The heading, and the rows of the sentences in SHOWN. A row goes on until the next one has a number or a rule ends it."""
    shown, keep = [], True
    for line in output.splitlines():
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        number = re.match(r"\s*(\d+)  ", plain)
        if number:
            keep = int(number[1]) in SHOWN
        elif plain.startswith("─") and len(shown) > 4:
            break
        if keep:
            shown.append(line)
    return shown


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "target/release/standpoint"
    root = pathlib.Path(__file__).resolve().parent.parent
    command = [str(pathlib.Path(program).resolve()), "classify", ARTICLE, "--format", "table", "--color", "always"]
    output = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False)
    console.print(Text(f"$ standpoint classify {ARTICLE}", style="bold"))
    for line in lines_shown(output):
        console.print(Text.from_ansi(line))
    svg = console.export_svg(title="", theme=THEME, code_format=FRAME, unique_id="example")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg), "the picture must not ask for anything"
    (root / "docs" / "example.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
