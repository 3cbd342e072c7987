"""One data set under several settings, in one matrix."""

from __future__ import annotations

import json
import tomllib

import pytest

from selbench.harness.plan.arms import pacer_of
from selbench.harness.plan.matrix import parse
from selbench.harness.verify import verify
from selbench.strategies import UsageError

OWN = {
    "batch": 16,
    "batching": "fixed-trained",
    "budget": {"steps": 4},
    "learner": {"name": "resnet8", "width": 6},
    "optimizer": {"lr": 0.025},
}


def twice(tiny, settings=OWN, **changes):
    """The tiny matrix on its data set, and on the same one under settings of its own."""
    entry = {**tiny["datasets"][0], "name": "own", "spec": "digits", "margin": 1.0, "settings": settings}
    return tiny | {"seeds": 1, "ladder": [1.0], "datasets": [tiny["datasets"][0], entry], **changes}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "datasets.1.settings: nothing is set"),
        ({"bach": 16}, "unknown key 'datasets.1.settings.bach'; did you mean 'batch'"),
        ({"budget": {}}, "datasets.1.settings: budget: give exactly one of"),
        ({"budget": {"flops": 1e9, "account": "marginal"}}, "is for the whole matrix"),
        ({"tuning": "none"}, "nothing is tuned"),
        ({"tuning": "grid"}, "datasets.1.settings.tuning"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(tiny, settings, says):
    with pytest.raises(UsageError, match=says):
        parse(twice(tiny, settings))


def test_a_strategy_is_narrowed_to_data_sets_that_there_are(tiny, planned):
    rows = [{"name": "gstds"}, {"name": "loss", "datasets": ["own"]}]
    plan = planned(twice(tiny, strategies=rows))
    assert {arm.dataset for arm in plan.arms if arm.label == "loss"} == {"own"}
    assert {arm.dataset for arm in plan.arms if arm.label == "gstds"} == {"own", "digits"}
    with pytest.raises(UsageError, match=r"no \[\[datasets\]\] entry 'onw'; did you mean 'own'"):
        parse(twice(tiny, strategies=[{"name": "loss", "datasets": ["onw"]}]))
    with pytest.raises(UsageError, match="name at least one"):
        parse(twice(tiny, strategies=[{"name": "loss", "datasets": []}]))


def test_only_what_is_set_differs_and_a_matrix_without_settings_keeps_its_keys(tiny, planned):
    alone = {arm.label: arm.key for arm in planned(tiny | {"ladder": [1.0]}).arms}
    both = planned(twice(tiny)).arms
    assert {arm.label: arm.key for arm in both if arm.dataset == "digits"} == alone
    changed = {arm.label: arm for arm in both if arm.dataset == "own"}["full"].shared
    kept = {arm.label: arm for arm in both if arm.dataset == "digits"}["full"].shared
    assert changed["optimizer"] == {**kept["optimizer"], "lr": 0.025}
    assert changed["batch"] == [16, "fixed-trained", 2] and changed["budget"] == {"passes": None, "steps": 4}
    assert changed["learner"] == [{"name": "resnet8", "width": 6}, ""]
    assert changed["data"] == kept["data"]


def test_its_identity_follows_the_settings(tiny):
    def identity(settings):
        return parse(twice(tiny, settings)).identity({})

    assert identity(OWN) == identity({**OWN, "batching": "fixed-trained"})
    assert len({identity(OWN), identity({**OWN, "batch": 32}), identity({"batch": 16})}) == 3


def test_steps_are_those_of_the_entry(tiny, planned):
    table = twice(tiny, schedule={"name": "fixed", "ratio": 0.5})
    matrix = parse(table)
    arms = {arm.dataset: arm for arm in planned(table).arms if arm.label == "gstds"}
    assert pacer_of(matrix, arms["digits"], 150).sizes(0.0) == (32, 16)
    assert pacer_of(matrix, arms["own"], 150).sizes(0.0) == (32, 16)  # 16 are trained, of 32 candidates
    assert pacer_of(parse(twice(tiny, {"batch": 8})), arms["own"], 150).sizes(0.0)[0] == 8


def test_a_run_trains_each_entry_its_own_way_and_verifies(tmp_path, train, tiny):
    out = tmp_path / "out"
    table = twice(tiny, {**OWN, "tuning": "none"}, tuning="grid", grid={"factors": [1.0, 2.0], "seeds": 1, "extend": 0})
    # a frozen reference's artefact is one for both
    table["budget"] = {"passes": 1}
    table["references"] = [{"name": "frozen", "spec": "untrained:squeezenet1_1", "options": {"resolution": 32}}]
    done = train(table, out)
    assert not done.failed
    matrix = tomllib.loads((out / "matrix.toml").read_text())
    own = next(row for row in matrix["datasets"] if row["name"] == "own")
    assert own["learner"]["width"] == 6 and own["budget"]["steps"] == 4 and own["optimizer"]["lr"] == 0.025
    for arm in matrix["arms"]:
        if arm["dataset"] == "own":
            assert (arm["lr"], arm["lr_from"]) == (0.025, "declared")
    for path in out.glob("tuning/*.json"):
        assert json.loads(path.read_text())["dataset"] == "digits"
    for path in out.glob("cells/*.json"):
        record = json.loads(path.read_text())
        ks = {k for k, _ in record["selection"]["k"]}
        if record["dataset"] == "own":
            assert record["identity"]["learner"][0]["width"] == 6
            assert ks == {16} or record["arm_label"].startswith("full")
    assert len(list(out.glob("artefacts/*"))) == 3  # features, and losses for the tuning seed and the reported one
    assert not verify(out).findings
