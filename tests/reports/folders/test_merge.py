"""Parts of a matrix, or several matrices, as one folder: the numbers stay."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parted import EFFECTS, IDENTITIES, LABELS, edit, on_machine, part, two_of, whole_of
from synthetic import write_results
from tuned import write_tuning

from selbench.reports.document.sections.learning_rates import tuning_words
from selbench.reports.folders.merge import merge, unclocked
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.summary import summarise


def in_any_order(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with the order of arms taken out of it: folders split by strategy may give another."""
    same = {key: value for key, value in summary.items() if key not in ("reproduce", "overlap")}

    def ordered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ordered(item) for key, item in value.items()}
        if isinstance(value, list):
            return sorted((ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return value

    return ordered(same)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_of(tmp_path_factory.mktemp("whole") / "r")


@pytest.fixture(scope="module")
def judged(whole: Path) -> dict[str, Any]:
    return summarise(Results.read(whole))


@settings(max_examples=4)
@given(st.sets(st.integers(0, 4), min_size=1, max_size=4))
def test_seeds_on_two_machines_are_the_seeds_of_one(
    whole: Path, judged: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, seeds: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("m")
    parts = [part(whole, folder / "a", seeds=seeds), part(whole, folder / "b", seeds=set(range(5)) - seeds)]
    merged = merge(folder / "out", parts)
    assert merged.twice == 0
    assert summarise(Results.read(folder / "out")) == judged


@settings(max_examples=4)
@given(st.lists(st.sets(st.sampled_from(LABELS), min_size=1), min_size=2, max_size=3))
def test_strategies_in_parts_are_the_strategies_of_one(
    whole: Path, judged: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, split: list[set[str]]
) -> None:
    split[0] |= set(LABELS) - set().union(*split)
    folder = tmp_path_factory.mktemp("m")
    parts = [part(whole, folder / f"{i}", seeds=range(5), labels=labels) for i, labels in enumerate(split)]
    merged = merge(folder / "out", parts)
    assert merged.twice >= 35, "every part ran the baselines"
    assert in_any_order(summarise(Results.read(folder / "out"))) == in_any_order(judged)


def test_parts_of_two_versions_are_one(whole: Path, judged: dict[str, Any], tmp_path: Path) -> None:
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]
    text = (file := parts[1] / "matrix.toml").read_text()
    file.write_text(text.replace('origin = "selbench 0.1.0"', 'origin = "selbench 0.2.0"'))
    merge(tmp_path / "out", parts)
    assert summarise(Results.read(tmp_path / "out")) == judged


def test_tuned_parts_are_the_tuned_whole(tmp_path: Path) -> None:
    root = write_tuning(write_results(tmp_path / "r", seeds=4, test_n=100, effects=EFFECTS))
    parts = [part(root, tmp_path / "a", seeds=(0, 3)), part(root, tmp_path / "b", seeds=(1, 2))]
    merge(tmp_path / "out", parts)
    assert summarise(Results.read(tmp_path / "out")) == summarise(Results.read(root))


def test_a_grid_that_grew_in_one_part_has_grown_in_the_whole(tmp_path: Path) -> None:
    root = write_tuning(write_results(tmp_path / "r", seeds=4, test_n=100, effects=EFFECTS))
    *declared, last = sorted(tomllib.loads((root / "matrix.toml").read_text())["grid"]["factors"])
    plain = summarise(Results.read(root))
    edit(root, lambda matrix: matrix["grid"].update(factors=declared, extended={"digits": [last]}))
    parts = [part(root, tmp_path / "a", seeds=(0, 3)), part(root, tmp_path / "b", seeds=(1, 2))]
    edit(parts[0], lambda matrix: matrix["grid"].pop("extended"))
    assert Results.read(parts[0]).unreadable, "its runs at the added factor are of no grid that it declares"
    for file in (parts[0] / "tuning").glob("*.json"):
        if json.loads(file.read_text())["factor"] == last:
            file.unlink()
    merge(tmp_path / "out", parts)
    whole = summarise(Results.read(tmp_path / "out"))
    assert whole == summarise(Results.read(root)) and f"{last:g} on Digits" in tuning_words(whole)
    assert whole["tuning"].pop("extended") == {"digits": [last]} and whole["tuning"] == plain["tuning"]


def test_records_are_copied_byte_for_byte_and_nothing_else_is(whole: Path, tmp_path: Path) -> None:
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]
    (parts[0] / "report").mkdir()
    (parts[0] / "report" / "index.html").write_text("old")
    (parts[0] / "work" / "x").mkdir(parents=True)
    (parts[1] / "artefacts" / "features").mkdir()
    (parts[1] / "artefacts" / "features" / "tensors.safetensors").write_bytes(b"weights")
    merge(tmp_path / "out", parts)
    there = {file.relative_to(tmp_path / "out") for file in (tmp_path / "out").rglob("*") if file.is_file()}
    records = {file.relative_to(p) for p in parts for file in p.rglob("*") if file.is_file()} - {
        Path("report/index.html")
    }
    assert there == records
    for name in there - {Path("matrix.toml")}:
        first = next(p / name for p in parts if (p / name).exists())
        assert (tmp_path / "out" / name).read_bytes() == first.read_bytes()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_what_failed_in_one_part_and_was_done_in_another_has_not_failed(whole: Path, tmp_path: Path) -> None:
    a, b = (part(whole, tmp_path / name, seeds=range(5)) for name in "ab")
    record = json.loads(next((a / "failed").glob("*.json")).read_text())
    other = next(file for file in b.glob("cells/*.json") if json.loads(file.read_text())["seed"] == record["seed"])
    (a / "cells" / other.name).unlink()
    (a / "failed" / other.name).write_text(json.dumps({**record, "id": other.stem}))
    merge(tmp_path / "out", [a, b])
    assert not (tmp_path / "out" / "failed" / other.name).exists()
    assert len(list((tmp_path / "out" / "failed").iterdir())) == 1, "the failure that nobody made good is kept"


def test_seconds_of_unlike_machines_are_never_mixed_and_it_is_said(whole: Path, tmp_path: Path) -> None:
    a = part(whole, tmp_path / "a", seeds=range(5), labels=["gstds"])
    b = on_machine(part(whole, tmp_path / "b", seeds=range(5), labels=["rho", "static"]), "ffff")
    merged = merge(tmp_path / "out", [a, b])
    (line,) = unclocked(merged.results)
    assert line in list(merged.lines())
    assert "rho (holdout), static" in line and "gstds" not in line and "Digits" in line
    assert any("lay in more than one" in text and "35 runs" in text for text in merged.lines())
    alone, joined = (summarise(Results.read(folder)) for folder in (a, tmp_path / "out"))
    seconds = {
        (row["strategy"], row["question"]): row["costs"]["marginal"]["wall_clock"]
        for row in joined["contrasts"]
        if row["question"] == "accuracy"
    }
    assert seconds["rho", "accuracy"] is None and seconds["static", "accuracy"] is None
    before = next(row for row in alone["contrasts"] if (row["strategy"], row["question"]) == ("gstds", "accuracy"))
    assert seconds["gstds", "accuracy"] == before["costs"]["marginal"]["wall_clock"] != None  # noqa: E711
    equal_seconds = [
        row for row in joined["contrasts"] if row["cost"] == "wall_clock" and row["strategy"] in ("rho", "static")
    ]
    assert all(row["n_pairs"] == 0 for row in equal_seconds)


def test_labels_that_one_part_lacks_are_those_of_another(whole: Path, tmp_path: Path) -> None:
    """A part that an older version ran has no labels of the test images; unlike ones are no one data set."""
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]
    edit(parts[0], lambda table: table["datasets"][0].pop("test_labels"))
    known = Results.read(parts[1]).matrix.datasets["digits"].test_labels
    for name, order in (("c", parts), ("d", parts[::-1])):
        assert merge(tmp_path / name, order).results.matrix.datasets["digits"].test_labels == known != ""
    edit(parts[0], lambda table: table["datasets"][0].update(test_labels="B" + known[1:]))
    with pytest.raises(ResultsError, match="test_labels is"):
        merge(tmp_path / "e", parts)


