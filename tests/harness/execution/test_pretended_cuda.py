"""Whole runs on a pretended CUDA machine: no two devices meet, and no step waits but where it is allowed."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter

import pytest
import tomli_w
import torch

from selbench.benchmarks.bench_tax import Setting
from selbench.harness.environment import enter, pick_device
from selbench.harness.execution.executors.local import least_used
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.harness.scale import command, operations
from selbench.harness.tasks import cell
from selbench.harness.training import pick_counts, trainer
from selbench.harness.training.trainer import Trainer
from selbench.strategies import UsageError
from selbench.strategies.errors import StrategyFault
from selbench.strategies.rules.loss import Loss
from selbench.strategies.testing.pretended_cuda import Mismatch, PretendedCuda

ALLOWED = {"training/guard.py judge": 3}
"""Where a step may wait, and how often in one run: the guard judges the first three selections at once. Rows of a
feature file and a proxy's picks come from page-locked memory, which waits for nothing."""

MATRIX = {
    "name": "on-a-gpu",
    "seeds": 1,
    "batch": 32,
    "buckets": 2,
    "ladder": [1.0],
    "budget": {"passes": 1},
    "learner": {"name": "resnet8", "width": 2},
    "proxy": {"passes": 1},
    "datasets": [{"name": "digits", "options": {"limit": 200, "test_limit": 20}, "holdout": 0.2, "val": 0.1}],
    "references": [{"name": "holdout", "options": {"passes": 1}}],
}
RULES = {"gstds": "batch", "loss": "batch", "infobatch": "epoch", "static": "run", "proxy-replay": "batch"}


class Killed(BaseException):
    """As if the process had gone."""


class Watch:
    """The waits inside the steps of each run, by their place; ``left`` steps until the process is lost."""

    def __init__(self, left=None):
        self.inside, self.left = None, left
        self.waits, self.steps, self._step = {}, 0, Trainer.step

    def __call__(self, wait):
        if self.inside is not None:
            file, function = wait.place.split(":")[0], wait.place.split(" ")[1]
            self.waits.setdefault(self.inside, Counter())[f"{file} {function}"] += 1

    def step(self, one, *arguments):
        if self.left is not None and self.steps == self.left:
            raise Killed
        self.inside, self.steps = one, self.steps + 1
        try:
            return self._step(one, *arguments)
        finally:
            self.inside = None


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    monkeypatch.setattr(Trainer, "step", lambda one, *arguments: watch.step(one, *arguments))
    return watch


def on_cuda(watch, table, folder, cache_dir, device, memory=1 << 37, **options):
    given = {"checkpoint": 0.0, **options}
    request = RunRequest(folder, cache_dir=cache_dir, device=device, executor="inline", **given)
    with PretendedCuda(watch, memory):
        done = run(parse(table), request)
    failed = [json.loads(path.read_text())["error"] for path in (folder / "failed").glob("*.json")]
    assert not failed and not done.failed
    return done


def records(folder, kind):
    return [json.loads(path.read_text()) for path in sorted((folder / kind).glob("*.json"))]


def within(watch):
    """Whether steps waited only where they may, and no more often."""
    assert watch.waits
    return all(count <= ALLOWED.get(place, 0) for seen in watch.waits.values() for place, count in seen.items())


def test_every_cadence_with_a_reference_and_proxies(watch, tmp_path, cache_dir, monkeypatch):
    """On the second GPU, with features that do not fit on it."""
    order = []
    monkeypatch.setattr(trainer.Trainer, "run", noted(order, "run", trainer.Trainer.run))
    with monkeypatch.context() as patch:
        patch.setattr(cell.here, "forget_peak", lambda device: order.append(f"forgotten on {device}"))
        patch.setattr(cell.here, "peak_memory", lambda device: order.append("read") or 7)
        patch.setattr(cell, "_result", noted(order, "result", cell._result))
        table = {**MATRIX, "strategies": [{"name": name} for name in RULES]}
        done = on_cuda(watch, table, tmp_path / "out", cache_dir, "cuda:1", memory=0)
    cells = records(tmp_path / "out", "cells")
    assert done.trained == len(cells) == 10 and set(RULES) < {one["arm_label"] for one in cells}
    assert {one["environment"]["precision"] for one in cells} == {"bf16"}
    assert within(watch), watch.waits
    # Memory is the cell's own: from before its run, to before evaluation uploads anything.
    at = order.index("forgotten on cuda:1")
    assert order[at : at + 4] == ["forgotten on cuda:1", "run", "read", "result"]
    assert order.count("read") == order.count("result") == len(cells)


