"""A proxy's picks, replayed: the same candidates, no scoring, and the proxy on the ledger of its artefact."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from selbench.harness.datasets.samples import ProxyPicks, row
from selbench.harness.plan.arms import pacer_of
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Planner
from selbench.harness.plan.tuning import tuning_runs
from selbench.harness.steps.pacer import Pacer
from selbench.harness.steps.schedules import Linear
from selbench.harness.steps.step_iterator import steps_of
from selbench.harness.store.folder import Store
from selbench.harness.tasks import artefacts
from selbench.harness.tasks.cell import prepare
from selbench.harness.training.learners import learner as learner_of
from selbench.harness.training.trainer import Trainer
from selbench.reports.effects.costs import Accounts
from selbench.reports.records.folder import Results
from selbench.strategies import Strategy, UsageError, load


@pytest.fixture
def replayed(tiny):
    """The tiny matrix with a replay of what a proxy of width 2 picks by its loss."""
    entry = {"name": "proxy-replay", "options": {"width": 2}}
    return tiny | {"seeds": 1, "references": [], "strategies": [entry], "ladder": [1.0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where one run of it lies, for the module."""
    return tmp_path_factory.mktemp("replayed") / "out"


def only(plan, kind, **more):
    (task,) = [t for t in plan.tasks.values() if t.kind == kind and all(getattr(t, k) == v for k, v in more.items())]
    return task


def the_cell(plan, label="proxy-replay"):
    (task,) = [t for t in plan.cells if t.arm.label == label and t.arm.rung == 1.0 and t.seed == 0]
    return task


class Hardest(Strategy):
    """The highest losses by a sort, with every batch's ids written down: a second implementation."""

    needs = frozenset({"learner"})
    flops = None

    def __init__(self):
        self.seen = []

    def pick(self, feats, losses, k):
        at = torch.argsort(losses.learner, descending=True)[:k]
        self.seen.append(losses.index[at].sort().values)
        return at


def test_the_proxy_is_a_narrow_learner_that_trains_on_its_own_picks(replayed, planned, worker):
    here, task = worker(parse(replayed)), only(planned(replayed), "picks")
    tensors, ledger, more = artefacts.made(here, task)
    loaded, learner = here.loaded(task), learner_of(here.matrix.at(task.dataset).learner, 2)
    samples, rule = loaded.samples(0, "pool", here.device), Hardest()
    pacer = pacer_of(here.matrix, task.serves, len(samples))
    model = here.build(learner, samples, loaded.resolution, here.stream(task))
    by_hand = Trainer(samples, learner, loaded.augment(0, here.device), pacer, here.recipe(task), 0, model, rule)
    by_hand.run()
    picked = tensors["picks"].long().split(tensors["steps"][:, 3].tolist())
    assert tensors["steps"].tolist() == [row(step) for step in steps_of(pacer)]
    assert len(picked) == len(rule.seen) == 8
    assert all(torch.equal(ids.sort().values, seen) for ids, seen in zip(picked, rule.seen, strict=True))

    candidates, kept = int(tensors["steps"][:, 2].sum()), int(tensors["steps"][:, 3].sum())
    assert (ledger.phases["score"].samples, ledger.phases["train"].samples) == (candidates, kept)
    assert ledger.phases["score"].flops == candidates * by_hand.unit_forward
    assert ledger.phases["train"].flops == kept * by_hand.unit_train
    assert more == {"name": "loss on width 2"}


def test_the_learner_trains_on_the_proxys_picks_in_the_views_and_order_of_every_arm(replayed, planned, train, folder):
    replayed["timing"] = {"seeds": 1}
    done = train(replayed, folder)
    assert not done.failed and done.trained == 4
    store, task = Store(folder), the_cell(planned(replayed))
    record = store.cell(task.id)
    assert record["artefacts"] == [task.uses["picks"]] and not record["scores_learner"]
    tensors = store.artefact_tensors(task.uses["picks"])
    probe = record["selection"]["probe"]
    counts = np.frombuffer(base64.b64decode(probe["counts"]), dtype="<u2")
    assert probe["stride"] == 1
    assert counts.tolist() == torch.bincount(tensors["picks"].long(), minlength=len(counts)).tolist()
    assert {record["ledger"][phase]["flops"] for phase in ("score", "reference")} == {0.0}
    twin = store.cell(the_cell(planned(replayed), "uniform").id)
    assert record["selection"]["pace"] == twin["selection"]["pace"]
    assert record["selection"]["probe"] != twin["selection"]["probe"]


