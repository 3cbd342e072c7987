"""A run's JSON as Markdown, CSV and figures: ``python -m selbench.benchmarks.draw JSON [FOLDER]``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from . import timings as aims
from .figures import FIGURES, draw
from .timings import COS, OVERLAP, Row, Run, Target, best_peer

VERDICTS = {True: "met", False: "**missed**", None: "not measured"}


def table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    first, *rest = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([first, "|---" + "|--:" * (len([*head]) - 1) + "|", *rest, ""])


def digits(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def milliseconds(row: Row | None) -> str:
    """Three digits; a dagger where the answer is wrong."""
    return "–" if row is None else digits(1e3 * row.seconds) + ("" if row.right else " †")


def times(peer: Row | None, ours: Row | None) -> str:
    """How many times ours goes into the peer."""
    return "–" if peer is None or ours is None else digits(peer.seconds / ours.seconds)


def width_of(width: int) -> str:
    return f"{width:,}" if width else "any"


def solver(run: Run) -> Iterator[str]:
    """Milliseconds by solver and B, and how many times ours goes into each."""
    rows = run.of("solver")
    at = sorted({row.size for row in rows})
    head = [f"B = {size:,}" for size in at]
    yield (
        "Milliseconds, medians. Ours and the matrix-free peer start from the features; the others are given the formed "
        f"float32 matrix (similarities, graph). † the answer is wrong: |cos| below {COS} or shared top quarter below "
        f"{OVERLAP} against float64.\n"
    )
    ours = [run.row("solver", "ours", size, 512) for size in at]
    body, faster = [], []
    for case, width in dict.fromkeys((row.case, row.width) for row in rows):
        mine = [run.row("solver", case, size, width) for size in at]
        known = [row for row in mine if row is not None]
        judged = [row.info for row in known if "cos" in row.info]
        worst = [f"{min(i['cos'] for i in judged):.6f}", f"{min(i['overlap'] for i in judged):.3f}"] if judged else "––"
        name = f"{case} (on the host)" if run.on_gpu and known[0].info.get("host") else case
        name = f"**{case}**, d = {width:,}" if known[0].ours else name
        body.append([name, *map(milliseconds, mine), *worst])
        if not known[0].ours:
            faster.append([name, *map(times, mine, ours)])
    yield table(["solver", *head, "least abs(cos)", "least overlap"], body)
    yield "How many times as fast ours is (d = 512):\n"
    for forming, name in ((False, "**best right peer**"), (True, "best right peer, forming counted in")):
        faster.append([name, *map(times, (best_peer(run, size, 512, forming) for size in at), ours)])
    yield table(["peer", *head], faster)
    gaps = [row.info["gap"] for row in rows if "gap" in row.info]
    yield f"Relative gaps (λ3 - λ2)/λ2 of the batches: {min(gaps):.3f} to {max(gaps):.3f}.\n"


def select(run: Run) -> Iterator[str]:
    """Milliseconds by strategy, plain forms beside ours, and shares of a training step."""
    rows = run.of("select")
    at = sorted({row.size for row in rows})
    lines = list(dict.fromkeys((row.info["strategy"], row.width, row.info["cadence"]) for row in rows))
    yield "Milliseconds, medians, keep ratio 0.25. *Plain*: the same rule as one would first write it.\n"
    body = []
    for name, width, cadence in lines:
        ours, plain = ([run.row("select", f"{name}, {form}", size, width) for size in at] for form in ("ours", "plain"))
        body.append([name, cadence, width_of(width), *map(milliseconds, ours), *map(times, plain, ours)])
    head = [f"B = {size:,}" for size in at]
    yield table(["strategy", "cadence", "d", *head, *(f"plain ÷ ours, {size:,}" for size in at)], body)
    if steps := run.of("step"):
        told = "; ".join(f"{s.case} {milliseconds(s)} ms on {s.info['k']} images" for s in steps)
        place = "" if run.on_gpu else " **On a CPU: the target of 3 % is for GPUs.**"
        yield (
            f"Share of a training step at B = {steps[0].size}: `select` ÷ (`select` + forward, backward and optimizer "
            "on what is kept); the learner's scoring pass is left out. "
            f"Steps at {steps[0].info['pixels']} px: {told}.{place}\n"
        )
        body = []
        for name, width, cadence in lines:
            if row := run.row("select", f"{name}, ours", steps[0].size, width):
                shares = [f"{row.share(step):.2%}" if cadence == "batch" else f"once a {cadence}" for step in steps]
                body.append([name, width_of(width), milliseconds(row), *shares])
        yield table(["strategy", "d", "ms", *(f"share of a training step: {s.case}" for s in steps)], body)


def anything(rows: list[Row]) -> Iterator[str]:
    keys = list(dict.fromkeys(key for row in rows for key in row.info))
    lines = []
    for row in rows:
        told = [f"{value:.4g}" if isinstance(value := row.info.get(key, ""), float) else value for key in keys]
        lines.append([row.case, f"{row.size:,}" if row.size else "", milliseconds(row), row.rounds, *told])
    yield table(["case", "size", "ms", "rounds", *keys], lines)


Body = Callable[[Run], Iterator[str]]
# Of each suite: the title, its own tables if it has any, and its targets
SECTIONS: dict[str, tuple[str, Body | None, Callable[[Run], Iterable[Target]]]] = {
    "solver": ("The Fiedler solver", solver, aims.of_solver),
    "select": ("Every `select`", select, aims.of_select),
    "report": ("Building a report", None, aims.of_report),
    "tax": ("The harness tax", None, aims.of_tax),
    "ceiling": ("Realised speed-up and its ceiling", None, aims.of_ceiling),
    "grid": ("Grid throughput", None, aims.of_grid),
    "features": ("Features in a file", None, aims.of_features),
    "start": ("How soon the command answers", None, aims.of_start),
}


def markdown(run: Run, figures: dict[str, str]) -> str:
    """The whole page; ``figures`` gives a suite's picture."""
    facts = run.facts
    where = facts["device"] if run.on_gpu else f"CPU ({facts['cpu']}, {facts['cores']} cores)"
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    pools = ", ".join(facts["blas"])
    parts = ["# Timings\n", f"{where}; torch threads {facts['threads']}, pools {pools}; {versions}; {run.when}.\n"]
    if run.busy:
        parts.append(f"**Other work was running (load {facts['load']:.1f}): these timings are not to be relied on.**\n")
    for suite in [suite for suite in run.suites if suite != "step"]:
        title, body, of = SECTIONS.get(suite, (suite.capitalize(), None, None))
        parts.append(f"## {title}\n")
        parts += [f"![{title}]({figures[suite]})\n"] if suite in figures else []
        parts += body(run) if body else anything(run.of(suite))
        parts += (
            [table(["target", "measured", ""], ((t.target, t.measured, VERDICTS[t.met]) for t in of(run)))]
            if of
            else []
        )
    if run.left_out:
        lines = ([c["case"], f"{c['size']:,}", width_of(c.get("width", 0)), c["reason"]] for c in run.left_out)
        parts += ["## Left out\n", table(["case", "B", "d", "why"], lines)]
    return "\n".join(parts)


