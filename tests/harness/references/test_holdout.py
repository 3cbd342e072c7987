"""Wrong labels in the holdout split alone: drawn, or as a file has them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import torch
from torch import Tensor

from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Task
from selbench.harness.references.holdout import Holdout
from selbench.harness.tasks import artefacts
from selbench.strategies import UsageError


@pytest.fixture
def loaded(tiny: dict[str, Any], worker: Any) -> Any:
    return worker(parse(tiny)).loaded(Task("x", "reference", "digits", 0, "holdout"))


def training_images(loaded: Any, reference: Holdout, stream: int = 5, data_dir: Any = None) -> Tensor:
    images, labels = reference.training_images(loaded, 0, stream, data_dir)
    assert torch.equal(images, loaded.images.train[loaded.ids(0, "holdout")])
    return labels


def true(loaded: Any, part: str = "holdout") -> Tensor:
    return loaded.images.train_labels[loaded.ids(0, part)]


def test_without_options_it_learns_the_true_labels(loaded: Any) -> None:
    assert torch.equal(training_images(loaded, Holdout()), true(loaded))


def test_the_share_asked_for_is_wrong_in_the_holdout_and_nothing_in_the_pool(loaded: Any) -> None:
    given = training_images(loaded, Holdout(label_noise=0.4))
    assert int((given != true(loaded)).sum()) == round(0.4 * len(given))
    assert torch.equal(loaded.labelled(0, "pool")[1], true(loaded, "pool"))
    assert torch.equal(given, training_images(loaded, Holdout(label_noise=0.4)))
    assert not torch.equal(given, training_images(loaded, Holdout(label_noise=0.4), stream=6))


def write(loaded: Any, path: Any, *, shuffled: bool) -> tuple[Tensor, list[str]]:
    """A table of the labels of all digits, every fifth of them wrong, in the order of file names or in another."""
    count = loaded.images.train_total
    given = torch.randint(0, 10, (count,), generator=torch.Generator().manual_seed(0))
    ids = loaded.images.train_ids
    given[ids] = loaded.images.train_labels
    given[ids[::5]] = (given[ids[::5]] + 1) % 10
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1)).tolist() if shuffled else range(count)
    lines = [f"train/{place:05d}.png,{given[place]}" for place in order]
    path.write_bytes(gzip.compress("\n".join(["file,worse", *lines]).encode()))
    return given, lines


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_files_labels_are_laid_over_the_holdout_in_the_order_of_the_data_set(
    loaded: Any, tmp_path: Any, shuffled: bool
) -> None:
    given, _ = write(loaded, tmp_path / "people.csv.gz", shuffled=shuffled)
    reference = Holdout(labels="people.csv.gz", column="worse", files="file" if shuffled else "")
    learned = training_images(loaded, reference, data_dir=tmp_path)
    assert torch.equal(learned, given[loaded.images.train_ids][loaded.ids(0, "holdout")])
    assert 0.1 < float((learned != true(loaded)).double().mean()) < 0.3
    assert reference.fingerprint(tmp_path) and not Holdout().fingerprint(tmp_path)


def test_lines_in_another_order_are_refused_where_it_is_not_said(loaded: Any, tmp_path: Any) -> None:
    write(loaded, tmp_path / "people.csv.gz", shuffled=True)
    with pytest.raises(UsageError, match=r"^reference holdout: labels: .* as by chance"):
        training_images(loaded, Holdout(labels="people.csv.gz", column="worse"), data_dir=tmp_path)
    with pytest.raises(UsageError, match=r"has no column 'name': set files to one of file, worse"):
        training_images(loaded, Holdout(labels="people.csv.gz", column="worse", files="name"), data_dir=tmp_path)
    with pytest.raises(UsageError, match=r"^reference holdout: .*set column to one of file, worse"):
        Holdout(labels="people.csv.gz", column="person").check(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 0}, "passes = 0 must be above 0"),
        ({"label_noise": 1.0}, r"label_noise = 1.0 must be a share in \[0, 1\)"),
        ({"label_noise": 0.2, "labels": "a.npy"}, "set one"),
        ({"column": "worse"}, "column = 'worse' is for labels"),
        ({"labels": "a.csv", "files": "file"}, "set column too"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Holdout(**options)


def test_a_missing_file_is_said(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match=r"^reference holdout: labels: there is no file .*none.csv"):
        Holdout(labels="none.csv").check(tmp_path)


def test_wrong_labels_make_a_worse_reference_with_an_id_of_its_own(
    tiny: dict[str, Any], worker: Any, planned: Any
) -> None:
    tiny["datasets"][0] |= {"holdout": 0.5, "options": {"limit": 800, "test_limit": 50}}
    entries = [
        {"name": "good", "spec": "holdout", "options": {"passes": 8}},
        {"name": "noisy", "spec": "holdout", "options": {"passes": 8, "label_noise": 0.8}},
    ]
    tiny |= {"references": entries, "seeds": 1, "ladder": [1.0], "strategies": [{"name": "rho"}]}
    tasks = [task for task in planned(tiny).tasks.values() if task.kind == "reference"]
    assert len({task.id for task in tasks}) == 2
    here = worker(parse(tiny))
    good, noisy = (artefacts.made(here, task)[2]["quality"]["accuracy"] for task in tasks)
    assert good > noisy + 0.2
