"""The one line on whether to select, from folders with known truth."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

sys.path.insert(0, str(Path(__file__).parents[1]))
from asked import plain
from synthetic import write_results

from selbench.reports.questions import Answer, Names
from selbench.reports.questions.worth import Worth
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

NAMES = Names(("digits",), ("holdout",), ("gstds", "loss"))


def ask(folder: Path) -> Answer:
    results = Results.read(folder)
    return plain(Worth({}, NAMES).answer(results, summarise(results)))


def made(folder: Path, best: float, other: float, **how: Any) -> Path:
    """Two rules whose true differences from full at equal passes are these; half as long loses 0.2 points."""
    effects = {"gstds": best, "loss": other}
    how = {"seeds": 10, "halving": 0.2, "test_n": 4000, "references": ("holdout",), **how}
    return write_results(folder, effects=effects, primary=["gstds:pays", "loss:pays"], **how)


def test_every_rule_that_loses_is_advised_against(tmp_path: Path) -> None:
    answer = ask(made(tmp_path, -4.0, -7.0))
    assert answer.enough
    assert answer.sentence == (
        "Do not use selection here: the best of 2 rules (gstds) loses 3.7 to 4 points against training half as long on "
        "everything."
    )  # true: 3.8, for half the cost loses 0.2
    assert [row[0] for row in answer.tables[0].rows] == ["gstds", "loss"]
    assert [row[-1] for row in answer.tables[0].rows] == ["inferior", "inferior"]
    assert answer.notes[0].startswith("The second half of full training gains +0.")


def test_a_rule_that_wins_is_named_with_its_gain(tmp_path: Path) -> None:
    answer = ask(made(tmp_path, 2.0, -7.0))
    assert answer.enough and answer.sentence.startswith("Select with gstds: it gains ")
    assert "points over training" in answer.sentence


def test_no_gain_within_the_margin(tmp_path: Path) -> None:
    answer = ask(made(tmp_path, -0.2, -7.0))
    assert answer.enough and answer.sentence.startswith("Selection shows no gain here: the best of 2 rules (gstds)")


def test_an_open_difference_says_what_would_settle_it(tmp_path: Path) -> None:
    answer = ask(made(tmp_path, -0.9, -7.0, noise=2.0))
    assert not answer.enough and answer.sentence.startswith("Open: the best of 2 rules (gstds) lies between \u2212")
    assert "settle it" in answer.sentence


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"halving": 3.0}, "No verdict: full still gains 3"),
        ({"collapse": [("full", 0), ("full", 1)]}, "No verdict: full training diverged in 2 of 10 runs"),
    ],
)
def test_nothing_is_judged_where_full_is_not_trained(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    answer = ask(made(tmp_path, -4.0, -7.0, **how))
    assert not answer.enough and answer.sentence.startswith(said)


def test_a_look_that_time_cut_short_is_no_verdict(tmp_path: Path) -> None:
    folder = made(tmp_path, -4.0, -7.0, missing=[("gstds", 8), ("gstds", 9)])
    file = folder / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    table["analysis"]["looks"] = [10, 14]
    file.write_text(tomli_w.dumps(table), encoding="utf-8")
    answer = ask(folder)
    assert not answer.enough
    assert answer.sentence.startswith("No verdict yet: 8 of this look's 10 seeds are done")
