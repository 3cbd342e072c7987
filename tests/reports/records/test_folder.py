"""A folder reads back as it was written, and no damaged record is ever used."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from editing import a_cell, rewrite, rewrite_matrix
from hypothesis import given
from hypothesis import strategies as st
from synthetic import checksum, write_results

from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.records.folder import checksum as their_checksum
from selbench.reports.records.matrix import read_table
from selbench.reports.records.sealing import seal_toml


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "r", seeds=3, test_n=250)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_results(tmp_path / "r", seeds=2, effects={"gstds": 0.0}, test_n=101)


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
    assert len(planned) == (everything - 4) / 2, "without gstds and its cost twin"


def test_the_twin_of_a_strategy_that_was_not_requested_is_not_planned(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", seeds=1, test_n=100)
    rewrite_matrix(folder, lambda matrix: matrix["requested"].update(strategies=["gstds"]))
    labels = {arm.label for arm, _ in Results.read(folder).planned()}
    assert "gstds" in labels and "static" not in labels and "uniform twin of static" not in labels


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
        (lambda r: r.update(id="0" * 16), "is the record of 0000000000000000, not of"),
        (lambda r: r.update(arm="0" * 16), "belongs to another matrix"),
        (lambda r: r.update(seed=99), "seed 99 is not in matrix.toml"),
        (lambda r: r.update(seed=True), "field 'seed': Input should be a valid integer, and it is True"),
        (lambda r: r.update(faults=3), "3 faulty selections"),
        (lambda r: r["result"].update(test_accuracy=0.5), "its test accuracy 0.5 is not that of its"),
        (lambda r: r["result"].update(test_n=500), "do not hold 500 test images"),
        (lambda r: r["result"].update(correct="*"), "not base64"),
        (lambda r: r["ledger"].pop("train"), "field 'ledger': its phases must be data, score"),
        (lambda r: r["ledger"]["train"].update(flops=-1.0), "field 'ledger.train.flops': Input should be greater"),
        (lambda r: r["ledger"]["train"].update(flops="many"), "should be a valid number, and it is 'many'"),
        (lambda r: r.pop("selection"), "field 'selection' is missing"),
        (lambda r: r.update(curve=7), "field 'curve': Input should be a list"),
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


def test_a_record_of_a_newer_version_is_said_to_be_one_whatever_its_checksum(small: Path) -> None:
    a_cell(small).write_text('{"version": 2, "seal": "of another kind"}')
    (bad,) = Results.read(small).unreadable
    assert bad.reason == "format version 2; this selbench reads version 1: use the selbench that wrote it"


def test_a_sealed_matrix_is_read_and_a_changed_one_refused(small: Path) -> None:
    file = small / "matrix.toml"
    table = read_table(file)
    file.write_bytes(seal_toml(table))
    assert Results.read(small).matrix.datasets["digits"].margin == 1.0 and read_table(file) == table
    file.write_text(file.read_text().replace("margin = 1.0", "margin = 5.0"))
    with pytest.raises(ResultsError, match=r"matrix\.toml: the checksum does not match.*put a sound copy back"):
        Results.read(small)


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
        (lambda m: m["arms"][0].update(role="king"), "role.*and it is 'king'"),
        (lambda m: m["arms"][0].update(dataset="mnist"), "unknown dataset 'mnist'"),
        (lambda m: m["arms"][-1].update(twin="nobody"), "the twin 'nobody'"),
        (lambda m: m["arms"].append(m["arms"][0]), "the same key"),
        (lambda m: m["datasets"][0].update(margin=-1.0), "margin.*and it is -1.0"),
        (lambda m: m["analysis"].update(alpha=1.5), "alpha"),
        (lambda m: m["analysis"]["pays"].update(ladder="up"), "analysis.pays.ladder.*and it is 'up'"),
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
    rewrite_matrix(small, lambda matrix: matrix["datasets"][0].update(mood="good"))
    assert Results.read(small, strict=True).cells


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(st.floats(allow_nan=False), st.integers(), st.text(max_size=5), st.none()),
        max_size=5,
    )
)
def test_both_checksums_are_one(record: dict) -> None:
    assert their_checksum(record) == checksum(record) == checksum({**record, "checksum": "x"})
