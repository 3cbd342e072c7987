from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from selbench.harness.plan.matrix import narrowed, parse
from selbench.strategies import UsageError

REPLAY = {"name": "proxy-replay", "proxy": {"learner": {"name": "resnet8"}}}


def roles(plan):
    return Counter(arm.role for arm in plan.arms)


def by_label(plan, label, **more):
    (arm,) = [a for a in plan.arms if a.label == label and all(getattr(a, k) == v for k, v in more.items())]
    return arm


def test_baselines_and_twins_are_added_and_shared(planned, tiny):
    tiny["strategies"] = [{"name": n} for n in ("gstds", "loss", "rho", "static")]
    plan = planned(tiny)
    assert roles(plan) == {"strategy": 4, "full": 2, "uniform": 2, "full-all": 1, "twin": 1}
    whole = by_label(plan, "uniform", rung=1.0)
    assert {by_label(plan, n).twin for n in ("gstds", "loss", "rho")} == {whole.key}
    twin = by_label(plan, "uniform, each run")
    assert by_label(plan, "static").twin == twin.key and twin.cadence == "run"
    assert len(plan.cells) == 10 * 2


def test_a_schedule_of_its_own_brings_a_twin_of_its_own(planned, tiny):
    tiny["strategies"] = [{"name": "loss", "schedule": {"name": "fixed", "ratio": 0.25}}, {"name": "gstds"}]
    plan = planned(tiny)
    assert by_label(plan, "loss").twin == by_label(plan, "uniform (fixed 0.25)").key != by_label(plan, "gstds").twin


@pytest.mark.parametrize("budget", [{"passes": 2}, {"steps": 9}, {"flops": 1e9, "account": "marginal"}])
@pytest.mark.parametrize(
    ("name", "options"), [("gstds", {}), ("static", {}), ("loss", {}), ("uniform", {"cadence": "epoch"})]
)
def test_a_ladder_of_its_own_is_the_strategy_again_on_less(planned, tiny, name, options, budget):
    entry = {"name": name, "options": options, "schedule": {"name": "fixed", "ratio": 0.5}}
    tiny |= {"ladder": [0.25, 0.5, 1.0], "budget": budget}
    without = planned({**tiny, "strategies": [entry]})
    plan = planned({**tiny, "strategies": [{**entry, "ladder": True}]})
    rungs = [arm for arm in plan.arms if arm.role == "rung"]
    assert [arm.rung for arm in rungs] == [0.5, 0.25]
    top = by_label(plan, name, role="strategy")
    assert all(replace(arm, role="strategy", rung=1.0, twin=top.twin) == top and arm.twin == "" for arm in rungs)
    assert [arm for arm in plan.arms if arm.role != "rung"] == without.arms
    assert {t.id for t in without.tasks.values()} < {t.id for t in plan.tasks.values()}


def test_a_ladder_stands_for_each_reference(planned, tiny):
    tiny["references"] = [{"name": "a", "spec": "holdout"}, {"name": "b", "spec": "holdout", "options": {"passes": 1}}]
    tiny["strategies"] = [{"name": "gstds", "ladder": True}]
    assert sorted(arm.reference for arm in planned(tiny).arms if arm.role == "rung") == ["a", "b"]


def test_arms_that_read_no_reference_are_shared_by_all_references(planned, tiny):
    tiny["references"] = [{"name": "a", "spec": "holdout"}, {"name": "b", "spec": "holdout", "options": {"passes": 1}}]
    tiny["strategies"] = [{"name": "gstds"}, {"name": "loss"}]
    plan = planned(tiny)
    assert {a.reference for a in plan.arms if a.label == "gstds"} == {"a", "b"}
    assert by_label(plan, "loss").reference == ""
    assert Counter(t.kind for t in plan.tasks.values()) == {"cell": 2 * (2 + 2 + 1 + 2 + 1), "reference": 4}


def test_artefacts_stand_before_what_needs_them_and_are_made_once_a_seed(planned, tiny):
    tiny["strategies"] = [{"name": n} for n in ("gstds", "rho", "static")]
    plan = planned(tiny)
    seen = set()
    for task in plan.tasks.values():
        assert seen.issuperset(task.after)
        seen.add(task.id)
    assert Counter((t.kind, t.seed) for t in plan.tasks.values() if t.kind != "cell") == {
        ("reference", 0): 1, ("reference", 1): 1, ("proxy", 0): 1, ("proxy", 1): 1,
    }  # fmt: skip


