"""The targets that the project set itself, and whether a run met them. A miss is said, and fails nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .timings import COS, OVERLAP, Run, best_peer

AGAINST_NUMPY = {1024: 30.0, 2048: 100.0}
AGAINST_BEST = 3.0
BEST_FROM = 1024
SHARE = 0.03
GPU_SECONDS = 1e-3
REPORT_SECONDS = 30


@dataclass(frozen=True)
class Target:
    """One target with what was measured; ``met`` is None where the run cannot tell."""

    target: str
    measured: str
    met: bool | None


def of_solver(run: Run) -> Iterator[Target]:
    """Targets of the Fiedler solver."""
    ours = {(row.size, row.width): row for row in run.of("solver") if row.case == "ours"}
    numpy = {row.size: row for row in run.of("solver") if row.case == "numpy.linalg.eigh"}
    narrow = {size: row for (size, width), row in sorted(ours.items()) if width == 512}
    here = "CPU" if not run.on_gpu else "this GPU"
    for size, least in AGAINST_NUMPY.items():
        text = f"B = {size:,}, d = 512: at least {least:g} times as fast as numpy.linalg.eigh"
        if size in narrow and size in numpy:
            times = numpy[size].seconds / narrow[size].seconds
            yield Target(text, f"{times:.1f} times ({here})", times >= least)
        else:
            yield Target(text, "not measured", None)
    for size in [size for size in narrow if size >= BEST_FROM]:
        text = f"B = {size:,}, d = 512: at least {AGAINST_BEST:g} times as fast as the best peer with a right answer"
        peer = best_peer(run, size, 512)
        if peer is None:
            yield Target(text, "no peer measured", None)
        else:
            times = peer.seconds / narrow[size].seconds
            yield Target(text, f"{times:.2f} times ({peer.case})", times >= AGAINST_BEST)
        peer = best_peer(run, size, 512, forming=True)
        if peer is not None:
            times = peer.seconds / narrow[size].seconds
            both = f"B = {size:,}, d = 512: the same, every peer starting from the features as ours does"
            yield Target(both, f"{times:.2f} times ({peer.case})", times >= AGAINST_BEST)
    slower = [f"B = {size:,}" for size in narrow if size in numpy and numpy[size].seconds < narrow[size].seconds]
    if narrow.keys() & numpy.keys():
        told = f"slower at {', '.join(slower)}" if slower else "never slower"
        yield Target("never slower than numpy.linalg.eigh, from B = 32 on", told, not slower)
    if ours:
        cos, overlap = (min(row.info[key] for row in ours.values()) for key in ("cos", "overlap"))
        text = f"|cos| of at least {COS} and a shared top quarter of at least {OVERLAP} at every size"
        yield Target(text, f"least {cos:.6f} and {overlap:.3f}", cos >= COS and overlap >= OVERLAP)
    yield from _growth(run)
    text = "H200-class GPU: at most 1 ms at B = 1,024, d = 2,048"
    ways = [row for row in run.of("solver") if row.ours and (row.size, row.width) == (1024, 2048)]
    if run.on_gpu and ways:
        told = ", ".join(f"{row.case} {1e3 * row.seconds:.2f} ms" for row in ways)
        yield Target(text, f"{told} ({run.facts['device']})", min(row.seconds for row in ways) <= GPU_SECONDS)
    else:
        yield Target(text, "not measured: this run is on a CPU", None)


def _growth(run: Run) -> Iterator[Target]:
    rows = [run.row("solver", "ours", size, width) for size, width in ((2048, 512), (4096, 512), (4096, 2048))]
    if None not in rows:
        half, full, wide = (row.seconds for row in rows if row is not None)
        by_size, by_width = math.log2(full / half), math.log(wide / full, 4)
        told = f"B to the {by_size:.2f}, d to the {by_width:.2f}"
        yield Target("cost grows as B·d at B = 4,096 (powers of at most 1.2)", told, max(by_size, by_width) <= 1.2)


def of_report(run: Run) -> Iterator[Target]:
    """Seconds of the largest report, and their growth from the size before it."""
    rows = sorted(run.of("report"), key=lambda row: row.size)
    largest = rows[-1]
    text = f"10,000 records in at most {REPORT_SECONDS} s"
    enough = largest.size >= 10_000
    yield Target(
        text, f"{largest.seconds:.1f} s for {largest.size:,}", largest.seconds <= REPORT_SECONDS if enough else None
    )
    if len(rows) > 1:
        power = math.log(largest.seconds / rows[-2].seconds) / math.log(largest.size / rows[-2].size)
        yield Target("linear in the records (a power of at most 1.1)", f"records to the {power:.2f}", power <= 1.1)


def of_select(run: Run) -> Iterator[Target]:
    """Selection's share of a training step."""
    text = "GPU: at most 3 % of a ResNet-18 training step at B = 512, rules of cadence batch"
    (step, *_) = sorted(run.of("step"), key=lambda row: -row.width) or [None]
    if step is None or not run.on_gpu:
        yield Target(text, "not measured: this run is on a CPU" if step else "no training step was timed", None)
        return
    shares = {
        f"{row.info['strategy']} (d = {row.width})": run.share(row, step)
        for row in run.of("select")
        if row.size == step.size and row.info["form"] == "ours" and row.info["cadence"] == "batch"
    }
    over = [f"{name} {share:.1%}" for name, share in shares.items() if share > SHARE]
    yield Target(text, f"over it: {', '.join(over)}" if over else f"largest {max(shares.values()):.1%}", not over)
