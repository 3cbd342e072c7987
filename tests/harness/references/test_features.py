"""Features of a frozen reference: extracted once, and handed to each cell whole or by rows."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.harness.references.file import File
from selbench.harness.store.feature_file import Rows
from selbench.harness.store.feature_memory import VARIABLE
from selbench.harness.tasks import artefacts
from selbench.harness.tasks.cached_signals import cached_signals, pool_with_signals
from selbench.strategies import UsageError
from selbench.strategies.interface import Pool

CPU = torch.device("cpu")


@pytest.fixture
def extractions(monkeypatch):
    """Number of images at each call of a reference's ``extract``."""
    calls: list[int] = []
    real = File.extract

    def extract(self, images, labels, **more):
        calls.append(len(images))
        return real(self, images, labels, **more)

    monkeypatch.setattr(File, "extract", extract)
    return calls


@pytest.fixture
def table(tiny, tmp_path):
    """The tiny matrix with a file of features and losses for its reference, drawn from a seed."""

    def make(content, **more):
        stream = torch.Generator().manual_seed(content)
        tensors = {"features": torch.rand(200, 6, generator=stream), "losses": torch.rand(200, generator=stream)}
        save_file(tensors, tmp_path / f"{content}.safetensors")
        references = [{"name": "given", "spec": f"file:{tmp_path / str(content)}.safetensors"}]
        return {**tiny, "ladder": [1.0], "references": references, **more}

    return make


@pytest.fixture
def train(tmp_path):
    """Run a table into a folder, with a cache of the test's own."""

    def go(table, out):
        request = RunRequest(
            out=tmp_path / out, cache_dir=tmp_path / "cache", device="cpu", workers=1, executor="inline"
        )
        done = run(parse(table), request)
        assert done.trained == done.planned > 0 and not done.failed

    return go


def test_features_are_extracted_once_whatever_the_number_of_cells_and_matrices(table, train, extractions, tmp_path):
    rules = [{"name": "gstds"}, {"name": "fiedler"}]
    train(table(0, budget={"steps": 2}, strategies=rules), "one")
    assert extractions == [200]
    train(table(0, budget={"steps": 1}, strategies=rules[1:], seeds=1), "two")
    assert extractions == [200], "another matrix takes them from the cache"
    kept = list((tmp_path / "cache").rglob("tensors.safetensors"))
    assert len(kept) == 1
    for out in ("one", "two"):
        path = tmp_path / out / "artefacts" / kept[0].parent.name / kept[0].name
        assert path.samefile(kept[0]), "one file under several names"
    train(table(1, budget={"steps": 1}, strategies=rules[1:], seeds=1), "three")
    assert extractions == [200, 200], "another content gives other features"


def test_a_cell_gives_the_same_result_whether_its_features_fit_or_not(table, train, tmp_path, monkeypatch):
    loads: list[int] = []
    real = Rows.load
    monkeypatch.setattr(Rows, "load", lambda self, device: loads.append(len(self)) or real(self, device))
    results = []
    for gigabytes in ("1", "0"):
        monkeypatch.setenv(VARIABLE, gigabytes)
        train(table(0, budget={"steps": 4}, strategies=[{"name": "degree"}], seeds=1), gigabytes)
        cells = [json.loads(path.read_text()) for path in (tmp_path / gigabytes / "cells").iterdir()]
        results += [(cell["result"], cell["selection"]) for cell in cells if cell["arm_label"] == "degree"]
    assert len(loads) == 1, "only where they fit"
    assert len(results) == 2 and results[0] == results[1]


class Told:
    """A cell's artefacts, made; ``signals`` of any of its matrix's rules."""

    def __init__(self, worker, plan) -> None:
        self.worker, self.plan = worker, plan
        for task in plan.tasks.values():
            if task.kind != "cell":
                artefacts.make(worker, task, "2026-01-01T00:00:00+00:00", {})

    def task(self, label, **changes):
        task = next(t for t in self.plan.cells if t.arm.label == label)
        return replace(task, arm=replace(task.arm, **changes))

    def signals(self, label, **changes):
        task = self.task(label, **changes)
        return cached_signals(self.worker, task, self.worker.loaded(task))


@pytest.fixture
def made(table, planned, worker):
    """Everything that the cells of one seed need, made."""
    given = table(0, seeds=1, strategies=[{"name": "gstds"}, {"name": "fiedler"}, {"name": "rho"}])
    return Told(worker(parse(copy.deepcopy(given))), planned(given))


