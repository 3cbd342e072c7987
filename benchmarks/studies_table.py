"""Every study, its answer, and what was run for it: ``python -m selbench.benchmarks.studies_table [--write]``.

Markdown drawn from the shipped matrices and the published folders. ``docs/results.md`` has a paragraph for each
question that was answered, then a table of what was and was not run at which size; ``README.md`` has the findings that
were chosen for it. ``--write`` puts both between the marks of their pages, and a page for each study into
``docs/results/``; tests hold the pages to them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..reports.records.pack import opened
from .pages import DOCS, PUBLISHED, ROOT, cell, command, findings, published_sets, report_link, study_link, summary_of
from .study_pages import LARGE, MATRICES, pages

_HEAD = "| study | size | run | accuracy of `full`, % (at a share of its budget, and at the whole) |\n|---|---|---|---|"


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
        for run in runs:
            source = study_link(f"`{run.folder}`", run.folder, "results/")
            for study in run.summary["studies"]:
                lines = "<br>".join(map(cell, study["sentence"].split("\n")))
                answers.append(f"**{cell(study['question'])}** {lines} ({source})")
        rows += [_row(matrix, run, way) for run in runs or [None]]
    return "\n\n".join([*answers, "\n".join(rows)])


def _place(file: Path) -> tuple[int, str, bool]:
    """By number, a study's own matrix before those of its parts, and the small size before the large one."""
    name = file.stem.removesuffix(LARGE)
    return int(name.split("-")[1]), name, name != file.stem


def _runs(published: Path) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for name, path in published_sets(published).items():
        folder = opened(path)
        table = tomllib.loads((folder / "matrix.toml").read_text(encoding="utf-8"))
        for part in table.get("parts", [table]):
            if part["name"].startswith("study-"):
                asked = part["requested"]
                run = Run(name, summary_of(folder), len(asked["seeds"]), tuple(asked.get("set", ())))
                found.setdefault(part["name"], []).append(run)
    return found


def _row(matrix: Mapping[str, Any], run: Run | None, way: str) -> str:
    name = f"`{matrix['name']}`"
    where = "GPU" if matrix["name"].endswith(LARGE) else "two CPU cores"
    size = f"{where}, width {matrix['learner'].get('options', matrix['learner']).get('width', 64)}"
    if run is None:
        return f"| {name} | {size} | not run | |"
    return f"| {report_link(name, run.folder, way)} | {size} | {_run(matrix, run)} | {_plateau(run.summary)} |"


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
    told = []
    for title, at in found.items():
        last = [f"{at[rung]:.1f}" + (f" (at {rung:g})" if rung != 1.0 else "") for rung in sorted(at)[-2:]]
        told.append(f"{cell(title)} {', '.join(last)}")
    return "; ".join(told)


# The mark and the content of each page
PAGES = {
    DOCS / "results.md": ("studies", partial(table, "../reports/published/")),
    ROOT / "README.md": ("findings", partial(findings, "docs/results/")),
}

if __name__ == "__main__":
    command("studies_table", PAGES, sys.argv[1:])
    if sys.argv[1:]:
        (DOCS / "results").mkdir(exist_ok=True)
        for name, text in pages():
            (DOCS / "results" / name).write_text(text, encoding="utf-8")
