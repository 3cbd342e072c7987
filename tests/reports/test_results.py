"""A folder reads back as it was written, and no damaged record is ever used."""

from __future__ import annotations

import base64
import json
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import checksum, write_results

from selbench.reports.results import Results, ResultsError
from selbench.reports.results import checksum as their_checksum
from selbench.reports.summary import summarise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "r", seeds=3, test_n=250)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_results(tmp_path / "r", seeds=2, effects={"gstds": 0.0}, test_n=101)


def a_cell(folder: Path) -> Path:
    return sorted((folder / "cells").glob("*.json"))[0]


def rewrite(file: Path, change, *, seal: bool = True) -> None:
    record = json.loads(file.read_text())
    change(record)
    if seal and "checksum" in record:
        record["checksum"] = checksum(record)
    file.write_text(json.dumps(record))


def rewrite_matrix(folder: Path, change) -> None:
    file = folder / "matrix.toml"
    matrix = tomllib.loads(file.read_text())
    change(matrix)
    file.write_text(tomli_w.dumps(matrix))


def test_everything_written_is_read(folder: Path) -> None:
    results = Results.read(folder, strict=True)
    assert len(results.cells) == len(results.matrix.arms) * 3
    assert not results.failures and not results.unreadable
    for cell in results.cells:
        record = json.loads((folder / "cells" / f"{cell.id}.json").read_text())
        bits = np.unpackbits(np.frombuffer(base64.b64decode(record["result"]["correct"]), np.uint8))[:250]
        assert cell.correct.tolist() == bits.astype(bool).tolist()
        assert cell.accuracy == record["result"]["test_accuracy"]
        assert cell.ledger["train"].flops == record["ledger"]["train"]["flops"]
        assert [point.passes for point in cell.curve] == [point["pass"] for point in record["curve"]]
        assert cell.picks.k == tuple(map(tuple, record["selection"]["k"]))


def test_arms_and_cells_are_found(folder: Path) -> None:
    results = Results.read(folder)
    assert [arm.rung for arm in results.ladder("digits", "full")] == [0.25, 0.5, 1.0]
    gstds = next(arm for arm in results.arms(role="strategy") if arm.label == "gstds")
    assert list(results.of(gstds)) == [0, 1, 2]
    assert results.matrix.arms[gstds.twin].role == "uniform"
    assert results.of("no such arm") == {}


def test_planned_runs_are_baselines_and_what_was_requested(small: Path) -> None:
    everything = len(list(Results.read(small).planned()))
    rewrite_matrix(small, lambda matrix: matrix["requested"].update(strategies=[], seeds=[0]))
    planned = list(Results.read(small).planned())
    assert {arm.role for arm, _ in planned} == {"full", "uniform", "full-all"}
    assert len(planned) == (everything - 2) / 2


def test_the_twin_of_a_strategy_that_was_not_requested_is_not_planned(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=1, test_n=100)
    rewrite_matrix(folder, lambda matrix: matrix["requested"].update(strategies=["gstds"]))
    labels = {arm.label for arm, _ in Results.read(folder).planned()}
    assert "gstds" in labels and "static" not in labels and "uniform twin of static" not in labels


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_never_misread(folder: Path, tmp_path_factory: pytest.TempPathFactory, data) -> None:
    file = a_cell(folder)
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    before = Results.read(folder)
    try:
        same = json.loads(bytes(content)) == json.loads(file.read_bytes())
    except ValueError:
        same = False
    whole = file.read_bytes()
    file.write_bytes(content)
    try:
        after = Results.read(folder)
    finally:
        file.write_bytes(whole)
    if same:  # white space, or a digit beyond a double's precision
        assert not after.unreadable
    else:
        assert [item.file for item in after.unreadable] == [f"cells/{file.name}"]
        assert len(after.cells) == len(before.cells) - 1


def test_strict_reading_names_the_file(small: Path) -> None:
    rewrite(a_cell(small), lambda record: record["result"].update(test_accuracy=1.0), seal=False)
    with pytest.raises(ResultsError, match=f"{a_cell(small).name}: the checksum does not match"):
        Results.read(small, strict=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(version=2), "format version 2"),
        (lambda r: r.update(id="other"), "is of cell 'other'"),
        (lambda r: r.update(arm="unknown"), "belongs to another matrix"),
        (lambda r: r.update(seed=99), "seed 99 is not in matrix.toml"),
        (lambda r: r.update(seed=True), "not a whole number"),
        (lambda r: r.update(faults=3), "3 faulty selections"),
        (lambda r: r["result"].update(test_accuracy=0.5), "does not agree with the correctness bits"),
        (lambda r: r["result"].update(test_n=500), "do not hold 500 test images"),
        (lambda r: r["result"].update(correct="*"), "not base64"),
        (lambda r: r["ledger"]["train"].update(flops=-1.0), "negative or infinite"),
        (lambda r: r["ledger"]["train"].update(flops="many"), "'many' is not a number"),
        (lambda r: r.pop("selection"), "field 'selection' is missing"),
        (lambda r: r.update(curve=7), "wrong form"),
    ],
)
def test_a_sound_checksum_does_not_make_a_sound_record(small: Path, change, reason: str) -> None:
    rewrite(a_cell(small), change)
    results = Results.read(small)
    assert len(results.unreadable) == 1
    assert reason in results.unreadable[0].reason


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_record_is_reported(small: Path, content: bytes) -> None:
    a_cell(small).write_bytes(content)
    assert len(Results.read(small).unreadable) == 1


