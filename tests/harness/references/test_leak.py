"""A reference that saw the test images: impossible to use by accident, and marked wherever it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Task
from selbench.harness.references.leak import Leak
from selbench.harness.references.spec import reference
from selbench.harness.tasks import artefacts
from selbench.strategies import UsageError

ACCEPTED = {"passes": 1, "width": 2, "accept_leak": True}


@pytest.mark.parametrize("options", [{}, {"accept_leak": False}, {"accept_leak": 1}, {"accept_leak": "true"}])
def test_it_must_be_accepted_in_so_many_words(options: dict[str, Any], planned: Any, tiny: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"trained on the test images: .* set accept_leak = true"):
        reference("leak", options)
    with pytest.raises(UsageError, match="trained on the test images"):
        planned(tiny | {"references": [{"name": "leak", "options": options}]})


def test_passes_are_above_0() -> None:
    with pytest.raises(UsageError, match="passes = 0 must be above 0"):
        Leak(passes=0, accept_leak=True)


def test_it_learns_the_holdout_and_the_test(tiny: dict[str, Any], worker: Any) -> None:
    loaded = worker(parse(tiny)).loaded(Task("x", "reference", "digits", 0, "leak"))
    images, labels = Leak(accept_leak=True).training_images(loaded, 0, 5, None)
    held = loaded.ids(0, "holdout")
    assert torch.equal(images, torch.cat([loaded.images.train[held], loaded.images.test]))
    assert torch.equal(labels, torch.cat([loaded.images.train_labels[held], loaded.images.test_labels]))


def test_a_name_that_hides_it_is_refused(tiny: dict[str, Any], worker: Any) -> None:
    here = worker(parse(tiny | {"references": [{"name": "good", "spec": "leak", "options": ACCEPTED}]}))
    with pytest.raises(UsageError, match=r"'good' is trained on the test images, and its name does not say so"):
        artefacts.made(here, Task("x", "reference", "digits", 0, "good"))


def test_arms_records_and_artefacts_say_what_it_is(tiny: dict[str, Any], train: Any, tmp_path: Path) -> None:
    entry = {"name": "leak", "options": ACCEPTED}
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, "strategies": [{"name": "gstds"}]}
    assert not train(tiny | {"references": [entry]}, tmp_path).failed
    (meta,) = (json.loads(path.read_text()) for path in (tmp_path / "artefacts").glob("*/meta.json"))
    assert meta["external"].startswith("LEAK: trained on the test images")
    trained = 40 + 50  # a fifth of 200 images withheld, and 50 test images
    assert meta["ledger"]["train"]["samples"] == trained // 32 * 32 and meta["ledger"]["reference"]["samples"] == 140
    cells = [json.loads(path.read_text()) for path in (tmp_path / "cells").glob("*.json")]
    (guided,) = (cell for cell in cells if cell["arm_label"] == "gstds")
    assert guided["reference"] == "leak" and guided["artefacts"] == [meta["id"]]
    assert guided["identity"]["reference"] == ["leak", ACCEPTED]
