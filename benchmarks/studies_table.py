"""Every study, its answer, and what was run for it: ``python -m selbench.benchmarks.studies_table [--write]``.

Markdown drawn from the shipped matrices and the published folders. ``docs/results.md`` has a paragraph for each
question that was answered, then a table of what was and was not run at which size; ``README.md`` has the findings that
were chosen for it. ``--write`` puts both between the marks of their pages; a test holds the pages to them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..reports.records.pack import opened
from .findings import findings
from .pages import DOCS, PUBLISHED, ROOT, cell, command, report_link, summary_of
from .pages import published as results_sets

MATRICES = ROOT / "benchmarks" / "matrices"
_HEAD = "| study | size | run | accuracy of `full`, % (at a share of its budget, and at the whole) |\n|---|---|---|---|"
_LARGE = "-gpu"


@dataclass(frozen=True)
class Run:
    """A published folder: its summary, and what was asked for otherwise than its matrix declares."""

    folder: str
    summary: Mapping[str, Any]
    seeds: int
    overrides: tuple[str, ...]


def table(way: str, matrices: Path = MATRICES, published: Path = PUBLISHED) -> str:
    """Answers, then the table, in Markdown; ``way`` leads from the page it stands on to the published folders."""
    found = _runs(published)
    answers, rows = [], [_HEAD]
    for file in sorted(matrices.glob("study-*.toml"), key=_place):
        matrix = tomllib.loads(file.read_text(encoding="utf-8"))
        runs = found.get(file.stem, [])
        answers += [answer for run in runs for answer in _answers(run, way)]
        rows += [_row(matrix, run, way) for run in runs or [None]]
    return "\n\n".join([*answers, "\n".join(rows)])


def _place(file: Path) -> tuple[int, str, bool]:
    """By number, a study's own matrix before those of its parts, and the small size before the large one."""
    name = file.stem.removesuffix(_LARGE)
    number = re.match(r"study-(\d+)", name)
    return int(number.group(1)) if number else sys.maxsize, name, name != file.stem


def _runs(published: Path) -> dict[str, list[Run]]:
    """The published folders by the name of the matrix that was run."""
    found: dict[str, list[Run]] = {}
    for name, path in results_sets(published).items():
        folder = opened(path)
        table = tomllib.loads((folder / "matrix.toml").read_text(encoding="utf-8"))
        for part in table.get("parts", [table]):
            if part["name"].startswith("study-"):
                asked = part["requested"]
                run = Run(name, summary_of(folder), len(asked["seeds"]), tuple(asked.get("set", ())))
                found.setdefault(part["name"], []).append(run)
    return found


def _answers(run: Run, way: str) -> Iterator[str]:
    """A paragraph for each question, in bold, with its answer."""
    for study in run.summary["studies"]:
        source = report_link(f"`{run.folder}`", run.folder, way)
        lines = "<br>".join(map(cell, study["sentence"].split("\n")))
        yield f"**{cell(study['question'])}** {lines} ({source})"


def _row(matrix: Mapping[str, Any], run: Run | None, way: str) -> str:
    name = f"`{matrix['name']}`"
    if run is None:
        return f"| {name} | {_size(matrix)} | not run | |"
    return f"| {report_link(name, run.folder, way)} | {_size(matrix)} | {_run(matrix, run)} | {_plateau(run.summary)} |"


def _size(matrix: Mapping[str, Any]) -> str:
    where = "GPU" if matrix["name"].endswith(_LARGE) else "two CPU cores"
    width = matrix["learner"].get("options", matrix["learner"]).get("width", 64)
    return f"{where}, width {width}"


def _run(matrix: Mapping[str, Any], run: Run) -> str:
    cells, declared = run.summary["cells"], matrix["seeds"]
    seeds = declared if isinstance(declared, int) else len(declared)
    parts = [f"{cells['done']:,} of {cells['planned']:,} runs"]
    parts.append(f"{run.seeds} seeds" if run.seeds >= seeds else f"{run.seeds} of {seeds} seeds")
    parts += [f"with `{cell(text)}`" for text in run.overrides]
    devices = run.summary["environment"].get("device", ())
    parts += [f"on {cell(device)}" for device in ([devices] if isinstance(devices, str) else devices)]
    notes = dict.fromkeys(note for data in run.summary["matrix"]["datasets"] for note in data["note"].split("; "))
    return ", ".join([*parts, *map(cell, filter(None, notes))])


def _plateau(summary: Mapping[str, Any]) -> str:
    """Whether full training is at rest: its accuracy on each data set at the longest shortened budget, and at all."""
    titles = {data["name"]: data["title"] for data in summary["matrix"]["datasets"]}
    found: dict[str, dict[float, float]] = {}
    for arm in summary["arms"]:
        if arm["role"] == "full" and arm["n"]:
            found.setdefault(titles[arm["dataset"]], {})[arm["rung"]] = arm["accuracy"]["mean"]
    return "; ".join(
        f"{cell(title)} {', '.join(_accuracy(rung, at[rung]) for rung in sorted(at)[-2:])}"
        for title, at in found.items()
    )


def _accuracy(rung: float, percent: float) -> str:
    return f"{percent:.1f}" if rung == 1.0 else f"{percent:.1f} (at {rung:g})"


PAGES = {
    DOCS / "results.md": ("studies", partial(table, "../reports/published/")),
    ROOT / "README.md": ("findings", partial(findings, "reports/published/")),
}
"""The mark and the content of each page."""

if __name__ == "__main__":
    command("studies_table", PAGES, sys.argv[1:])