def test_a_second_record_of_a_seed_is_not_averaged_in(small: Path) -> None:
    file = a_cell(small)
    record = json.loads(file.read_text())
    record["id"] = "ffffffffffffffff"
    record["checksum"] = checksum(record)
    (file.parent / "ffffffffffffffff.json").write_text(json.dumps(record))
    results = Results.read(small)
    assert [item.file for item in results.unreadable] == ["cells/ffffffffffffffff.json"]
    assert "a second record" in results.unreadable[0].reason


def test_a_bad_artefact_is_reported(small: Path) -> None:
    file = next((small / "artefacts").glob("*/meta.json"))
    rewrite(file, lambda record: record.update(version=9))
    assert "format version 9" in Results.read(small).unreadable[0].reason


def test_the_failure_of_an_artefact_has_no_arm_or_seed(small: Path) -> None:
    folder = write_results(small, seeds=2, effects={"gstds": 0.0}, test_n=101, failed=[("gstds", 1)])
    file = next((folder / "failed").glob("*.json"))
    rewrite(file, lambda record: record.update(arm="", seed=None))
    assert Results.read(folder, strict=True).failures[0].seed is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(version=2), "format version 2"),
        (lambda m: m.pop("arms"), "field 'arms' is missing"),
        (lambda m: m["arms"][0].update(role="king"), "unknown role 'king'"),
        (lambda m: m["arms"][0].update(dataset="mnist"), "unknown dataset 'mnist'"),
        (lambda m: m["arms"][-1].update(twin="nobody"), "the twin 'nobody'"),
        (lambda m: m["arms"].append(m["arms"][0]), "the same key"),
        (lambda m: m["datasets"][0].update(margin=-1.0), "negative"),
        (lambda m: m["analysis"].update(alpha=1.5), "alpha"),
        (lambda m: m["analysis"]["pays"].update(ladder="up"), "analysis.pays"),
    ],
)
def test_a_bad_matrix_is_one_clear_line(small: Path, change, reason: str) -> None:
    rewrite_matrix(small, change)
    with pytest.raises(ResultsError, match=reason) as caught:
        Results.read(small)
    assert "\n" not in str(caught.value) and "matrix.toml" in str(caught.value)


def test_a_folder_without_a_matrix_is_no_results_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"holds no matrix\.toml"):
        Results.read(tmp_path)


def test_what_else_the_writer_put_into_the_matrix_is_ignored(small: Path) -> None:
    rewrite_matrix(small, lambda matrix: matrix["datasets"][0].update(fingerprint="abc"))
    assert Results.read(small, strict=True).cells


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.floats(allow_nan=False), st.integers(), st.text(max_size=5), st.none()),
        max_size=5,
    )
)
def test_both_checksums_are_one(record: dict) -> None:
    assert their_checksum(record) == checksum(record) == checksum({**record, "checksum": "x"})


GRID = {"factors": [0.5, 1.0], "seeds": 2, "tuning_seeds": [100, 101]}


def tuned(folder: Path) -> Path:
    """``folder`` with a grid, and one tuning run of its first arm, whose chosen rate is half the base's."""

    def declare(matrix: dict) -> None:
        matrix.update(tuning="grid", grid=GRID)
        matrix["arms"][0].update(lr=0.05, lr_factor=0.5, base="base of full", lr_from="val")

    rewrite_matrix(folder, declare)
    record = {
        "version": 1,
        "id": "00000000000000aa",
        "arm": "base of full",
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
        "ledger": {"train": {"flops": 3.0, "seconds": 2.0, "samples": 1}},
        "artefacts": [],
        "environment": {"device": "cpu"},
    }
    (folder / "tuning").mkdir()
    file = folder / "tuning" / f"{record['id']}.json"
    file.write_text(json.dumps({**record, "checksum": checksum(record)}))
    return file