def noted(order, word, call):
    def wrapped(*arguments, **options):
        order.append(word)
        return call(*arguments, **options)

    return wrapped


@pytest.fixture
def as_before(monkeypatch):
    """The flags that ``--deterministic`` leaves set for the rest of a process."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    cudnn = torch.backends.cudnn
    kept = cudnn.deterministic, cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    cudnn.deterministic, cudnn.benchmark = kept


def test_tuning_timing_and_a_killed_run_that_goes_on(watch, tmp_path, cache_dir, as_before):
    """Deterministic, as a run must be on a GPU to end as if it had not been killed."""
    table = {**MATRIX, "references": [], "strategies": [{"name": "uniform"}], "timing": {"seeds": 1}, "tuning": "grid"}
    table |= {"grid": {"factors": [1.0, 4.0], "seeds": 1, "extend": 0}}
    watch.left = 2
    with pytest.raises(Killed):
        on_cuda(watch, table, tmp_path, cache_dir, "cuda", checkpoint=1e-9, deterministic=True)
    watch.left = None
    done = on_cuda(watch, table, tmp_path, cache_dir, "cuda", deterministic=True)
    tuning = records(tmp_path, "tuning")
    assert done.tuned == len(tuning) == 4 and done.trained == len(records(tmp_path, "timing")) == 3
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] and torch.backends.cudnn.deterministic
    assert all(one["environment"]["deterministic"] for one in tuning)
    assert sum(len(one.get("checkpoints", {}).get("resumed", [])) for one in tuning) == 1
    assert within(watch), watch.waits


def test_tensors_are_as_on_a_gpu_and_torch_is_itself_again_afterwards():
    before = torch.Generator, torch.cuda.is_available(), torch.autocast, torch.cuda.Event
    with PretendedCuda() as machine:
        rows = torch.ones(4, 3).to("cuda")
        assert [wait.what for wait in machine.waits] == ["copy from the host"]
        assert rows.is_cuda and (rows * 2).device == rows.where(rows > 0, rows).device == torch.device("cuda:0")
        assert rows.new_zeros(2, device="cpu").device.type == copy.deepcopy(rows).cpu().device.type == "cpu"
        assert torch.rand(2, generator=torch.Generator("cuda"), device="cuda").device.type == "cuda"
        del machine.waits[:]
        for reading in (lambda: rows.sum().item(), lambda: rows[rows > 0], lambda: rows.cpu(), lambda: rows.tolist()):
            with machine.watched() as waits:
                reading()
            assert len(waits) == 1 and "execution/test_pretended_cuda.py:" in waits[0].place
        other, index = rows.to("cuda:1"), rows[0].long()
        for mixed in (lambda: rows + torch.ones(4, 3), lambda: other + rows, lambda: torch.ones(4)[index]):
            with pytest.raises(Mismatch):
                mixed()
        with pytest.raises(TypeError, match="numpy"):
            rows.numpy()
    assert before == (torch.Generator, torch.cuda.is_available(), torch.autocast, torch.cuda.Event)


def test_devices_are_refused_in_one_line_and_workers_take_gpus_in_turn():
    with PretendedCuda():
        assert pick_device(None) == torch.device("cuda") and pick_device("cuda:1").index == 1
        assert enter(torch.device("cuda")) == torch.device("cuda:0")
        with pytest.raises(UsageError, match="torch sees 2 GPUs here, cuda:0 to cuda:1"):
            pick_device("cuda:2")
        assert [least_used("cuda", taken) for taken in ([], ["cuda:0"], ["cuda:0", "cuda:1"])] == [
            "cuda:0", "cuda:1", "cuda:0",
        ]  # fmt: skip
        assert least_used("cuda:1", ["cuda:1"]) == "cuda:1" and least_used("cpu", ["cpu"]) == "cpu"
    for other in ("mps", "xpu", "meta", "vulkan"):
        with pytest.raises(UsageError, match=f"--device {other}: .* use --device cpu"):
            pick_device(other)


def test_the_tax_and_the_ceiling_are_measurable(watch):
    with PretendedCuda(watch):
        setting = Setting(2, 8, 16, 4, enter(torch.device("cuda")))
        setting.bare(8)()
        setting.instrumented("gstds", 0.5)()
    assert within(watch), watch.waits


def test_a_workload_is_measured_for_scale(tmp_path, monkeypatch):
    monkeypatch.setattr(operations, "EFFORT", 0.001)
    monkeypatch.setattr(command, "TRIED", [8])
    monkeypatch.setattr(command, "SELECT_TRIED", [8])
    table = {"name": "tiny", "images": 32, "resolution": 8, "channels": 1, "classes": 4, "passes": 1, "batch": [16]}
    table |= {"features": 8, "augmentation": "shift", "learner": {"name": "resnet8", "width": 2}}
    table |= {"reference": {"network": "learner", "passes": 1, "images": 16}}
    path = tmp_path / "tiny.toml"
    path.write_text(tomli_w.dumps({**table, "strategies": [{"name": name} for name in ("gstds", "loss")]}))
    with PretendedCuda():
        found = command.scale(
            command.ScaleRequest(str(path), "cuda:1", save_profile=tmp_path / "here.toml"), lambda line: None
        )
    assert found["device"]["device"] == "pretended" and 'device = "cuda"' in (tmp_path / "here.toml").read_text()


def constant_on_the_cpu(monkeypatch):
    look = Trainer._forward

    def shifted(self, views):
        features, logits = look(self, views)
        return features, logits + torch.zeros(logits.shape[1])

    monkeypatch.setattr(Trainer, "_forward", shifted)


def generator_on_the_cpu(monkeypatch):
    def noisy(self, feats, losses, k):
        stream = torch.Generator().manual_seed(0)
        return torch.randperm(losses.size, generator=stream, device=losses.labels.device)[:k]

    monkeypatch.setattr(Loss, "pick", noisy)


def scalar_in_select(monkeypatch):
    def branching(self, feats, losses, k):
        return losses.learner.topk(k).indices if losses.learner.sum().item() > 0 else losses.learner.argsort()[:k]

    monkeypatch.setattr(Loss, "pick", branching)


def scalar_in_the_tally(monkeypatch):
    note = pick_counts.PickCounts.note_loss

    def read(self, loss):
        float(loss)
        note(self, loss)

    monkeypatch.setattr(pick_counts.PickCounts, "note_loss", read)


def copy_of_a_list(monkeypatch):
    views = Trainer._views

    def listed(self, ids, epoch):
        return views(self, ids, epoch) + torch.tensor([0.0], device=self.device)

    monkeypatch.setattr(Trainer, "_views", listed)


def steps_of(watch):
    with PretendedCuda(watch):
        Setting(2, 8, 8, 5, torch.device("cuda")).instrumented("loss", 0.5)()


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (constant_on_the_cpu, Mismatch, "same device"),
        (generator_on_the_cpu, StrategyFault, "generator, got one on cpu"),
    ],
)
def test_a_seeded_mismatch_ends_the_run(fault, error, says, watch, monkeypatch):
    fault(monkeypatch)
    with pytest.raises(error, match=says):
        steps_of(watch)


def test_events_of_another_gpu_time_nothing(watch):
    with PretendedCuda(watch), pytest.raises(RuntimeError, match=r"set_device first"):
        Setting(2, 8, 8, 5, torch.device("cuda:1")).instrumented("loss", 0.5)()


@pytest.mark.parametrize(
    ("fault", "place", "times"),
    [
        (scalar_in_select, "test_pretended_cuda.py branching", 6),  # five steps, and the first call counted on a copy
        (scalar_in_the_tally, "test_pretended_cuda.py read", 5),
        (copy_of_a_list, "test_pretended_cuda.py listed", 5),
    ],
)
def test_a_seeded_wait_is_found_with_its_place(fault, place, times, watch, monkeypatch):
    fault(monkeypatch)
    steps_of(watch)
    assert not within(watch)
    (seen,) = watch.waits.values()
    assert seen[f"execution/{place}"] == times
