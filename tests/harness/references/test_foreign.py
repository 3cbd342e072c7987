"""A net of another domain: trained on another data set, frozen, and probed on the pool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from selbench.harness.datasets.sets.digits import Digits
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Task
from selbench.harness.references.foreign import Foreign
from selbench.harness.references.probe import crossfit
from selbench.harness.references.spec import gives_features, reference, trained_here
from selbench.harness.store.folder import Store
from selbench.harness.tasks import artefacts
from selbench.strategies import UsageError

OPTIONS = {"dataset": "digits", "options": {"limit": 60, "test_limit": 10}, "passes": 2, "width": 4}
COLOURS = {"red": 0, "green": 1, "blue": 2}
EACH = {"train": 20, "test": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Noise images in three colours, a class each."""
    rng = np.random.default_rng(0)
    for part, count in EACH.items():
        for name, channel in COLOURS.items():
            (tmp_path / "photos" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 120, (16, 16, 3), dtype=np.uint8)
                pixels[:, :, channel] += 100
                Image.fromarray(pixels).save(tmp_path / "photos" / part / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def table(tiny: dict[str, Any], folder: Path) -> dict[str, Any]:
    entry = {"name": "photos", "spec": f"imagefolder:{folder}", "options": {"resolution": 12}, "margin": 1.0}
    return tiny | {
        "datasets": [entry | {"augmentation": "none"}],
        "references": [{"name": "foreign", "options": OPTIONS}],
        "strategies": [{"name": "gstds"}, {"name": "rho"}],
        "batch": 16,
        "seeds": 1,
        "ladder": [1.0],
        "budget": {"passes": 1},
    }


def task(seed: int = 0) -> Task:
    return Task("x", "reference", "photos", seed, "foreign")


def test_it_learns_the_other_sets_training_images_in_the_form_of_the_pools(table: Any, worker: Any) -> None:
    here = worker(parse(table))
    own = Digits(limit=60, test_limit=10).load(None, here.context.cache_dir)
    seen = Foreign(**OPTIONS).training_images(own, here.loaded(task()).images.train)
    assert seen.shape == (60, 3, 12, 12) and seen.dtype == torch.uint8
    assert torch.equal(seen[:, 0], seen[:, 2])


def test_features_are_of_the_pool_and_losses_of_a_probe_on_them(table: Any, worker: Any) -> None:
    here = worker(parse(table))
    tensors, ledger, more = artefacts.made(here, task())
    pool = here.loaded(task()).samples(0, "pool", here.device)
    assert tensors["features"].shape[0] == len(pool) == 54
    probe = crossfit(tensors["features"], pool.labels, 3, seed=0)
    assert torch.equal(tensors["reference"], probe.losses) and more["quality"] == {"accuracy": probe.accuracy}
    account = ledger.phases
    assert account["train"].samples == 2 * (60 // 16 * 16) and account["train"].flops > 0
    assert account["reference"].samples == 2 * len(pool) and account["reference"].flops > probe.flops
    again = artefacts.made(here, task())[0]
    assert all(torch.equal(tensors[name], again[name]) for name in tensors)
    assert not torch.equal(tensors["features"][:3], artefacts.made(here, task(1))[0]["features"][:3])


def test_no_image_is_withheld_and_a_run_uses_it(table: Any, train: Any, tmp_path: Path) -> None:
    assert not train(table, tmp_path / "run").failed
    store = Store(tmp_path / "run")
    (meta,) = (json.loads(path.read_text()) for path in (tmp_path / "run" / "artefacts").glob("*/meta.json"))
    assert (meta["kind"], meta["name"], meta["external"]) == ("reference", "foreign", "")
    assert store.artefact_tensors(meta["id"])["reference"].shape == (54,)


def test_what_it_was_trained_on_is_part_of_what_it_is(table: Any, planned: Any, tmp_path: Path) -> None:
    def made(**changes: Any) -> str:
        plan = planned(table | {"references": [{"name": "foreign", "options": OPTIONS | changes}]})
        return next(task.id for task in plan.tasks.values() if task.kind == "reference")

    assert len({made(), made(passes=3), made(options={"limit": 61}), made(width=2)}) == 4
    prints = {Foreign(**OPTIONS | {"options": {"limit": size}}).fingerprint(None) for size in (60, 60, 61)}
    assert len(prints) == 2
    assert trained_here(Foreign(**OPTIONS)) and gives_features(Foreign(**OPTIONS))


def test_the_data_set_that_it_is_to_judge_is_no_other_domain(table: Any, worker: Any) -> None:
    entry = {"name": "foreign", "options": OPTIONS | {"dataset": table["datasets"][0]["spec"], "options": {}}}
    here = worker(parse(table | {"references": [entry]}))
    with pytest.raises(UsageError, match="is the set that it scores: name another data set"):
        artefacts.made(here, task())


def test_colour_is_refused_where_the_pool_is_grey(folder: Path) -> None:
    other = Foreign(dataset=f"imagefolder:{folder}", options={"resolution": 12})
    own = other.load(None, folder.parent / "cache")
    with pytest.raises(UsageError, match="are in colour"):
        other.training_images(own, torch.zeros(1, 1, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("foreign", {}, "set dataset = "),
        ("foreign:digits", {}, "write foreign alone"),
        ("foreign", {"dataset": "digit"}, "reference foreign: no dataset named 'digit'"),
        ("foreign", {"dataset": "digits", "options": {"limits": 3}}, "has no parameter 'limits'"),
        ("foreign", {"dataset": "digits", "passes": 0}, "passes = 0 must be above 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(spec: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        reference(spec, options)


def test_missing_files_are_said_before_any_training(table: Any, planned: Any) -> None:
    entry = {"name": "foreign", "options": {"dataset": "flowers"}}
    with pytest.raises(UsageError, match="flowers needs files"):
        planned(table | {"references": [entry]})
