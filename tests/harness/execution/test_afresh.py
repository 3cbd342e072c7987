"""A run whose checkpoint cannot be used starts afresh, says why, and ends as it would have."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from pieces import COMMON, Folder, essence, killed_after, stopped

from selbench.harness import environment
from selbench.harness.store import checkpoint_file as checkpoint
from selbench.harness.store.checkpoint_file import Checkpoint, Unusable
from selbench.harness.store.folder import Store
from selbench.harness.tasks.do import do
from selbench.harness.training.strategy_state import StateNotGiven, StrategyState
from selbench.harness.training.trainer import Trainer
from selbench.strategies.errors import StrategyFault


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache_dir):
    table = COMMON | {"budget": {"passes": 2}, "strategies": [{"name": "gstds"}]}
    return Folder(table, tmp_path_factory.mktemp("afresh"), cache_dir)


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


def test_a_damaged_checkpoint_is_not_used_and_the_run_starts_afresh(folder, tmp_path, monkeypatch, caplog):
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
    said = "its checkpoint is not used, and it starts anew: its tensors are damaged"
    assert record["checkpoints"]["unused"] == said and not record["checkpoints"]["resumed"]
    assert f"{task.name}: {said}" in caplog.text


def test_what_was_begun_and_not_finished_is_no_checkpoint(folder, tmp_path, caplog):
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
def test_elsewhere_the_run_starts_afresh_and_says_why(folder, tmp_path, monkeypatch, caplog, changed, other, says):
    task = folder.task("gstds")
    describe = environment.describe
    with monkeypatch.context() as patch:
        patch.setattr(environment, "describe", lambda *a: describe(*a) | {changed: other})
        stopped(folder, tmp_path, patch, task)
    do(folder.again(tmp_path), task)
    record = Store(tmp_path).cell(task.id)
    assert says in record["checkpoints"]["unused"] and says in caplog.text
    assert not record["checkpoints"]["resumed"]


def test_a_faulty_strategy_leaves_no_checkpoint(folder, tmp_path, monkeypatch):
    task = folder.task("gstds")
    with monkeypatch.context() as patch, pytest.raises(StrategyFault):
        folder_path = stopped(folder, tmp_path, patch, task)
        patch.setattr(Trainer, "step", lambda *_: (_ for _ in ()).throw(StrategyFault("runs", "it broke")))
        do(folder.again(tmp_path), task)
    assert not folder_path.exists()


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(folder, tmp_path, monkeypatch, caplog):
    task = folder.task("gstds")

    def full(*_):
        raise OSError(28, "No space left on device")

    whole = folder.whole(task)
    monkeypatch.setattr(checkpoint, "write_bytes", full)
    do(folder.again(tmp_path), task)
    assert essence(Store(tmp_path).cell(task.id)) == essence(whole)
    assert "no checkpoint was written" in caplog.text and "No space" in caplog.text


def test_a_rule_that_hides_its_state_starts_afresh_and_its_record_says_so(folder, tmp_path, monkeypatch, caplog):
    task = folder.task("gstds")
    at = stopped(folder, tmp_path, monkeypatch, task)

    def hidden(_):
        raise StateNotGiven("Forgetful changes from call to call and has no state_dict and load_state_dict")

    with monkeypatch.context() as patch:
        patch.setattr(StrategyState, "state_dict", hidden)
        assert not killed_after(patch, 1, folder.again(tmp_path), task)
        assert not at.exists(), "what was kept before it was seen to change was not all"
        do(folder.again(tmp_path), task)
    record = Store(tmp_path).cell(task.id)
    assert essence(record) == essence(folder.whole(task))
    said = "it cannot resume from a checkpoint: Forgetful changes from call to call"
    assert record["checkpoints"]["unused"].startswith(said) and not record["checkpoints"]["resumed"]
    assert caplog.text.count(said) == 2, "once for each of the two runs, whatever its steps"
