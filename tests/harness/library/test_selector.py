"""Rules in a loop of the user's own: every registered one, beside a hand-written loop, and after a resume."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import selbench
from selbench import Selector, Trace, UsageError, load
from selbench.strategies.interface import Traits
from selbench.strategies.registry import registry

N, CLASSES, BATCH, EPOCHS = 60, 3, 20, 2
RULES = [name for name, claims in registry("strategies").found().items() if any(entry.builtin for entry in claims)]
CANNOT = {"proxy-replay": "reads a proxy's picks step by step, which only `selbench run` can replay"}


def made_set(seed: int, size: int = N) -> TensorDataset:
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % CLASSES
    images = torch.randn(size, 1, 4, 4, generator=stream) + labels[:, None, None, None]
    return TensorDataset(images, labels)


def net(seed: int = 0, classes: int = CLASSES) -> nn.Module:
    """A small classifier with batch normalisation, drawn from a stream of its own."""
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(24, classes))
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) * 0.3)
    return model


@cache
def trace() -> Trace:
    model, data = net(5), made_set(0)
    recorded = Trace(model, data)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(4):
        logits = model(data.tensors[0])
        F.cross_entropy(logits, data.tensors[1]).backward()
        optimizer.step()
        optimizer.zero_grad()
        recorded.note(torch.arange(N), logits)
        recorded.record()
    return recorded


def selector(rule: Any, model: nn.Module, **changed: Any) -> Selector:
    given = {"reference": net(9), "proxy": trace(), "val": made_set(1, 30), "model": model, "data": made_set(0)}
    return Selector(rule, **{"ratio": 0.5, "epochs": EPOCHS, **given, **changed})


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train(
    chooser: Selector, model: nn.Module, steps: int = 0, optimizer: Any = None, loader: Any = None
) -> list[tuple[list[int], float]]:
    """The loop of the documentation: ids and loss of each step, up to ``steps``."""
    optimizer = sgd(model) if optimizer is None else optimizer
    model.train()
    seen: list[tuple[list[int], float]] = []
    loader = chooser.loader(BATCH) if loader is None else loader
    for _ in range(chooser.passes, EPOCHS):
        for images, labels, ids in loader:
            picks, weights = chooser.select(images, labels, ids)
            losses = F.cross_entropy(model(images[picks]), labels[picks], reduction="none")
            loss = (weights * losses).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            chooser.step()
            seen.append((ids[picks].tolist(), float(loss.detach())))
            if len(seen) == steps:
                return seen
    return seen


@pytest.mark.parametrize("data", [made_set(0), Subset(made_set(2), range(9, 33)), [*made_set(0)][:24]])
def test_a_batch_is_what_the_default_loader_makes_with_the_ids_behind(data: Any) -> None:
    chooser = selector("uniform", net(), data=data, proxy=())
    order = list(selector("uniform", net(), data=data, proxy=()).sampler)
    plain = DataLoader([(*data[i], i) for i in order], BATCH)
    for ours, theirs in zip(chooser.loader(BATCH), plain, strict=True):
        assert [type(part) for part in ours] == [type(part) for part in theirs]
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))
        assert all(torch.equal(image, data[i][0]) for image, i in zip(ours[0], ours[2].tolist(), strict=True))
    (first, *_) = chooser.loader(BATCH, collate_fn=len)
    assert first == BATCH, "a collate_fn of the user's own"


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_runs_in_a_plain_loop(rule: str) -> None:
    model = net()
    if rule in CANNOT:
        with pytest.raises(UsageError, match=CANNOT[rule]):
            selector(rule, model)
        return
    chooser = selector(rule, model)
    traits = Traits.of(load(rule))
    seen = train(chooser, model)
    assert all(torch.isfinite(torch.tensor(loss)) for _, loss in seen)
    costs = chooser.costs()
    candidates = N * EPOCHS
    if traits.ratio is None and traits.exact_count:
        assert sum(len(ids) for ids, _ in seen) == candidates / 2 == costs["train"]["samples"]
    if traits.cadence == "run":
        half = len(seen) // 2
        assert {id for ids, _ in seen[:half] for id in ids} == {id for ids, _ in seen[half:] for id in ids}
    assert chooser.passes == EPOCHS and chooser.progress == 1
    scored = traits.cadence == "batch" and traits.needs & {"learner", "learner_probs", "learner_features"}
    assert (costs["score"]["samples"] == candidates) is bool(scored) or traits.scores_pool
    assert (costs["reference"]["samples"] == N) is bool(traits.needs & {"features", "reference"})
    assert rule == "full" or costs["select"]["flops"] > 0 or traits.cadence != "batch"
    assert all(module.training for module in model.modules())


def by_hand(model: nn.Module, data: TensorDataset, order: list[list[int]], keep: int) -> list[tuple[list[int], float]]:
    """Largest losses first, as one would write it without the library."""
    optimizer = sgd(model)
    model.train()
    seen = []
    for batch in order:
        images, labels = data[batch]
        with torch.no_grad():
            model.eval()
            scores = F.cross_entropy(model(images), labels, reduction="none")
            model.train()
        picks = scores.topk(keep).indices
        loss = F.cross_entropy(model(images[picks]), labels[picks], reduction="none").mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(([batch[pick] for pick in picks.tolist()], float(loss.detach())))
    return seen


def test_a_loop_with_it_is_the_loop_written_by_hand_to_the_bit() -> None:
    chooser = selector("loss", net())
    order = [chooser.begin_pass() for _ in range(EPOCHS)]
    batches = [ids[at : at + BATCH] for ids in order for at in range(0, N, BATCH)]
    model = net()
    expected = by_hand(model, made_set(0), batches, BATCH // 2)
    again = net()
    assert train(selector("loss", again), again) == expected
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))


@pytest.mark.parametrize("rule", ["uniform", "hybrid", "kakurenbo", "el2n", "glister"])
@pytest.mark.parametrize("at", [0, 2, 3])  # as a pass begins, within one, and at its end
def test_a_resumed_run_goes_on_to_the_bit(rule: str, at: int) -> None:
    whole = net()
    expected = train(selector(rule, whole), whole)
    model = net()
    first, optimizer = selector(rule, model), sgd(model)
    if at:
        begun = train(first, model, at, optimizer)
    else:
        begun, _ = [], first.begin_pass()
    resumed = net(7)
    chooser, other = selector(rule, resumed), sgd(resumed)
    resumed.load_state_dict(model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    chooser.load_state_dict(copy.deepcopy(first.state_dict()))
    assert begun + train(chooser, resumed, 0, other) == expected
    assert chooser.costs()["train"]["samples"] == sum(len(ids) for ids, _ in expected)


def test_a_moving_ratio_a_learned_one_and_loaders_of_the_users_own() -> None:
    for ratio in ({"name": "linear", "start": 0.25, "end": 1.0}, {"name": "adaptive", "interval": 0.25}):
        model = net()
        counts = [len(ids) for ids, _ in train(selector("loss", model, ratio=ratio), model)]
        assert counts[0] < BATCH / 2 and len(counts) == 6 and (ratio["name"] == "adaptive" or counts == sorted(counts))
    model = net()
    chooser = selector("loss", model)
    seen = train(chooser, model, loader=DataLoader(chooser.data, 25, shuffle=True, drop_last=True))
    assert chooser.epoch == 1 and [len(ids) for ids, _ in seen] == [12] * 4
    assert selector("loss", net()).loader(25, drop_last=True).drop_last


def test_modes_of_modules_stay_and_a_wrapped_model_is_scored_bare() -> None:
    class Wrapped(nn.Module):  # as DistributedDataParallel wraps
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

        def forward(self, images: Tensor) -> Tensor:
            return self.module(images)

    inner = net()
    plain, wrapped = net(), Wrapped(inner)
    assert train(selector("gradnorm", wrapped), wrapped) == train(selector("gradnorm", plain), plain)
    inner[1].eval()  # a user's frozen normalisation
    images, labels = made_set(0)[:BATCH]
    selector("divbs", wrapped).select(images, labels, range(BATCH))
    assert not inner[1].training and inner[0].training


class Aside(nn.Module):
    """A net whose last linear layer gives no logits."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.aside = nn.Linear(16, CLASSES), nn.Linear(16, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1)) + 0 * self.aside(images.flatten(1))


