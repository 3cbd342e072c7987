"""Cost twins: the cost of a strategy's own run, to within one step, in each account, and in the report."""

from __future__ import annotations

import json
import tomllib

import pytest

from selbench.harness.plan.matrix import parse
from selbench.harness.verify import verify
from selbench.reports.effects.costs import Accounts
from selbench.reports.records.folder import Results
from selbench.reports.records.sealing import checksum, written
from selbench.reports.summary import summarise
from selbench.strategies import UsageError

BATCH = 32


def asking(tiny, pays, **more):
    """Few runs: at this alpha two seeds can decide."""
    primary = [f"{more.pop('label', 'gstds')}:pays"]
    analysis = {"alpha": 0.3, "primary": primary, "pays": pays, **more.pop("analysis", {})}
    return {**tiny, "ladder": [1.0], "seeds": 2, "budget": {"passes": 1}, "analysis": analysis, **more}


@pytest.mark.parametrize(
    ("account", "cost", "strategy"),
    [
        ("amortised", "total_flops", {"name": "gstds"}),
        ("standalone", "total_flops", {"name": "static", "options": {"keep": "hard"}}),
        ("marginal", "learner_flops", {"name": "infobatch"}),  # its count depends on the data
    ],
)
def test_a_twin_costs_what_the_strategy_did_at_the_same_seed(train, tiny, tmp_path, account, cost, strategy):
    pays = {"account": account, "cost": cost}
    table = asking(tiny, pays, label=strategy["name"], strategies=[strategy])
    done = train(table, tmp_path / "out")
    assert not done.failed
    results = Results.read(tmp_path / "out", strict=True)
    accounts = Accounts(results)
    (arm,) = results.arms(role="strategy")
    ours = accounts.of(arm, account, cost)
    for name in ("full", "uniform"):
        twin = results.cost_twin(arm, name)
        assert twin is not None and twin.role == "cost-twin" and twin.cost_of == arm.key
        theirs = accounts.of(twin, account, cost)
        for seed, cell in results.of(twin).items():
            step = BATCH * cell.unit.train
            assert abs(ours[seed] - theirs[seed]) <= step, (name, seed)
            assert cell.curve[-1].progress == 1.0, "its learning rate has decayed"
    rows = [row for row in summarise(results)["contrasts"] if row["question"] == "pays" and row["primary"]]
    assert [(row["baseline"], row["n_pairs"], row["ladder"]) for row in rows] == [("cost twin", 2, None)]
    assert not list(verify(tmp_path / "out").findings)


def test_the_other_runs_keep_their_ids(tiny, planned):
    """Records of a folder without cost twins are records of the same matrix with them."""
    pays = {"account": "amortised", "cost": "total_flops"}
    without, having = planned(asking(tiny, pays, analysis={"cost_twins": "none"})), planned(asking(tiny, pays))
    twins = {task.id for task in having.cells if task.arm.role == "cost-twin"}
    assert {task.id for task in having.cells} - twins == {task.id for task in without.cells}
    assert len(twins) == 2 * 2
    every = planned(
        asking(tiny, pays, strategies=[{"name": "gstds"}, {"name": "loss"}], analysis={"cost_twins": "all"})
    )
    assert len({arm.key for arm in every.arms if arm.role == "cost-twin"}) == 4


def test_where_the_budget_is_the_cost_the_baseline_is_its_own_twin(train, tiny, tmp_path):
    pays = {"account": "marginal", "cost": "total_flops"}
    table = asking(tiny, pays, budget={"flops": 1.1e8, "account": "marginal"})
    train(table, tmp_path / "out")
    results = Results.read(tmp_path / "out", strict=True)
    (arm,) = results.arms(role="strategy")
    twin = results.cost_twin(arm)
    assert twin is not None and (twin.role, twin.rung) == ("full", 1.0)
    assert not results.arms(role="cost-twin")


def test_equal_seconds_rest_on_reference_seconds_and_the_timing_pass(train, tiny, tmp_path):
    pays = {"account": "marginal", "cost": "wall_clock"}
    train(asking(tiny, pays, ladder=[0.5, 1.0], timing={"seeds": 2}), tmp_path / "out")
    table = tomllib.loads((tmp_path / "out" / "matrix.toml").read_text())
    assert {row["name"].split("/")[2] for row in table["rates"]} == {"gstds", "full", "uniform"}
    (row,) = [row for row in summarise(Results.read(tmp_path / "out"))["contrasts"] if row["primary"]]
    assert (row["baseline"], row["n_pairs"], row["timing"]["blocks"]) == ("cost twin", 2, 2)
    assert "apart, which the difference allows for" in row["note"]
    again = train(asking(tiny, pays, ladder=[0.5, 1.0], timing={"seeds": 2}), tmp_path / "out")
    assert again.trained == 0, "rates are measured once"


def test_seconds_of_a_replayed_run_are_refused(tiny, planned):
    replayed = {"name": "uniform", "label": "again", "schedule": {"name": "replay", "of": "gstds"}}
    table = asking(
        tiny, {"cost": "wall_clock"}, label="again", strategies=[{"name": "gstds"}, replayed], timing={"seeds": 2}
    )
    assert parse(table).analysis.primary == ["again:pays"]
    with pytest.raises(UsageError, match="its seconds are not known before it is run"):
        planned(table)


def test_a_twin_without_its_partner_is_named(train, tiny, tmp_path):
    train(asking(tiny, {"cost": "learner_flops"}), tmp_path / "out")
    cells = [json.loads(path.read_text()) for path in (tmp_path / "out" / "cells").glob("*.json")]
    twins = [cell for cell in cells if cell["arm_label"].startswith("full at the cost of gstds")]
    assert len(twins) == 2
    for cell in twins:
        (tmp_path / "out" / "cells" / f"{cell['id']}.json").unlink()
    (row,) = [row for row in summarise(Results.read(tmp_path / "out"))["contrasts"] if row["primary"]]
    assert row["n_pairs"] == 0 and row["verdict"].startswith("no verdict")


def test_rules_of_equal_cost_train_one_twin(train, tiny, tmp_path):
    """Two options of one rule cost the same: their twins are trained once, and each has a record of its own."""
    pays = {"account": "amortised", "cost": "total_flops"}
    rows = [{"name": "gstds", "label": "one"}, {"name": "gstds", "label": "two", "options": {"end": "low"}}]
    table = asking(tiny, pays, label="one", strategies=rows, analysis={"cost_twins": "all"})
    table["learner"] = {"name": "resnet8", "width": 2}
    assert not train(table, tmp_path / "out").failed
    results = Results.read(tmp_path / "out", strict=True)
    twins = [cell for arm in results.arms(role="cost-twin") for cell in results.of(arm).values()]
    copies = {cell.id: cell.same_as for cell in twins if cell.same_as}
    copy = next(iter(copies))
    assert len(twins) == 2 * len(copies) == 2 * 2 * 2
    by_id = {cell.id: cell for cell in twins}
    for other, first in copies.items():
        assert by_id[other].result.model_dump() == by_id[first].result.model_dump()
        assert by_id[other].arm != by_id[first].arm
    assert not list(verify(tmp_path / "out").findings)

    file = tmp_path / "out" / "cells" / f"{copy}.json"
    cell = json.loads(file.read_bytes())
    cell["result"]["weights_digest"] = "0" * 32
    cell["ledger"]["train"]["flops"] *= 2
    file.write_bytes(written({**cell, "checksum": checksum(cell)}))
    said = [str(finding) for finding in verify(tmp_path / "out").findings]
    assert any("its result is not that of" in line for line in said), said
    assert any("whose cost twin it is" in line for line in said)
