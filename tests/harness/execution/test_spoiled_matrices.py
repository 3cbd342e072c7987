"""The shipped matrices with a spoiled pool: planned on small images in place of theirs."""

from __future__ import annotations

import tomllib

import pytest

from selbench.harness.plan.matrix import parse, shipped

TABLES = {name: tomllib.loads(path.read_text(encoding="utf-8")) for name, path in shipped().items()}
ONE = {name: table["datasets"][0] for name, table in TABLES.items() if len(table["datasets"]) == 1}
SPOILED = sorted(name for name, row in ONE.items() if "spoil" in row)


def test_there_is_one_for_a_gpu_and_one_for_a_cpu():
    assert {"cifar10-noise", "cifar10-noise-cpu", "cifar10-imbalance"} <= set(SPOILED)


@pytest.mark.parametrize("name", SPOILED)
def test_every_arm_is_planned_on_the_spoiled_pool(name, planned):
    (row,) = TABLES[name]["datasets"]
    small = {**row, "spec": "digits", "options": {"test_limit": 50}}
    plan = planned({**TABLES[name], "seeds": 1, "batch": 16, "tuning": "none", "datasets": [small]})
    spoil = parse({**TABLES[name], "datasets": [small]}).datasets[0].spoil.identity()
    arms = [task.arm for task in plan.tasks.values() if task.arm is not None]
    assert arms and all(arm.shared["data"][-1] == spoil for arm in arms)
    asked = {entry.get("label", entry["name"]) for entry in TABLES[name]["strategies"]}
    assert asked <= {arm.label for arm in arms}


@pytest.mark.parametrize(("part", "whole"), [("cifar10-noise-cpu", "cifar10-noise")])
def test_the_cpu_size_asks_the_same_of_fewer_rules(part, whole):
    small, large = TABLES[part], TABLES[whole]
    assert small["datasets"][0]["spoil"] == large["datasets"][0]["spoil"]
    assert small["analysis"] == large["analysis"]
    assert all(entry["name"] in {row["name"] for row in large["strategies"]} for entry in small["strategies"])
