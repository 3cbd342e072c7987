"""Every study, its answer, and what was run for it: ``python -m selbench.benchmarks.studies_table [--write]``.

Markdown drawn from the shipped matrices and the published folders: a paragraph for each question that was answered,
then a table of what was and was not run at which size. With ``--write`` it takes the place of what stands between
``<!-- studies -->`` and ``<!-- /studies -->`` in both READMEs; a test holds them against it.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..reports.document.text import clean
from ..reports.records.folder import Results
from ..reports.summary import summarise

ROOT = Path(__file__).resolve().parents[1]
MATRICES = ROOT / "benchmarks" / "matrices"
PUBLISHED = ROOT / "reports" / "published"
PAGES = {ROOT / "README.md": "reports/published/", PUBLISHED / "README.md": ""}
"""Where the table stands, and the way from there to the published folders."""

OPENS, CLOSES = "<!-- studies -->", "<!-- /studies -->"
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
    for file in sorted(published.glob("*/matrix.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        for part in table.get("parts", [table]):
            if part["name"].startswith("study-"):
                asked = part["requested"]
                run = Run(file.parent.name, _summary(file.parent), len(asked["seeds"]), tuple(asked.get("set", ())))
                found.setdefault(part["name"], []).append(run)
    return found


def _summary(folder: Path) -> Mapping[str, Any]:
    """What the published report says; made from the records where it was left out."""
    file = folder / "report" / "summary.json"
    if not file.is_file():
        return summarise(Results.read(folder))
    summary: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return summary


def _answers(run: Run, way: str) -> Iterator[str]:
    """A paragraph for each question, in bold, with its answer."""
    for study in run.summary["studies"]:
        source = f"[`{run.folder}`]({way}{run.folder}/report/report.md)"
        lines = "<br>".join(map(_cell, study["sentence"].split("\n")))
        yield f"**{_cell(study['question'])}** {lines} ({source})"


def _row(matrix: Mapping[str, Any], run: Run | None, way: str) -> str:
    name = f"`{matrix['name']}`"
    if run is None:
        return f"| {name} | {_size(matrix)} | not run | |"
    source = f"[{name}]({way}{run.folder}/report/report.md)"
    return f"| {source} | {_size(matrix)} | {_run(matrix, run)} | {_plateau(run.summary)} |"


def _size(matrix: Mapping[str, Any]) -> str:
    where = "GPU" if matrix["name"].endswith(_LARGE) else "two CPU cores"
    width = matrix["learner"].get("options", matrix["learner"]).get("width", 64)
    return f"{where}, width {width}"


def _run(matrix: Mapping[str, Any], run: Run) -> str:
    cells, declared = run.summary["cells"], matrix["seeds"]
    seeds = declared if isinstance(declared, int) else len(declared)
    parts = [f"{cells['done']:,} of {cells['planned']:,} runs"]
    parts.append(f"{run.seeds} seeds" if run.seeds >= seeds else f"{run.seeds} of {seeds} seeds")
    parts += [f"with `{_cell(text)}`" for text in run.overrides]
    devices = run.summary["environment"].get("device", ())
    parts += [f"on {_cell(device)}" for device in ([devices] if isinstance(devices, str) else devices)]
    notes = dict.fromkeys(note for data in run.summary["matrix"]["datasets"] for note in data["note"].split("; "))
    return ", ".join([*parts, *map(_cell, filter(None, notes))])


def _plateau(summary: Mapping[str, Any]) -> str:
    """Whether full training is at rest: its accuracy on each data set at the longest shortened budget, and at all."""
    titles = {data["name"]: data["title"] for data in summary["matrix"]["datasets"]}
    found: dict[str, dict[float, float]] = {}
    for arm in summary["arms"]:
        if arm["role"] == "full" and arm["n"]:
            found.setdefault(titles[arm["dataset"]], {})[arm["rung"]] = arm["accuracy"]["mean"]
    return "; ".join(
        f"{_cell(title)} {', '.join(_accuracy(rung, at[rung]) for rung in sorted(at)[-2:])}"
        for title, at in found.items()
    )


def _accuracy(rung: float, percent: float) -> str:
    return f"{percent:.1f}" if rung == 1.0 else f"{percent:.1f} (at {rung:g})"


def _cell(text: str) -> str:
    """Text that ends no cell and opens no element."""
    return clean(text).replace("|", "\\|").replace("<", "&lt;")


def block(page: str) -> str:
    """What stands between the marks of a page."""
    return page.split(OPENS, 1)[1].split(CLOSES, 1)[0].strip()


def write(page: Path, drawn: str) -> None:
    """Put the table between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(OPENS)
    after = rest.partition(CLOSES)[2]
    page.write_text(f"{before}{OPENS}\n{drawn}\n{CLOSES}{after}", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Print the table, or write it into the pages."""
    if list(arguments) not in ([], ["--write"]):
        sys.exit("studies_table: give nothing, or --write")
    if not arguments:
        print(table(PAGES[ROOT / "README.md"]))
        return
    for page, way in PAGES.items():
        write(page, table(way))
        print("written:", page)


if __name__ == "__main__":
    main(sys.argv[1:])
