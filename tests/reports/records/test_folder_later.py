"""What came to a results folder later: tuning runs, strategies' own ladders, pick counts, merged folders.

Older folders lack all of it and read as they did.
"""

from __future__ import annotations

import base64
import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from editing import a_cell, rewrite, rewrite_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import ENVIRONMENT, PHASES, _key, checksum, write_results

from selbench.benchmarks.pages import published_sets
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.records.pack import opened
from selbench.reports.summary import summarise

GRID = {"factors": [0.5, 1.0], "seeds": 2, "tuning_seeds": [100, 101]}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_results(tmp_path / "r", seeds=2, effects={"gstds": 0.0}, test_n=101)


def tuned(folder: Path) -> Path:
    """``folder`` with a grid, and one tuning run of its first arm, whose chosen rate is half the base's."""

    def declare(matrix: dict) -> None:
        matrix.update(tuning="grid", grid=GRID)
        matrix["arms"][0].update(lr=0.05, lr_factor=0.5, base="ba5eba5eba5eba5e", lr_from="val")

    rewrite_matrix(folder, declare)
    nothing = {phase: {"flops": 0.0, "seconds": 0.0, "samples": 0} for phase in PHASES}
    record = {
        "version": 1,
        "id": "00000000000000aa",
        "arm": "ba5eba5eba5eba5e",
        "arm_label": "full 0.25",
        "role": "full",
        "rung": 0.25,
        "dataset": "digits",
        "reference": "",
        "seed": 100,
        "factor": 0.5,
        "lr": 0.05,
        "val_accuracy": 0.75,
        "train_loss": 0.1,
        "mean_ratio": 1.0,
        "selection": {"pace": []},
        "ledger": {**nothing, "train": {"flops": 3.0, "seconds": 2.0, "samples": 1}},
        "environment": ENVIRONMENT,
        "artefacts": [],
    }
    (folder / "tuning").mkdir()
    file = folder / "tuning" / f"{record['id']}.json"
    file.write_text(json.dumps({**record, "checksum": checksum(record)}))
    return file


def test_a_tuning_run_is_read(small: Path) -> None:
    tuned(small)
    results = Results.read(small, strict=True)
    (run,) = results.tunings
    assert (run.base, run.seed, run.factor, run.lr, run.val_accuracy) == ("ba5eba5eba5eba5e", 100, 0.5, 0.05, 0.75)
    assert run.ledger["train"].flops == 3.0
    assert results.matrix.grid is not None
    assert results.matrix.grid.factors == (0.5, 1.0) and results.matrix.grid.seeds == (100, 101)
    first, second = list(results.matrix.arms.values())[:2]
    assert (first.lr, first.lr_factor, first.base, first.lr_from) == (0.05, 0.5, "ba5eba5eba5eba5e", "val")
    assert (second.lr, second.lr_factor, second.base, second.lr_from) == (None, 1.0, second.key, "declared")


def test_a_tuning_run_that_diverged_has_no_accuracy(small: Path) -> None:
    rewrite(tuned(small), lambda record: record.update(val_accuracy=None, train_loss=None))
    assert Results.read(small, strict=True).tunings[0].val_accuracy is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(version=2), "format version 2"),
        (lambda r: r.update(id="0" * 16), "is the record of 0000000000000000, not of"),
        (lambda r: r.update(arm="0" * 16), "belongs to another matrix"),
        (lambda r: r.update(seed=0), "seed 0 is no tuning seed"),
        (lambda r: r.update(seed=100.0), "should be a valid integer, and it is 100.0"),
        (lambda r: r.update(factor=2.0), "factor 2 is not in the grid"),
        (lambda r: r.update(factor=True), "should be a valid number, and it is True"),
        (lambda r: r.update(val_accuracy=1.5), "and it is 1.5"),
        (lambda r: r.update(val_accuracy=-0.1), "and it is -0.1"),
        (lambda r: r.update(val_accuracy=float("nan")), "and it is nan"),
        (lambda r: r.update(lr=-0.1), "field 'lr': Input should be greater"),
        (lambda r: r.update(lr=float("inf")), "field 'lr': Input should be a finite"),
        (lambda r: r.update(mean_ratio=-0.5), "and it is -0.5"),
        (lambda r: r["ledger"].pop("train"), "its phases must be data, score"),
        (lambda r: r["ledger"]["train"].update(seconds=-1.0), "field 'ledger.train.seconds'"),
        (lambda r: r.pop("val_accuracy"), "field 'val_accuracy' is missing"),
        (lambda r: r.update(artefacts=3), "field 'artefacts'"),
    ],
)
def test_a_bad_tuning_run_is_never_used(small: Path, change, reason: str) -> None:
    rewrite(tuned(small), change)
    results = Results.read(small)
    assert results.tunings == ()
    assert reason in results.unreadable[0].reason


