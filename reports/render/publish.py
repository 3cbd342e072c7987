"""What ``selbench scale`` and ``selbench compare`` print, and the files that they write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ..document.blocks import Block, Figure, Grid, Prose
from ..document.sections import comparison, scale
from ..figures.canvas import Drawing
from ..figures.scale import scale_plot
from ..records.sealing import write_bytes as write_whole
from . import markdown
from .terminal import say, show

Found = Mapping[str, Any]


def write_scale(table: Found, out: Path, console: Console) -> None:
    """Write ``scale.json``, ``scale.md`` and the figure into ``out``, and print the tables."""
    out.mkdir(parents=True, exist_ok=True)
    if "batches" in table:
        write_whole(out / "scale.svg", scale_plot(table).svg)
    _write(out, "scale", table, scale_text(table))
    show(_footnoted(scale.tables(table)), console, longest=18, pad=0)
    for line in scale.remarks(table):
        say(console, line)
    say(console, f"Written: {out}")


def scale_text(table: Found) -> str:
    figure = []
    if "batches" in table:
        words = "speed-up against the cost of a training image, and the share of select"
        figure = [Figure(Drawing("scale", "", f"{scale.title(table)}: {words}", b"", 0.0))]
    said = [Prose(line) for line in scale.remarks(table)]
    return markdown.write(scale.title(table), [*said, *figure, *scale.tables(table, every=True)], folder="")


def _footnoted(tables: Iterable[Grid]) -> Iterator[Block]:
    """The tables with long labels as ``extrap. [1]``, the number explained below all of them; others as they are."""
    marks: dict[str, str] = {}

    def marked(basis: str) -> str:
        long = basis.startswith("extrapolated")
        return f"extrap. {marks.setdefault(basis, f'[{len(marks) + 1}]')}" if long else basis

    for grid in tables:
        yield replace(grid, rows=[(*line.cells[:-1], marked(line.cells[-1].text)) for line in grid.lines])
    yield Prose("\n".join(["", *(f"{mark} {basis}" for basis, mark in marks.items())]))


def write_comparison(found: Found, out: Path) -> None:
    """Write ``compare.md`` and ``compare.json`` into ``out``, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    _write(out, "compare", found, comparison_text(found))


def comparison_text(found: Found) -> str:
    return markdown.write(comparison.title(found), comparison.section(found))


def print_comparison(found: Found, console: Console) -> None:
    """Print it: what is unlike first, then arms, then verdicts."""
    show([Prose(comparison.title(found), "lead"), *comparison.section(found)], console, longest=32)


def _write(out: Path, name: str, found: Found, text: str) -> None:
    write_whole(out / f"{name}.json", f"{json.dumps(found, indent=1, allow_nan=False)}\n".encode())
    write_whole(out / f"{name}.md", text.encode())
