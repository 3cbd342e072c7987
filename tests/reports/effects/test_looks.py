"""Declared looks: the level of each, what it takes to count as declared, and what is said where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from editing import rewrite_matrix
from synthetic import write_results

from selbench.reports.document.sections.contrasts import looks_words
from selbench.reports.effects.contrasts import contrast_rows, contrasts
from selbench.reports.effects.pairing import Pairs
from selbench.reports.folders.merge import merge
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.statistics import look_levels
from selbench.reports.summary import summarise


def folder(path: Path, declared: int, asked: int, looks: list[int], spending: str = "equal", **more: Any) -> Path:
    """A folder with one strategy, declared and equal to ``full``, that has ``asked`` of its ``declared`` seeds."""

    def declare(matrix: dict[str, Any]) -> None:
        matrix["declared"] = {"strategies": ["gstds"], "seeds": list(range(declared))}
        matrix["analysis"] |= {"looks": looks, "spending": spending} if looks else {}

    write_results(path, seeds=asked, effects={"gstds": 0.0}, primary=["gstds:accuracy"], **more)
    rewrite_matrix(path, declare)
    return path


def declared_row(path: Path) -> dict[str, Any]:
    results = Results.read(path)
    rows = contrast_rows(results, contrasts(Pairs(results)))
    return next(row for row in rows if (row["strategy"], row["question"]) == ("gstds", "accuracy"))


@pytest.mark.parametrize("spending", ["equal", "pocock", "obrien-fleming"])
def test_the_levels_of_all_looks_add_up_to_alpha(spending: str) -> None:
    levels = look_levels([8, 12, 16, 24], 0.05, spending)
    assert min(levels) > 0 and sum(levels) == pytest.approx(0.05, abs=1e-12)


def test_levels_are_those_of_the_spending_functions() -> None:
    """Lan and DeMets (1983) by their formulas, at a third and two thirds: worked by hand from tables of the normal."""
    assert look_levels([4, 8, 12], 0.05, "equal") == pytest.approx([0.05 / 3] * 3)
    assert look_levels([4, 8, 12], 0.05, "pocock") == pytest.approx([0.02264, 0.01551, 0.01185], abs=2e-5)
    # z(.975) = 1.95996; 2 - 2 Phi(3.3948) = .000687, 2 - 2 Phi(2.4005) = .01637
    assert look_levels([4, 8, 12], 0.05, "obrien-fleming") == pytest.approx([0.000687, 0.01569, 0.03363], abs=2e-5)


def test_a_look_is_judged_at_its_own_level(tmp_path: Path) -> None:
    row = declared_row(folder(tmp_path / "a", 24, 12, [8, 12, 16, 24]))
    assert row["primary"] and "undeclared" not in row
    assert row["looks"] == {"reached": 2, "of": 4, "level": 0.0125, "next": 16}
    assert row["confidence"] == pytest.approx(1 - 2 * 0.0125)
    other = declared_row(folder(tmp_path / "b", 24, 12, [8, 12, 16, 24], "obrien-fleming"))
    assert other["looks"]["level"] == pytest.approx(look_levels([8, 12, 16, 24], 0.05, "obrien-fleming")[1])
    assert other["mean_difference"] == row["mean_difference"] and other["ci_low"] < row["ci_low"]
    assert "looks" not in declared_row(folder(tmp_path / "c", 12, 12, []))


@pytest.mark.parametrize(
    ("declared", "asked", "looks", "why"),
    [
        (8, 10, [], "10 seeds were asked for, of which 8 were declared"),
        (12, 13, [8, 12], "13 seeds were asked for, of which 12 were declared"),
        (12, 10, [8, 12], "the 10 seeds are no declared look (8, 12)"),
        (12, 6, [8, 12], "the 6 seeds are no declared look (8, 12)"),
    ],
)
def test_seeds_that_were_not_declared_make_the_declared_contrast_exploratory(
    tmp_path: Path, declared: int, asked: int, looks: list[int], why: str
) -> None:
    path = folder(tmp_path / "r", declared, asked, looks)
    row = declared_row(path)
    assert not row["primary"] and row["p_adjusted"] is None and row["undeclared"] == f"exploratory: {why}"
    assert why in row["note"] and "looks" not in row
    assert summarise(Results.read(path))["answers"]["digits"].endswith(f"what was declared is exploratory: {why}.")


def test_a_look_with_runs_to_come_is_not_judged_and_one_with_failed_runs_is(tmp_path: Path) -> None:
    row = declared_row(folder(tmp_path / "a", 12, 8, [8, 12], missing=[("gstds", 3)]))
    assert row["undeclared"] == "exploratory: 1 of the look's 8 seeds are still to run"
    row = declared_row(folder(tmp_path / "b", 12, 8, [8, 12], failed=[("gstds", 3)]))
    assert row["primary"] and row["n_pairs"] == 7 and row["looks"]["reached"] == 1


def test_the_summary_says_whether_a_look_decides(tmp_path: Path) -> None:
    clear = summarise(Results.read(folder(tmp_path / "a", 12, 8, [8, 12], noise=0.1)))["looks"]
    assert clear["levels"] == pytest.approx([0.025, 0.025]) and clear["now"]["decided"] and clear["now"]["seeds"] == 8
    assert [row["verdict"] for row in clear["now"]["verdicts"]] == ["non-inferior"]
    noisy = folder(tmp_path / "b", 12, 8, [8, 12], noise=3.0)
    rewrite_matrix(noisy, lambda matrix: matrix.update(looks=[clear["now"] | {"decided": False}]))
    found = summarise(Results.read(noisy))
    told = "Looks are declared at 8, 12 seeds (equal); this is look 1, at a one-sided level of 0.025."
    assert looks_words(found) == told
    assert looks_words({"looks": clear | {"now": None}}).endswith("this is none of them.") and not looks_words({})
    assert not found["looks"]["now"]["decided"] and found["looks"]["taken"][0]["seeds"] == 8
    assert "the next declared look takes 12 seeds" in found["headline"]
    rewrite_matrix(noisy, lambda matrix: matrix["looks"][0].update(seeds=9))
    with pytest.raises(ResultsError, match="a look at 9 seeds is recorded, which"):
        Results.read(noisy)


def test_seeds_declared_in_parts_are_declared_in_the_merged_folder(tmp_path: Path) -> None:
    parts = [folder(tmp_path / "a", 4, 4, []), folder(tmp_path / "b", 8, 8, [])]
    merge(tmp_path / "whole", parts, "")
    assert declared_row(tmp_path / "whole")["primary"]
