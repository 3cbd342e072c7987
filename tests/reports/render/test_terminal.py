"""The table in a terminal: within 80 columns, plain where there is no terminal, deaf to markup in names."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from filled import fill
from rich.cells import cell_len
from rich.console import Console
from synthetic import write_results

from selbench.reports.records.folder import Results
from selbench.reports.render.terminal import print_summary
from selbench.reports.summary import summarise


def printed(summary: dict[str, Any], page: object = None, **how: Any) -> str:
    stream = io.StringIO()
    print_summary(summary, Console(file=stream, width=80, **how), page)
    return stream.getvalue()


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return summarise(Results.read(write_results(tmp_path_factory.mktemp("r"), collapse=[("rho", 1)])))


def test_fits_eighty_columns_and_is_plain(summary: dict[str, Any]) -> None:
    text = printed(summary)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text


def test_each_arm_has_its_numbers(summary: dict[str, Any]) -> None:
    lines = printed(summary).splitlines()
    for arm in summary["arms"]:
        if arm["role"] == "strategy" or (arm["role"] in ("full", "uniform") and arm["rung"] == 1.0):
            line = next(line for line in lines if line.split() and line.split()[0] == arm["label"])
            assert f"{arm['accuracy']['mean']:.2f} ±" in line
            accuracy = [r for r in summary["contrasts"] if r["arm"] == arm["key"] and r["question"] == "accuracy"]
            for row in accuracy:
                assert f"{abs(row['mean_difference']):.2f}{'*' if row['primary'] else ''}" in line


def test_arms_of_a_sweep_are_told_apart(tmp_path: Path) -> None:
    effects = dict.fromkeys(("loss ratio=0.1", "loss ratio=0.25", "a rule with a long name"), 0.0)
    text = printed(summarise(Results.read(write_results(tmp_path, effects=effects, seeds=2, primary=[]))))
    assert "\nratio=0.1 " in text and "\nratio=0.25 " in text and "\na rule with\u2026 " in text
    assert max(cell_len(line) for line in text.splitlines()) <= 80


def test_declared_verdicts_are_plain_and_others_in_brackets(summary: dict[str, Any]) -> None:
    text = printed(summary)
    pays = summary["matrix"]["pays"]
    for row in summary["contrasts"]:
        at = (row["account"], row["cost"], row["ladder"])
        read = row["strategy"] != "gstds" and at == tuple(pays[key] for key in ("account", "cost", "ladder"))
        if row["question"] == "pays" and (row["baseline"] == "cost twin" or read):
            line = next(line for line in text.splitlines() if line.startswith(row["strategy"]))
            assert ("(" in line) != row["primary"]


def test_records_that_were_left_out_are_named(summary: dict[str, Any]) -> None:
    bad = [{"file": f"cells/{i}.json", "reason": "[b]not valid JSON"} for i in range(12)]
    text = printed({**summary, "unreadable": bad})
    assert "left out: cells/0.json: [b]not valid JSON" in text and "cells/9.json" in text
    assert "cells/10.json" not in text and "and 2 more are left out" in text


def test_page_comes_last_and_unbroken(summary: dict[str, Any]) -> None:
    path = Path("/a/very/long/path") / ("x" * 90) / "index.html"
    assert printed(summary, path).splitlines()[-1] == f"Report: {path}"


def test_markup_and_escapes_in_names_are_inert(tmp_path: Path) -> None:
    name = "[red]x[/]\x1b[2J"
    how = {"effects": {name: 0.1}, "seeds": 2, "failed": [(name, 1)], "references": ("[bold]r[/bold]",)}
    text = printed(summarise(Results.read(write_results(tmp_path, **how))), force_terminal=True)
    assert "[red]x[/]" in text and "[bold]r[/bold]" in text
    assert "\x1b[2J" not in text and "\x1b[31m[" not in text


def test_colour_only_in_a_terminal(summary: dict[str, Any]) -> None:
    assert "\x1b[" in printed(summary, force_terminal=True, color_system="standard", no_color=False)


def test_an_encoding_without_the_signs_does_not_break(summary: dict[str, Any]) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    print_summary(summary, Console(file=stream, width=80))
    stream.flush()
    assert b"gstds" in raw.getvalue() and b"+/-" in raw.getvalue()


def test_nothing_done_yet(tmp_path: Path) -> None:
    root = write_results(tmp_path, seeds=1, effects={"gstds": 0.0})
    for record in (root / "cells").glob("*.json"):
        record.unlink()
    text = printed(summarise(Results.read(root)))
    assert "0 of" in text and "missing" in text


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return fill(summarise(Results.read(write_results(tmp_path_factory.mktemp("f"), seeds=3))))


def test_claims_targets_and_tuning_fit_eighty_columns(filled: dict[str, Any]) -> None:
    text = printed(filled)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    said = " ".join(text.split()).replace("\u202f", " ")
    assert "Claims of papers: 1 supported, 1 contradicted, 1 inconclusive, 2 not run, 1 out of scope;" in said
    assert "indication on 1: 1 contradicted." in said
    for word in ("supported", "contradicted", "inconclusive"):
        assert any(line.startswith(word) and "Claim" in line for line in text.splitlines())
    assert "2 missed it at some seed, 1 of them at all" in said
    assert "its own best of 4 learning rates" in said and "Best at an end of the grid" in said


def test_markup_in_claims_is_inert(filled: dict[str, Any]) -> None:
    hostile = [{**claim, "title": "[red]x[/]\x1b[2J"} for claim in filled["claims"]]
    text = printed({**filled, "claims": hostile}, force_terminal=True)
    assert "[red]x[/]" in text and "\x1b[2J" not in text


def test_exploratory_verdicts_stand_beside_what_chance_would_find(tmp_path: Path, filled: dict[str, Any]) -> None:
    summary = summarise(Results.read(write_results(tmp_path, seeds=5, test_n=100, cost_twins="all")))
    said = " ".join(printed(summary).split())
    assert "Of 3 exploratory verdicts, 0.15 superior and as many worse are expected by chance alone; found: " in said
    assert "by chance" not in printed(filled)


def test_without_claims_nothing_is_said_of_them(filled: dict[str, Any]) -> None:
    bare = {**filled, "claims": [], "targets": [], "tuning": None}
    assert "Claims of papers" not in printed(bare) and "target" not in printed(bare)
