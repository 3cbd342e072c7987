"""Several proxies for one rule, and the trace of the views that a proxy was trained on."""

from __future__ import annotations

import pytest
import torch
from pieces import COMMON, Folder

from selbench.harness.store.folder import Store
from selbench.harness.tasks.cached_signals import cached_signals
from selbench.harness.tasks.worker import Worker
from selbench.harness.verify.contents import artefact_ids
from selbench.reports.records.models import Cell
from selbench.strategies import BatchLosses, UsageError, load
from selbench.strategies.interface import Traits

STRATEGIES = [
    {"name": "el2n"},
    {"name": "el2n", "label": "three", "options": {"nets": 3}},
    {"name": "forgetting", "label": "trained", "options": {"views": "trained"}},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    table = COMMON | {"budget": {"passes": 1}, "references": [], "strategies": STRATEGIES, "proxy": {"passes": 2}}
    of = Folder(table, tmp_path_factory.mktemp("nets"), tmp_path_factory.mktemp("cache"))
    for row in STRATEGIES:
        of.whole(of.task(row.get("label", "el2n")))
    return of


def signals(folder, label):
    here, task = Worker(folder.context, folder.datasets), folder.task(label)
    loaded = here.loaded(task)
    return cached_signals(here, task, loaded), loaded.labelled(0, "pool")[1]


def test_the_score_is_the_mean_over_nets_that_differ_and_the_first_is_everybodys(folder):
    one, several = folder.task("el2n"), folder.task("three")
    assert several.proxies[0] == one.proxies[0] and len(set(several.proxies)) == 3
    (single, labels), (stacked, _) = signals(folder, "el2n"), signals(folder, "three")
    assert stacked["trace"].shape == (len(labels), 3, *single["trace"].shape[1:])
    assert torch.equal(stacked["trace"][:, 0], single["trace"])
    rule = load("el2n", nets=3)
    by_hand = [load("el2n").el2n(stacked["trace"][:, net], labels) for net in range(3)]
    assert not torch.allclose(by_hand[0], by_hand[1], atol=1e-3)
    found = rule.averaged(BatchLosses(trace=stacked["trace"], labels=labels))
    assert torch.allclose(found, torch.stack(by_hand).mean(0), atol=1e-6)


def test_each_net_is_paid_for_and_ids_of_one_net_stay(folder):
    store = Store(folder.context.out)
    records = {label: store.cell(folder.task(label).id) for label in ("el2n", "three")}
    assert [len(records[label]["artefacts"]) for label in ("el2n", "three")] == [1, 3]
    costs = [store.artefact_meta(id)["ledger"]["train"]["flops"] for id in records["three"]["artefacts"]]
    assert len(set(costs)) == 1 and costs[0] > 0
    assert "nets" not in records["el2n"]["identity"] and records["three"]["identity"]["nets"] == 3
    assert folder.task("el2n").arm.shared["proxy"] == folder.task("three").arm.shared["proxy"]


def test_verify_knows_the_artefacts_of_all(folder):
    store = Store(folder.context.out)
    for label in ("el2n", "three", "trained"):
        record = store.cell(folder.task(label).id)
        assert set(record["artefacts"]) <= artefact_ids(Cell.model_validate(record))


def test_a_trained_trace_is_of_the_views_as_they_were_trained_on(folder):
    found, labels = signals(folder, "trained")
    clean = Store(folder.context.out).artefact_tensors(folder.task("trained").proxies[0], "trace")["trace"]
    trained = found["trained_trace"]
    assert trained.shape == clean.shape and not torch.allclose(trained, clean, atol=1e-2)
    assert torch.allclose(trained.sum(2), torch.ones(trained.shape[:2]), atol=1e-4)
    same = Store(folder.context.out).artefact_tensors(folder.task("el2n").proxies[0], "trace")["trace"]
    assert torch.equal(clean, same), "the net is the same: only what is kept of it differs"
    assert folder.task("trained").proxies != folder.task("el2n").proxies
    never = torch.isclose(trained[:, 0], torch.full_like(trained[:, 0], 1 / trained.shape[2])).all(1)
    assert int(never.sum()) == len(labels) % 32, "images that made no whole batch"


def test_nets_are_for_rules_that_read_a_proxy():
    assert Traits.of(load("per-class", of="el2n", options={"nets": 4})).nets == 4
    with pytest.raises(UsageError, match="its rules read 1 and 2 proxies"):
        load("hybrid", of="el2n", other="grand", other_options={"nets": 2})

    class Wrong:
        nets = 2

        def select(self, feats, losses, ratio): ...

    with pytest.raises(UsageError, match="it reads no proxy before training"):
        Traits.of(Wrong())