def comma_separated(run: Run) -> str:
    keys = sorted({key for row in run.rows for key in row.info})
    out = io.StringIO()
    head = ["suite", "case", "size", "width", "median_s", "q1_s", "q3_s", "min_s", "rounds", "left_out", *keys]
    writer = csv.DictWriter(out, head, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in run.rows:
        timed = {"median_s": row.seconds, "q1_s": row.low, "q3_s": row.high, "min_s": row.least}
        writer.writerow({**vars(row), **timed, **row.info})
    writer.writerows({**case, "left_out": case["reason"]} for case in run.left_out)
    return out.getvalue()


def write(source: Path, folder: Path) -> list[Path]:
    run = Run.read(source)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(run)
    for stale in (folder / f"{suite}.{ending}" for suite in FIGURES for ending in ("svg", "png")):
        stale.unlink(missing_ok=True)  # of an earlier run that timed other suites
    shown = {Path(name).stem: name for name in pictures if name.endswith(".svg")}
    return written(folder, {"bench.md": markdown(run, shown), "bench.csv": comma_separated(run)}, pictures)


def written(folder: Path, texts: dict[str, str], pictures: dict[str, bytes]) -> list[Path]:
    for name, content in {**pictures, **{name: text.encode() for name, text in texts.items()}}.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in (*texts, *pictures)]


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or not Path(sys.argv[1]).is_file():
        sys.exit("draw: give the JSON that the benchmarks wrote, and (beside it by default) the folder to write to")
    page, *others = write(Path(sys.argv[1]), Path([*sys.argv, Path(sys.argv[1]).parent][2]))
    print(page.read_text(encoding="utf-8"))
    print("written:", page, *others)
