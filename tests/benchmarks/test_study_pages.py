"""The page of each study: held to its pack, its answer beside the table that has it, and what speaks against it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from selbench.benchmarks.pages import DOCS, FINDINGS, PUBLISHED, Finding, study_page
from selbench.benchmarks.study_pages import _asked, _hours, _lacking, pages
from selbench.reports.records.folder import ORDINARY, TIMED

PLACE = DOCS / "results"
TEXTS = {file.name: file.read_text(encoding="utf-8") for file in PLACE.iterdir()}


def test_each_study_has_the_page_that_the_command_draws() -> None:
    assert dict(pages()) == TEXTS, "run python -m selbench.benchmarks.studies_table --write"
    assert {f"{study_page(finding.folder)}.md" for finding in FINDINGS} <= set(TEXTS)


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_has_a_figure_to_each_answer_and_its_links_lead_somewhere(name: str) -> None:
    text = TEXTS[name]
    answers = re.findall(r"^## .+\n\n\*\*.+\*\*\n\n<!-- figure: \S+ \S+ -->$", text, re.MULTILINE)
    assert len(answers) == text.count("<!-- figure:") >= 1
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("http")]
    assert links and all((PLACE / link).resolve().is_file() for link in links)


def test_a_folder_without_a_study_has_a_page_where_a_finding_rests_on_it(tmp_path: Path) -> None:
    (tmp_path / "quick").symlink_to(PUBLISHED / "quick")
    assert list(pages(tmp_path, [])) == []
    ((name, text),) = pages(tmp_path, [Finding("quick", "Does it pay?", "By {}.", "pays")])
    assert name == "quick.md" and "## Does selection pay?\n\n**On Digits, gstds " in text
    assert "<!-- figure: quick overview -->" in text
    assert "| Digits | gstds | Does it pay? |" in text and "## At which size" in text


def table(*cells: str) -> dict[str, Any]:
    return {"rows": [("gstds", *cells)]}


def test_the_table_beside_an_answer_is_the_one_that_has_its_estimate() -> None:
    tables = [table("0.56"), table("1.03 [0.94, 1.14]", "0.79 [0.70, 0.89]"), table("-")]
    told = {"sentence": "gstds takes 0.79 [0.70, 0.89] of the seconds.", "tables": tables}
    assert _asked(told) is tables[1]
    assert _asked({**told, "sentence": "Nothing is known."}) is tables[0]
    assert _asked({**told, "tables": []}) is None


def summary(source: str, *verdicts: str, done: int = 4) -> dict[str, Any]:
    return {
        "training": {"said": ["Full still gains."], "gains": []},
        "studies": [{"sentence": "No answer yet.", "enough": False}],
        "contrasts": [{"primary": True, "question": "accuracy", "verdict": verdict} for verdict in verdicts],
        "cells": {"planned": 4, "done": done},
        "timing": {"source": source, "blocks": 2, "arms": 3, "asked": 2, "complete": True, "machines": 1},
        "matrix": {
            "pays": {},
            "learner": {"text": "ResNet-8"},
            "datasets": [{"name": "d", "title": "D", "note": "a tenth"}],
        },
    }


def test_what_falls_short_is_read_off_the_records() -> None:
    worst = summary(ORDINARY, "no verdict: 3 more seeds needed", "no verdict: 3 more seeds needed", "worse", done=3)
    assert _lacking("study-0", {"study-0": worst}) == [
        "Full still gains.",
        "No answer yet.",
        "2 of 3 declared contrasts: no verdict: 3 more seeds needed.",
        "1 of 4 planned runs are missing.",
        "Seconds are indications: they come from ordinary runs, not from a timing pass, and carry no verdict.",
        "Whether full training is at its plateau was not measured on D.",
        "Size: ResNet-8; a tenth.",
    ]


def test_a_line_of_one_part_of_a_study_names_it_and_a_line_of_all_does_not() -> None:
    sets = {"study-0": summary(TIMED), "study-0-check": summary(ORDINARY)}
    said = _lacking("study-0", sets)
    assert said[0] == "Full still gains."
    assert [line.partition(":")[0] for line in said if "ordinary runs" in line] == ["study-0-check"]


def test_hours_are_those_of_all_runs_and_artefacts() -> None:
    phases = {"train": {"seconds": 800.0}, "eval": {"seconds": 100.0}}
    spent = {"arms": [{"n": 3, "phases": phases}, {"n": 0, "phases": {}}], "artefacts": [{"seconds": 900.0}]}
    assert _hours(spent) == 1.0


def test_parts_of_a_study_share_a_page() -> None:
    assert [study_page(name) for name in ("study-3", "study-3-ladder", "cifar10-cpu")] == ["study-3"] * 2 + [
        "cifar10-cpu"
    ]
