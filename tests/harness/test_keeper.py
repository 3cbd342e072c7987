"""A run stopped between two steps, as often as you like, ends as if nobody had stopped it."""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from selbench.harness import checkpoint, environment, ledger
from selbench.harness.bank import Bank
from selbench.harness.checkpoint import Checkpoint, Unusable, tidy
from selbench.harness.executors import Inline
from selbench.harness.executors.local import Local
from selbench.harness.guard import StrategyFault
from selbench.harness.matrix import parse
from selbench.harness.plan import Planner
from selbench.harness.rulestate import NotKept, RuleState
from selbench.harness.run import Request, _references, run
from selbench.harness.stages import needed
from selbench.harness.store import Store
from selbench.harness.train import Trainer
from selbench.harness.verify.formats import KINDS, misfits
from selbench.harness.work import do
from selbench.harness.worker import Context, Worker, trains_reference
from selbench.strategies import UsageError

BANDIT = {"name": "bandit", "interval": 0.15, "images": 16}
EVERY_STEP = 1e-9

PASSES = [
    {"name": "gstds"},
    {"name": "infobatch"},
    {"name": "spectral-oracle", "options": {"draw": "unbiased"}},
    {"name": "static"},
    {"name": "marginal", "options": {"of": "selective-backprop"}},
    {"name": "proxy-replay"},
]
FLOPS = [{"name": "loss", "label": "by bandit", "schedule": BANDIT}]


class Folder:
    """The records of a matrix, none of its runs interrupted and each made when it is asked for."""

    def __init__(self, table, root, cache_dir):
        torch.set_num_threads(1)
        matrix, self.bank = parse(table), Bank(None, cache_dir)
        loaded = {e.name: self.bank.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
        self.plan = Planner(matrix, loaded, _references(matrix, None), "float32").plan()
        self.context = Context(matrix, root, None, cache_dir, "cpu", "float32", 1, checkpoint=0.0)

    def task(self, label, role="strategy"):
        cells = (task for task in self.plan.cells if task.arm.role == role)
        return next(task for task in cells if label in ("", task.arm.label))

    def whole(self, task):
        """The record of ``task``; all that it needs is made first."""
        wanted = {task.id}
        for other in reversed(self.plan.tasks.values()):
            wanted.update(other.after if other.id in wanted else ())
        part = replace(self.plan, tasks={id: other for id, other in self.plan.tasks.items() if id in wanted})
        errors = []
        todo = needed(part, Store(self.context.out))
        Inline().run(self.context, todo, lambda _, outcome: errors.append(outcome.error))
        assert not any(errors), errors
        return Store(self.context.out).cell(task.id)

    def again(self, tmp_path, minutes=EVERY_STEP, **changes):
        """A worker on a copy of the folder, where nothing but artefacts is done."""
        if not (tmp_path / "artefacts").exists() and (self.context.out / "artefacts").exists():
            shutil.copytree(self.context.out / "artefacts", tmp_path / "artefacts")
        return Worker(replace(self.context, out=tmp_path, checkpoint=minutes, **changes), self.bank)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, cache_dir):
    common = {
        "name": "kept",
        "seeds": 1,
        "batch": 32,
        "buckets": 2,
        "ladder": [1.0],
        "learner": {"name": "resnet18", "width": 4},
        "proxy": {"passes": 1},
        "datasets": [{"name": "digits", "options": {"limit": 200, "test_limit": 20}, "holdout": 0.2}],
        "references": [{"name": "holdout", "options": {"passes": 3}}],
    }
    root = tmp_path_factory.mktemp("kept")
    passes = Folder(common | {"budget": {"passes": 2}, "strategies": PASSES}, root / "passes", cache_dir)
    longer = common | {"budget": {"passes": 10}, "strategies": [{"name": "full"}]}
    flops = Folder(
        common | {"budget": {"flops": 7e8, "account": "marginal"}, "strategies": FLOPS}, root / "flops", cache_dir
    )
    return {"passes": passes, "flops": flops, "long": Folder(longer, root / "long", cache_dir)}


class Killed(BaseException):
    """As if the process had gone."""


