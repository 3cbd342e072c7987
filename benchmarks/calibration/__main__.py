"""``python -m selbench.benchmarks.calibration [--draws N] [--out DIR]``: simulate, write tables and figures."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path

from .figures import draw
from .simulate import SEED, Row, simulate
from .tables import comma_separated, markdown

DRAWS = 50_000
LIBRARIES = ("selbench", "numpy", "scipy")


def facts(draws: int) -> str:
    """What the figures depend on."""
    python = ".".join(map(str, sys.version_info[:3]))
    versions = ", ".join([f"Python {python}", *(f"{name} {version(name)}" for name in LIBRARIES)])
    return f"{draws:,} draws a cell, seed {SEED}; {versions}."


def write(rows: list[Row], folder: Path, draws: int) -> list[Path]:
    """``calibration.md``, ``calibration.csv`` and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(rows)
    page = markdown(rows, facts(draws), [name for name in pictures if name.endswith(".svg")])
    texts = {"calibration.md": page, "calibration.csv": comma_separated(rows)}
    for name, content in {**pictures, **{name: text.encode() for name, text in texts.items()}}.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in (*texts, *pictures)]


def main(arguments: list[str]) -> int:
    """Exit status 1 where a bounded rate left its bound."""
    parser = argparse.ArgumentParser(prog="calibration", description="Size, coverage and power by simulation.")
    parser.add_argument("--draws", type=int, default=DRAWS, help="samples a cell (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/calibration"), help="default %(default)s")
    options = parser.parse_args(arguments)
    if options.draws < 1:
        parser.error("--draws: give at least 1")
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)

    rows = simulate(options.draws, say=say)
    print("written:", *write(rows, options.out, options.draws))
    missed = [row for row in rows if row.missed]
    for row in missed:
        print(f"out of bounds: {row}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
