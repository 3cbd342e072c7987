"""Blocks in a terminal of 80 columns, and as plain lines where there is none.

Text is untrusted: no markup, no control characters, nothing that the console's encoding cannot show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from textwrap import wrap
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..document.blocks import Block, Fold, Grid, Items, Part, Prose
from ..document.numbers import MINUS, NARROW, NONE
from ..document.text import clean
from ..document.text import short as cut

_PLAIN = {MINUS: "-", NONE: "-", NARROW: " ", "\u00b1": "+/-", "\u2026": "...", "\u00d7": "x"}
_PLAIN |= {"\u2248": "about", "µ": "u"}
WHOLE = 1_000
"""Columns in which every table has its natural width."""
_TONES = {"good": "green", "fair": "cyan", "bad": "red"}
_STYLES = {"lead": "bold", "warn": "bold red", "question": "bold", "sub": "dim"}


def print_summary(summary: Mapping[str, Any], console: Console, page: object = None) -> None:
    """Print the report in short, and last where the ``page`` lies."""
    from ..document.sections import short  # with all of the statistics, which a single line has no use for

    show(short.blocks(summary), console)
    if page is not None:
        say(console, f"Report: {page}", wrap=False)


def show(blocks: Iterable[Block], console: Console, *, longest: int = 13, pad: int = 1) -> None:
    """Print ``blocks``, names in tables cut to ``longest`` characters and columns ``pad`` apart."""
    for block in blocks:
        if isinstance(block, Part):
            console.print()
            say(console, block.title, style="bold")
            show(block.blocks, console, longest=longest, pad=pad)
        elif isinstance(block, (Prose, Items)):
            for line in block.texts if isinstance(block, Items) else block.text.split("\n"):
                say(console, line, style=_STYLES.get(block.style, "") if isinstance(block, Prose) else "")
        elif isinstance(block, Fold):
            show(block.brief, console, longest=longest, pad=pad)
        elif isinstance(block, Grid):
            _grid(block, console, longest, pad)


def _grid(block: Grid, console: Console, longest: int, pad: int) -> None:
    if block.titled:
        console.print()
        say(console, block.title, style="bold")
    if block.note:
        say(console, block.note)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, pad, 0, 0))
    for column in block.columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        head = "\n".join(filter(None, (column.head, column.under)))
        table.add_column(shown(console, head), justify=justify, no_wrap=not column.wraps, overflow="fold")
    rows = [list(zip(block.columns, line.cells, strict=True)) for line in block.lines]
    names = _told_apart({of.text for row in rows for column, of in row if column.kind == "name"}, longest)
    for row in rows:
        texts = ((names[of.text] if column.kind == "name" else of.text, of.tone) for column, of in row)
        table.add_row(*(shown(console, text, _TONES.get(tone, "")) for text, tone in texts))
    if Measurement.get(console, console.options.update(max_width=WHOLE), table).maximum > console.width:
        table.padding = 0  # closer columns rather than broken words
    console.print(table)


def _told_apart(names: Collection[str], longest: int) -> dict[str, str]:
    """Each name cut, or whole over several lines where others would be cut to the same, as arms of a sweep are."""
    shorter = {name: cut(name, longest) for name in names}
    alike = Counter(shorter.values())
    return {name: text if alike[text] == 1 else "\n".join(wrap(clean(name), longest)) for name, text in shorter.items()}


def say(console: Console, line: str, *, style: str = "", wrap: bool = True) -> None:
    console.print(shown(console, line, style), soft_wrap=not wrap, highlight=False)


def shown(console: Console, line: str, style: str = "") -> Text:
    """Text that the console's encoding can show: signs have plain twins, what is left becomes a question mark."""
    text = "\n".join(map(clean, line.split("\n")))
    if not console.encoding.lower().startswith("utf"):
        for sign, twin in _PLAIN.items():
            text = text.replace(sign, twin)
        text = text.encode(console.encoding, "replace").decode(console.encoding)
    return Text(text, style=style)