def test_a_second_tuning_run_of_the_same_is_not_averaged_in(small: Path) -> None:
    record = json.loads(tuned(small).read_text())
    record["id"] = "00000000000000bb"
    record["checksum"] = checksum(record)
    (small / "tuning" / "00000000000000bb.json").write_text(json.dumps(record))
    results = Results.read(small)
    assert len(results.tunings) == 1
    assert "tuned with seed 100 at factor 0.5; 00000000000000aa is used" in results.unreadable[0].reason


def test_tuning_runs_beside_a_matrix_without_tuning_are_not_used(small: Path) -> None:
    tuned(small)
    rewrite_matrix(small, lambda matrix: matrix.update(tuning="none"))
    results = Results.read(small)
    assert results.tunings == () and "declares no tuning" in results.unreadable[0].reason


@settings(max_examples=30)
@given(data=st.data())
def test_a_damaged_tuning_run_is_never_misread(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    folder = write_results(tmp_path_factory.mktemp("fuzz") / "r", seeds=1, effects={"gstds": 0.0}, test_n=16)
    file = tuned(folder)
    whole = file.read_bytes()
    content = bytearray(whole)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        same = json.loads(bytes(content)) == json.loads(whole)
    except ValueError:
        same = False
    file.write_bytes(content)
    results = Results.read(folder)
    assert (len(results.tunings), len(results.unreadable)) == ((1, 0) if same else (0, 1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(tuning="guess"), "field 'tuning'.*and it is 'guess'"),
        (lambda m: m["analysis"].update(interval="wald"), "field 'analysis.interval'.*and it is 'wald'"),
        (lambda m: m.update(tuning="grid"), "field 'grid' is missing"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "factors": [0.0]}), "greater than 0, and it is 0.0"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "factors": [1.0, 1.0]}), "named twice"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "tuning_seeds": []}), "missing or named twice"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "tuning_seeds": [1, 100]}), "reported as well"),
        (lambda m: m["arms"][0].update(lr=-1.0), r"field 'arms.0.lr'.*and it is -1.0"),
        (lambda m: m["arms"][0].update(lr_from="hearsay"), r"field 'arms.0.lr_from'.*and it is 'hearsay'"),
        (lambda m: m["arms"][-1].update(role="rung"), "no share below the whole budget"),
    ],
)
def test_a_matrix_with_bad_tuning_is_one_clear_line(small: Path, change, reason: str) -> None:
    rewrite_matrix(small, change)
    with pytest.raises(ResultsError, match=reason) as caught:
        Results.read(small)
    assert "\n" not in str(caught.value)


def add_rungs(folder: Path, label: str, *rungs: float) -> None:
    def change(matrix: dict) -> None:
        (top,) = (arm for arm in matrix["arms"] if arm["label"] == label)
        for rung in rungs:
            matrix["arms"].append({**top, "key": _key("rung", label, rung), "role": "rung", "rung": rung, "twin": ""})

    rewrite_matrix(folder, change)


def test_a_strategy_knows_its_own_ladder(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=1, test_n=50)
    add_rungs(folder, "gstds", 0.5, 0.25)
    results = Results.read(folder, strict=True)
    by_label = {arm.label: arm for arm in results.arms(role="strategy")}
    ladder = results.own_ladder(by_label["gstds"])
    assert [(arm.rung, arm.role) for arm in ladder] == [(0.25, "rung"), (0.5, "rung"), (1.0, "strategy")]
    assert results.own_ladder(ladder[0]) == ladder
    assert results.own_ladder(by_label["rho"]) == ()
    assert results.own_ladder(results.ladder("digits", "full")[-1]) == ()


