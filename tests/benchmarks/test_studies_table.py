"""The table of studies: what was and was not run, drawn from the folders and from nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from selbench.benchmarks import studies_table
from selbench.benchmarks.pages import block, command
from selbench.benchmarks.studies_table import PAGES, table

QUESTION = "Does it | pay?"


def matrix(folder: Path, name: str, *questions: str, **more: Any) -> None:
    body = {"name": name, "seeds": 4, "learner": {"name": "resnet18", "width": 8}, **more}
    studies = [{"analysis": "savings", "question": question} for question in questions or [QUESTION]]
    (folder / f"{name}.toml").write_text(tomli_w.dumps({**body, "studies": studies}), encoding="utf-8")


def folder(root: Path, name: str, *answers: str, seeds: int = 4, changed: tuple[str, ...] = ()) -> None:
    (root / name / "report").mkdir(parents=True)
    asked = {"requested": {"seeds": list(range(seeds)), "set": list(changed)}, "name": name}
    (root / name / "matrix.toml").write_text(tomli_w.dumps(asked), encoding="utf-8")
    note = "JPEG files (lossy); 2,000 of 50,000 training images"
    summary = {
        "cells": {"done": 1100, "planned": 1200},
        "environment": {"device": "cpu"},
        "matrix": {
            "datasets": [
                {"name": "d", "title": "D|", "note": note},
                {"name": "e", "title": "E", "note": note},
                {"name": "f", "title": "F", "note": ""},
            ]
        },
        "arms": [
            {"role": role, "dataset": data, "rung": rung, "n": n, "accuracy": {"mean": mean} if n else None}
            for role, data, rung, n, mean in (
                ("full", "d", 1.0, 4, 40.04),
                ("full", "d", 0.5, 4, 39.96),
                ("full", "d", 0.25, 4, 20.0),
                ("uniform", "d", 1.0, 4, 30.0),
                ("full", "e", 1.0, 4, 50.0),
                ("full", "f", 1.0, 0, None),
            )
        ],
        "studies": [{"question": QUESTION, "sentence": answer} for answer in answers],
    }
    (root / name / "report" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    found = tmp_path / "matrices", tmp_path / "published"
    for place in found:
        place.mkdir()
    return found


def drawn(places: tuple[Path, Path]) -> tuple[list[str], list[list[str]]]:
    """The answers, and the cells of the table's rows."""
    *answers, body = table("way/", *places).split("\n\n")
    lines = body.split("\n")[2:]
    return answers, [[cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines]


def test_what_was_not_run_says_so(places: tuple[Path, Path]) -> None:
    matrix(places[0], "study-10", QUESTION, "And why?")
    matrix(places[0], "study-2-gpu", learner={"name": "resnet18"})
    matrix(places[0], "study-2")
    matrix(places[0], "quick")
    assert drawn(places) == (
        [],
        [
            ["`study-2`", "two CPU cores, width 8", "not run", ""],
            ["`study-2-gpu`", "GPU, width 64", "not run", ""],
            ["`study-10`", "two CPU cores, width 8", "not run", ""],
        ],
    )


def test_what_was_run_is_told_with_its_answer_and_how_it_departs(places: tuple[Path, Path]) -> None:
    matrix(places[0], "study-1")
    matrix(places[0], "study-1-gpu")
    folder(places[1], "study-1", "It gains <b>1 point</b> | no.")
    folder(places[1], "study-1-gpu", "No.", seeds=2, changed=("batch=64",))
    folder(places[1], "quick", "No study.")
    answers, (whole, part) = drawn(places)
    assert answers == [
        "**Does it \\| pay?** It gains &lt;b>1 point&lt;/b> \\| no. ([`study-1`](results/study-1.md))",
        "**Does it \\| pay?** No. ([`study-1-gpu`](results/study-1.md))",
    ]
    assert whole[0] == "[`study-1`](way/study-1/report.md)"
    note = "JPEG files (lossy), 2,000 of 50,000 training images"
    assert whole[3] == part[3] == "D/ 40.0 (at 0.5), 40.0; E 50.0"
    assert whole[2] == f"1,100 of 1,200 runs, 4 seeds, on cpu, {note}"
    assert part[2] == f"1,100 of 1,200 runs, 2 of 4 seeds, with `batch=64`, on cpu, {note}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_hold_what_the_command_draws(page: Path) -> None:
    name, draw = PAGES[page]
    drawn = block(page.read_text(encoding="utf-8"), name)
    assert drawn == draw(), "run python -m selbench.benchmarks.studies_table --write"


def test_every_study_that_is_shipped_has_a_row() -> None:
    drawn = table("")
    assert all(f"`{file.stem}`" in drawn for file in studies_table.MATRICES.glob("study-*.toml"))


def test_an_unknown_argument_is_one_line() -> None:
    with pytest.raises(SystemExit, match="studies_table: give nothing, or --write"):
        command("studies_table", PAGES, ["--wirte"])