def test_ids_hang_on_what_determines_a_result_and_on_nothing_else(planned, tiny):
    def ids(**changes):
        return {t.id for t in planned({**tiny, **changes}).cells}

    base = ids()
    assert base == ids(title="Other", analysis={"amortise_over": 3})
    assert base == ids(strategies=[{"name": "gstds", "label": "mine"}])
    assert base > ids(seeds=1)
    for change in (
        {"batch": 16},
        {"budget": {"passes": 3}},
        {"optimizer": {"lr": 0.3}},
        {"learner": {"name": "resnet18", "width": 5}},
    ):
        assert not base & ids(**change), change
    kept = base & ids(strategies=[{"name": "gstds", "options": {"share": 0.25}}])
    assert len(kept) == len(base) - 2


def test_a_proxy_of_another_net_is_the_matrixs_or_a_strategys_own(planned, tiny):
    """What the net picks for stays the same, and so do its random picks."""
    other = {"name": "resnet8", "width": 4}
    rules = [{"name": "static"}, {"name": "static", "label": "other", "proxy": {"learner": other}}, {"name": "gstds"}]
    plan = planned({**tiny, "strategies": rules})
    own, theirs = by_label(plan, "static"), by_label(plan, "other")
    assert own.shared["proxy"] == {"passes": 2} and theirs.shared["proxy"] == {"passes": 2, "learner": other}
    assert own.twin == theirs.twin and own in planned({**tiny, "strategies": rules[:1]}).arms
    names = [task.name for task in plan.tasks.values() if task.kind == "proxy" and task.seed == 0]
    assert names == ["proxy on digits, seed 0", "proxy by resnet8 (width 4) on digits, seed 0"]
    every = planned({**tiny, "proxy": {"passes": 2, "learner": other}, "strategies": [{"name": "static"}]})
    assert by_label(every, "static").key == theirs.key
    assert by_label(planned({**tiny, "strategies": [REPLAY]}), "proxy-replay").shared["proxy"] == {
        "learner": {"name": "resnet8"}
    }


def test_a_strategy_without_the_reference_it_reads_is_refused(planned, tiny):
    tiny["references"] = []
    with pytest.raises(UsageError, match=r"'gstds' reads the reference's .* \[\[references\]\]"):
        planned(tiny)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"strategies": [{"name": "gtsds"}]}, "did you mean 'gstds'"),
        ({"strategies": [{"name": "gstds", "options": {"shar": 1}}]}, "did you mean 'share'"),
        ({"schedule": {"name": "sigmod"}}, "did you mean 'sigmoid'"),
        ({"schedule": {"name": "fixed", "ratio": 1.5}}, "outside (0, 1]"),
        ({"datasets": [{"name": "digit", "margin": 1.0}]}, "did you mean 'digits'"),
        ({"datasets": [{"name": "digits", "options": {"limt": 3}}]}, "did you mean 'limit'"),
        ({"datasets": [{"name": "digits", "holdout": 0.0}]}, "leaves nothing to train the reference on"),
        ({"references": [{"name": "holdout", "options": {"pases": 1}}]}, "did you mean 'passes'"),
        ({"references": [{"name": "hold"}]}, "did you mean 'holdout'"),
        ({"batch": 500}, "larger than the pool"),
        ({"strategies": [{"name": "loss", "proxy": {"passes": 3}}]}, "'loss' reads no proxy: leave its proxy out"),
        ({"strategies": [REPLAY | {"options": {"width": 4}}]}, "write the width in proxy.learner"),
    ],
)
def test_what_cannot_work_is_said_before_training(planned, tiny, change, says):
    with pytest.raises(UsageError) as caught:
        planned({**tiny, **change})
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_narrowing_keeps_the_baselines_and_extends_seeds(tiny):
    matrix = parse({**tiny, "strategies": [{"name": "gstds"}, {"name": "loss", "label": "hard"}]})
    assert [e.name for e in narrowed(matrix, ["hard"], None).strategies] == ["loss"]
    assert narrowed(matrix, ["full"], 1).strategies == [] and narrowed(matrix, [], 1).seed_list() == [0]
    assert narrowed(matrix, [], 4).seed_list() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="did you mean 'gstds'"):
        narrowed(matrix, ["gtsds"], None)
    assert [e.name for e in narrowed(matrix, ["rho"], None).strategies] == ["gstds", "loss", "rho"]
    assert [e.name for e in narrowed(matrix, ["rho", "hard"], None).strategies] == ["loss", "rho"]
    with pytest.raises(UsageError, match="at least one seed"):
        narrowed(matrix, [], 0)


def test_random_picks_are_not_held_against_themselves(tiny, planned):
    rows = [{"name": "uniform", "label": "subset", "options": {"cadence": "run"}}, {"name": "gstds"}]
    arms = {arm.label: arm for arm in planned(tiny | {"strategies": rows}).arms if arm.role == "strategy"}
    assert arms["subset"].twin == "" and arms["gstds"].twin
