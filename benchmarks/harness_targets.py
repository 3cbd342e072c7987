"""The targets for what surrounds a selection: the loop, grids and features."""

from __future__ import annotations

from collections.abc import Iterator

from .targets import Target
from .timings import Run

TAX = 1.03
CEILING_SHARE = 0.9
EFFICIENCY = 0.9
ROWS = 1_000_000


def of_tax(run: Run) -> Iterator[Target]:
    """The instrumented loop against a bare one."""
    for row in run.of("tax"):
        ratio = row.info["ratio"]
        text = f"{row.case}: the instrumented loop at most {TAX - 1:.0%} slower than a bare one"
        yield Target(text, f"{ratio - 1:+.1%}", ratio <= TAX)


def of_ceiling(run: Run) -> Iterator[Target]:
    """The share of the possible speed-up that is realised, at B = 2,048."""
    rows = [row for row in run.of("ceiling") if row.size == 2048]
    least = min(rows, key=lambda row: row.info["share"], default=None)
    text = f"GPU, B = 2,048, keep ratio 0.25, cached scores: at least {CEILING_SHARE:.0%} of the ceiling"
    if least is None:
        yield Target(text, "not measured", None)
    else:
        place = "" if run.on_gpu else " (a CPU, for which no target was set)"
        met = least.info["share"] >= CEILING_SHARE if run.on_gpu else None
        yield Target(text, f"least {least.info['share']:.0%}: {least.case}{place}", met)


def of_grid(run: Run) -> Iterator[Target]:
    """Throughput of several workers."""
    row = next((row for row in run.of("grid") if "efficiency" in row.info), None)
    text = f"k workers at least {EFFICIENCY:g} k times as fast as one, their start-up left out"
    if row is None:
        yield Target(text, "not measured in this run", None)
        return
    yield Target(text, f"{row.info['efficiency']:.2f} k ({row.case})", row.info["efficiency"] >= EFFICIENCY)


def of_features(run: Run) -> Iterator[Target]:
    """Peak memory of a million rows."""
    rows = [row for row in run.of("features") if row.size >= ROWS]
    text = "a million rows of 2,048 halves within 2 GB, file pages included"
    if not rows:
        yield Target(text, "not measured in this run", None)
        return
    most = max(rows, key=lambda row: row.info["peak"])
    told = f"most {most.info['peak'] / 1e9:.2f} GB ({most.case})"
    yield Target(text, told, most.info["peak"] <= most.info["target"])
