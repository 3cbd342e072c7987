"""Tuning: equal effort, the choice, and what it must never touch."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from pins import QUICK

from selbench.harness.execution.prepared import load_references
from selbench.harness.identity import digest
from selbench.harness.plan.matrix import narrowed, parse, read
from selbench.harness.plan.tasks import Planner
from selbench.harness.plan.tuning import at_factors, best_factor, is_tunable, tuning_runs
from selbench.harness.tasks.cell import train_cell
from selbench.harness.tasks.tuning_run import train_tuning_run
from selbench.harness.tasks.worker import trains_reference
from selbench.strategies import UsageError
from selbench.strategies.rules.loss import Loss

SEEDS = (2_000_000, 2_000_001)
FACTORS = (0.5, 1.0, 4.0)


@pytest.fixture
def planner(worker):
    """A table's planner, with a worker that can do its tasks."""

    def make(table):
        matrix = parse(table)
        here = worker(matrix)
        loaded = {e.name: here.datasets.load(e, trains_reference=trains_reference(matrix)) for e in matrix.datasets}
        return Planner(matrix, loaded, load_references(matrix, None), "float32"), here

    return make


def of(plan, kind, **wanted):
    return [
        task
        for task in plan.tasks.values()
        if task.kind == kind and all(getattr(task.arm, name) == value for name, value in wanted.items())
    ]


accuracies = st.integers(0, 20).map(lambda hits: hits / 20)
grids = st.lists(st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 4.0]), min_size=2, max_size=6, unique=True)


@given(grids, st.integers(1, 4), st.data())
def test_the_best_mean_wins_in_whatever_order_it_comes(factors, seeds, data):
    run = st.none() | accuracies
    scores = {factor: data.draw(st.lists(run, min_size=seeds, max_size=seeds)) for factor in factors}
    winner = best_factor(scores)
    mean = {f: -math.inf if None in values else sum(values) / seeds for f, values in scores.items()}
    assert mean[winner] >= max(mean.values()) - 1e-12
    shuffled = data.draw(st.permutations(list(scores.items())))
    assert best_factor({factor: data.draw(st.permutations(values)) for factor, values in shuffled}) == winner


@pytest.mark.parametrize(
    ("scores", "winner"),
    [
        ({0.25: [0.9], 0.5: [0.9], 1.0: [0.9], 2.0: [0.9]}, 1.0),
        ({0.25: [0.9], 0.5: [0.9], 1.0: [0.8], 2.0: [0.9]}, 0.5),
        ({0.25: [0.9], 0.5: [0.8], 1.0: [0.8], 2.0: [0.9]}, 2.0),
        ({0.25: [0.1, 0.1], 1.0: [1.0, None], 2.0: [None, None]}, 0.25),
        ({1.0: [None], 2.0: [0.0]}, 2.0),
        ({0.5: [None], 1.0: [None], 2.0: [None]}, 1.0),
        ({0.5: [0.3, 0.6], 2.0: [0.6, 0.3], 4.0: [0.4, 0.5]}, 0.5),
    ],
)
def test_ties_go_to_the_nearest_to_one_and_divergence_to_the_bottom(scores, winner):
    assert best_factor(scores) == winner


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4, unique=True), st.integers(1, 300), st.integers(1, 5))
@example([999_999], 300, 2)
def test_tuning_seeds_are_nobody_elses_however_many_seeds_are_asked_for(tiny, seeds, asked, count):
    declared = parse({**tiny, "seeds": seeds, "tuning": "grid", "grid": {"seeds": count}})
    tuning = declared.tuned()["tuning_seeds"]
    assert len(set(tuning)) == count
    assert not set(tuning) & {*seeds, *narrowed(declared, [], asked).seed_list()}
    assert min(tuning) > max(seeds) + 1_000_000


def test_tuning_seeds_stay_where_they_are(tiny):
    tuned = {**tiny, "tuning": "grid"}
    assert parse(tuned).tuned() == {"factors": [0.25, 0.5, 1.0, 2.0], "seeds": 2, "tuning_seeds": list(SEEDS)}
    assert parse({**tuned, "seeds": 500}).tuned()["tuning_seeds"] == list(SEEDS)
    with pytest.raises(UsageError, match="none is a tuning seed"):
        narrowed(parse(tuned), [], 1_000_001)


