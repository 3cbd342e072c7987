from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.pacing import Pacer, Recorded, Step
from selbench.harness.schedules import Cosine, Fixed, Linear, Replay, Sigmoid, Stepwise
from selbench.harness.tally import Tally
from selbench.strategies import UsageError, keep_count

schedules = st.sampled_from(
    [
        *(Fixed(0.5), Fixed(0.3), Fixed(1.0), Linear(), Sigmoid(), Linear(0.9, 0.25)),
        *(Cosine(), Cosine(1.0, 0.2), Stepwise(), Stepwise([0.9, 0.14, 0.5], [0.49, 0.5])),
    ]
)


@st.composite
def pacers(draw):
    batch = draw(st.sampled_from([16, 32, 50]))
    budget = draw(st.sampled_from([{"passes": 3.0}, {"passes": 0.5}, {"passes": 7.25}, {"steps": 1}, {"steps": 37}]))
    return Pacer(
        pool=draw(st.integers(400, 700)),
        batch=batch,
        batching=draw(st.sampled_from(["fixed-candidates", "fixed-trained"])),
        schedule=draw(schedules),
        hold=draw(st.booleans()),
        **budget,
    )


@given(pacers())
def test_candidates_of_an_epoch_are_disjoint_and_within_the_pool(pacer):
    for _, group in itertools.groupby(pacer, key=lambda s: s.epoch):
        end = 0
        for step in group:
            assert step.start == end
            end = step.start + step.size
            assert end <= pacer.pool and 2 <= step.keep <= step.size


@given(pacers())
def test_progress_rises_from_zero_and_the_budget_is_kept(pacer):
    steps = list(pacer)
    progress = [s.progress for s in steps]
    assert progress[0] == 0 and progress == sorted(set(progress)) and progress[-1] < 1
    if pacer.steps is not None:
        assert len(steps) == pacer.steps
    elif pacer.batching == "fixed-candidates":
        assert len(steps) == max(1, round(pacer.passes * (pacer.pool // pacer.batch)))
    else:
        spent = sum(s.size for s in steps)
        assert (
            len(steps) == 1 or spent <= pacer.passes * pacer.pool < spent + 2 * max(s.size for s in steps) + pacer.batch
        )


@given(pacers())
def test_one_of_batch_and_sub_batch_stays_fixed(pacer):
    fixed = {s.size if pacer.batching == "fixed-candidates" else s.keep for s in pacer}
    assert fixed == {pacer.batch}


@given(pacers())
def test_a_moving_ratio_takes_few_sizes_and_a_held_one_stays_through_an_epoch(pacer):
    steps = list(pacer)
    assert len({(s.size, s.keep) for s in steps}) <= pacer.buckets
    if pacer.hold:
        for _, group in itertools.groupby(steps, key=lambda s: s.epoch):
            assert len({(s.size, s.keep) for s in group}) == 1


@given(pacers())
def test_one_selection_of_the_pool_is_enough_for_an_epoch(pacer):
    """At cadence epoch the pool is asked for keep/size of it: the epoch's steps must find what they take."""
    if not pacer.hold:
        return
    for _, group in itertools.groupby(pacer, key=lambda s: s.epoch):
        steps = list(group)
        assert sum(s.keep for s in steps) <= keep_count(steps[0].keep / steps[0].size, pacer.pool)


@given(pacers())
def test_recorded_steps_are_the_steps_of_the_run(pacer):
    tally = Tally(pacer.pool, torch.device("cpu"))
    steps = list(pacer)
    for step in steps:
        tally.note(torch.arange(step.keep), step)
    again = list(Recorded(pacer.pool, tally.pace))
    assert [(s.epoch, s.start, s.size, s.keep) for s in again] == [(s.epoch, s.start, s.size, s.keep) for s in steps]
    assert [s.progress for s in again] == pytest.approx([s.progress for s in steps], abs=1e-9)
    assert len(tally.pace) <= len(steps)


@given(pacers())
def test_every_size_that_a_run_comes_to_is_known_before(pacer):
    assert {(step.size, step.keep) for step in pacer} <= set(pacer.every_size())


@given(pacers(), st.floats(0.5, 300.0), st.floats(0.0, 20.0))
def test_a_budget_in_cost_is_spent_and_not_overrun_by_more_than_a_step(pacer, passes, extra):
    """``extra`` is paid at the start of each epoch, as a selection of the whole pool is."""
    total = passes * pacer.batch
    paced = replace(pacer, passes=None, steps=None, cost=total)
    paid: list[float] = []
    steps: list[Step] = []
    for step in paced.paced(lambda: math.fsum(paid)):
        assert step.progress == math.fsum(paid) / total < 1 and step.start + step.size <= pacer.pool
        begins = not steps or step.epoch != steps[-1].epoch
        paid.append(step.keep + 0.25 * step.size + (extra if begins else 0.0))
        steps.append(step)
    spent = math.fsum(paid)
    assert steps[0].progress == 0
    dearest = max(s.keep + 0.25 * s.size for s in steps) + extra
    assert spent <= total + dearest
    assert spent > total - 1.25 * pacer.batch / pacer.lowest() - extra or len(steps) == 1
    if pacer.hold:
        for _, group in itertools.groupby(steps, key=lambda s: s.epoch):
            assert len({(s.size, s.keep) for s in group}) == 1


def test_ratios_written_one_by_one_are_not_bucketed():
    assert {s.keep for s in Pacer(512, 128, "fixed-candidates", Fixed(0.3), passes=2)} == {38}
    steps = Stepwise([0.3, 0.7], [0.25])
    assert [s.keep for s in Pacer(512, 128, "fixed-candidates", steps, passes=2)] == [38] * 2 + [90] * 6


def test_replayed_counts_come_back_step_by_step():
    counts = [[20, 3], [7, 2], [31, 4]]
    pacer = Pacer(96, 32, "fixed-candidates", Replay(counts, 32), steps=9)
    assert [s.keep for s in pacer] == [20, 20, 20, 7, 7, 31, 31, 31, 31]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"pool": 20, "passes": 1}, "larger than the pool"),
        ({"pool": 100, "passes": 1, "steps": 2}, "exactly one"),
        ({"pool": 100}, "exactly one"),
        ({"pool": 100, "passes": 1, "schedule": Fixed(0.01)}, "at least 2"),
        ({"pool": 100, "passes": 1, "batching": "fixed-trained", "schedule": Fixed(0.1)}, "more candidates than"),
    ],
)
def test_what_cannot_be_paced_is_said_before_training(arguments, says):
    with pytest.raises(UsageError, match=says):
        Pacer(**{"batch": 32, "batching": "fixed-candidates", "schedule": Fixed(0.5), **arguments})
