"""What does not belong together is not merged, and nothing is left behind."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from parted import edit, part, reseal, set_in, two_of, whole_of
from tuned import write_tuning

from selbench.reports.folders.merge import merge
from selbench.reports.records.folder import ResultsError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_of(tmp_path_factory.mktemp("whole") / "r")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return two_of(tmp_path)


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
    refused(tmp_path, parts, "the disk is full")


def refused(folder: Path, parts: Iterable[Path], says: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(ResultsError) as caught:
        merge(folder / "out", list(parts))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == before, "a refused merge leaves nothing behind"
