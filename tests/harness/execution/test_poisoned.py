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

from selbench.harness.datasets import loaded as bank
from selbench.harness.datasets.sets.digits import Digits

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


Records = dict[str, Any]
Compared = Callable[[dict[str, Any]], tuple[Records, Records]]


@pytest.fixture
def compared(train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compared:
    """Run a table with the test's labels as they are and with every one of them wrong; both folders' records."""

    def both(table: dict[str, Any]) -> tuple[Records, Records]:
        # The labels are part of the data set's fingerprint, and so of every id: held still, so that records match.
        monkeypatch.setattr(bank, "fingerprint", lambda images: "0" * 32)
        assert not train(table, tmp_path / "sound").failed
        load = Digits.load

        def poisoned(self: Digits, *args: Any, **options: Any) -> Any:
            images = load(self, *args, **options)
            return replace(images, test_labels=(images.test_labels + 1) % len(images.classes))

        monkeypatch.setattr(Digits, "load", poisoned)
        assert not train(table, tmp_path / "poisoned").failed
        sound, other = records(tmp_path / "sound"), records(tmp_path / "poisoned")
        assert sound.keys() == other.keys()
        before, after = judgements(sound), judgements(other)
        changed = [name for name in before if before[name]["correct"] != after[name]["correct"]]
        assert len(changed) > len(before) / 2, "the poison took: what is reported is another accuracy"
        return sound, other

    return both


def differing(sound: Records, poisoned: Records) -> list[str]:
    """The files that the poison has reached, what is reported of the test left out."""
    return [name for name in sound if sound[name] != poisoned[name]]


def test_they_reach_no_learning_rate_and_no_schedule_that_learns(table: dict[str, Any], compared: Compared) -> None:
    table |= {
        "tuning": "grid",
        "grid": {"factors": [1.0, 4.0], "seeds": 1, "extend": 0},
        "references": [{"name": "holdout", "options": {"passes": 1}}],
        "strategies": [
            {"name": "gstds", "schedule": {"name": "adaptive", "interval": 0.2}},
            {"name": "loss", "schedule": {"name": "bandit", "interval": 0.2}},
        ],
    }
    sound, poisoned = compared(table)
    assert sum(name.startswith("tuning/") for name in sound) >= 8
    looks = [record["selection"].get("schedule") for name, record in sound.items() if name.startswith("cells/")]
    assert sum(look is not None for look in looks) == 2, "both schedules have looked, at something else"
    assert differing(sound, poisoned) == []


def test_they_change_the_reported_accuracy_alone_but_for_the_leak(table: dict[str, Any], compared: Compared) -> None:
    """A reference that is trained on the test must say so; the poison reaches it and the arms that it guides alone."""
    table["references"].append({"name": "leak", "options": {"passes": 1, "accept_leak": True}})
    sound, poisoned = compared(table)
    folders = [name.split("/")[0] for name in sound]
    assert "artefacts" in folders and folders.count("cells") >= 8
    said = {
        name
        for name, record in sound.items()
        if name.endswith(".json") and "leak" in (record.get("name"), record.get("reference"))
    }
    made = {name.rpartition("/")[0] for name in said if name.startswith("artefacts/")}
    tensors = {name for name in sound if name.endswith(".safetensors") and name.rpartition("/")[0] in made}
    assert len(said) == 3 and len(tensors) >= 1
    assert set(differing(sound, poisoned)) == said | tensors
