"""``python -m selbench.benchmarks.calibration [--draws N] [--out DIR]``: simulate, write tables and figures."""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from ..draw import written
from .figures import draw
from .looks import LOOKS, POWER, looks
from .populations import COSTS, POPULATIONS
from .procedures import ALPHA, FAMILY
from .simulate import LEVELS, PAIRS, POWER_ERROR, SEED, Row, simulate

DRAWS = 50_000
LIBRARIES = ("selbench", "numpy", "scipy")


def comma_separated(rows: Iterable[Row]) -> str:
    """One line a row, numbers at full precision, infinite bounds empty."""
    out = io.StringIO()
    names = [field.name for field in fields(Row)]
    write = csv.writer(out, lineterminator="\n")
    write.writerow([*names, "error", "bounded", "missed"])
    for row in rows:
        values = (getattr(row, name) for name in names)
        shown = ["" if isinstance(x, float) and not math.isfinite(x) else x for x in values]
        write.writerow([*shown, row.error, row.bounded, row.missed])
    return out.getvalue()


def markdown(rows: list[Row], facts: str, pictures: Iterable[str]) -> str:
    """The page: what is bounded and whether it held, figures, tables."""
    missed, bounded = [row for row in rows if row.missed], sum(row.bounded for row in rows)
    verdict = f"**{bounded - len(missed)} of {bounded} bounded rates lie within.**"
    if missed:
        verdict += "\n\nOutside:\n\n" + "\n".join(f"- {row}" for row in missed)
    parts: dict[str, dict[float, list[Row]]] = {}
    for row in rows:
        parts.setdefault(row.part, {}).setdefault(row.nominal, []).append(row)
    drawn = {part: {nominal: _grid(chosen) for nominal, chosen in of.items()} for part, of in parts.items()}
    told = [f"- {population.name}: {population.text}" for population in POPULATIONS]
    designs = [
        f"| {row.procedure} | {row.population} | {row.part.removeprefix('looks: ')} | {_found_at_looks(row)} |"
        for row in rows
        if row.part.startswith("looks")
    ]
    powers = (
        f"| {row.procedure}, {row.population} | {row.n} | {row.nominal:.4f} | **{row.rate:.4f}** |"
        for row in rows
        if row.part == "power"
    )
    settings = {"alpha": ALPHA, "least": ALPHA / FAMILY, "family": FAMILY, "points": 100 * POWER_ERROR, "facts": facts}
    page = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
    return page.format(
        **settings,
        error=math.sqrt(ALPHA * (1 - ALPHA) / min(row.draws for row in rows if not row.part.startswith("looks"))),
        verdict=verdict,
        pictures="".join(f"![{name.split('.')[0]}]({name})\n\n" for name in pictures)[:-1],
        populations="\n".join([*told, *(f"- {cost.name} (costs): {cost.text}" for cost in COSTS)]),
        sizes=[drawn["size"][level] for level in LEVELS],
        verdicts=drawn["verdict"][ALPHA],
        coverage="\n".join(f"Nominal {n:.0%}:\n\n{grid}\n" for n, grid in sorted(drawn["coverage"].items())),
        powers="\n".join(powers),
        designs="\n".join(designs),
        looks=", ".join(map(str, LOOKS)),
        power=POWER,
    )


def _found_at_looks(row: Row) -> str:
    if row.part == "looks: seeds taken":
        return f"{row.rate * LOOKS[-1]:.1f}"
    return f"**{row.rate:.4f}**" if row.bounded else f"{row.rate:.4f}"


def _grid(rows: list[Row]) -> str:
    """A line for each procedure and population, a column for each n; bounded rates are bold."""
    columns = sorted({row.n for row in rows if row.n in PAIRS})
    lines = [f"| | population | {' | '.join(f'n = {n}' for n in columns)} |", "|---|---|" + "---:|" * len(columns)]
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        shown = f"**{row.rate:.4f}**" if row.bounded else f"{row.rate:.4f}"
        cells.setdefault((row.procedure, row.population), {})[row.n] = shown
    for (procedure, population), found in cells.items():
        other = next((f" ({n} images: {value})" for n, value in found.items() if n not in PAIRS), "")
        values = " | ".join(found.get(n, "") for n in columns)
        lines.append(f"| {procedure} | {population}{other} | {values} |")
    return "\n".join(lines)


def write(rows: list[Row], folder: Path, draws: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(rows)
    versions = ", ".join([f"Python {python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)])
    facts = f"{draws:,} draws a cell, seed {SEED}; {versions}."
    page = markdown(rows, facts, [name for name in pictures if name.endswith(".svg")])
    return written(folder, {"calibration.md": page, "calibration.csv": comma_separated(rows)}, pictures)


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

    rows = [*simulate(options.draws, say=say), *looks(max(1, options.draws // 5))]
    print("written:", *write(rows, options.out, options.draws))
    missed = [row for row in rows if row.missed]
    for row in missed:
        print(f"out of bounds: {row}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
