"""Publish a results folder: ``python -m selbench.benchmarks.publish FOLDER [FOLDER ...]``.

Each becomes ``reports/published/NAME/``: its records as a pack, and the report's text without figures. Follow it with
``python -m selbench.benchmarks.studies_table --write``, ``results_tables --write`` and ``claims_table --write``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..reports.build import build
from ..reports.records.pack import SUFFIX, opened, pack
from .pages import PUBLISHED


def publish(results: Path, name: str, published: Path = PUBLISHED) -> Path:
    """Judge a results folder or a pack anew and publish it; returns the pack."""
    folder = opened(results)
    page = build(folder, figures=False)
    target = published / name / f"{name}{SUFFIX}"
    pack(folder, target)
    text = (page.parent / "report.md").read_text(encoding="utf-8")
    (target.parent / "report.md").write_text(text, encoding="utf-8")
    return target


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("publish: give the results folders, such as results/quick")
    for argument in sys.argv[1:]:
        print("published:", publish(Path(argument), Path(argument).stem))