def test_an_untuned_matrix_is_what_it_was(planned):
    """Literals of version 0.1.0: folders made by it resume, under whatever version; a plugin's version counts."""
    quick = read(str(QUICK))
    contents = {"reference holdout": "", "dataset digits": "a2d758708f4a84a86242ff4088438753", "learner": ""}
    assert quick.identity(contents) == "3ea98ddd7ddf0b23"
    plan = planned(quick.model_dump(exclude_none=True))
    keys = {(a.label, a.role, a.rung): a.key for a in plan.arms}
    full = plan.arms[0]
    assert full.key == replace(full, origin="selbench 99.0").key != replace(full, origin="selbench-acme 0.1.0").key
    assert keys["full", "full", 1.0] == "dae2114148ca97bd" and keys["full", "full", 0.25] == "cd45b80395e95649"
    assert keys["gstds", "strategy", 1.0] == "82e77713e023dece"
    assert keys["uniform", "uniform", 1.0] == "14ebdd03ca8fb1bc" and keys["full-all", "full-all", 1.0][:4] == "c754"
    assert digest(["dae2114148ca97bd", 0]) == "0def1ce15257aa8e"
    assert {arm.lr_factor for arm in plan.arms} == {1.0} and {arm.lr_from for arm in plan.arms} == {"declared"}


def test_what_is_tuned_is_part_of_a_folders_identity(tiny):
    tuned = {**tiny, "tuning": "grid"}
    base = parse(tuned).identity({})
    assert base == parse({**tuned, "grid": {"factors": [2, 1, 0.5, 0.25]}, "seeds": 7}).identity({})
    for change in (tiny, {**tuned, "grid": {"seeds": 3}}, {**tuned, "seeds": [1_000_000]}):
        assert base != parse(change).identity({})
    assert parse(tiny).identity({}) == parse({**tiny, "analysis": {"interval": "t"}}).identity({})
    assert parse(tiny).identity({}) != parse({**tiny, "analysis": {"interval": "sign-flip"}}).identity({})
    assert parse(tiny).identity({}) == parse({**tiny, "analysis": {"scope": "population"}}).identity({})
    assert parse(tiny).identity({}) != parse({**tiny, "analysis": {"scope": "test-set"}}).identity({})


@pytest.fixture
def tried(planner, tiny, installed_plugin):
    """Arms of every kind, with their tuning runs."""
    tiny["strategies"] = [{"name": "gstds", "ladder": True}, {"name": "static"}, {"name": "own-count", "ladder": True}]
    made, _ = planner(tiny)
    plan = made.plan()
    return plan, tuning_runs(made, plan.arms, FACTORS, SEEDS)


def test_every_arm_is_tried_alike(tried):
    plan, tuning = tried
    assert Counter(task.kind for task in tuning.tasks.values())["cell"] == 0
    effort = Counter(task.arm.base for task in of(tuning, "tuning"))
    assert set(effort) == {arm.key for arm in plan.arms if arm.role != "full-all"}
    assert set(effort.values()) == {len(FACTORS) * len(SEEDS)}
    assert {arm.role for arm in plan.arms} == {"full", "uniform", "full-all", "strategy", "twin", "rung"}
    tries = [(task.arm.base, task.arm.lr_factor, task.seed) for task in of(tuning, "tuning")]
    assert len(set(tries)) == len(tries)
    assert not {task.id for task in tuning.tasks.values()} & {task.id for task in plan.tasks.values()}


def test_references_and_proxies_are_trained_at_the_base_rate_once_a_tuning_seed(tried):
    _, tuning = tried
    made = Counter((task.kind, task.seed) for task in tuning.tasks.values() if task.arm is None)
    assert made == {(kind, seed): 1 for kind in ("reference", "proxy") for seed in SEEDS}


def test_a_tuning_twin_replays_the_run_at_its_own_factor_and_seed(tried):
    _, tuning = tried
    twins = of(tuning, "tuning", label="uniform, steps of own-count")
    assert len(twins) == len(FACTORS) * len(SEEDS)
    for twin in twins:
        source = tuning.tasks[twin.uses["replay"]]
        assert (source.arm.label, source.arm.rung) == ("own-count", 1.0)
        assert (source.seed, source.arm.lr_factor, source.kind) == (twin.seed, twin.arm.lr_factor, "tuning")


