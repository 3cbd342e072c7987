"""Labels of the test split are read by nothing but the evaluation at a run's end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from selbench.harness import bank
from selbench.harness.datasets.digits import Digits

JUDGED = {"test_accuracy", "test_accuracy_recalibrated", "correct"}
OF_THE_OCCASION = {"environment", "memory_bytes", "seconds", "checksum", "when", "started", "finished"}


@pytest.fixture
def table(tiny: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """Rules that read the learner, a reference, a proxy; references that are trained, and read from a file."""
    features = tmp_path / "features.safetensors"
    generator = torch.Generator().manual_seed(0)
    save_file({"features": torch.randn(200, 6, generator=generator), "losses": torch.rand(200)}, features)
    return {
        **tiny,
        "seeds": 1,
        "ladder": [1.0],
        "budget": {"passes": 1},
        "proxy": {"passes": 1},
        "references": [
            {"name": "holdout", "options": {"passes": 1}},
            {"name": "file", "spec": f"file:{features}"},
        ],
        "strategies": [{"name": name} for name in ("rho", "gstds", "static")],
    }


def records(out: Path) -> dict[str, Any]:
    """Everything in a results folder that is not of the occasion, by file."""
    found: dict[str, Any] = {}
    for file in sorted(out.rglob("*")):
        name = file.relative_to(out).as_posix()
        if file.suffix == ".json":
            found[name] = _lasting(json.loads(file.read_bytes()))
        elif file.suffix == ".safetensors":
            found[name] = file.read_bytes()
    return found


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in OF_THE_OCCASION}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def judgements(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The reported accuracies of each cell, taken out of its record."""
    cells = {name: record for name, record in found.items() if name.startswith("cells/")}
    return {name: {key: record["result"].pop(key) for key in JUDGED} for name, record in cells.items()}


def test_poisoned_test_labels_change_the_reported_accuracy_alone(
    table: dict[str, Any], train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The labels are part of the data set's fingerprint, and so of every id: held still, so that records are matched.
    monkeypatch.setattr(bank, "fingerprint", lambda images: "0" * 32)
    assert not train(table, tmp_path / "sound").failed
    load = Digits.load

    def poisoned(self: Digits, *args: Any, **options: Any) -> Any:
        images = load(self, *args, **options)
        return replace(images, test_labels=(images.test_labels + 1) % len(images.classes))

    monkeypatch.setattr(Digits, "load", poisoned)
    assert not train(table, tmp_path / "poisoned").failed
    sound, poisoned_ = records(tmp_path / "sound"), records(tmp_path / "poisoned")
    before, after = judgements(sound), judgements(poisoned_)
    kinds = {name.split("/")[0] for name in sound}
    assert {"cells", "artefacts"} <= kinds and len(before) >= 8
    assert sound.keys() == poisoned_.keys()
    assert [name for name in sound if sound[name] != poisoned_[name]] == []
    changed = [name for name in before if before[name]["correct"] != after[name]["correct"]]
    assert len(changed) > len(before) / 2, "the poison took: what is reported is another accuracy"