def test_what_fits_is_a_tensor_and_what_does_not_gives_the_same_rows(made, monkeypatch):
    whole = made.signals("gstds")
    assert whole["features"].dtype == torch.float32 and isinstance(whole["reference"], torch.Tensor)
    task = made.task("gstds")
    ids = made.worker.loaded(task).ids(task.seed, "pool")
    (meta,) = [t.id for t in made.plan.tasks.values() if t.kind == "features"]
    every = load_file(made.worker.store.artefact_path(meta) / "tensors.safetensors")["features"]
    assert torch.equal(whole["features"], every[ids]) and len(every) == 200 > len(ids)
    assert set(made.signals("rho")) == {"reference"}, "nothing is loaded that the rule does not read"

    monkeypatch.setenv(VARIABLE, "0")
    stored = made.signals("gstds")
    assert isinstance(stored["features"], Rows) and torch.equal(stored["reference"], whole["reference"])
    some = torch.tensor([5, 0, 5, len(ids) - 1])
    assert torch.equal(stored["features"].take(some), whole["features"][some])


@pytest.mark.parametrize("cadence", ["epoch", "run"])
def test_a_rule_that_gets_the_pool_at_once_is_refused_what_does_not_fit(made, monkeypatch, cadence):
    monkeypatch.setenv(VARIABLE, "1e-6")
    message = (
        rf"^strategy 'gstds' reads the features of the whole pool at once \(cadence '{cadence}'\): \S+ GB, "
        r"where 1e-06 GB of cpu memory may be taken .* set SELBENCH_FEATURES_GB to more [^\n]+$"
    )
    with pytest.raises(UsageError, match=message):
        made.signals("gstds", cadence=cadence)
    assert "features" not in made.signals("rho", cadence=cadence)


def test_a_pool_tells_a_rule_that_its_features_are_not_there(made, monkeypatch):
    monkeypatch.setenv(VARIABLE, "0")
    signals, arm = made.signals("gstds"), made.task("gstds").arm
    rows, losses = signals["features"], signals["reference"]
    labels = torch.zeros(len(rows), dtype=torch.int64)
    pool = Pool(len(rows), 10, labels, CPU, torch.Generator())
    assert pool_with_signals(pool, arm, {}) == pool
    loaded = rows.load()
    whole = pool_with_signals(pool, arm, {"features": loaded, "reference": losses, "trace": losses})
    assert whole.features is loaded and whole.reference is losses
    stored = pool_with_signals(pool, arm, signals)
    assert (stored.size, stored.classes, stored.generator) == (pool.size, 10, pool.generator)
    assert stored.labels is labels and stored.reference is losses
    with pytest.raises(UsageError, match="strategy 'gstds' reads the features of the whole pool at once: "):
        _ = stored.features


def test_losses_from_a_file_are_taken_without_a_probe_and_keep_their_precision(tiny, planned, worker, tmp_path):
    path = tmp_path / "given.safetensors"
    losses = torch.rand(200)
    save_file({"features": torch.randn(200, 6).half(), "losses": losses}, path)
    tiny |= {"references": [{"name": "file", "spec": f"file:{path}"}], "seeds": 1}
    made = Told(worker(parse(copy.deepcopy(tiny))), planned(tiny))
    signals, task = made.signals("gstds"), made.task("gstds")
    assert torch.equal(signals["reference"], losses[made.worker.loaded(task).ids(0, "pool")])
    assert signals["features"].dtype == torch.float32
    (kept,) = [t.id for t in made.plan.tasks.values() if t.kind == "features"]
    assert made.worker.store.artefact_rows(kept).dtype == torch.float16


def test_a_file_that_is_not_sound_fails_before_anything_is_kept(tiny, planned, worker, tmp_path):
    path = tmp_path / "bad.safetensors"
    features = torch.randn(200, 6)
    features[150, 2] = torch.nan
    save_file({"features": features}, path)
    tiny |= {"references": [{"name": "mine", "spec": f"file:{path}"}], "seeds": 1}
    with pytest.raises(UsageError, match="reference 'mine': row 150 of its features holds a value that is not finite"):
        Told(worker(parse(copy.deepcopy(tiny))), planned(tiny))
    assert not list(Path(worker(parse(tiny)).store.root).rglob("*.safetensors"))
