"""``python -m selbench.benchmarks.calibration [--draws N] [--out DIR]``: simulate, write tables and figures."""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from ..draw import written
from . import looks, pipeline, simulate
from .figures import draw
from .folders import DRIFT, RUN, RUNGS, SEED_EFFECT
from .looks import LOOKS, POWER
from .populations import COSTS, POPULATIONS
from .procedures import ALPHA, FAMILY
from .simulate import IMAGES, LEVELS, POWER_ERROR, SEED, Job, Row

DRAWS = 50_000
MORE = 4
PIPELINE = ("pays", "ladder", "seconds", "families", "ties", "skew", "divergence", "images")  # its tables
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
    whole = {part: _grid([row for row in rows if row.part == part], errors=True) for part in PIPELINE}
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
        **whole,
        error=math.sqrt(ALPHA * (1 - ALPHA) / min(row.draws for row in rows if row.part == "size")),
        curves=", ".join(pipeline.CURVES),
        near=100 * pipeline.NEAR,
        run=RUN,
        seed_effect=SEED_EFFECT,
        rungs=", ".join(f"{rung:g}" for rung in RUNGS),
        places=", ".join(f"{cost:g} ({where})" for where, cost in pipeline.COSTS.items()),
        loss=pipeline.LOSS,
        slower=pipeline.SLOWER,
        drift=DRIFT,
        diverged=pipeline.DIVERGED,
        test_images=pipeline.IMAGES,
        image_margin=pipeline.IMAGE_MARGIN,
        more=MORE,
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


def _grid(rows: list[Row], *, errors: bool = False) -> str:
    """A line for each procedure and population, a column for each n, with ``errors`` where asked; bounded: bold."""
    columns = sorted({row.n for row in rows if row.n != IMAGES})
    lines = [f"| | population | {' | '.join(f'n = {n}' for n in columns)} |", "|---|---|" + "---:|" * len(columns)]
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in sorted(rows, key=lambda row: row.procedure) if errors else rows:
        shown = f"{row.rate:.3f} ±{row.error:.3f}" if errors else f"{row.rate:.4f}"
        cells.setdefault((row.procedure, row.population), {})[row.n] = f"**{shown}**" if row.bounded else shown
    for (procedure, population), found in cells.items():
        other = f" ({IMAGES} images: {found[IMAGES]})" if IMAGES in found else ""
        values = " | ".join(found.get(n, "") for n in columns)
        lines.append(f"| {procedure} | {population}{other} | {values} |")
    return "\n".join(lines)


def write(rows: list[Row], folder: Path, draws: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(rows)
    versions = ", ".join([f"Python {python_version()}", *(f"{name} {version(name)}" for name in LIBRARIES)])
    facts = f"{draws:,} draws a cell ({draws // 5:,} at looks, {draws // 50:,} of folders), seed {SEED}; {versions}."
    page = markdown(rows, facts, [name for name in pictures if name.endswith(".svg")])
    return written(folder, {"calibration.md": page, "calibration.csv": comma_separated(rows)}, pictures)


def settled(job: Job, draws: int) -> list[Row]:
    """The rows of a cell; where one leaves its bound, those of :data:`MORE` times as many draws."""
    rows = list(job(draws))
    return list(job(MORE * draws)) if any(row.missed for row in rows) else rows


def main(arguments: list[str]) -> int:
    """Exit status 1 where a bounded rate left its bound."""
    parser = argparse.ArgumentParser(prog="calibration", description="Size, coverage and power by simulation.")
    parser.add_argument("--draws", type=int, default=DRAWS, help="samples a cell (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/calibration"), help="default %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="processes (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.draws < 1:
        parser.error("--draws: give at least 1")
    begun, rows = time.monotonic(), list[Row]()
    parts = (
        (simulate.jobs(), options.draws),
        (looks.jobs(), options.draws // 5),
        ([looks.power_of_looks, *pipeline.jobs()], options.draws // 50),
    )
    planned = [(job, max(1, draws)) for jobs, draws in parts for job in jobs]
    with ProcessPoolExecutor(options.workers) as workers:
        for number, found in enumerate(workers.map(settled, *zip(*planned, strict=True)), 1):
            rows += found
            done = f"{number} of {len(planned)} cells, {found[0].part}, {found[0].population}"
            print(f"{time.monotonic() - begun:6.0f} s  {done}", file=sys.stderr, flush=True)
    print("written:", *write(rows, options.out, options.draws))
    missed = [row for row in rows if row.missed]
    for row in missed:
        print(f"out of bounds: {row}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
