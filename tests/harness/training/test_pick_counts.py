from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from selbench.harness.steps.pacer import Step
from selbench.harness.training.pick_counts import PickCounts


def test_counts_means_and_run_lengths():
    tally = PickCounts(4, torch.device("cpu"))
    for i, ids in enumerate(([0, 1], [2, 1], [1])):
        tally.note(torch.tensor(ids), Step(0, 0, 3, len(ids), i / 3))
    tally.note_loss(torch.tensor(1.0))
    tally.note_loss(torch.tensor(3.0))
    assert tally.train_loss() == 2.0 and tally.train_loss() == 0.0
    read = tally.read(torch.tensor([0, 1, 1, 0]), 2)
    assert read["k"] == [[2, 2], [1, 1]] and read["mean_ratio"] == 5 / 9 and read["class_counts"] == [1, 4]
    assert read["pace"] == [[3, 2, 2, 0.0, 1 / 3, 0], [3, 1, 1, 2 / 3, 0.0, 0]]
    assert (read["unique"], read["max_repeats"], read["mean_picked_loss"]) == (0.75, 3, None)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1024, 1), (1025, 2), (5000, 5)])
def test_picks_are_probed_at_even_steps_through_the_pool(size, stride):
    tally = PickCounts(size, torch.device("cpu"))
    tally.picks += torch.arange(size) * 40
    probe = tally.read(torch.zeros(size, dtype=torch.int64), 1)["probe"]
    counts = np.frombuffer(base64.b64decode(probe["counts"]), dtype="<u2")
    assert probe["stride"] == stride and len(counts) <= 1024
    assert counts.tolist() == [min(40 * id, 65535) for id in range(0, size, stride)]


def test_diagnostics_are_taken_once_an_epoch():
    strategy = SimpleNamespace(diagnostics=lambda: {"gap": torch.tensor(next(values))})
    values = iter([1.0, 5.0])
    tally = PickCounts(2, torch.device("cpu"))
    for epoch in (0, 0, 1, 1):
        tally.note_diagnostics(strategy, SimpleNamespace(epoch=epoch))
    assert tally.read(torch.tensor([0, 1]), 2)["diagnostics"] == {"gap": 3.0}


def test_a_diverged_run_is_a_result_that_json_can_hold():
    tally = PickCounts(2, torch.device("cpu"))
    tally.note(torch.tensor([0]), Step(0, 0, 2, 1, 0.0))
    tally.note_loss(torch.tensor(float("nan")))
    tally.note_picked_loss(torch.tensor([float("inf")]))
    assert tally.train_loss() is None
    assert json.loads(json.dumps(tally.read(torch.tensor([0, 1]), 2), allow_nan=False))["mean_picked_loss"] is None


def test_shares_of_what_is_spoiled_are_by_sample_trained_on():
    tally = PickCounts(4, torch.device("cpu"))
    for ids in ([0, 1], [1, 2]):
        tally.note(torch.tensor(ids), Step(0, 0, 4, 2, 0.0))
    labels, wrong = torch.tensor([0, 1, 1, 0]), torch.tensor([False, True, False, True])
    assert "spoiled" not in tally.read(labels, 2)
    read = tally.read(labels, 2, {"wrong": wrong, "copies": ~wrong & False})
    assert read["spoiled"] == {"wrong": {"pool": 0.5, "trained": 0.5}, "copies": {"pool": 0.0, "trained": 0.0}}
    tally.note(torch.tensor([3, 1]), Step(0, 0, 4, 2, 0.0))
    assert tally.read(labels, 2, {"wrong": wrong})["spoiled"]["wrong"]["trained"] == 4 / 6