def test_the_accounts_charge_the_whole_proxy_or_its_share_or_nothing(replayed, planned, folder):
    results, task = Results.read(folder, strict=True), the_cell(planned(replayed))
    accounts = Accounts(results)
    (cell,) = [cell for cell in results.cells if cell.id == task.id]
    proxy = json.loads((folder / "artefacts" / task.uses["picks"] / "meta.json").read_text())["ledger"]
    spent = sum(account["flops"] for phase, account in proxy.items() if phase != "eval")
    own = accounts.cost(cell, "marginal", "total_flops")
    assert spent > 0 and accounts.cost(cell, "standalone", "total_flops") == pytest.approx(own + spent)
    assert accounts.cost(cell, "amortised", "total_flops") == pytest.approx(own + spent / 20)
    assert {timed.kind for timed in results.timings} == {"cell", "picks"}


def test_it_is_gone_on_with_and_comes_out_the_same(replayed, planned, train, folder):
    store, task = Store(folder), the_cell(planned(replayed))
    before = store.cell(task.id)
    made = folder / "artefacts" / task.uses["picks"]
    stamp, tensors = (made / "meta.json").stat().st_mtime_ns, load_file(made / "tensors.safetensors")
    (folder / "cells" / f"{task.id}.json").unlink()
    assert train(replayed, folder).trained == 1
    assert (made / "meta.json").stat().st_mtime_ns == stamp and store.cell(task.id)["result"] == before["result"]
    for path in made.iterdir():
        path.unlink()
    assert train(replayed, folder).trained == 0 and not list(made.iterdir())  # nobody asks for it
    (folder / "cells" / f"{task.id}.json").unlink()
    assert train(replayed, folder).trained == 1
    again = load_file(made / "tensors.safetensors")
    assert all(torch.equal(tensors[name], again[name]) for name in ("steps", "picks"))
    assert store.cell(task.id)["result"] == before["result"]


def test_one_proxy_serves_all_that_would_have_the_same(replayed, planned):
    def ids(**changes):
        return [t.id for t in planned({**replayed, **changes}).tasks.values() if t.kind == "picks"]

    def entry(label="a", **more):
        return {"name": "proxy-replay", "label": label, "options": {"width": 2}, **more}

    def plain(**changes):
        (one,) = ids(**changes)
        return one

    assert plain() == plain(strategies=[entry(), entry("b")]) == plain(title="Other")
    assert plain() == plain(strategies=[entry(options={"width": 2, "of": "loss", "options": {}})])
    others = [
        plain(strategies=[entry(**more)])
        for more in (
            {"options": {"width": 3}},
            {"options": {"width": 2, "of": "uncertainty"}},
            {"options": {"width": 2, "options": {"end": "smallest"}}},
            {"schedule": {"name": "fixed", "ratio": 0.25}},
            {"score_mode": "train"},
        )
    ]
    others += [plain(budget={"passes": 3}), plain(batch=16), plain(optimizer={"lr": 0.2})]
    assert len({plain(), *others}) == 9
    rungs = ids(ladder=[0.5, 1.0], strategies=[entry(ladder=True)])
    assert len(rungs) == 2 and plain() in rungs
    assert len(ids(seeds=3)) == 3 and ids(seeds=3)[0] == plain()


def test_tuning_leaves_the_proxy_at_the_base_learning_rate(replayed, planned, worker):
    plan, here = planned(replayed), worker(parse(replayed))
    loaded = {"digits": here.loaded(plan.cells[0])}
    planner = Planner(here.matrix, loaded, {}, "float32")
    tried = tuning_runs(planner, plan.arms, [0.5, 1.0], [2_000_000])
    assert len([t for t in tried.tasks.values() if t.kind == "tuning" and t.uses]) == 2
    assert only(tried, "picks").seed == 2_000_000


