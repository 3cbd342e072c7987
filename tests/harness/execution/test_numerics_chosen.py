"""Precision and memory format: asked for, chosen by measurement, and part of what a result is."""

from __future__ import annotations

import json

import pytest

from selbench.harness.execution import run as module
from selbench.harness.execution.calibration import fastest, quickest
from selbench.harness.execution.prepared import RunRequest, prepare
from selbench.harness.plan.matrix import parse
from selbench.harness.verify import verify
from selbench.strategies import UsageError


@pytest.fixture
def tiny(tiny):
    return {**tiny, "learner": {"name": "resnet8", "width": 16}}


def keys(table, cache_dir):
    prepared = prepare(parse(table), RunRequest(device="cpu", cache_dir=cache_dir))
    planner = prepared.planner(module.ReferenceSeconds())
    return {arm.key for arm in planner.arms().values()}, parse(table).identity({})


def test_what_is_usual_keeps_its_ids_and_what_is_not_has_its_own(tiny, cache_dir):
    arms, identity = keys(tiny, cache_dir)
    asked, other = keys({**tiny, "precision": "float32", "memory_format": "contiguous"}, cache_dir)
    assert asked == arms and other != identity
    for change in ({"precision": "bf16"}, {"memory_format": "channels-last"}):
        assert not arms & keys({**tiny, **change}, cache_dir)[0]


def test_what_would_corrupt_memory_is_refused_and_never_chosen(tiny, cache_dir):
    narrow = {**tiny, "learner": {"name": "resnet8", "width": 15}}
    with pytest.raises(UsageError, match="fewer than 16 channels"):
        keys({**narrow, "memory_format": "channels-last"}, cache_dir)
    request = RunRequest(device="cpu", cache_dir=cache_dir)
    assert [one.name for one in prepare(parse({**narrow, "memory_format": "auto"}), request).candidates] == ["float32"]


def test_the_fastest_is_measured_on_every_data_set(tiny, cache_dir):
    matrix = parse({**tiny, "precision": "auto", "memory_format": "auto"})
    found = fastest(prepare(matrix, RunRequest(device="cpu", cache_dir=cache_dir)), 1)
    assert [*found["seconds"]] == ["float32", "float32, channels-last", "bf16", "bf16, contiguous"]
    assert found["name"] == quickest(found["seconds"])
    assert quickest({"a": {"x": 1.0, "y": 4.0}, "b": {"x": 0.8, "y": 4.4}, "c": {"x": 0.7, "y": 4.4}}) == "c"
    assert quickest({"a": {"x": 1.0}, "b": {"x": 0.96}}) == "a"


def test_what_was_chosen_holds_for_every_run_on_the_folder(tiny, train, tmp_path, monkeypatch):
    table = {**tiny, "seeds": 1, "memory_format": "auto", "strategies": [{"name": "rho"}]}
    chosen = {"name": "float32, channels-last", "seconds": {}, "threads": 1}
    monkeypatch.setattr(module, "fastest", lambda *_: chosen)
    assert train(table, tmp_path / "out").trained == 6
    monkeypatch.setattr(module, "fastest", lambda *_: pytest.fail("measured again"))
    assert train({**table, "seeds": 2}, tmp_path / "out").trained == 6
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("cells/*.json")]
    made = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("artefacts/*/meta.json")]
    assert len(records) == 12 and {record["environment"]["precision"] for record in records + made} == {chosen["name"]}
    assert {record["identity"]["precision"] for record in records} == {chosen["name"]}
    assert not verify(tmp_path / "out").findings