def test_rungs_are_planned_with_their_strategy(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=1, test_n=50)
    before = {arm.key for arm, _ in Results.read(folder).planned()}
    add_rungs(folder, "gstds", 0.5)
    assert {arm.key for arm, _ in Results.read(folder).planned()} - before == {_key("rung", "gstds", 0.5)}
    rewrite_matrix(folder, lambda matrix: matrix["requested"].update(strategies=["rho"]))
    assert "rung" not in {arm.role for arm, _ in Results.read(folder).planned()}


def probe(counts: list[int], stride: int = 2) -> dict:
    return {"stride": stride, "counts": base64.b64encode(np.array(counts, dtype="<u2").tobytes()).decode()}


def test_pick_counts_are_read(small: Path) -> None:
    file = a_cell(small)
    rewrite(file, lambda record: record["selection"].update(probe=probe([0, 1, 256, 65535])))
    picks = next(cell.picks for cell in Results.read(small, strict=True).cells if cell.id == file.stem)
    assert picks.probe is not None and picks.probe.tolist() == [0, 1, 256, 65535] and picks.probe_stride == 2
    others = [cell.picks.probe for cell in Results.read(small).cells if cell.id != file.stem]
    assert others and set(others) == {None}


@pytest.mark.parametrize(
    "bad",
    [
        probe([], 1),
        probe([1] * 1025),
        probe([1], 0),
        {"stride": 1, "counts": "*"},
        {"stride": 1, "counts": "YQ=="},
        {"stride": 1},
        {"stride": 1.5, "counts": "YWE="},
        7,
    ],
)
def test_bad_pick_counts_spoil_the_record(small: Path, bad) -> None:
    rewrite(a_cell(small), lambda record: record["selection"].update(probe=bad))
    assert len(Results.read(small).unreadable) == 1


def test_a_data_set_may_have_a_budget_of_its_own(small: Path) -> None:
    plain = Results.read(small).matrix
    assert plain.interval == "t" and plain.grid is None
    assert plain.datasets["digits"].budget == {}

    def merge(matrix: dict) -> None:
        matrix["datasets"][0]["budget"] = {"passes": 3.0}
        matrix["analysis"]["interval"] = "sign-flip"

    rewrite_matrix(small, merge)
    merged = Results.read(small, strict=True).matrix
    assert merged.datasets["digits"].budget == {"passes": 3.0}
    assert merged.interval == "sign-flip"


def test_a_folder_from_before_tuning_reads_as_untuned() -> None:
    folder = opened(published_sets()["cifar10-cpu"])
    results = Results.read(folder, strict=True)
    assert results.matrix.grid is None and results.tunings == () and results.matrix.interval == "t"
    rate = tomllib.loads((folder / "matrix.toml").read_text())["optimizer"]["lr"]
    for arm in results.matrix.arms.values():
        assert (arm.base, arm.lr, arm.lr_factor, arm.lr_from) == (arm.key, rate, 1.0, "declared")
        assert results.own_ladder(arm) == ()
    assert all(cell.picks.probe is None for cell in results.cells)


def same(now: object, then: object) -> bool:
    """Whether two summaries say the same, to the last digits of a number."""
    if isinstance(now, dict) and isinstance(then, dict):
        return then.keys() <= now.keys() and all(same(now[key], then[key]) for key in then)
    if isinstance(now, list) and isinstance(then, list):
        return len(now) == len(then) and all(map(same, now, then))
    if isinstance(now, float) and isinstance(then, float):
        return math.isclose(now, then, rel_tol=1e-9, abs_tol=1e-12)
    return now == then


@pytest.mark.parametrize("name", ["quick", "quick-tuned", "cifar10-cpu", "flowers-cpu"])
def test_a_published_folder_gives_the_numbers_that_were_published(name: str) -> None:
    """Whatever stands in the published summary, judged anew from the records."""
    folder = opened(published_sets()[name])
    then = json.loads((folder / "report" / "summary.json").read_text())
    now = summarise(Results.read(folder, strict=True))
    assert now["unreadable"] == [] and (now["tuning"] is not None) == (name == "quick-tuned")
    for part in then.keys() - {"selbench", "claims"}:  # a later version may know more claims
        assert same(now[part], then[part]), part