def test_parts_on_one_machine_have_nothing_to_say_about_seconds(whole: Path, tmp_path: Path) -> None:
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]
    merged = merge(tmp_path / "out", parts, "Both")
    assert list(merged.lines()) == ["58 of 60 runs, from 2 folders."]
    assert merged.results.matrix.title == "Both" and len(merged.results.matrix.requests) == 1


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return two_of(tmp_path)


def test_matrices_over_different_data_sets_give_their_own_numbers_and_pooled_ones(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    merge(tmp_path / "out", two)
    joined, alone = summarise(Results.read(tmp_path / "out")), [summarise(Results.read(folder)) for folder in two]
    for key in ("contrasts", "arms", "targets", "artefacts", "failures"):
        each = [row for summary in alone for row in summary[key]]
        if key == "artefacts":
            each.sort(key=lambda row: row["id"])
        assert len(joined[key]) == len(each) > 0 or key == "failures"
        for ours, theirs in zip(joined[key], each, strict=True):
            assert ours == theirs, key
    assert not alone[0]["pooled"] and {row["n_datasets"] for row in joined["pooled"]} == {2}
    matrix = Results.read(tmp_path / "out").matrix
    assert (
        [request.name for request in matrix.requests] == ["one", "two"]
        and matrix.title == "one and two"
        and matrix.identity not in IDENTITIES.values()
    )


def test_each_matrix_keeps_its_own_seeds_and_its_own_command(two: tuple[Path, Path], tmp_path: Path) -> None:
    """Seeds that only the other matrix has are not missing; halves of one matrix are asked for together."""
    arms = len(Results.read(two[0]).matrix.arms)
    third = write_results(tmp_path / "three", datasets=("cifar10",), seeds=6, test_n=100, effects=EFFECTS)
    edit(third, lambda table: table.update(name="three", title="three", identity=IDENTITIES["three"]))
    halves = [part(third, tmp_path / "a", seeds=(0, 1)), part(third, tmp_path / "b", seeds=(2, 3, 4, 5))]
    for half in halves:
        edit(half, lambda table: table.update(declared={"strategies": LABELS, "seeds": list(range(6))}))
    summary = summarise(merge(tmp_path / "out", [halves[0], *two, halves[1]]).results)
    assert summary["cells"]["planned"] == arms * (6 + 4 + 4) and not summary["cells"]["missing"]
    assert summary["reproduce"].splitlines() == [
        "selbench run three --out results/three",
        "selbench run one --out results/one",
        "selbench run two --out results/two",
        "selbench merge results/merged results/three results/one results/two",
    ]


def test_merging_is_the_same_in_one_step_and_in_two(two: tuple[Path, Path], tmp_path: Path) -> None:
    third = write_results(tmp_path / "three", datasets=("cifar10",), seeds=4, test_n=100, effects=EFFECTS)
    edit(third, lambda table: table.update(name="three", title="three", identity=IDENTITIES["three"]))
    merge(tmp_path / "step", two)
    merge(tmp_path / "steps", [tmp_path / "step", third])
    merge(tmp_path / "once", [*two, third])
    once, steps = (tomllib.loads((tmp_path / name / "matrix.toml").read_text()) for name in ("once", "steps"))
    assert once["identity"] == steps["identity"] and once["parts"] == steps["parts"]
    assert once["sources"] == steps["sources"] == ["one", "two", "three"]
    assert (
        summarise(Results.read(tmp_path / "once"))["contrasts"]
        == summarise(Results.read(tmp_path / "steps"))["contrasts"]
    )


def test_unlike_budgets_and_learning_rates_stay_with_their_data_sets(two: tuple[Path, Path], tmp_path: Path) -> None:
    def longer(table: dict[str, Any]) -> None:
        table["budget"]["passes"] = 40
        table["optimizer"] = {"lr": 0.4, "momentum": 0.9}

    edit(two[0], lambda table: table.update(optimizer={"lr": 0.1, "momentum": 0.9}))
    merge(tmp_path / "out", [two[0], edit(two[1], longer)])
    matrix = Results.read(tmp_path / "out").matrix
    assert [dataset.budget["passes"] for dataset in matrix.datasets.values()] == [20, 40]
    assert dict(matrix.budget) == {"batching": "fixed-candidates", "batch": 100}
    assert {(arm.dataset, arm.lr) for arm in matrix.arms.values()} == {("digits", 0.1), ("flowers", 0.4)}
