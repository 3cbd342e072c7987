from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.steps.pacer import Pacer, Recorded, Step
from selbench.harness.steps.schedules import Cosine, Fixed, Linear, Replay, Sigmoid, Stepwise
from selbench.harness.steps.step_iterator import steps_of
from selbench.harness.training.pick_counts import PickCounts
from selbench.strategies import UsageError, keep_count
from selbench.strategies.errors import StrategyFault

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
    for _, group in itertools.groupby(steps_of(pacer), key=lambda s: s.epoch):
        end = 0
        for step in group:
            assert step.start == end
            end = step.start + step.size
            assert end <= pacer.pool and 2 <= step.keep <= step.size


@given(pacers())
def test_progress_rises_from_zero_and_the_budget_is_kept(pacer):
    steps = list(steps_of(pacer))
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
    fixed = {s.size if pacer.batching == "fixed-candidates" else s.keep for s in steps_of(pacer)}
    assert fixed == {pacer.batch}


@given(pacers())
def test_a_moving_ratio_takes_few_sizes_and_a_held_one_stays_through_an_epoch(pacer):
    steps = list(steps_of(pacer))
    assert len({(s.size, s.keep) for s in steps}) <= pacer.buckets
    if pacer.hold:
        for _, group in itertools.groupby(steps, key=lambda s: s.epoch):
            assert len({(s.size, s.keep) for s in group}) == 1


@given(pacers())
def test_one_selection_of_the_pool_is_enough_for_an_epoch(pacer):
    """At cadence epoch the pool is asked for keep/size of it: the epoch's steps must find what they take."""
    if not pacer.hold:
        return
    for _, group in itertools.groupby(steps_of(pacer), key=lambda s: s.epoch):
        steps = list(group)
        assert sum(s.keep for s in steps) <= keep_count(steps[0].keep / steps[0].size, pacer.pool)


@given(pacers())
def test_recorded_steps_are_the_steps_of_the_run(pacer):
    tally = PickCounts(pacer.pool, torch.device("cpu"))
    steps = list(steps_of(pacer))
    for step in steps:
        tally.note(torch.arange(step.keep), step)
    again = list(Recorded(pacer.pool, tally.pace))
    assert [(s.epoch, s.start, s.size, s.keep) for s in again] == [(s.epoch, s.start, s.size, s.keep) for s in steps]
    assert [s.progress for s in again] == pytest.approx([s.progress for s in steps], abs=1e-9)
    assert len(tally.pace) <= len(steps)


@given(pacers())
def test_every_size_that_a_run_comes_to_is_known_before(pacer):
    assert {(step.size, step.keep) for step in steps_of(pacer)} <= set(pacer.every_size())


@given(pacers(), st.floats(0.5, 300.0), st.floats(0.0, 20.0))
def test_a_budget_in_cost_is_spent_and_not_overrun_by_more_than_a_step(pacer, passes, extra):
    """``extra`` is paid at the start of each epoch, as a selection of the whole pool is."""
    total = passes * pacer.batch
    paced = replace(pacer, passes=None, steps=None, cost=total)
    paid: list[float] = []
    steps: list[Step] = []
    for step in steps_of(paced, lambda: math.fsum(paid)):
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


def dealt(pacer, kept, spent=float):
    """The steps of a run whose rule keeps ``kept[epoch]`` of the pool, over and over."""
    walk, steps = steps_of(pacer, spent), []
    while (step := walk.next()) is not None:
        if step.start == 0:
            step = walk.deal(kept[step.epoch % len(kept)])
        steps.append(step)
    return steps


