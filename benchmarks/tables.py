"""A run as Markdown for people and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import targets as aims
from .targets import Target
from .timings import COS, OVERLAP, Row, Run, best_peer

VERDICTS = {True: "met", False: "**missed**", None: "not measured"}


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|---" + "|--:" * (len(cells[0]) - 1) + "|", *lines[1:], ""])


def digits(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def milliseconds(row: Row | None) -> str:
    """Three digits; a dagger where the answer is wrong."""
    if row is None:
        return "–"
    return digits(1e3 * row.seconds) + ("" if row.right else " †")


def times(peer: Row | None, ours: Row | None) -> str:
    """How many times ours goes into the peer."""
    return "–" if peer is None or ours is None else digits(peer.seconds / ours.seconds)


def solver(run: Run) -> Iterator[str]:
    """Milliseconds by solver and B, and how many times ours goes into each."""
    rows = run.of("solver")
    lines = list(dict.fromkeys((row.case, row.width) for row in rows))
    at = sorted({row.size for row in rows})
    head = [f"B = {size:,}" for size in at]
    yield (
        "Milliseconds, medians. Ours and the matrix-free peer start from the features; the others are given the formed "
        f"float32 matrix (similarities, graph). † the answer is wrong: |cos| below {COS} or shared top quarter below "
        f"{OVERLAP} against float64.\n"
    )
    body = []
    for case, width in lines:
        mine = [run.row("solver", case, size, width) for size in at]
        judged = [row.info for row in mine if row is not None and "cos" in row.info]
        worst = [f"{min(i['cos'] for i in judged):.6f}", f"{min(i['overlap'] for i in judged):.3f}"] if judged else "––"
        body.append([_solver_name(run, case, width), *map(milliseconds, mine), *worst])
    yield table(["solver", *head, "least abs(cos)", "least overlap"], body)
    yield "How many times as fast ours is (d = 512):\n"
    ours = {size: run.row("solver", "ours", size, 512) for size in at}
    body = [
        [_solver_name(run, case, width), *(times(run.row("solver", case, size, width), ours[size]) for size in at)]
        for case, width in lines
        if not case.startswith("ours")
    ]
    for forming, name in ((False, "**best right peer**"), (True, "best right peer, forming counted in")):
        body.append([name, *(times(best_peer(run, size, 512, forming), ours[size]) for size in at)])
    yield table(["peer", *head], body)
    gaps = [row.info["gap"] for row in rows if "gap" in row.info]
    yield f"Relative gaps (λ3 - λ2)/λ2 of the batches: {min(gaps):.3f} to {max(gaps):.3f}.\n"


def _solver_name(run: Run, case: str, width: int) -> str:
    if case.startswith("ours"):
        return f"**{case}**, d = {width:,}"
    row = next(row for row in run.of("solver") if row.case == case)
    return f"{case} (on the host)" if run.on_gpu and row.info["host"] else case


def select(run: Run) -> Iterator[str]:
    """Milliseconds by strategy, plain forms beside ours, and shares of a training step."""
    rows = run.of("select")
    at = sorted({row.size for row in rows})
    yield "Milliseconds, medians, keep ratio 0.25. *Plain*: the same rule as one would first write it.\n"
    body = []
    lines = dict.fromkeys((row.info["strategy"], row.width, row.info["cadence"]) for row in rows)
    for name, width, cadence in lines:
        ours = [run.row("select", f"{name}, ours", size, width) for size in at]
        plain = [run.row("select", f"{name}, plain", size, width) for size in at]
        ratios = [times(*pair) for pair in zip(plain, ours, strict=True)]
        body.append([name, cadence, f"{width:,}" if width else "any", *map(milliseconds, ours), *ratios])
    head = [f"B = {size:,}" for size in at]
    yield table(["strategy", "cadence", "d", *head, *(f"plain ÷ ours, {size:,}" for size in at)], body)
    if run.of("step"):
        yield from _shares(run, list(lines))


def _shares(run: Run, lines: list[tuple[str, int, str]]) -> Iterator[str]:
    steps = run.of("step")
    told = "; ".join(f"{s.case} {milliseconds(s)} ms on {s.info['k']} images" for s in steps)
    place = "" if run.on_gpu else " **On a CPU: the target of 3 % is for GPUs.**"
    pixels = steps[0].info["pixels"]
    yield (
        f"Share of a training step at B = {steps[0].size}: `select` ÷ (`select` + forward, backward and optimizer on "
        f"what is kept); the learner's scoring pass is left out. Steps at {pixels} px: {told}.{place}\n"
    )
    body = []
    for name, width, cadence in lines:
        row = run.row("select", f"{name}, ours", steps[0].size, width)
        if row is None:
            continue
        shares = [f"{run.share(row, s):.2%}" if cadence == "batch" else f"once a {cadence}" for s in steps]
        body.append([name, f"{width:,}" if width else "any", milliseconds(row), *shares])
    yield table(["strategy", "d", "ms", *(f"share of a training step: {s.case}" for s in steps)], body)


def anything(rows: list[Row]) -> Iterator[str]:
    """Any other suite: a line a case."""
    keys = list(dict.fromkeys(key for row in rows for key in row.info))
    lines = (
        [row.case, f"{row.size:,}" if row.size else "", milliseconds(row), row.rounds, *(_show(row, k) for k in keys)]
        for row in rows
    )
    yield table(["case", "size", "ms", "rounds", *keys], lines)


def _show(row: Row, key: str) -> str:
    value = row.info.get(key, "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def targets(found: Iterable[Target]) -> str:
    """What was aimed at, and what was reached."""
    return table(["target", "measured", ""], ((t.target, t.measured, VERDICTS[t.met]) for t in found))


Body = Callable[[Run], Iterator[str]]
SECTIONS: dict[str, tuple[str, Body | None, Callable[[Run], Iterator[Target]]]] = {
    "solver": ("The Fiedler solver", solver, aims.of_solver),
    "select": ("Every `select`", select, aims.of_select),
    "report": ("Building a report", None, aims.of_report),
    "tax": ("The harness tax", None, aims.of_tax),
    "ceiling": ("Realised speed-up and its ceiling", None, aims.of_ceiling),
    "grid": ("Grid throughput", None, aims.of_grid),
    "features": ("Features in a file", None, aims.of_features),
    "start": ("How soon the command answers", None, aims.of_start),
}
"""Of each suite: the title, its own tables if it has any, and its targets."""


def markdown(run: Run, figures: dict[str, str]) -> str:
    """The whole page; ``figures`` gives a suite's picture."""
    facts = run.facts
    where = facts["device"] if run.on_gpu else f"CPU ({facts['cpu']}, {facts['cores']} cores)"
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    parts = [
        "# Timings\n",
        f"{where}; torch threads {facts['threads']}, pools {', '.join(facts['blas'])}; {versions}; {run.when}.\n",
    ]
    if run.busy:
        parts.append(f"**Other work was running (load {facts['load']:.1f}): these timings are not to be relied on.**\n")
    for suite in [suite for suite in run.suites if suite != "step"]:
        title, body, of = SECTIONS.get(suite, (suite.capitalize(), None, None))
        parts.append(f"## {title}\n")
        parts += [f"![{title}]({figures[suite]})\n"] if suite in figures else []
        parts += body(run) if body else anything(run.of(suite))
        parts += [targets(of(run))] if of else []
    if run.left_out:
        parts += ["## Left out\n", _left_out(run)]
    return "\n".join(parts)


def _left_out(run: Run) -> str:
    lines = (
        [case["case"], f"{case['size']:,}", f"{case['width']:,}" if case.get("width") else "any", case["reason"]]
        for case in run.left_out
    )
    return table(["case", "B", "d", "why"], lines)


def comma_separated(run: Run) -> str:
    """Every case on a line, those left out with their reason."""
    keys = sorted({key for row in run.rows for key in row.info})
    out = io.StringIO()
    head = ["suite", "case", "size", "width", "median_s", "q1_s", "q3_s", "min_s", "rounds", "left_out", *keys]
    writer = csv.DictWriter(out, head, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in run.rows:
        timed = {"median_s": row.seconds, "q1_s": row.low, "q3_s": row.high, "min_s": row.least, "rounds": row.rounds}
        about = {"suite": row.suite, "case": row.case, "size": row.size, "width": row.width}
        writer.writerow({**about, **timed, **row.info})
    for case in run.left_out:
        writer.writerow({**case, "left_out": case["reason"]})
    return out.getvalue()