def killed_after(monkeypatch, steps, worker, task):
    """Do ``task``, and lose the process after so many steps; whether it came to its end."""
    left, step = [steps], Trainer.step

    def counted(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", counted)
        try:
            do(worker, task)
        except Killed:
            return False
    return True


def essence(record):
    """A record without what may differ: seconds, memory, where and when, and of how many pieces it is."""
    record = copy.deepcopy(record)
    for key in ("environment", "checksum", "memory_bytes", "checkpoints"):
        record.pop(key, None)
    for account in record["ledger"].values():
        del account["seconds"]
    for point in record.get("curve", []):
        del point["seconds"]
    return record


CASES = [("passes", entry["name"], "strategy") for entry in PASSES]
CASES += [("flops", "by bandit", "strategy"), ("flops", "", "twin"), ("passes", "full-all", "full-all")]


@pytest.mark.parametrize(("kind", "label", "role"), CASES)
def test_a_run_of_many_pieces_ends_as_one_of_a_single_piece(folders, tmp_path, monkeypatch, kind, label, role):
    folder = folders[kind]
    task = folder.task(label, role)
    whole = folder.whole(task)
    if role == "twin":
        assert task.arm.replay
        shutil.copytree(folder.context.out / "cells", tmp_path / "cells")
        Store(tmp_path).cell_path(task.id).unlink()
    pieces, steps = 1, 0
    while not killed_after(monkeypatch, 3, folder.again(tmp_path), task):
        pieces, steps = pieces + 1, steps + 3
        assert (tmp_path / "checkpoints" / task.id).is_dir()
    record = Store(tmp_path).cell(task.id)
    assert pieces == -(-whole["selection"]["steps"] // 3) and pieces > 2
    assert essence(record) == essence(whole)
    about = record["checkpoints"]
    assert len(about["resumed"]) == pieces - 1 and about["resumed"] == sorted(about["resumed"])
    assert about["written"] >= whole["selection"]["steps"] and about["seconds"] > 0 and "unused" not in about
    assert not (tmp_path / "checkpoints").exists(), "what is done needs no checkpoint"
    assert not list(misfits(KINDS["cells"], record))


def test_seconds_add_up_over_the_pieces_and_what_is_written_is_off_the_clock(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    task = folder.task("gstds")
    folder.whole(task)
    ticks = itertools.count()
    monkeypatch.setattr(ledger, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    do(folder.again(tmp_path / "whole", 0.0), task)
    while not killed_after(monkeypatch, 3, folder.again(tmp_path / "parts"), task):
        pass
    whole, parts = (Store(tmp_path / name).cell(task.id) for name in ("whole", "parts"))
    assert parts["ledger"] == whole["ledger"] and whole["ledger"]["train"]["seconds"] == whole["selection"]["steps"]
    assert parts["curve"] == whole["curve"]


def test_a_trial_is_gone_on_with_too(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    cell = folder.task("gstds")
    folder.whole(cell)
    trial = replace(cell, id="f" * 16, kind="tuning", arm=replace(cell.arm, base=cell.arm.key))
    do(folder.again(tmp_path / "whole", 0.0), trial)
    while not killed_after(monkeypatch, 5, folder.again(tmp_path / "parts"), trial):
        pass
    whole, parts = (Store(tmp_path / name).tuning(trial.id) for name in ("whole", "parts"))
    assert essence(parts) == essence(whole) and "checkpoints" not in whole
    assert parts["checkpoints"]["resumed"] and not list(misfits(KINDS["tuning"], parts))


@pytest.mark.parametrize(("label", "kind"), [("gstds", "reference"), ("static", "proxy"), ("proxy-replay", "picks")])
def test_a_net_that_is_trained_for_an_artefact_is_gone_on_with_too(folders, tmp_path, monkeypatch, label, kind):
    folder = folders["passes"]
    folder.whole(folder.task(label))
    task = folder.plan.tasks[folder.task(label).uses[kind]]
    pieces = 1
    while not killed_after(monkeypatch, 2, Worker(replace(folder.context, out=tmp_path, checkpoint=EVERY_STEP)), task):
        pieces += 1
    assert pieces >= 2 and not (tmp_path / "checkpoints").exists()
    whole, parts = Store(folder.context.out), Store(tmp_path)
    for name, tensor in whole.artefact_tensors(task.id).items():
        assert torch.equal(parts.artefact_tensors(task.id)[name], tensor), name
    meta = parts.artefact_meta(task.id)
    assert len(meta["checkpoints"]["resumed"]) == pieces - 1 and not list(misfits(KINDS["artefacts"], meta))
    for phase, account in whole.artefact_meta(task.id)["ledger"].items():
        assert (
            account["flops"] == meta["ledger"][phase]["flops"]
            and account["samples"] == (meta["ledger"][phase]["samples"])
        )


def test_checkpoints_alone_change_nothing_and_none_is_written_before_it_is_due(folders, tmp_path):
    folder = folders["passes"]
    task = folder.task("marginal")
    whole = folder.whole(task)
    for name, minutes in (("often", EVERY_STEP), ("late", 5.0)):
        do(folder.again(tmp_path / name, minutes), task)
        assert not (tmp_path / name / "checkpoints").exists()
    often, late = (Store(tmp_path / name).cell(task.id) for name in ("often", "late"))
    assert essence(often) == essence(late) == essence(whole)
    assert often["checkpoints"]["written"] == whole["selection"]["steps"] and "checkpoints" not in late


def stopped(folder, tmp_path, monkeypatch, task):
    """The folder of a checkpoint of ``task`` after 5 steps."""
    folder.whole(task)
    assert not killed_after(monkeypatch, 5, folder.again(tmp_path), task)
    return tmp_path / "checkpoints" / task.id


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "it is damaged": lambda at: flip(at / "checkpoint.json", 40),
    "it is damaged, being half": lambda at: os.truncate(at / "checkpoint.json", 200),
    "its tensors are damaged": lambda at: flip(next(at.glob("*.safetensors")), -5),
    "its tensors are damaged, being half": lambda at: os.truncate(next(at.glob("*.safetensors")), 1000),
    "its tensors cannot be read": lambda at: next(at.glob("*.safetensors")).unlink(),
}


def test_a_damaged_checkpoint_is_not_used_and_the_run_starts_afresh(folders, tmp_path, monkeypatch, caplog):
    folder = folders["passes"]
    task = folder.task("gstds")
    at = stopped(folder, tmp_path, monkeypatch, task)
    made, cpu = json.loads((at / "checkpoint.json").read_bytes())["made"], torch.device("cpu")
    assert Checkpoint(tmp_path, task.id).read(made, cpu) is not None
    for place, (says, damage) in enumerate(DAMAGE.items()):
        copied = tmp_path / "copies" / "checkpoints" / str(place)
        shutil.copytree(at, copied)
        damage(copied)
        with pytest.raises(Unusable, match=says.split(",")[0]):
            Checkpoint(tmp_path / "copies", str(place)).read(made, cpu)
    DAMAGE["its tensors are damaged"](at)
    do(folder.again(tmp_path), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(folder.whole(task))
    said = "its checkpoint is not used, and it starts afresh: its tensors are damaged"
    assert record["checkpoints"]["unused"] == said and not record["checkpoints"]["resumed"]
    assert f"{task.name}: {said}" in caplog.text


def test_what_was_begun_and_not_finished_is_no_checkpoint(folders, tmp_path, caplog):
    folder = folders["passes"]
    task = folder.task("gstds")
    folder.whole(task)
    left = tmp_path / "checkpoints" / task.id
    left.mkdir(parents=True)
    (left / ".checkpoint.json.abc").write_bytes(b"{")
    (left / ("0" * 32 + ".safetensors")).write_bytes(b"half")
    do(folder.again(tmp_path, 0.0), task)
    assert Store(tmp_path).has_cell(task.id) and not caplog.text and not left.exists()


@pytest.mark.parametrize(
    ("changed", "other", "says"),
    [("threads", 2, "threads: 2, and here it is 1"), ("torch", "1.0", "torch 1.0, and here"), ("machine", "0f", "0f,")],
)
def test_elsewhere_the_run_starts_afresh_and_says_why(folders, tmp_path, monkeypatch, caplog, changed, other, says):
    folder = folders["passes"]
    task = folder.task("gstds")
    describe = environment.describe
    with monkeypatch.context() as patch:
        patch.setattr(environment, "describe", lambda *a: describe(*a) | {changed: other})
        stopped(folder, tmp_path, patch, task)
    do(folder.again(tmp_path), task)
    record = Store(tmp_path).cell(task.id)
    assert says in record["checkpoints"]["unused"] and says in caplog.text
    assert not record["checkpoints"]["resumed"]


def test_a_faulty_strategy_leaves_no_checkpoint(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    task = folder.task("gstds")
    with monkeypatch.context() as patch, pytest.raises(StrategyFault):
        folder_path = stopped(folder, tmp_path, patch, task)
        patch.setattr(Trainer, "step", lambda *_: (_ for _ in ()).throw(StrategyFault("runs", "it broke")))
        do(folder.again(tmp_path), task)
    assert not folder_path.exists()


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(folders, tmp_path, monkeypatch, caplog):
    folder = folders["passes"]
    task = folder.task("gstds")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_bytes", full)
    do(folder.again(tmp_path), task)
    assert essence(Store(tmp_path).cell(task.id)) == essence(Store(folder.context.out).cell(task.id))
    assert "no checkpoint was written" in caplog.text and "No space" in caplog.text


def test_a_rule_that_hides_its_state_starts_afresh_and_its_record_says_so(folders, tmp_path, monkeypatch, caplog):
    folder = folders["passes"]
    task = folder.task("gstds")
    at = stopped(folder, tmp_path, monkeypatch, task)

    def hidden(_):
        raise NotKept("Forgetful changes from call to call and has no state_dict and load_state_dict")

    with monkeypatch.context() as patch:
        patch.setattr(RuleState, "state_dict", hidden)
        assert not killed_after(patch, 1, folder.again(tmp_path), task)
        assert not at.exists(), "what was kept before it was seen to change was not all"
        do(folder.again(tmp_path), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(folder.whole(task))
    said = "it has no checkpoint to go on from: Forgetful changes from call to call"
    assert record["checkpoints"]["unused"].startswith(said) and not record["checkpoints"]["resumed"]
    assert caplog.text.count(said) == 2, "once for each of the two runs, whatever its steps"


def test_what_a_run_left_that_was_killed_behind_its_record_goes(folders, tmp_path, monkeypatch):
    folder = folders["passes"]
    task, other = folder.task("gstds"), folder.task("static")
    at = stopped(folder, tmp_path, monkeypatch, task)
    shutil.copytree(at, at.parent / other.id)
    Store(tmp_path).write_cell(folder.whole(task))
    tidy(Store(tmp_path))
    assert [path.name for path in at.parent.iterdir()] == [other.id]
    tidy(Store(tmp_path / "nothing here"))


def test_the_minutes_asked_for_reach_the_runs(tiny, tmp_path, cache_dir):
    tiny |= {"seeds": 1, "ladder": [1.0], "references": [], "strategies": [{"name": "uniform"}]}
    request = Request(tmp_path, cache_dir=cache_dir, device="cpu", workers=1, executor="inline", checkpoint=EVERY_STEP)
    assert run(parse(tiny), request).trained == 3
    assert all(record["checkpoints"]["written"] for record in map(json.loads, map(Path.read_text, records(tmp_path))))
    with pytest.raises(UsageError, match="minutes between checkpoints, or 0 for none"):
        run(parse(tiny), replace(request, checkpoint=-1.0))


def records(root):
    return (root / "cells").glob("*.json")


def test_the_description_is_json_and_the_tensors_are_safetensors(folders, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    folder = folders["passes"]
    at = stopped(folder, tmp_path, monkeypatch, folder.task("spectral-oracle"))
    assert sorted(path.suffix for path in at.iterdir()) == [".json", ".safetensors"]
    record = json.loads((at / "checkpoint.json").read_bytes())
    assert len(load_file(at / record["tensors"])) > 50


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_a_run_ends_its_step_and_writes_a_checkpoint(folders, tmp_path, monkeypatch, number):
    folder = folders["passes"]
    task, step, taken = folder.task("gstds"), Trainer.step, []
    whole = folder.whole(task)

    def stop(*_):
        raise KeyboardInterrupt

    def told(self, *arguments):
        taken.append(step(self, *arguments))
        if len(taken) == 4:
            signal.raise_signal(number)

    before = signal.signal(number, stop)
    try:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Trainer, "step", told)
            do(folder.again(tmp_path, 5.0), task)
    finally:
        signal.signal(number, before)
    assert len(taken) == 4
    do(folder.again(tmp_path, 5.0), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(whole)
    assert record["checkpoints"]["resumed"] == [4 / whole["selection"]["steps"]]
    assert record["checkpoints"]["written"] == 1


def listens(process):
    """Whether a process holds SIGTERM back."""
    status = Path(f"/proc/{process.pid}/status").read_text().split("SigCgt:")[1].split()[0]
    return bool(int(status, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_workers_of_a_run_that_is_stopped_write_their_checkpoints(folders, tmp_path):
    folder = folders["long"]
    task = folder.task("full", "full")
    whole = folder.whole(task)

    def interrupt():
        while not any(map(listens, psutil.Process().children(recursive=True))):
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        Local(1).run(folder.again(tmp_path, 5.0).context, [task], lambda _, outcome: pytest.fail(str(outcome)))
    assert (tmp_path / "checkpoints" / task.id / "checkpoint.json").exists()
    do(folder.again(tmp_path, 5.0), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(whole)
    assert len(record["checkpoints"]["resumed"]) == record["checkpoints"]["written"] == 1
