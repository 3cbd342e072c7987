"""A part of the pins, in seconds; ``tox run -e oracle`` compares them all."""

from __future__ import annotations

import copy
import json

import pytest
from pins import added, compared, pinned, plans, published_sets, records, summaries

from selbench.harness.plan.matrix import shipped

SLOW = {"study-3", "study-3-gpu"}
"""Matrices that take seconds to plan: their schedules are fitted."""


def test_every_matrix_and_every_published_set_has_its_pin() -> None:
    assert set(pinned("plans")) == set(shipped())
    assert set(pinned("summaries")) == set(published_sets())


def test_matrices_plan_the_arms_and_tasks_that_they_did() -> None:
    wanted = {name: row for name, row in pinned("plans").items() if name not in SLOW}
    assert not compared("plans", wanted, plans(wanted))


@pytest.mark.parametrize("name", ["study-1-check", "quick", "flowers-cpu"])
def test_a_published_set_is_judged_as_it_was(name: str) -> None:
    assert not compared("summaries", {name: pinned("summaries")[name]}, summaries([name]))


def test_arms_of_quick_train_to_the_same_bits() -> None:
    old, new = pinned("records"), records(["gstds"])
    assert not added(old, new)
    arms = {record.get("arm_label") for record in new["runs"].values()}
    # Both readings of gstds go by its name; None is the reference.
    assert arms == {None, "full", "full-all", "uniform", "gstds", "gstds-normalized"}
    assert not compared("records", {**old, "runs": {id: old["runs"][id] for id in new["runs"]}}, new)


def test_a_difference_is_named_by_its_path() -> None:
    old = {"quick": pinned("summaries")["quick"]}
    new = copy.deepcopy(old)
    row = new["quick"]["contrasts"][5]
    row["mean_difference"] *= 1 + 1e-8
    row["verdict"] = "superior or so"
    del row["margin"]
    new["quick"]["more"] = "a key that is new"
    found = compared("summaries", old, new)
    assert {line.split(": ")[0].rpartition("/")[2] for line in found} == {"mean_difference", "verdict", "margin"}
    assert all(line.startswith("summaries/quick/contrasts/5(") for line in found)


def test_rounding_is_no_difference_and_another_machine_has_its_own_bits() -> None:
    old = pinned("records")
    new = json.loads(json.dumps(old))
    id = next(id for id, record in old["runs"].items() if record.get("arm_label") == "gstds")
    new["runs"][id]["ledger"]["train"]["flops"] *= 1 + 1e-14
    assert not compared("records", old, new)
    new["runs"][id]["result"]["weights_digest"] = "other"
    (line,) = compared("records", old, new)
    assert id in line and "/result/weights_digest: " in line and line.endswith('-> "other"')
    new["machine"]["capability"] = "other"
    assert not compared("records", old, new)
    new["runs"][id]["ledger"]["train"]["flops"] = old["runs"][id]["ledger"]["train"]["flops"] + 1.0
    assert len(compared("records", old, new)) == 1
