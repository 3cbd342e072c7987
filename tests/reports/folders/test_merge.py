"""Parts of a matrix, or several matrices, as one folder: the numbers stay; what does not belong together is refused."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import checksum, write_results
from timed import write_timing
from tuned import write_tuning

from selbench.reports.document.sections.learning_rates import tuning_words
from selbench.reports.folders.merge import merge, unclocked
from selbench.reports.records.folder import Results, ResultsError
from selbench.reports.summary import summarise

LABELS = ("gstds", "rho", "static")
EFFECTS = {"gstds": 0.2, "rho": 1.0, "static": -0.4}

IDENTITIES = {name: f"{number:016x}" for number, name in enumerate(("one", "two", "three"), 1)}


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Change a folder's matrix.toml."""
    file = folder / "matrix.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    change(table)
    file.write_text(tomli_w.dumps(table), encoding="utf-8")
    return folder


def reseal(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a record, and give it the checksum that goes with the change."""
    record = json.loads(file.read_text())
    change(record)
    record["checksum"] = checksum(record)
    file.write_text(json.dumps(record))


def part(whole: Path, out: Path, *, seeds: Iterable[int], labels: Iterable[str] = LABELS) -> Path:
    """What running a part of the matrix would have left: some seeds and strategies, the baselines always."""
    shutil.copytree(whole, out)
    kept, seeds = set(labels), sorted(seeds)
    table = tomllib.loads((out / "matrix.toml").read_text(encoding="utf-8"))
    twins = {arm["twin"] for arm in table["arms"] if arm["label"] in kept}
    strategies = {arm["key"] for arm in table["arms"] if arm["label"] in kept}
    arms = [
        arm
        for arm in table["arms"]
        if arm["role"] in ("full", "uniform", "full-all") or {arm["key"], arm.get("cost_of")} & (twins | strategies)
    ]
    keys = {arm["key"] for arm in arms}
    blocks = table.get("timing", {}).get("seeds", 0)
    asked = {"strategies": [label for label in table["requested"]["strategies"] if label in kept], "seeds": seeds}
    table |= {"seeds": seeds, "arms": arms, "requested": {**table["requested"], **asked}}
    table["timing"] = {"seeds": sum(seed < blocks for seed in seeds)}
    (out / "matrix.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    used = set()
    for file in out.glob("cells/*.json"):
        record = json.loads(file.read_text())
        if record["seed"] in seeds and record["arm"] in keys:
            used.update(record["artefacts"])
        else:
            file.unlink()
    for file in [*out.glob("timing/*.json"), *out.glob("failed/*.json")]:
        record = json.loads(file.read_text())
        artefact = record.get("kind", "cell") != "cell"
        mine = artefact or record.get("of", record.get("arm")) in keys
        if not mine or record.get("block", record["seed"]) not in seeds:
            file.unlink()
    return out


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
    root = tmp_path_factory.mktemp("whole") / "r"
    lost = {"missing": [("rho", 1)], "failed": [("gstds", 2)]}
    write_results(root, seeds=5, test_n=200, effects=EFFECTS, classes={}, **lost)
    return write_timing(root, blocks=3)


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


def on_machine(folder: Path, machine: str) -> Path:
    """As if the folder's runs had been made on another type of machine, in other seconds."""

    def elsewhere(record: dict[str, Any]) -> None:
        record["environment"]["machine"] = machine
        for line in record["ledger"].values():
            line["seconds"] *= 3
        if "seconds" in record:
            record["seconds"] *= 3

    for file in [*folder.glob("cells/*.json"), *folder.glob("timing/*.json")]:
        reseal(file, elsewhere)
    return folder


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
    """Two matrices over two data sets, with the same learner and analysis."""
    folders = []
    for name, dataset in (("one", "digits"), ("two", "flowers")):
        folder = write_results(tmp_path / name, datasets=(dataset,), seeds=4, test_n=100, effects=EFFECTS)
        folders.append(
            edit(folder, lambda table, name=name: table.update(name=name, title=name, identity=IDENTITIES[name]))
        )
    return folders[0], folders[1]


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


def set_in(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_in("learner", "width", to=64), "learner.width is 64 in the one and 16 in the other"),
        (set_in("analysis", "alpha", to=0.1), "analysis.alpha"),
        (set_in("analysis", "amortise_over", to=5), "analysis.amortise_over"),
        (set_in("analysis", "interval", to="sign-flip"), "analysis.interval"),
        (set_in("analysis", "pays", "account", to="marginal"), "analysis.pays.account"),
        (set_in("analysis", "primary", to=["rho:pays"]), "analysis.primary"),
    ],
)
def test_another_learner_or_analysis_is_refused(
    two: tuple[Path, Path], tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    edit(two[1], change)
    refused(tmp_path, two, says)


def test_tuned_and_untuned_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    refused(tmp_path, (two[0], write_tuning(two[1])), "tuning is grid in the one and none in the other")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_in("datasets", 0, "margin", to=0.25), "digits: margin is 0.25"),
        (
            set_in("datasets", 0, "fingerprint", to="ab"),
            "digits: fingerprint is ab in the one and d67c839095a71b03 in the other",
        ),
        (set_in("budget", "passes", to=40), "digits: budget.passes is 40"),
        (set_in("arms", 0, "schedule", to="fixed(0.1)"), "schedule is fixed(0.1)"),
        (set_in("arms", 7, "label", to="other"), "label is other"),
    ],
)
def test_one_data_set_under_two_conditions_is_refused(
    whole: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    parts = [part(whole, tmp_path / name, seeds=range(5)) for name in "ab"]
    refused(tmp_path, (parts[0], edit(parts[1], change)), says)


def test_an_arm_that_only_looks_alike_is_refused(whole: Path, tmp_path: Path) -> None:
    """Two keys under one name: another budget, precision or version, and every table would mix them up."""
    a, b = (part(whole, tmp_path / name, seeds=seeds) for name, seeds in (("a", (0, 1)), ("b", (2, 3, 4))))
    old = tomllib.loads((b / "matrix.toml").read_text())["arms"][0]["key"]
    (b / "matrix.toml").write_text((b / "matrix.toml").read_text().replace(old, "f" * 16))
    for file in b.glob("cells/*.json"):
        reseal(file, lambda record: record.update(arm="f" * 16) if record["arm"] == old else None)
    for file in b.glob("timing/*.json"):
        reseal(file, lambda record: record.update(of="f" * 16) if record["of"] == old else None)
    refused(tmp_path, (a, b), f"key is {'f' * 16}")


def test_one_run_with_two_results_is_refused(whole: Path, tmp_path: Path) -> None:
    a, b = (part(whole, tmp_path / name, seeds=range(5)) for name in "ab")
    reseal(sorted(b.glob("cells/*.json"))[0], lambda record: record["result"].update(val_accuracy=0.123))
    refused(tmp_path, (a, b), "(result.val_accuracy differs)")


def test_one_run_of_several_pieces_is_the_same_run_and_older_records_say_less(whole: Path, tmp_path: Path) -> None:
    a, b, c = (part(whole, tmp_path / name, seeds=range(5)) for name in "abc")
    pieces = {"written": 3, "seconds": 0.1, "bytes": 9, "resumed": [0.5]}
    for folder, digest in ((b, "1"), (c, "2")):
        file = sorted(folder.glob("cells/*.json"))[0]
        reseal(file, lambda record: record.update(checkpoints=pieces))
        reseal(file, lambda record, digest=digest: record["result"].update(weights_digest=digest * 32))
    refused(tmp_path, (b, c), "(result.weights_digest differs)")
    merge(tmp_path / "out", [a, b])


def test_an_artefact_with_two_contents_is_refused(whole: Path, tmp_path: Path) -> None:
    a, b = (part(whole, tmp_path / name, seeds=range(5)) for name in "ab")
    for folder, content in ((a, b"1"), (b, b"2")):
        meta = sorted(folder.glob("artefacts/*/meta.json"))[0]
        meta.with_name("tensors.safetensors").write_bytes(content)
    refused(tmp_path, (a, b), "its content differs")


def test_damaged_records_missing_folders_and_a_full_target_are_refused(whole: Path, tmp_path: Path) -> None:
    a, b = (part(whole, tmp_path / name, seeds=range(5)) for name in "ab")
    refused(tmp_path, (a,), "two results folders")
    refused(tmp_path, (a, tmp_path / "b" / ".." / "a"), "named twice")
    refused(tmp_path, (a, tmp_path / "nowhere"), "no results folder")
    with pytest.raises(ResultsError, match="is not empty"):
        merge(a, [a, b])
    record = sorted(b.glob("cells/*.json"))[0]
    record.write_bytes(record.read_bytes()[:-30])
    refused(tmp_path, (a, b), record.name)


def test_an_empty_target_is_taken(whole: Path, tmp_path: Path) -> None:
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]
    (tmp_path / "out").mkdir()
    assert len(merge(tmp_path / "out", parts).results.cells) == 58


def test_a_merge_that_fails_leaves_nothing(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [part(whole, tmp_path / "a", seeds=(0, 1)), part(whole, tmp_path / "b", seeds=(2, 3, 4))]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    refused(tmp_path, parts, "No space left")


def refused(folder: Path, parts: Iterable[Path], says: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(ResultsError) as caught:
        merge(folder / "out", list(parts))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == before, "a refused merge leaves nothing behind"
