"""A plan beside a folder: counted right, estimated from what was measured there, and large without being slow."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace
from itertools import islice
from types import SimpleNamespace

import pytest
from rich.console import Console

from selbench.harness.cli.plan_table import show
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import missing_tasks
from selbench.harness.identity import digest
from selbench.harness.plan import arms as arms_module
from selbench.harness.plan import tasks as plan_module
from selbench.harness.plan.arms import Arm
from selbench.harness.plan.forecast import Estimate, Inventory, TimeEstimator, forecast, kind_of
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Plan, Planner, Task
from selbench.harness.store.folder import Store
from selbench.strategies import UsageError


def arm(label, **more):
    return Arm(label, "strategy", "d", "", label, {}, {"name": "fixed", "ratio": 0.5}, "batch", (), **more)


def chain(seconds):
    """Tasks in a row, each after the one before, of these kinds."""
    tasks = {}
    for i, name in enumerate(seconds):
        after = (str(i - 1),) if i else ()
        tasks[str(i)] = Task(str(i), "cell", "d", i, arm=arm(name), after=after)
    return Plan([], tasks)


def test_time_is_work_over_slots_and_never_less_than_the_longest_chain(tmp_path):
    inventory = Inventory(chain(["a", "a", "b"]), Store(tmp_path))
    known = {"a": Estimate(10.0, "records"), "b": Estimate(5.0, "flops")}
    expected = forecast(inventory, lambda task: known[task.arm.label])
    assert (expected.seconds, expected.longest) == (25.0, 25.0)
    assert expected.wall(1) == expected.wall(8) == 25.0
    apart = Plan([], {id: replace(task, after=()) for id, task in inventory.plan.tasks.items()})
    expected = forecast(Inventory(apart, Store(tmp_path)), lambda task: known[task.arm.label])
    assert [expected.wall(n) for n in (1, 2, 8)] == [25.0, 12.5, 10.0]
    assert expected.bases == {"records": 2, "flops": 1} and expected.unknown == 0
    assert [(g.name, g.planned, g.todo, g.seconds) for g in expected.groups] == [("a", 2, 2, 10.0), ("b", 1, 1, 5.0)]
    nothing = forecast(inventory, lambda task: None)
    assert (nothing.seconds, nothing.unknown, nothing.bases) == (0.0, 3, {})


def test_what_is_missing_is_what_a_run_would_do(train, tiny, planned, tmp_path, monkeypatch):
    tiny["seeds"], tiny["ladder"] = 2, [1.0]
    tiny["strategies"] = [{"name": "gstds"}, {"name": "loss"}]
    out, plan = tmp_path / "out", planned(tiny)
    assert Inventory(plan, Store(out)).todo == list(plan.tasks.values())
    train({**tiny, "seeds": 1}, out)
    inventory = Inventory(plan, Store(out))
    assert [task.id for task in inventory.todo] == [task.id for task in missing_tasks(plan, Store(out))]
    lines = list(inventory.lines())
    assert len(lines) == len(plan.cells)
    assert sum("  there  " in line for line in lines) == len(plan.cells) // 2

    # The other seed's cells are priced by this one's records.
    with monkeypatch.context() as patch:
        patch.setattr(TimeEstimator, "_unit", lambda self, dataset, net=None: (1.0, 3.0))
        rate = TimeEstimator(inventory, parse(tiny), {"digits": SimpleNamespace(size=lambda seed, pool: 640)})
    for task in inventory.todo:
        assert rate.of(task).basis == "records"
    gstds = next(task for task in plan.cells if task.arm.label == "gstds" and inventory.has(task))
    ledger = Store(out).cell(gstds.id)["ledger"]
    assert rate.of(gstds).seconds == pytest.approx(sum(account["seconds"] for account in ledger.values()))

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    before = sorted(out.rglob("*"))
    request = RunRequest(out=out, cache_dir=tmp_path / "cache", device="cpu")
    assert list(show(parse(tiny), request, console)) == lines
    said = console.export_text()
    assert sorted(out.rglob("*")) == before
    assert f"{len(plan.cells)} runs: {len(plan.cells) // 2} have a record" in said
    assert "by records of their like at other seeds" in said and "core-hours" in said
    with monkeypatch.context() as patch:  # counting operations takes seconds
        patch.setattr(TimeEstimator, "_unit", lambda *_: pytest.fail("counted though nothing gives a pace"))
        list(show(parse(tiny), replace(request, out=tmp_path / "new"), console))
    assert (
        "No estimate of time: nothing like it has been measured in this folder, and neither --like"
        in console.export_text()
    )
    # A folder with nothing in it is priced by what another one holds, and each run gets its share.
    everything = list(show(parse(tiny), replace(request, out=tmp_path / "new"), console, like=out))
    assert len(everything) == len(plan.cells)
    assert "at the seconds per operation of the runs of --like" in " ".join(console.export_text().split())
    with pytest.raises(UsageError, match=r"--like .*new: it has no record of a run"):
        show(parse(tiny), replace(request, out=tmp_path / "new"), console, like=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_pace_of_another_folder_is_its_seconds_over_its_operations(tiny, planned, tmp_path, monkeypatch):
    tiny["seeds"], tiny["ladder"] = 1, [0.5, 1.0]
    plan, there = planned(tiny), Store(tmp_path / "there")
    nothing = {"seconds": 0.0, "flops": 0.0}
    for id, seconds, operations in (("a" * 16, 6.0, 900.0), ("b" * 16, 1.0, 100.0)):
        ledger = {
            "train": {"seconds": seconds, "flops": operations},
            "score": nothing,
            "eval": {**nothing, "seconds": 0.5},
        }
        there.write_cell({"version": 1, "id": id, "ledger": ledger, "environment": {"machine": "m", "device": "d"}})
    monkeypatch.setattr(TimeEstimator, "_unit", lambda self, dataset, net=None: (1.0, 3.0))
    sized = {"digits": SimpleNamespace(size=lambda seed, pool: 640)}
    rate = TimeEstimator(Inventory(plan, Store(tmp_path / "here")), parse(tiny), sized, there.root)
    full = next(task for task in plan.cells if task.arm.role == "full" and task.arm.rung == 1.0)
    assert rate.of(full) == Estimate(pytest.approx(rate.flops(full) * 8.0 / 1000.0), "like")
    assert rate.machines == {("m", "d"): 2}


def test_what_was_timed_prices_what_has_no_record(tiny, planned, tmp_path, monkeypatch):
    tiny["seeds"], tiny["ladder"], tiny["strategies"] = 1, [0.5, 1.0], [{"name": "static"}]
    plan = planned(tiny)
    monkeypatch.setattr(TimeEstimator, "_unit", lambda self, dataset, net=None: (1.0, 3.0))
    sized = {"digits": SimpleNamespace(size=lambda seed, pool: 640)}
    rate = TimeEstimator(Inventory(plan, Store(tmp_path)), parse(tiny), sized, image_seconds={"digits": 0.25})
    of = {(t.arm.label, t.arm.rung) if t.arm else t.kind: rate.of(t) for t in plan.tasks.values()}
    assert of["full", 1.0] == Estimate(pytest.approx(2 * 640 * 0.25), "timed")
    assert of["full", 0.5].seconds == pytest.approx(640 * 0.25)
    assert of["proxy"] == Estimate(pytest.approx(2 * 640 * 0.25), "timed"), "full training of its own passes"
    assert 0 < of["static", 1.0].seconds < of["full", 1.0].seconds


def test_an_arm_without_records_is_priced_by_its_operations(tiny, planned, tmp_path, monkeypatch):
    tiny["seeds"], tiny["ladder"] = 1, [0.5, 1.0]
    plan, store = planned(tiny), Store(tmp_path)
    full = next(task for task in plan.cells if task.arm.role == "full" and task.arm.rung == 1.0)
    store.write_cell({"version": 1, "id": full.id, "ledger": {"train": {"seconds": 8.0}}, "environment": {}})
    sized = SimpleNamespace(size=lambda seed, pool: 640)
    monkeypatch.setattr(TimeEstimator, "_unit", lambda self, dataset, net=None: (1.0, 3.0))
    rate = TimeEstimator(Inventory(plan, store), parse(tiny), {"digits": sized})
    of = {(t.arm.label, t.arm.role, t.arm.rung): rate.of(t) for t in plan.cells if not t.arm.replay}
    assert of["full", "full", 1.0] == Estimate(8.0, "records")
    assert of["full", "full", 0.5] == Estimate(4.0, "flops")
    uniform, gstds = of["uniform", "uniform", 1.0], of["gstds", "strategy", 1.0]
    assert 0 < uniform.seconds < 8.0
    assert gstds.basis == "flops" and gstds.seconds >= uniform.seconds
    assert rate.of(next(t for t in plan.tasks.values() if t.kind == "reference")) is None


def test_thousands_of_cells_cost_a_digest_each_and_are_listed_as_they_are_asked_for(tiny, monkeypatch, tmp_path):
    counted = {"digests": 0}

    def counting(value):
        counted["digests"] += 1
        return digest(value)

    monkeypatch.setattr(arms_module, "digest", counting)
    monkeypatch.setattr(plan_module, "digest", counting)
    tiny["seeds"] = 1000
    rows = [arm(f"rule {i}") for i in range(20)]
    plan = Planner(parse(tiny), {}, {}, "float32").graph(rows)
    assert len(plan.cells) == 20_000
    assert counted["digests"] <= 20_000 + 20

    inventory = Inventory(plan, Store(tmp_path))
    named = {"n": 0}
    monkeypatch.setattr(Task, "name", property(lambda task: named.update(n=named["n"] + 1) or "x"))
    assert len(list(islice(inventory.lines(), 5))) == 5 and named["n"] == 5
    asked = []
    expected = forecast(inventory, lambda task: asked.append(kind_of(task)))
    assert len(asked) == 20 and expected.unknown == 20_000


def test_an_arms_key_is_that_of_its_fields():
    one = arm("a", shared={"data": ["x", 1]}, text="left out")
    fields = copy.deepcopy(asdict(one))
    for name in ("label", "role", "twin", "text", "signal", "base", "lr_from", "revision", "cost_of"):
        del fields[name]
    assert one.key == digest(fields) != replace(one, revision=1).key == digest({**fields, "revision": 1})
    assert replace(one, name="other").key != one.key == replace(one, label="b", text="c").key


def test_a_tuning_run_of_a_cost_twin_is_priced_though_its_strategy_has_another_rate_by_now(tiny, planned, tmp_path):
    tiny["strategies"], tiny["tuning"] = [{"name": "loss"}], "grid"
    tiny["analysis"] = {"primary": ["loss:pays"], "alpha": 0.3}
    tried = planned(tiny)
    twin = next(arm for arm in tried.arms if arm.role == "cost-twin")
    later = [replace(arm, shared={**arm.shared, "lr_factor": 2.0}) for arm in tried.arms if arm.key == twin.cost_of]
    sized = {"digits": SimpleNamespace(size=lambda seed, pool: 640, resolution=8)}
    rate = TimeEstimator(Inventory(Plan(later, tried.tasks), Store(tmp_path)), parse(tiny), sized)
    rate.unit = lambda dataset: (1.0, 3.0)
    task = next(task for task in tried.tasks.values() if task.arm and task.arm.key == twin.key)
    assert later[0].key != twin.cost_of and rate.flops(task) > 0