def test_a_head_that_is_not_the_last_linear_layer_is_named() -> None:
    images, labels = made_set(0)[:BATCH]
    model = Aside()
    with pytest.raises(UsageError, match=r"logits are not what its last linear layer gives: .* head=net.NAME"):
        selector("divbs", model)
    assert len(selector("divbs", model, head=model.head).select(images, labels, range(BATCH)).indices) == BATCH / 2


@pytest.mark.parametrize(
    ("rule", "changed", "message"),
    [
        ("rho", {"reference": None}, r"reads reference of a reference model: pass reference=NET.*losses \[n\]"),
        ("gstds", {"reference": None}, "reads features and reference of a reference model"),
        ("rho", {"signals": {"reference": torch.zeros(3)}}, "'reference' of shape .* for n = 60 samples"),
        ("el2n", {"proxy": ()}, r"reads trace of 1 recorded training run\(s\), and 0 are given: .*selbench.Trace"),
        ("greats", {"val": None}, "reads val_gradient of held-out images: pass val=DATASET"),
        ("loss", {"ratio": "adaptive", "val": None}, "looks of held-out images: pass val=DATASET"),
        ("loss", {"ratio": "replay"}, "replay"),
        ("loss", {"ratio": 1.5}, "outside"),
        ("loss", {"epochs": 0}, "epochs = 0 must be above 0"),
        ("loss", {"plain": made_set(0, 30)}, "plain has 30 samples and data 60"),
        ("loss", {"labels": torch.zeros(4)}, "labels has 4 entries and data 60 samples"),
        ("loss", {"data": iter(())}, "no map-style data set"),
        ("loss", {"model": nn.ReLU()}, "it has no parameters"),
        ("divbs", {"model": nn.Conv2d(1, 2, 3)}, "it has no linear layer to take features from"),
        ("los", {}, "did you mean 'loss'"),
    ],
)
def test_what_is_missing_is_said_in_one_line(rule: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        selector(rule, **{"model": net(), **changed})
    assert "\n" not in str(error.value)


def test_a_loop_that_leaves_a_call_out_is_told() -> None:
    images, labels = made_set(0)[:BATCH]
    model = net()
    chooser = selector("loss", model)
    with pytest.raises(UsageError, match=r"step\(\) without picks: call select first"):
        chooser.step()
    chooser.select(images, labels, range(BATCH))
    with pytest.raises(UsageError, match=r"call selector.step\(\) after each optimizer step"):
        chooser.select(images, labels, range(BATCH))
    with pytest.raises(UsageError, match="between select and step"):
        chooser.state_dict()
    with pytest.raises(UsageError, match=r"picks from the whole pool .*'run'.* selector.loader"):
        selector("herding", net()).select(images, labels, range(BATCH))
    watching = selector("infobatch", model)
    next(iter(watching.loader(BATCH)))
    watching.select(images, labels, range(BATCH))
    with pytest.raises(UsageError, match="trained on 0 images where 20 were picked"):
        watching.step()
    with pytest.raises(UsageError, match="state is of rule 'uniform'"):
        chooser.load_state_dict(selector("uniform", model).state_dict())


def test_a_part_of_the_data_need_not_hold_every_class() -> None:
    """As under DistributedDataParallel, where a rank may lack the last class."""
    data, model = made_set(0), net()
    part = Subset(data, [id for id in range(N) if id % CLASSES != CLASSES - 1])
    assert len(train(selector("kakurenbo", model, data=part, signals={}), model)) == 4
    with pytest.raises(UsageError, match="the largest is 2, and the model gives 2 logits"):
        selector("loss", net(classes=2))


def test_ranks_draw_apart_and_take_as_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    drawn = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        images, labels = made_set(0)[:BATCH]
        drawn.append(selector("uniform", net()).select(images, labels, range(BATCH)).indices.tolist())
    assert drawn[0] != drawn[1]
    with pytest.raises(UsageError, match="'infobatch' decides how many samples it keeps"):
        selector("infobatch", net())


def test_a_reference_of_other_classes_is_read_through_a_probe() -> None:
    chooser = selector("gstds", net(), reference=net(4, classes=7))
    assert chooser._cached["features"].shape == (N, 24) and chooser._cached["reference"].shape == (N,)
    assert chooser.ledger.phases["reference"].flops > 0


def test_plain_tensors_serve_a_rule_that_reads_no_more() -> None:
    scores = torch.arange(8.0)
    assert selbench.load("loss").select(None, scores, 0.25).tolist() == [7, 6]
    with pytest.raises(AttributeError, match=r"GSTDS reads reference, .* losses=selbench.BatchLosses\(reference=...\)"):
        selbench.load("gstds").select(torch.rand(8, 3), scores, 0.25)
    picks = selbench.load("gstds").select(torch.rand(8, 3), selbench.BatchLosses(reference=scores), 0.25)
    assert (picks if isinstance(picks, Tensor) else picks.indices).shape == (2,)