@given(pacers(), st.lists(st.integers(2, 400), min_size=1, max_size=4))
def test_what_a_rule_decides_to_keep_is_dealt_in_whole_batches(pacer, kept):
    steps = dealt(pacer, kept)
    batch, whole = pacer.batch, pacer.pool // pacer.batch * pacer.batch
    progress = [s.progress for s in steps]
    assert progress[0] == 0 and progress == sorted(set(progress)) and progress[-1] < 1
    for epoch, group in itertools.groupby(steps, key=lambda s: s.epoch):
        passed, m = list(group), kept[epoch % len(kept)]
        assert [s.start for s in passed] == list(itertools.accumulate([0] + [s.size for s in passed[:-1]]))
        assert all(s.keep <= s.size for s in passed) and sum(s.size for s in passed) <= pacer.pool
        assert sum(s.keep for s in passed) <= m
        if steps[-1].epoch > epoch:
            assert sum(s.size for s in passed) == whole and len(passed) == max(1, m // batch)
            assert {s.keep for s in passed} == {min(batch, m)}
            assert max(s.size for s in passed) - min(s.size for s in passed) <= 1
    if pacer.steps is not None:
        assert len(steps) == pacer.steps
    elif pacer.batching == "fixed-candidates":
        assert sum(s.size for s in steps) == pacer.batch * max(1, round(pacer.passes * (pacer.pool // pacer.batch)))


@given(pacers(), st.lists(st.integers(2, 400), min_size=1, max_size=4))
def test_dealt_steps_are_replayed_for_the_twin(pacer, kept):
    tally, steps = PickCounts(pacer.pool, torch.device("cpu")), dealt(pacer, kept)
    for step in steps:
        tally.note(torch.arange(step.keep), step)
    again = list(Recorded(pacer.pool, tally.pace))
    assert [(s.epoch, s.start, s.size, s.keep) for s in again] == [(s.epoch, s.start, s.size, s.keep) for s in steps]
    assert [s.progress for s in again] == pytest.approx([s.progress for s in steps], abs=1e-9)


def test_a_pass_that_keeps_60_percent_has_60_percent_of_the_steps():
    steps = dealt(Pacer(650, 32, "fixed-candidates", Fixed(0.5), passes=3, hold=True), [390, 650, 31])
    assert [s.epoch for s in steps] == [0] * 12 + [1] * 20 + [2]
    assert [s.keep for s in steps] == [32] * 32 + [31]
    assert [s.size for s in steps] == [54] * 4 + [53] * 8 + [32] * 20 + [640]
    assert steps[12].progress == 1 / 3 and steps[32].progress == 2 / 3


def test_everything_kept_is_paced_as_training_on_everything():
    pacer = Pacer(650, 32, "fixed-candidates", Fixed(1.0), passes=2.5, hold=True)
    assert dealt(pacer, [650]) == list(steps_of(pacer))


@given(st.lists(st.integers(33, 400), min_size=1, max_size=4), st.floats(20.0, 3000.0))
def test_dealt_steps_spend_a_budget_in_cost(kept, total):
    """A step costs what it trains on; a pass, 7 for its selection."""
    paid: list[float] = []
    pacer = Pacer(400, 32, "fixed-candidates", Fixed(0.5), cost=total, hold=True)
    walk = steps_of(pacer, lambda: math.fsum(paid))
    while (step := walk.next()) is not None:
        step = walk.deal(kept[step.epoch % len(kept)]) if step.start == 0 else step
        paid.append(step.keep + (7 if step.start == 0 else 0))
    assert total - 39 < math.fsum(paid) <= max(39, total + 7)


@given(pacers(), st.sampled_from([None, 50.0, 900.0]), st.booleans(), st.integers(0, 40))
def test_a_walk_goes_on_from_its_state_through_json(pacer, cost, deals, stop):
    if cost is not None:
        pacer = replace(pacer, passes=None, steps=None, cost=cost)
    paid = [0.0]

    def rest(walk, limit):
        while limit and (step := walk.next()) is not None:
            limit -= 1
            if deals and step.start == 0:
                step = walk.deal(100 + 60 * (step.epoch % 3))
            paid[0] += step.keep
            yield step

    whole = list(rest(steps_of(pacer, lambda: paid[0]), -1))
    paid[0] = 0.0
    first = steps_of(pacer, lambda: paid[0])
    before = list(rest(first, stop))
    again = steps_of(pacer, lambda: paid[0])
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert before + list(rest(again, -1)) == whole


@pytest.mark.parametrize("kept", [0, 1])
def test_fewer_images_than_batch_normalisation_needs_are_a_fault_of_the_rule(kept):
    walk = steps_of(Pacer(100, 32, "fixed-candidates", Fixed(0.5), passes=1), float)
    walk.next()
    with pytest.raises(StrategyFault, match=f"kept {kept} of 100 images.*at least 2"):
        walk.deal(kept)


def test_ratios_written_one_by_one_are_not_bucketed():
    assert {s.keep for s in steps_of(Pacer(512, 128, "fixed-candidates", Fixed(0.3), passes=2))} == {38}
    steps = Stepwise([0.3, 0.7], [0.25])
    assert [s.keep for s in steps_of(Pacer(512, 128, "fixed-candidates", steps, passes=2))] == [38] * 2 + [90] * 6


def test_replayed_counts_come_back_step_by_step():
    counts = [[20, 3], [7, 2], [31, 4]]
    pacer = Pacer(96, 32, "fixed-candidates", Replay(counts, 32), steps=9)
    assert [s.keep for s in steps_of(pacer)] == [20, 20, 20, 7, 7, 31, 31, 31, 31]


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
