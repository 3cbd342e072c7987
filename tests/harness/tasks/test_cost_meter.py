"""Budgets that are costs, through whole runs."""

from __future__ import annotations

import json
import tomllib
from types import SimpleNamespace

import pytest

from selbench.harness.execution import calibration
from selbench.harness.plan.arms import ArmSeconds, ReferenceSeconds
from selbench.strategies import UsageError


def records(out):
    return [json.loads(p.read_text()) for p in (out / "cells").glob("*.json")]


def meta(out, id):
    return json.loads((out / "artefacts" / id / "meta.json").read_text())


def flops(ledger):
    return sum(account["flops"] for phase, account in ledger.items() if phase != "eval")


@pytest.mark.parametrize(("account", "share"), [("marginal", 0.0), ("standalone", 1.0)])
def test_a_budget_in_flops_is_what_every_run_costs_in_its_account(train, tiny, tmp_path, account, share):
    # A proxy paid whole leaves nothing of half the budget.
    strategies = [{"name": "gstds", "ladder": True}, {"name": "static", "ladder": account == "marginal"}]
    tiny |= {"seeds": 1, "strategies": [*strategies, {"name": "loss"}][: 3 if account == "marginal" else 2]}
    tiny["budget"] = {"flops": 1.5e8, "account": account}
    out = tmp_path / "out"
    assert not train(tiny, out).failed
    rungs = {"full": 0, "gstds": 0, "static": 0}
    for record in records(out):
        if "steps of" in record["arm_label"]:
            continue  # a twin repeats its strategy's steps, whatever they cost it
        charged = share * sum(flops(meta(out, id)["ledger"]) for id in record["artefacts"])
        total = 1.5e8 * record["identity"]["rung"]
        spent = charged + flops(record["ledger"])
        step = 32 * (record["unit"]["train"] + record["unit"]["forward"])
        assert total - step < spent <= total + step
        if record["artefacts"] and share:
            assert charged > 0
        if record["arm_label"] in rungs:
            rungs[record["arm_label"]] += 1
    assert rungs == {"full": 2, "gstds": 2, "static": 2 if account == "marginal" else 1}
    if account == "marginal":
        the_twin_takes_the_same_steps({r["arm_label"]: r for r in records(out) if r["identity"]["rung"] == 1.0})


def the_twin_takes_the_same_steps(cells):
    ours, twin = cells["loss"], cells["uniform, steps of loss"]
    assert ours["selection"]["pace"] == twin["selection"]["pace"]
    assert flops(twin["ledger"]) < flops(ours["ledger"])
    assert [point["lr"] for point in twin["curve"]] == pytest.approx([point["lr"] for point in ours["curve"]])
    assert cells["uniform"]["selection"]["steps"] > ours["selection"]["steps"]


def test_artefacts_that_use_the_budget_up_fail_their_cells_with_a_word_on_it(train, tiny, tmp_path):
    tiny |= {"seeds": 1, "budget": {"flops": 1.8e7, "account": "standalone"}}
    done = train(tiny, tmp_path / "out")
    failures = [json.loads(p.read_text())["error"] for p in (tmp_path / "out" / "failed").iterdir()]
    assert len(done.failed) == 2  # gstds, and the twin that waits for its steps
    assert any("the artefacts alone cost" in error and "raise the budget" in error for error in failures)


def test_reference_seconds_are_measured_once_and_frozen(train, tiny, tmp_path, monkeypatch):
    made = SimpleNamespace(total=lambda _: 0.2)  # their real seconds would use the budget up on a slow machine
    monkeypatch.setattr(calibration, "artefacts", lambda _, used: [made for _ in used])
    tiny |= {"seeds": 1, "strategies": [{"name": "gstds"}, {"name": "static"}]}
    tiny["budget"] = {"seconds": 0.1, "account": "amortised"}
    out = tmp_path / "out"
    assert not train(tiny, out).failed
    table = tomllib.loads((out / "matrix.toml").read_text())["rates"]
    rates = {row["name"]: row for row in table}
    assert set(rates) == {
        "digits//full/pool",
        "digits//full-all/all",
        "digits//uniform/pool",
        "digits/holdout/gstds/pool",
        "digits//static/pool",
    }
    assert rates["digits//static/pool"]["selection"] > 0 == rates["digits//full/pool"]["selection"]
    assert rates["digits/holdout/gstds/pool"]["artefacts"] > 0 == rates["digits//uniform/pool"]["artefacts"]
    for record in records(out):
        if "steps of" in record["arm_label"] or record["identity"]["pool"] == "all":
            continue
        name = f"digits/{record['reference']}/{record['arm_label']}/pool"
        price = {(size, keep): seconds for size, keep, seconds in rates[name]["steps"]}
        row = rates[name]
        spent = row["begin"] + row["artefacts"] / 20 + row["selection"]
        spent += sum(steps * price[size, keep] for size, keep, steps, *_ in record["selection"]["pace"])
        assert spent <= 0.1 * record["identity"]["rung"] + max(price.values()) + 1e-9

    # Again: nothing is measured anew, and nothing trained.
    assert train(tiny, out).trained == 0
    assert tomllib.loads((out / "matrix.toml").read_text())["rates"] == table


def test_a_rate_adds_up_steps_selections_and_preparation():
    rate = ArmSeconds("d//x/pool", [[64, 16, 0.5], [64, 32, 1.0]], begin=0.25, selection=2.0, artefacts=9.0)
    assert rate.seconds({(64, 16): 3, (64, 32): 1}, 2) == 0.25 + 4.0 + 1.5 + 1.0
    assert ReferenceSeconds.read(ReferenceSeconds([rate]).to_table()).rows["d//x/pool"] == rate


def test_the_account_is_asked_for(tiny, tmp_path, train):
    with pytest.raises(UsageError, match="account"):
        train({**tiny, "budget": {"seconds": 1}}, tmp_path / "out")
