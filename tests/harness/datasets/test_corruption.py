from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy.stats import chi2_contingency, chisquare

from selbench.harness.datasets.corruption import corrupted
from selbench.harness.datasets.loaded import DataSetLoader
from selbench.harness.datasets.spec import Corruption
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import run
from selbench.harness.plan.matrix import parse
from selbench.strategies import UsageError

shares = st.floats(0.0, 0.95)
kinds = st.sampled_from([None, "uniform", "pairs"])


def pool(counts, start=1000):
    """Positions and labels of a pool with so many images of each class, in mixed order."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    return torch.arange(start, start + len(labels)), labels


def spoil(counts, seed=0, **options):
    ids, labels = pool(counts)
    got, given_ = corrupted(Corruption(**options), ids, labels, len(counts), seed)
    return got, given_, labels[got - 1000]


@given(st.lists(st.integers(2, 60), min_size=2, max_size=8), shares, kinds, st.integers(0, 5))
def test_the_share_of_wrong_labels_is_exact_and_even_over_classes(counts, share, kind, seed):
    ids, labels, true = spoil(counts, seed, label_noise=share, kind=kind)
    assert torch.equal(ids, pool(counts)[0])
    wrong = labels != true
    assert int(wrong.sum()) == round(share * len(true))
    per_class = torch.bincount(true[wrong], minlength=len(counts))
    assert (per_class - share * torch.tensor(counts)).abs().max() < 1 + len(counts) / sum(counts)
    if kind == "pairs":
        assert torch.equal(labels[wrong], (true[wrong] + 1) % len(counts))


def test_uniform_noise_goes_to_every_other_class_alike():
    _, labels, true = spoil([2000] * 5, label_noise=0.5)
    table = np.zeros((5, 5), dtype=int)
    np.add.at(table, (true.numpy(), labels.numpy()), 1)
    assert (table.diagonal() == 1000).all()
    for c, row in enumerate(table):
        assert chisquare(np.delete(row, c)).pvalue > 1e-3


@given(st.floats(0.01, 0.99), st.integers(2, 10))
def test_classes_are_thinned_along_the_exponential_profile(imbalance, classes):
    ids, labels, true = spoil([100] * classes, imbalance=imbalance)
    expected = [round(100 * imbalance ** (c / (classes - 1))) for c in range(classes)]  # Cui et al. 2019
    assert torch.bincount(labels, minlength=classes).tolist() == [max(1, n) for n in expected]
    assert torch.equal(labels, true) and len(ids.unique()) == len(ids) and torch.equal(ids, ids.sort().values)


def test_a_class_that_is_rarer_than_its_share_is_left_alone():
    _, labels, _ = spoil([100, 7, 100], imbalance=0.25)
    assert torch.bincount(labels).tolist() == [100, 7, 25]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), shares, st.integers(0, 5))
def test_copies_replace_a_share_of_the_pool_within_each_class(counts, share, seed):
    ids, labels, true = spoil(counts, seed, duplicates=share)
    assert torch.equal(labels, true) and torch.equal(labels, pool(counts)[1])
    distinct = len(ids.unique())
    assert distinct == max(len(counts), len(ids) - round(share * len(ids)))
    own = ids == pool(counts)[0]  # what was not replaced; a source is always among it
    assert int(own.sum()) == distinct and set(ids.tolist()) == set(ids[own].tolist())


def test_sources_of_copies_are_drawn_evenly():
    ids, _, _ = spoil([1000], duplicates=0.9)
    copies = torch.bincount(ids - 1000)
    assert chisquare(copies[copies > 0].numpy()).pvalue > 1e-3


def test_a_copy_has_the_label_of_its_source_right_or_wrong():
    ids, labels, true = spoil([50] * 4, label_noise=0.4, duplicates=0.5, imbalance=0.5)
    shown = {}
    for id, label in zip(ids.tolist(), labels.tolist(), strict=True):
        assert shown.setdefault(id, label) == label
    assert len(shown) == len(ids) - round(0.5 * len(ids)) and 0 < int((labels != true).sum()) < len(ids)


def test_noise_and_copies_are_drawn_apart():
    """Whether an image is wrong says nothing of whether it was replaced, nor which class it shows."""
    ids, labels = pool([4000] * 2)
    _, noisy = corrupted(Corruption(label_noise=0.5), ids, labels, 2, 0)
    both, _ = corrupted(Corruption(label_noise=0.5, duplicates=0.5), ids, labels, 2, 0)
    wrong, replaced = noisy != labels, both != ids
    table = [[int((wrong & replaced).sum()), int((wrong & ~replaced).sum())]]
    table += [[int((~wrong & replaced).sum()), int((~wrong & ~replaced).sum())]]
    assert chi2_contingency(table).pvalue > 1e-3


def test_one_seed_one_pool_and_another_seed_another():
    options = {"label_noise": 0.3, "duplicates": 0.3, "imbalance": 0.3}
    first, again, other = (spoil([40] * 5, seed, **options) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "spoil: nothing is set"),
        ({"label_noise": 0.0, "imbalance": 1.0}, "spoil: nothing is set"),
        ({"kind": "pairs", "duplicates": 0.1}, "spoil.kind = 'pairs' is for label_noise"),
        ({"label_nois": 0.1}, "unknown key 'datasets.0.spoil.label_nois'; did you mean 'label_noise'"),
        ({"label_noise": 1.0}, "datasets.0.spoil.label_noise"),
        ({"label_noise": -0.1}, "datasets.0.spoil.label_noise"),
        ({"label_noise": float("nan")}, "datasets.0.spoil.label_noise"),
        ({"label_noise": 0.1, "kind": "asymmetric"}, "'uniform' or 'pairs'"),
        ({"imbalance": 0.0}, "datasets.0.spoil.imbalance"),
        ({"imbalance": 10}, "datasets.0.spoil.imbalance"),
        ({"duplicates": 1.0}, "datasets.0.spoil.duplicates"),
        (0.2, "datasets.0.spoil"),
    ],
)
def test_a_faulty_table_is_one_line_that_says_what_to_change(tiny, table, says):
    tiny["datasets"][0]["spoil"] = table
    with pytest.raises(UsageError) as caught:
        parse(tiny)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_one_class_has_no_wrong_labels():
    with pytest.raises(UsageError, match="one class"):
        spoil([5], label_noise=0.2)


OPTIONS = {"label_noise": 0.25, "imbalance": 0.5, "duplicates": 0.2}


@pytest.fixture
def loaded(tiny, cache_dir):
    """The tiny data set, clean and spoiled."""

    def load(**options):
        entry = {**tiny["datasets"][0], **({"spoil": options} if options else {})}
        return DataSetLoader(None, cache_dir).load(
            parse({**tiny, "datasets": [entry]}).datasets[0], trains_reference=True
        )

    return load


def test_holdout_val_and_test_stay_clean_and_full_all_sees_the_spoiled_pool_with_them(loaded):
    clean, bad = loaded(), loaded(**OPTIONS)
    cpu = torch.device("cpu")
    for part in ("holdout", "val"):
        one, other = clean.samples(1, part, cpu), bad.samples(1, part, cpu)
        assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
    assert torch.equal(clean.images.test, bad.images.test)
    assert torch.equal(clean.images.test_labels, bad.images.test_labels)
    ids, labels = bad.labelled(1, "pool")
    assert set(ids.tolist()) < set(clean.ids(1, "pool").tolist()) and len(ids.unique()) < len(ids)
    assert not torch.equal(labels, bad.images.train_labels[ids])
    everything, given_labels = bad.labelled(1, "all")
    assert torch.equal(everything[: len(ids)], ids) and torch.equal(given_labels[: len(ids)], labels)
    rest = everything[len(ids) :]
    assert torch.equal(rest, torch.cat([clean.ids(1, "holdout"), clean.ids(1, "val")]))
    assert torch.equal(given_labels[len(ids) :], clean.images.train_labels[rest])
    assert (bad.size(1, "pool"), bad.size(1, "all")) == (len(ids), len(everything))
    assert bad.fingerprint == clean.fingerprint


def test_ids_change_with_every_option_and_never_without_the_table(tiny, planned):
    def ids(**options):
        row = {**tiny["datasets"][0], **({"spoil": options} if options else {})}
        plan = planned({**tiny, "seeds": 1, "datasets": [row]})
        return {(t.kind, t.id) for t in plan.tasks.values()}, parse({**tiny, "datasets": [row]}).identity({})

    tables = [{}, {"label_noise": 0.1}, {"label_noise": 0.1, "kind": "pairs"}, {"imbalance": 0.1}, {"duplicates": 0.1}]
    found = [ids(**table) for table in tables]
    assert len(set.union(*(tasks for tasks, _ in found))) == sum(len(tasks) for tasks, _ in found)
    assert len({identity for _, identity in found}) == len(tables)
    assert ids(label_noise=0.1, kind="uniform", duplicates=0.0) == found[1], "a default written out is the same pool"


def test_a_run_on_a_spoiled_pool_says_so_and_its_arms_share_the_pool(tiny, train, tmp_path):
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"passes": 1}, "strategies": [{"name": "loss"}], "references": []}
    tiny["datasets"][0]["spoil"] = OPTIONS
    done = train(tiny, tmp_path / "out")
    assert done.trained == done.planned > 0 and not done.failed
    (row,) = tomllib.loads((tmp_path / "out" / "matrix.toml").read_text())["datasets"]
    assert row["note"].endswith(
        "spoiled pool: classes thinned to 1:2, 25 % wrong labels (uniform), 20 % copies; holdout, val and test clean"
    )
    cells = [json.loads(path.read_text()) for path in (tmp_path / "out" / "cells").iterdir()]
    assert all(cell["identity"]["data"][-1] == {**OPTIONS, "kind": "uniform"} for cell in cells)
    (full,) = [cell for cell in cells if cell["arm_label"] == "full"]
    assert full["selection"]["candidate_samples"] == row["pool"] // 32 * 32 < 140


def test_losses_of_true_labels_are_refused_beside_noise(tiny, tmp_path, cache_dir):
    save_file({"features": torch.rand(200, 6), "losses": torch.rand(200)}, tmp_path / "given.safetensors")
    tiny |= {"seeds": 1, "ladder": [1.0], "budget": {"steps": 1}, "strategies": [{"name": "rho"}]}
    tiny["references"] = [{"name": "given", "spec": f"file:{tmp_path / 'given.safetensors'}"}]
    failures = []
    for name, table in (("noise", {"label_noise": 0.2}), ("copies", {"duplicates": 0.2})):
        tiny["datasets"][0]["spoil"] = table
        request = RunRequest(out=tmp_path / name, cache_dir=tmp_path / "c", device="cpu", workers=1, executor="inline")
        run(parse(tiny), request)
        failed = sorted((tmp_path / name / "failed").glob("*.json"))
        failures.append([json.loads(path.read_text())["error"] for path in failed])
    assert any("brings losses of the true labels" in error for error in failures[0]) and failures[1] == []
