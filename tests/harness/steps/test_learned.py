"""Schedules that learn: their policies, how they pace a run, and what they look at."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selbench.harness.datasets.augment import Augment
from selbench.harness.datasets.samples import Samples
from selbench.harness.plan.arms import schedule_of
from selbench.harness.plan.matrix import parse
from selbench.harness.scale import workload
from selbench.harness.scale.workload import rules_of
from selbench.harness.steps.learned import Adaptive, Bandit
from selbench.harness.steps.pacer import Pacer, Recorded
from selbench.harness.steps.schedules import BudgetMatched, Fixed, Replay, Sigmoid, known_ahead, load_schedule
from selbench.harness.steps.step_iterator import steps_of
from selbench.harness.tasks.cell import train_cell
from selbench.harness.training.learner import ResNet8
from selbench.harness.training.pick_counts import PickCounts
from selbench.harness.training.trainer import Recipe, Trainer
from selbench.reports.document.looks import PHASE_HUES
from selbench.reports.document.numbers import PHASE_WORDS
from selbench.reports.records.fields import LEDGER_PHASES, PHASES
from selbench.strategies import Pool, UsageError, load

from ..execution.test_policies import told

losses = st.one_of(st.floats(0.0, 1e4), st.sampled_from([math.nan, math.inf]))
looks = st.lists(st.tuples(losses, st.floats(1.0, 1e12)), max_size=40)
learners = st.one_of(
    st.builds(Bandit, st.sampled_from([[0.5], [0.25, 1.0], [0.2, 0.4, 0.6, 0.9]]), st.floats(0.05, 1.0)),
    st.builds(Adaptive, st.floats(0.1, 0.4), st.floats(0.5, 1.0), st.integers(2, 7)),
)


@given(learners, looks)
def test_ratios_are_always_among_the_levels(schedule, looks):
    ratios = told(schedule, looks)
    assert set(ratios) <= set(schedule.levels) and all(0 < ratio <= 1 for ratio in ratios)
    assert len(schedule.probes) == len(looks)
    assert [row[3] for row in schedule.probes] == ratios[:-1]


@given(learners, looks, st.integers(0, 1000))
def test_the_same_seed_and_losses_give_the_same_ratios_and_beginning_anew_forgets(schedule, looks, seed):
    first = told(schedule, looks, seed)
    torch.manual_seed(seed)
    state = torch.get_rng_state()
    assert told(schedule, looks, seed) == first
    assert torch.equal(torch.get_rng_state(), state)


@given(learners, looks, looks)
def test_a_run_goes_on_from_its_state_through_json(schedule, before, after):
    whole = told(schedule, before + after, 3)
    told(schedule, before, 3)
    state = json.loads(json.dumps(schedule.state_dict(), allow_nan=False))
    schedule.begin(17)
    schedule.load_state_dict(state)
    spent = sum(flops for _, flops in before)
    for place, (loss, flops) in enumerate(after):
        assert schedule.ratio(0.0) == whole[len(before) + place]
        spent += flops
        schedule.feedback(0.5, loss, spent)
    assert schedule.ratio(0.0) == whole[-1]
    json.dumps(schedule.report(), allow_nan=False)


@given(looks, st.floats(0.05, 1.0), st.integers(0, 50))
def test_the_bandits_chances_are_a_distribution_that_always_explores(looks, exploration, seed):
    bandit = Bandit([0.25, 0.5, 1.0], exploration)
    told(bandit, looks, seed)
    chances = bandit.probabilities()
    assert math.fsum(chances) == pytest.approx(1) and min(chances) >= exploration / 3 - 1e-12
    assert bandit.report()["probabilities"] == chances


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("bandit", {"ratios": []}, "no list of fractions"),
        ("bandit", {"ratios": "half"}, "no list of fractions"),
        ("bandit", {"ratios": [0.5, 0.5]}, "names one twice"),
        ("bandit", {"ratios": [0.5, 1.5]}, r"1.5 is outside \(0, 1\]"),
        ("bandit", {"exploration": 0}, r"exploration = 0 must be in \(0, 1\]"),
        ("bandit", {"interval": 0}, "interval = 0 must be a share"),
        ("bandit", {"images": 0}, "images = 0 must be a number"),
        ("adaptive", {"low": 0.0}, "low = 0.0 is outside"),
        ("adaptive", {"low": 0.9}, "low must be below high"),
        ("adaptive", {"rungs": 1}, "at least 2 rungs"),
        ("adaptive", {"flat": 0.2}, "flat below fast"),
        ("adaptive", {"interval": 0.7}, "interval = 0.7 must be a share"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(name, arguments, says):
    with pytest.raises(UsageError, match=says) as caught:
        load_schedule(name, **arguments)
    assert "\n" not in str(caught.value)


# Pacing


@given(
    learners,
    st.sampled_from([{"passes": 3.0}, {"passes": 7.25}, {"steps": 37}, {"cost": 2500.0}]),
    st.sampled_from(["fixed-candidates", "fixed-trained"]),
    st.booleans(),
    st.lists(losses, min_size=1, max_size=9),
)
def test_steps_take_the_ratios_that_were_decided_and_the_twin_replays_them(schedule, budget, batching, hold, seen):
    pacer = Pacer(400, 20, batching, schedule, hold=hold, **budget)
    assert pacer.lowest() == min(schedule.levels)
    schedule.begin(1)
    spent, steps, looked, given = [0.0], [], [], itertools.cycle(seen)

    def look():
        looked.append((len(steps), walk._progress()))
        spent[0] += 1
        return next(given), spent[0]

    walk = steps_of(pacer, lambda: spent[0], look)
    while (step := walk.next()) is not None:
        if not hold:
            assert (step.size, step.keep) == pacer.sizes(step.progress)
        spent[0] += step.keep
        steps.append(step)
    assert {(s.size, s.keep) for s in steps} <= set(pacer.every_size())
    assert all(step.progress < 1 for step in steps) and len(looked) <= 1 / schedule.interval + 1
    if hold:
        assert all(len({(s.size, s.keep) for s in steps if s.epoch == e}) == 1 for e in range(steps[-1].epoch + 1))
        assert all(steps[place].start == 0 for place, _ in looked if place < len(steps))
    # No look before the first interval's end, and one in each interval that a step ends in.
    assert all(progress >= schedule.interval - 1e-9 for _, progress in looked)
    tally = PickCounts(400, torch.device("cpu"))
    for step in steps:
        tally.note(torch.arange(step.keep), step)
    again = list(Recorded(400, tally.pace))
    assert [(s.epoch, s.start, s.size, s.keep) for s in again] == [(s.epoch, s.start, s.size, s.keep) for s in steps]


def test_there_is_a_look_at_the_end_of_every_interval_but_the_last():
    bandit = Bandit([0.5, 1.0], interval=0.1)
    walk = steps_of(
        Pacer(640, 32, "fixed-candidates", bandit, passes=5), float, lambda: (1.0, len(bandit.probes) + 1.0)
    )
    assert len(list(walk)) == 100
    assert [row[0] for row in bandit.probes] == pytest.approx([i / 10 for i in range(1, 10)])


# Where ratios must be known ahead


def test_ratios_that_are_wanted_ahead_are_refused_in_one_line(planned, tiny, train, tmp_path):
    for schedule in (Bandit(), Adaptive()):
        with pytest.raises(UsageError, match="known only during training"):
            known_ahead(schedule)
        with pytest.raises(UsageError, match="known only during training"):
            BudgetMatched(0.5, {"name": "bandit"})
    for schedule in (Fixed(0.3), Sigmoid(), Replay([[2, 3]], 4)):
        assert known_ahead(schedule) is schedule
    tiny["strategies"] = [{"name": "static", "schedule": {"name": "bandit"}}]
    with pytest.raises(UsageError, match="cadence run"):
        planned(tiny)
    tiny |= {"strategies": [{"name": "loss", "schedule": {"name": "bandit"}}]}
    tiny["budget"] = {"seconds": 0.1, "account": "amortised"}
    with pytest.raises(UsageError, match="a budget in seconds"):
        train(tiny, tmp_path / "out")
    table = {"name": "w", "images": 100, "resolution": 8, "classes": 2, "passes": 1, "batch": 10}
    table |= {"strategies": [{"name": "loss"}], "schedule": {"name": "adaptive"}}
    with pytest.raises(UsageError, match="selbench scale"):
        rules_of(workload.parse(table), [], 0)


# In the loop

N = 96


def images(count, seed):
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=g)
    return Samples(pixels, torch.arange(count) % 4, 4, {})


def trainer(schedule, held_out=None, strategy="uniform", **budget):
    pool, net, augment = images(N, 0), ResNet8(4), Augment("shift", 8, [0.5], [0.3])
    pacer = Pacer(N, 32, "fixed-candidates", schedule, **(budget or {"passes": 4.0}))
    rule = load(strategy)
    model = net.build(1, 8, 4, torch.Generator().manual_seed(1))
    given = Pool(N, 4, pool.labels, torch.device("cpu"), torch.Generator().manual_seed(9))
    return Trainer(pool, net, augment, pacer, Recipe(lr=0.05), 1, model, rule, pool=given, held_out=held_out)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.model.state_dict().values()])


def test_a_look_costs_what_it_costs_and_touches_nothing():
    """With one ratio to choose, the run is that of the fixed schedule, but for the looks on its ledger."""
    ours, fixed = trainer(Bandit([0.5], interval=0.25), images(40, 3)), trainer(Fixed(0.5))
    ours.run()
    fixed.run()
    assert torch.equal(weights(ours), weights(fixed)) and ours.pick_counts.pace == fixed.pick_counts.pace
    probe, none = ours.ledger.phases["probe"], fixed.ledger.phases["probe"]
    assert probe.samples == 3 * 40 and probe.flops == 3 * 40 * ours.unit_forward and probe.seconds > 0
    assert (none.samples, none.flops, none.seconds) == (0, 0, 0)
    assert ours.ledger.total("flops") == fixed.ledger.total("flops") + probe.flops
    flops = [row[2] for row in ours.pacer.learned.probes]
    assert flops == sorted(flops) and flops[-1] < ours.ledger.total("flops")


def test_a_look_is_the_mean_loss_in_evaluation_mode():
    seen, run = images(600, 3), None
    run = trainer(Bandit([0.5], interval=0.5), seen)
    found, step = [], run.step

    def spied(*given):
        step(*given)
        run.model.eval()
        with torch.no_grad():
            logits = run.model(run.augment.plain_view(seen.images))
            found.append(float(torch.nn.functional.cross_entropy(logits, seen.labels)))
        run.model.train()

    run.step = spied
    run.run()
    ((progress, loss, _, _),) = run.pacer.learned.probes
    assert progress == 0.5 and loss == pytest.approx(found[5], rel=1e-5)


def test_a_budget_in_flops_counts_the_looks():
    budget = 30 * 32 * trainer(Fixed(0.5)).unit_train
    few, many = (trainer(Bandit([0.5], interval=i), images(96, 3), cost=budget) for i in (0.5, 0.05))
    for run in (few, many):
        run.run()
        assert 0.9 * budget < run.ledger.total("flops") <= budget
    assert many.pick_counts.steps < few.pick_counts.steps


@pytest.mark.parametrize("held_out", [None, images(0, 0)])
def test_without_held_out_images_it_says_what_to_change(held_out):
    with pytest.raises(UsageError, match="learns from images of val, but val is empty: raise val"):
        trainer(Bandit(), held_out)


def cell(worker, planned, table, label, *, spoil="", seed=0):
    plan = planned(table)
    one = worker(parse(table))
    (task,) = [t for t in plan.cells if t.arm.label == label and t.arm.role == "strategy" and t.seed == seed]
    loaded = one.loaded(task)
    if spoil == "test":
        loaded.images = replace(loaded.images, test_labels=loaded.images.test_labels.flip(0))
    if spoil == "val":
        labels = loaded.images.train_labels.clone()
        ids = loaded.ids(seed, "val")
        labels[ids] = (labels[ids] + 3) % 10
        real = loaded.labelled
        loaded.labelled = lambda s, part: (ids, labels[ids]) if part == "val" else real(s, part)
    return train_cell(one, task)


def test_a_cell_learns_from_val_and_never_from_test(worker, planned, tiny):
    tiny |= {"seeds": 1, "budget": {"passes": 4}, "strategies": [{"name": "loss", "label": "paid"}]}
    tiny["strategies"][0]["schedule"] = {"name": "bandit", "ratios": [0.25, 0.5, 1.0], "interval": 0.1}
    whole, again = (cell(worker, planned, tiny, "paid") for _ in range(2))
    assert whole["selection"] == again["selection"] and whole["result"] == again["result"]
    seen = whole["selection"]["schedule"]
    assert len(seen["probes"]) == 9 and math.fsum(seen["probabilities"]) == pytest.approx(1)
    assert len({row[3] for row in seen["probes"]}) > 1
    assert whole["ledger"]["probe"]["samples"] == 9 * 20  # a tenth of 200 images
    poisoned = cell(worker, planned, tiny, "paid", spoil="test")
    assert poisoned["selection"] == whole["selection"] and poisoned["ledger"]["probe"]["flops"] > 0
    assert poisoned["result"]["test_accuracy"] != whole["result"]["test_accuracy"]
    other = cell(worker, planned, tiny, "paid", spoil="val")
    assert [row[1] for row in other["selection"]["schedule"]["probes"]] != [row[1] for row in seen["probes"]]


ADAPTIVE = {"name": "adaptive", "flat": 0.9, "fast": 1.0}


def test_where_ratios_are_held_through_an_epoch_they_move_between_epochs(worker, planned, tiny):
    tiny |= {"seeds": 1, "budget": {"passes": 5}, "strategies": [{"name": "uniform", "label": "held"}]}
    tiny["strategies"][0] |= {
        "options": {"cadence": "epoch"},
        "schedule": {"name": "adaptive", "flat": 0.9, "fast": 1.0},
    }
    record = cell(worker, planned, tiny, "held")
    assert [row[0] for row in record["selection"]["schedule"]["probes"]] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert sum(steps for _, steps in record["selection"]["k"]) == 20 and len(record["selection"]["k"]) > 1
    assert record["ledger"]["probe"]["flops"] > 0


def test_at_cadence_run_it_is_refused(planned, tiny):
    tiny["strategies"] = [
        {"name": "uniform", "label": "u", "options": {"cadence": "run"}, "schedule": {"name": "adaptive"}}
    ]
    with pytest.raises(UsageError, match="cadence run"):
        for arm in planned(tiny).arms:
            schedule_of(arm)


def test_reports_count_and_name_every_phase_on_the_clock():
    assert {*LEDGER_PHASES} - {"eval"} == {*PHASES} == {*PHASE_WORDS} == {*PHASE_HUES}
