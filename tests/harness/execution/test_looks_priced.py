"""Looks at val are part of the reference seconds: each selection pays its share of one."""

from __future__ import annotations

import pytest

from selbench.harness.execution import calibration
from selbench.harness.plan.matrix import parse


@pytest.mark.parametrize(("name", "options"), [("greats", {"val_interval": 4}), ("glister", {"cadence": "epoch"})])
def test_a_selection_pays_its_share_of_a_look(worker, planned, tiny, monkeypatch, name, options):
    tiny |= {"seeds": 1, "strategies": [{"name": name, "options": options}]}
    (task,) = [t for t in planned(tiny).cells if t.arm.role == "strategy"]
    looks = []

    def timed(trainer, call, limit=0.0):
        before = trainer.ledger.phases["probe"].samples
        call()
        looks.append(trainer.ledger.phases["probe"].samples - before)
        return 1.0

    monkeypatch.setattr(calibration, "_median", timed)
    found = calibration.measure(worker(parse(tiny)), task, task.arm)
    steps = {seconds for *_, seconds in found.steps}
    assert (steps, found.selection) == (({1.25}, 0.0) if name == "greats" else ({1.0}, 2.0))
    assert looks[0] == 20 and not any(looks[2:])  # the second is the warm-up of what comes first