def test_tuned_arms_keep_their_relations(tried):
    plan, _ = tried
    (ours,) = [arm for arm in plan.arms if arm.label == "own-count" and arm.role == "strategy"]
    after = {arm.base: arm for arm in at_factors(plan.arms, {ours.key: 4.0, plan.arms[0].key: 1.0})}
    strategy, twin = after[ours.key], after[ours.twin]
    assert strategy.key != ours.key and strategy.twin == twin.key and twin.replay == strategy.key
    assert (twin.lr_factor, twin.lr_from, strategy.lr_factor, strategy.lr_from) == (1.0, "declared", 4.0, "val")
    assert twin.key != ours.twin  # its steps are another run's
    assert after[plan.arms[0].key].key == plan.arms[0].key
    others = [arm for arm in plan.arms if arm.key not in (ours.key, ours.twin)]
    assert all(after[arm.key].key == arm.key and after[arm.key].twin == arm.twin for arm in others)
    (everything,) = [arm for arm in plan.arms if arm.role == "full-all"]
    assert not is_tunable(everything) and at_factors([everything], {everything.key: 0.5})[0].lr_from == "full"


class Untouchable:
    """A test split that nobody may look at."""

    def __getattribute__(self, name):
        raise AssertionError(f"the test split was looked at: {name}")


def test_a_tuning_run_never_sees_the_test_split_and_takes_its_rate_to_the_optimizer(planner, tiny):
    made, worker = planner({**tiny, "strategies": [{"name": "loss"}], "references": []})
    arms = [arm for arm in made.plan().arms if arm.label == "full" and arm.rung == 0.5]
    tuning = tuning_runs(made, arms, [1.0, 4.0], SEEDS[:1])
    cells = made.graph([at for factor in (1.0, 4.0) for at in at_factors(arms, {arms[0].key: factor})])
    low, high = (train_cell(worker, task) for task in of(cells, "cell")[:2])
    assert [4 * point["lr"] for point in low["curve"]] == pytest.approx([point["lr"] for point in high["curve"]])
    # Nothing but the rate: the same candidates in the same order, the same first weights.
    assert low["selection"] | {"mean_picked_loss": None} == high["selection"] | {"mean_picked_loss": None}
    assert low["result"]["correct"] != high["result"]["correct"]

    (loaded,) = made.loaded.values()
    loaded.images = replace(loaded.images, test=Untouchable(), test_labels=Untouchable())
    for task in of(tuning, "tuning"):
        record = train_tuning_run(worker, task)
        assert (record["arm"], record["seed"]) == (arms[0].key, SEEDS[0])
        assert record["lr"] == 0.1 * record["factor"] and 0 <= record["val_accuracy"] <= 1
        assert record["factor"] == task.arm.lr_factor
    with pytest.raises(AssertionError, match="looked at"):
        train_cell(worker, of(cells, "cell")[0])


@pytest.mark.parametrize("name", ["loss", "full"])
def test_a_run_that_diverges_is_a_result_and_the_lowest(planner, tiny, name):
    made, worker = planner({**tiny, "strategies": [{"name": "loss"}], "references": []})
    tuning = tuning_runs(made, made.plan().arms, [1e30], SEEDS[:1])
    (task,) = of(tuning, "tuning", label=name, rung=1.0)
    record = train_tuning_run(worker, task)
    assert record["val_accuracy"] is record["train_loss"] is None
    assert record["ledger"]["train"]["flops"] > 0


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_rule_that_breaks_on_losses_that_are_not_finite_has_diverged(planner, tiny, monkeypatch, epoch):
    """Before the first curve point, and at once after it."""
    broken = []

    def breaks(self, batch_feats, losses, ratio):
        if losses.epoch >= epoch and not torch.isfinite(losses.learner).all():
            broken.append(losses.epoch)
            raise RuntimeError("no convergence")
        return torch.arange(losses.k)

    monkeypatch.setattr(Loss, "select", breaks)
    made, worker = planner({**tiny, "strategies": [{"name": "loss"}], "references": []})
    tuning = tuning_runs(made, made.plan().arms, [1e30, 1.0], SEEDS[:1])
    low, high = sorted(of(tuning, "tuning", label="loss"), key=lambda task: task.arm.lr_factor)
    record = train_tuning_run(worker, high)
    assert record["val_accuracy"] is record["train_loss"] is None and broken == [epoch]
    assert train_tuning_run(worker, low)["val_accuracy"] is not None

    def own_fault(self, batch_feats, losses, ratio):
        raise RuntimeError("no convergence")

    monkeypatch.setattr(Loss, "select", own_fault)
    with pytest.raises(RuntimeError, match="no convergence"):
        train_tuning_run(worker, low)