@pytest.mark.parametrize("batching", ["fixed-trained", "fixed-candidates"])
def test_the_steps_of_both_agree_where_batch_sizes_move(replayed, planned, worker, batching):
    replayed |= {"batching": batching, "batch": 24, "buckets": 4, "budget": {"steps": 7}}
    replayed["strategies"][0]["options"]["of"] = "uncertainty"
    here, plan = worker(parse(replayed)), planned(replayed)
    artefacts.make(here, only(plan, "picks"), "2026-01-01T00:00:00+00:00", {})
    trainer = prepare(here, the_cell(plan))
    trainer.run()
    steps = here.store.artefact_tensors(only(plan, "picks").id, "steps")["steps"]
    assert trainer.pick_counts.steps == 7 and len(steps[:, 2:].unique(dim=0)) > 1


def test_picks_of_other_steps_or_another_order_are_refused():
    pacer = Pacer(40, 10, "fixed-candidates", Linear(0.2, 0.8), steps=4, buckets=5)
    steps = list(steps_of(pacer))
    tensors = {
        "steps": torch.tensor([row(step) for step in steps]),
        "picks": torch.cat([torch.arange(step.start, step.start + step.keep) for step in steps]).int(),
    }
    picks = ProxyPicks(tensors, steps_of(pacer), 40)
    for step in steps:
        ids = torch.arange(step.start, step.start + step.size).flip(0)
        assert picks.take(ids).tolist() == (ids < step.start + step.keep).tolist()
    with pytest.raises(UsageError, match="of another order"):
        ProxyPicks(tensors, steps_of(pacer), 40).take(torch.arange(3, 13))
    with pytest.raises(UsageError, match="not those of this run"):
        ProxyPicks(tensors, steps_of(replace(pacer, steps=5)), 40)
    with pytest.raises(UsageError, match="not those of this run"):
        ProxyPicks(tensors, steps_of(replace(pacer, schedule=Linear(0.8, 0.2))), 40)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"of": "rho"}, "'rho' reads reference, and a proxy has nothing but its own signals"),
        ({"of": "gstds"}, "'gstds' reads features"),
        ({"of": "infobatch"}, "'infobatch' has the cadence 'epoch'"),
        ({"of": "proxy-replay"}, "'proxy-replay' reads picks"),
        ({"of": "full"}, "keeps a share of its own"),
        ({"of": "los"}, "did you mean 'loss'"),
        ({"options": {"ende": "largest"}}, "did you mean 'end'"),
        ({"width": 0}, "width = 0 must be a whole number"),
        ({"width": 2.5}, "width = 2.5 must be a whole number"),
    ],
)
def test_a_rule_that_a_proxy_cannot_follow_is_refused(options, says):
    with pytest.raises(UsageError) as caught:
        load("proxy-replay", **options)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("budget", [{"flops": 1e9}, {"seconds": 10.0}])
def test_a_budget_in_cost_is_refused_since_the_proxy_spends_another(replayed, planned, budget):
    with pytest.raises(UsageError, match=r"'proxy-replay' replays .* in passes or steps"):
        planned({**replayed, "budget": {**budget, "account": "standalone"}})


@pytest.mark.parametrize("name", ["adaptive", "bandit"])
def test_a_schedule_that_learns_is_refused_since_the_proxy_teaches_it_another(replayed, planned, name):
    replayed["strategies"][0]["schedule"] = {"name": name}
    says = r"'proxy-replay' replays a proxy's picks step by step: .* are known only during training"
    with pytest.raises(UsageError, match=says):
        planned(replayed)


def test_a_rule_made_of_replays_is_refused(replayed, planned):
    replayed["strategies"] = [{"name": "shuffled", "options": {"of": "proxy-replay"}}]
    with pytest.raises(UsageError, match="'shuffled' reads a proxy's picks, and only proxy-replay says whose"):
        planned(replayed)


def test_weights_are_refused_in_one_line(replayed, planned, worker):
    replayed["strategies"][0]["options"]["of"] = "gradnorm"
    with pytest.raises(UsageError, match=r"^proxy-replay: 'gradnorm' weights its picks, .*$"):
        artefacts.made(worker(parse(replayed)), only(planned(replayed), "picks"))
