"""A run of the suites as its JSON tells it, and the project's own targets: a miss is reported and fails nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FORMING = "forming the matrix"
# What an answer of the solver needs to count as right: |cos| and shared top quarter, against float64
COS, OVERLAP = 0.9999, 0.99
AGAINST_NUMPY = {1024: 30.0, 2048: 100.0}
AGAINST_BEST = 3.0
BEST_FROM = 1024
SHARE = 0.03
GPU_SECONDS = 1e-3
REPORT_SECONDS = 10
TAX = 1.03
CEILING_SHARE = 0.9
EFFICIENCY = 0.9
ROWS = 1_000_000


@dataclass(frozen=True)
class Row:
    """One timed case."""

    suite: str
    case: str
    size: int  # B
    width: int  # d; 0: does not matter
    seconds: float  # median of the rounds, then their quartiles and minimum
    low: float
    high: float
    least: float
    rounds: int
    info: dict[str, Any]  # what else the suite wrote down

    @property
    def ours(self) -> bool:
        return self.case.startswith("ours")

    @property
    def right(self) -> bool:
        """Whether the answer met the bounds; True where none was judged."""
        return self.info.get("cos", 1.0) >= COS and self.info.get("overlap", 1.0) >= OVERLAP

    def share(self, learner: Row) -> float:
        """Part of a training step (``learner``'s, on what is kept) and its selection that goes to selection."""
        return self.seconds / (self.seconds + learner.seconds)


@dataclass(frozen=True)
class Run:
    """Everything that one run timed, where, and what it left out."""

    when: str
    facts: dict[str, Any]
    rows: list[Row]
    left_out: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Run:
        """From pytest-benchmark's JSON."""
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = []
        for entry in told["benchmarks"]:
            # A suite that times without the meter is known by its file and its test.
            file = Path(entry["fullname"].partition("::")[0]).stem
            unsaid = {"suite": file.removeprefix("bench_"), "case": entry["name"], "size": 0, "width": 0}
            info = unsaid | entry["extra_info"]
            about = [info.pop(key) for key in unsaid]
            rows.append(Row(*about, *(entry["stats"][key] for key in ("median", "q1", "q3", "min", "rounds")), info))
        return cls(told["datetime"][:19], told["machine_info"]["selbench"], rows, told["left_out"])

    @property
    def on_gpu(self) -> bool:
        return bool(self.facts["device"] != "cpu")

    @property
    def busy(self) -> bool:
        """Whether other work ran when it began, so that seconds are not to be trusted."""
        return (self.facts["load"] or 0.0) > 0.75

    @property
    def suites(self) -> list[str]:
        return list(dict.fromkeys(row.suite for row in self.rows))

    def of(self, suite: str) -> list[Row]:
        return [row for row in self.rows if row.suite == suite]

    def row(self, suite: str, case: str, size: int, width: int) -> Row | None:
        wanted = (suite, case, size, width)
        return next((row for row in self.rows if (row.suite, row.case, row.size, row.width) == wanted), None)


def best_peer(run: Run, size: int, width: int, forming: bool = False) -> Row | None:
    """The fastest peer of the solver whose answer is right; with ``forming``, the seconds of the matrix counted in."""
    here = [row for row in run.of("solver") if (row.size, row.width) == (size, width) and not row.ours]
    peers = [row for row in here if "cos" in row.info and row.right]
    if forming:
        cost = next((row.seconds for row in here if row.case == FORMING), None)
        if cost is None:
            return None
        peers = [replace(row, seconds=row.seconds + cost) if row.info["formed"] else row for row in peers]
    return min(peers, key=lambda row: row.seconds, default=None)


@dataclass(frozen=True)
class Target:
    """One target with what was measured; ``met`` is None where the run cannot tell."""

    target: str
    measured: str = "not measured in this run"
    met: bool | None = None


def of_solver(run: Run) -> Iterator[Target]:
    ours = {(row.size, row.width): row for row in run.of("solver") if row.case == "ours"}
    numpy = {row.size: row for row in run.of("solver") if row.case == "numpy.linalg.eigh"}
    narrow = {size: row for (size, width), row in sorted(ours.items()) if width == 512}
    here = "CPU" if not run.on_gpu else "this GPU"
    for size, least in AGAINST_NUMPY.items():
        text = f"B = {size:,}, d = 512: at least {least:g} times as fast as numpy.linalg.eigh"
        yield _times(text, numpy.get(size), narrow.get(size), least, here)
    for size in [size for size in narrow if size >= BEST_FROM]:
        text = f"B = {size:,}, d = 512: at least {AGAINST_BEST:g} times as fast as the best peer with a right answer"
        yield _times(text, best_peer(run, size, 512), narrow[size], AGAINST_BEST)
        if peer := best_peer(run, size, 512, forming=True):
            text = f"B = {size:,}, d = 512: the same, every peer starting from the features as ours does"
            yield _times(text, peer, narrow[size], AGAINST_BEST)
    slower = [f"B = {size:,}" for size in narrow if size in numpy and numpy[size].seconds < narrow[size].seconds]
    if narrow.keys() & numpy.keys():
        told = f"slower at {', '.join(slower)}" if slower else "never slower"
        yield Target("never slower than numpy.linalg.eigh, from B = 32 on", told, not slower)
    if ours:
        cos, overlap = (min(row.info[key] for row in ours.values()) for key in ("cos", "overlap"))
        text = f"|cos| of at least {COS} and a shared top quarter of at least {OVERLAP} at every size"
        yield Target(text, f"least {cos:.6f} and {overlap:.3f}", cos >= COS and overlap >= OVERLAP)
    rows = [run.row("solver", "ours", size, width) for size, width in ((2048, 512), (4096, 512), (4096, 2048))]
    if None not in rows:
        half, full, wide = (row.seconds for row in rows if row is not None)
        by_size, by_width = math.log2(full / half), math.log(wide / full, 4)
        told = f"B to the {by_size:.2f}, d to the {by_width:.2f}"
        yield Target("cost grows as B·d at B = 4,096 (powers of at most 1.2)", told, max(by_size, by_width) <= 1.2)
    text = "H200-class GPU: at most 1 ms at B = 1,024, d = 2,048"
    ways = [row for row in run.of("solver") if row.ours and (row.size, row.width) == (1024, 2048)]
    if run.on_gpu and ways:
        told = ", ".join(f"{row.case} {1e3 * row.seconds:.2f} ms" for row in ways)
        yield Target(text, f"{told} ({run.facts['device']})", min(row.seconds for row in ways) <= GPU_SECONDS)
    else:
        yield Target(text, "not measured: this run is on a CPU")


def _times(text: str, peer: Row | None, ours: Row | None, least: float, place: str = "") -> Target:
    """How many times as fast ours is as a peer; ``place`` is told in place of the peer's name."""
    if peer is None or ours is None:
        return Target(text)
    times = peer.seconds / ours.seconds
    return Target(text, f"{times:.1f} times ({place})" if place else f"{times:.2f} times ({peer.case})", times >= least)


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
    text = "GPU: at most 3 % of a ResNet-18 training step at B = 512, rules of cadence batch"
    step = max(run.of("step"), key=lambda row: row.width, default=None)
    if step is None or not run.on_gpu:
        yield Target(text, "not measured: this run is on a CPU" if step else "no training step was timed")
        return
    shares = {
        f"{row.info['strategy']} (d = {row.width})": row.share(step)
        for row in run.of("select")
        if row.size == step.size and row.info["form"] == "ours" and row.info["cadence"] == "batch"
    }
    over = [f"{name} {share:.1%}" for name, share in shares.items() if share > SHARE]
    yield Target(text, f"over it: {', '.join(over)}" if over else f"largest {max(shares.values()):.1%}", not over)


def of_tax(run: Run) -> Iterator[Target]:
    for row in run.of("tax"):
        text = f"{row.case}: the instrumented loop at most {TAX - 1:.0%} slower than a bare one"
        yield Target(text, f"{row.info['ratio'] - 1:+.1%}", row.info["ratio"] <= TAX)


def of_ceiling(run: Run) -> list[Target]:
    """The share of the possible speed-up that is realised, at B = 2,048."""
    text = f"GPU, B = 2,048, keep ratio 0.25, cached scores: at least {CEILING_SHARE:.0%} of the ceiling"
    rows = [row for row in run.of("ceiling") if row.size == 2048]
    if not rows:
        return [Target(text)]
    least = min(rows, key=lambda row: row.info["share"])
    place = "" if run.on_gpu else " (a CPU, for which no target was set)"
    met = least.info["share"] >= CEILING_SHARE if run.on_gpu else None
    return [Target(text, f"least {least.info['share']:.0%}: {least.case}{place}", met)]


def of_grid(run: Run) -> list[Target]:
    text = f"k workers at least {EFFICIENCY:g} k times as fast as one, their start-up left out"
    found = [(row.info["efficiency"], row.case) for row in run.of("grid") if "efficiency" in row.info]
    return [Target(text, f"{share:.2f} k ({case})", share >= EFFICIENCY) for share, case in found[:1]] or [Target(text)]


def of_features(run: Run) -> list[Target]:
    text = "a million rows of 2,048 halves within 2 GB, file pages included"
    rows = [row for row in run.of("features") if row.size >= ROWS]
    if not rows:
        return [Target(text)]
    most = max(rows, key=lambda row: row.info["peak"])
    return [
        Target(text, f"most {most.info['peak'] / 1e9:.2f} GB ({most.case})", most.info["peak"] <= most.info["target"])
    ]


def of_start(run: Run) -> Iterator[Target]:
    """Seconds from the start of a command, as a multiple of importing torch in the same minute."""
    for row in run.of("start"):
        ratio, most = row.info["ratio"], row.info["most"]
        yield Target(f"{row.case}: at most {most:g} times `import torch`", f"{ratio:.2f} times", ratio <= most)
