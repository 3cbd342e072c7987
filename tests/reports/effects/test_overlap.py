"""Overlap of picks against known truth and against numpy's correlation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from editing import replace
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from probed import write_probes
from synthetic import write_results

from selbench.reports.effects.arm_facts import overlap
from selbench.reports.records.folder import Arm, Cell, Results
from selbench.reports.summary import summarise

Probe = Callable[[Arm, int], np.ndarray | None]


def folder(root: Path, tastes: Mapping[str, float], **how: Any) -> Path:
    left_out = how.pop("left_out", frozenset())
    how = {"seeds": 4, "effects": {"gstds": 0.0, "rho": 0.0}, "test_n": 50, **how}
    return write_probes(write_results(root / "r", **how), tastes, left_out=left_out)


def probed(results: Results, probe: Probe, stride: Callable[[Arm], int] = lambda arm: 1) -> Results:
    def change(cell: Cell) -> Cell:
        arm = results.matrix.arms[cell.arm]
        counts = probe(arm, cell.seed)
        return replace(cell, picks=replace(cell.picks, probe=counts, probe_stride=stride(arm)))

    return replace(results, cells=tuple(map(change, results.cells)))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Results:
    how = {"seeds": 3, "effects": {"gstds": 0.0, "rho": 0.0}, "test_n": 50}
    return Results.read(write_results(tmp_path_factory.mktemp("bare") / "r", **how))


def test_overlaps_are_those_of_the_truth(tmp_path: Path) -> None:
    """Two arms correlate as the product of how much each follows the taste that they share."""
    results = Results.read(folder(tmp_path, {"gstds": 0.9, "rho": 0.6}), strict=True)
    (table,) = overlap(results)
    assert (table["dataset"], table["reference"], table["seeds"]) == ("digits", "holdout", 4)
    assert table["labels"] == ["uniform", "gstds", "rho"]
    assert [results.matrix.arms[key].label for key in table["arms"]] == table["labels"]
    expected = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.54], [0.0, 0.54, 1.0]]
    assert np.array(table["matrix"]) == pytest.approx(np.array(expected), abs=0.06)


def test_older_records_have_no_overlap(bare: Results) -> None:
    assert overlap(bare) == []


def test_an_arm_whose_records_do_not_tell_is_left_out(tmp_path: Path) -> None:
    results = Results.read(folder(tmp_path, {}, left_out=frozenset({"uniform", "uniform 0.5"})))
    assert [table["labels"] for table in overlap(results)] == [["gstds", "rho"]]
    assert overlap(Results.read(folder(tmp_path / "one", {}, left_out=frozenset({"uniform", "rho"})))) == []


def test_each_reference_has_a_table_with_what_needs_none(tmp_path: Path) -> None:
    how = {
        "references": ("holdout", "clip"),
        "effects": {"gstds": 0.0, "static": 0.0},
        "datasets": ("digits", "flowers"),
    }
    tables = overlap(Results.read(folder(tmp_path, {}, **how)))
    assert [(table["dataset"], table["reference"]) for table in tables] == [
        (dataset, reference) for dataset in ("digits", "flowers") for reference in ("holdout", "clip")
    ]
    assert all(sorted(table["labels"]) == ["gstds", "static", "uniform"] for table in tables)


def test_rungs_of_a_ladder_are_no_arms_of_their_own(tmp_path: Path) -> None:
    (table,) = overlap(Results.read(folder(tmp_path, {}, ladders=["gstds"])))
    assert table["labels"] == ["uniform", "gstds", "rho"]


def test_counts_that_never_vary_have_no_correlation(bare: Results) -> None:
    draw = np.random.default_rng(0)
    flat = np.full(20, 3, dtype=np.uint16)

    def probe(arm: Arm, seed: int) -> np.ndarray:
        return flat if arm.label == "rho" else draw.integers(0, 9, 20).astype(np.uint16)

    (table,) = overlap(probed(bare, probe))
    at = table["labels"].index("rho")
    assert table["matrix"][at] == [None] * 3 and [row[at] for row in table["matrix"]] == [None] * 3
    assert sum(value is None for row in table["matrix"] for value in row) == 5


def test_seeds_at_which_one_is_flat_are_left_out_of_the_mean(bare: Results) -> None:
    up, down = np.arange(10, dtype=np.uint16), np.arange(10, dtype=np.uint16)[::-1].copy()
    of = {0: up, 1: np.full(10, 2, dtype=np.uint16), 2: down}
    (table,) = overlap(probed(bare, lambda arm, seed: of[seed] if arm.label == "rho" else up))
    gstds, rho = table["labels"].index("gstds"), table["labels"].index("rho")
    assert table["matrix"][gstds][rho] == 0.0  # 1 and -1; the flat seed is in no mean
    assert table["matrix"][gstds][table["labels"].index("uniform")] == 1.0 and table["seeds"] == 3


def test_samples_of_unlike_images_are_not_correlated(bare: Results) -> None:
    counts = np.arange(10, dtype=np.uint16)
    (table,) = overlap(probed(bare, lambda arm, seed: counts, lambda arm: 2 if arm.label == "rho" else 1))
    at = table["labels"].index("rho")
    assert [value for n, value in enumerate(table["matrix"][at]) if n != at] == [None, None]
    assert table["matrix"][at][at] == 1.0


def test_nothing_to_compare_is_no_table(bare: Results) -> None:
    lonely = probed(bare, lambda arm, seed: np.arange(9, dtype=np.uint16) if arm.label == "rho" else None)
    assert overlap(lonely) == []
    flat = probed(bare, lambda arm, seed: np.zeros(9, dtype=np.uint16))
    assert overlap(flat) == []


counts = arrays(np.uint16, (3, 3, 12), elements=st.integers(0, 65535))


@given(counts)
def test_the_mean_over_seeds_of_numpys_correlation(bare: Results, table: np.ndarray) -> None:
    labels = ["uniform", "gstds", "rho"]

    def probe(arm: Arm, seed: int) -> np.ndarray | None:
        return table[seed, labels.index(arm.label)] if arm.label in labels else None

    found = overlap(probed(bare, probe))
    varies = table.min(axis=2) < table.max(axis=2)
    expected = np.full((3, 3), np.nan)
    for i in range(3):
        for j in range(3):
            each = [np.corrcoef(table[s, i], table[s, j])[0, 1] for s in range(3) if varies[s, i] and varies[s, j]]
            expected[i, j] = np.mean(each) if each else np.nan
    if np.isnan(expected[~np.eye(3, dtype=bool)]).all():
        assert found == []
        return
    got = np.array(found[0]["matrix"], dtype=float)
    assert got == pytest.approx(expected, abs=1e-4, nan_ok=True)
    assert np.array_equal(got, got.T, equal_nan=True) and np.nanmax(np.abs(got)) <= 1.0


def test_the_summary_holds_it_as_json(tmp_path: Path) -> None:
    results = Results.read(folder(tmp_path, {"gstds": 0.5}))
    said = summarise(results)["overlap"]
    assert json.loads(json.dumps(said, allow_nan=False)) == said == overlap(results)