def test_a_tuning_run_is_read(small: Path) -> None:
    tuned(small)
    results = Results.read(small, strict=True)
    (run,) = results.tunings
    assert (run.base, run.seed, run.factor, run.lr, run.val_accuracy) == ("base of full", 100, 0.5, 0.05, 0.75)
    assert run.ledger["train"].flops == 3.0
    assert results.matrix.grid is not None
    assert results.matrix.grid.factors == (0.5, 1.0) and results.matrix.grid.seeds == (100, 101)
    first, second = list(results.matrix.arms.values())[:2]
    assert (first.lr, first.lr_factor, first.base, first.lr_from) == (0.05, 0.5, "base of full", "val")
    assert (second.lr, second.lr_factor, second.base, second.lr_from) == (None, 1.0, second.key, "declared")


def test_a_tuning_run_that_diverged_has_no_accuracy(small: Path) -> None:
    rewrite(tuned(small), lambda record: record.update(val_accuracy=None, train_loss=None))
    assert Results.read(small, strict=True).tunings[0].val_accuracy is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(version=2), "format version 2"),
        (lambda r: r.update(id="other"), "is of tuning run 'other'"),
        (lambda r: r.update(arm="unknown"), "belongs to another matrix"),
        (lambda r: r.update(seed=0), "seed 0 is no tuning seed"),
        (lambda r: r.update(seed=100.0), "not a whole number"),
        (lambda r: r.update(factor=2.0), "factor 2 is not in the grid"),
        (lambda r: r.update(factor=True), "not a number"),
        (lambda r: r.update(val_accuracy=1.5), "1.5 is no accuracy"),
        (lambda r: r.update(val_accuracy=-0.1), "-0.1 is no accuracy"),
        (lambda r: r.update(val_accuracy=float("nan")), "nan is no accuracy"),
        (lambda r: r.update(lr=-0.1), "negative or infinite"),
        (lambda r: r.update(lr=float("inf")), "negative or infinite"),
        (lambda r: r.update(mean_ratio=-0.5), "negative or infinite"),
        (lambda r: r["ledger"]["train"].update(seconds=-1.0), "negative or infinite"),
        (lambda r: r.pop("val_accuracy"), "field 'val_accuracy' is missing"),
        (lambda r: r.update(artefacts=3), "wrong form"),
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


@settings(max_examples=30, deadline=None)
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
        (lambda m: m.update(tuning="guess"), "tuning = 'guess'"),
        (lambda m: m["analysis"].update(interval="wald"), "interval = 'wald'"),
        (lambda m: m.update(tuning="grid"), "field 'grid' is missing"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "factors": [0.0]}), "not positive"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "factors": [1.0, 1.0]}), "named twice"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "tuning_seeds": []}), "missing or named twice"),
        (lambda m: m.update(tuning="grid", grid={**GRID, "tuning_seeds": [1, 100]}), "reported as well"),
        (lambda m: m["arms"][0].update(lr=-1.0), "learning rate of arm"),
        (lambda m: m["arms"][0].update(lr_from="hearsay"), "from nowhere known"),
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
            matrix["arms"].append({**top, "key": f"rung {label} {rung}", "role": "rung", "rung": rung, "twin": ""})

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
    assert {arm.key for arm, _ in Results.read(folder).planned()} - before == {"rung gstds 0.5"}
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


def test_a_merged_folder_names_its_sources_and_budgets(small: Path) -> None:
    plain = Results.read(small).matrix
    assert plain.sources == () and plain.interval == "t" and plain.grid is None
    assert plain.datasets["digits"].budget == {}

    def merge(matrix: dict) -> None:
        matrix.update(sources=["one", "two"])
        matrix["datasets"][0]["budget"] = {"passes": 3.0}
        matrix["analysis"]["interval"] = "sign-flip"

    rewrite_matrix(small, merge)
    merged = Results.read(small, strict=True).matrix
    assert merged.sources == ("one", "two") and merged.datasets["digits"].budget == {"passes": 3.0}
    assert merged.interval == "sign-flip"


@pytest.mark.parametrize("name", ["quick", "cifar10-cpu", "flowers-cpu"])
def test_a_published_folder_reads_as_untuned(name: str) -> None:
    published = Path(__file__).parents[2] / "reports" / "published" / name
    results = Results.read(published, strict=True)
    assert results.matrix.grid is None and results.tunings == () and results.matrix.interval == "t"
    rate = tomllib.loads((published / "matrix.toml").read_text())["optimizer"]["lr"]
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


@pytest.mark.parametrize("name", ["quick", "flowers-cpu"])
def test_a_published_folder_gives_the_numbers_that_were_published(name: str) -> None:
    """Every field of every arm, and the account of what is there, as they stand in the published summary."""
    published = Path(__file__).parents[2] / "reports" / "published" / name
    then = json.loads((published / "report" / "summary.json").read_text())
    now = summarise(Results.read(published, strict=True))
    assert (now["tuning"], now["overlap"], now["unreadable"]) == (None, [], [])
    for part in ("cells", "timing", "artefacts", "failures", "sampling_error", "arms"):
        assert same(now[part], then[part]), part
