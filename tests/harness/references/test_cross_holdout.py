"""Two nets, each scoring what it has not seen: nothing leaks, both are paid for, no image is withheld."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from selbench.harness.datasets.samples import Samples
from selbench.harness.datasets.splits import spread
from selbench.harness.plan.matrix import parse
from selbench.harness.plan.tasks import Task
from selbench.harness.references.cross_holdout import CrossHoldout
from selbench.harness.store.folder import Store
from selbench.harness.tasks import artefacts
from selbench.harness.tasks.cost_meter import artefacts as ledgers
from selbench.strategies import UsageError

ENTRY = {"name": "cross-holdout", "options": {"passes": 1, "width": 2}}


@pytest.fixture
def crossed(tiny):
    """The tiny matrix with ``rho`` on two holdout nets, and nothing said of withheld images."""
    tiny |= {"seeds": 1, "references": [ENTRY], "strategies": [{"name": "rho"}], "ladder": [1.0]}
    del tiny["datasets"][0]["holdout"]
    return tiny


def task(seed=0):
    return Task("x", "reference", "digits", seed, "cross-holdout")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=80).map(torch.tensor), st.integers(0, 10**6))
def test_halves_are_equal_and_stratified_for_any_pool(labels, seed):
    half = spread(labels, 2, seed, "halves")
    assert set(half.tolist()) <= {0, 1} and abs(int((half == 0).sum()) - int((half == 1).sum())) <= 1
    for label in labels.unique():
        assert abs(int((half[labels == label] == 0).sum()) - int((half[labels == label] == 1).sum())) <= 1
    assert torch.equal(half, spread(labels, 2, seed, "halves"))


def test_halves_hang_on_the_seed_and_on_a_stream_of_their_own():
    labels = torch.arange(100) % 4
    draws = [spread(labels, 2, 0, "halves"), spread(labels, 2, 1, "halves"), spread(labels, 2, 0, "probe")]
    assert all(not torch.equal(draws[i], draws[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_an_image_is_scored_by_the_net_that_never_saw_it(crossed, worker, monkeypatch):
    here = worker(parse(crossed))
    loaded = here.loaded(task())
    pool = loaded.samples(0, "pool", here.device)
    half = spread(pool.labels, 2, 0, "halves")
    monkeypatch.setattr(artefacts, "spread", lambda *_: half)  # a flipped label would draw other halves
    before = artefacts.made(here, task())[0]["reference"]
    at = 7
    flipped = pool.labels.clone()
    flipped[at] = (flipped[at] + 1) % pool.classes
    loaded.samples = lambda *_: Samples(pool.images, flipped, pool.classes)
    after = artefacts.made(here, task())[0]["reference"]
    same = half == half[at]
    # The net that scores this half never saw the image: the loss moves with the label that it is read at, alone.
    others = same & (torch.arange(len(half)) != at)
    assert torch.equal(before[others], after[others]) and before[at] != after[at]
    # The other half is scored by the net that was trained on the changed label.
    assert (before[~same] != after[~same]).float().mean() > 0.9


def test_both_trainings_and_both_scorings_are_on_the_ledger(crossed, worker):
    here = worker(parse(crossed))
    tensors, ledger, more = artefacts.made(here, task())
    pool = here.loaded(task()).size(0, "pool")
    halves = [pool // 2, pool - pool // 2]
    trained = sum(size // 32 * 32 for size in halves)
    account = ledger.phases
    assert (account["train"].samples, account["reference"].samples) == (trained, pool)
    unit = account["reference"].flops / pool
    assert account["train"].flops == pytest.approx(trained * unit * 3, rel=0.1)
    assert account["train"].seconds > 0 and account["reference"].seconds > 0 and account["score"].samples == 0
    assert set(tensors) == {"reference"} and tensors["reference"].shape == (pool,)
    assert torch.isfinite(tensors["reference"]).all() and 0 <= more["quality"]["accuracy"] <= 1


def test_rho_picks_by_it_and_nothing_is_withheld(crossed, train, tmp_path, worker):
    out = tmp_path / "run"
    done = train(crossed, out)
    assert not done.failed
    store = Store(out)
    (record,) = (r for r in map(store.cell, ids(out)) if r["arm_label"] == "rho")
    (made,) = record["artefacts"]
    meta = store.artefact_meta(made)
    assert (meta["kind"], meta["name"], meta["needs"]) == ("reference", "cross-holdout", [])
    assert [one.to_json() for one in ledgers(store, [made])] == [meta["ledger"]]
    here = worker(parse(crossed))
    splits = here.loaded(task()).splits(0)
    losses = load_file(out / "artefacts" / made / "tensors.safetensors")["reference"]
    assert len(splits.holdout) == 0 and len(losses) == len(splits.pool) == 180

    # Gone on with: the artefact is not made again, and where it is, it comes out the same.
    path = out / "artefacts" / made
    stamp = (path / "meta.json").stat().st_mtime_ns
    (out / "cells" / f"{record['id']}.json").unlink()
    assert train(crossed, out).trained == 1 and (path / "meta.json").stat().st_mtime_ns == stamp
    assert torch.equal(artefacts.made(here, task())[0]["reference"], losses)
    assert store.cell(record["id"])["result"] == record["result"]


def ids(out):
    return [json.loads(path.read_text())["id"] for path in (out / "cells").glob("*.json")]


def test_its_options_are_part_of_what_it_is(crossed, planned):
    def made(**options):
        plan = planned({**crossed, "references": [{**ENTRY, "options": options}]})
        (one,) = (t.id for t in plan.tasks.values() if t.kind == "reference")
        return one

    assert len({made(), made(passes=1), made(passes=2), made(passes=2, width=2)}) == 4


@pytest.mark.parametrize("name", ["gstds", "k-center"])
def test_features_are_refused_where_there_are_two_spaces(crossed, planned, name):
    crossed["strategies"] = [{"name": "rho"}, {"name": name}]
    with pytest.raises(UsageError, match=rf"^strategy '{name}' reads the features of reference 'cross-holdout'"):
        planned(crossed)


def test_a_class_of_one_image_and_passes_of_none_are_refused(crossed, worker):
    here = worker(parse(crossed))
    loaded = here.loaded(task())
    pool = loaded.samples(0, "pool", here.device)
    kept = torch.cat([torch.nonzero(pool.labels != 3).flatten(), torch.nonzero(pool.labels == 3).flatten()[:1]])
    loaded.samples = lambda *_: Samples(pool.images[kept], pool.labels[kept], pool.classes)
    with pytest.raises(UsageError, match="class 3 of 'digits' has one image"):
        artefacts.made(here, task())
    with pytest.raises(UsageError, match="passes = 0 must be above 0"):
        CrossHoldout(passes=0)
