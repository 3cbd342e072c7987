"""The laws of selection, each a function of a builder that gives a fresh strategy, begun or not."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from selbench.strategies import BatchLosses, MissingSignal, Selection, Strategy, keep_count
from selbench.strategies.interface import NEEDS

from ._inputs import make, pool, replaced

Build = Callable[[], Strategy]


def picked(strategy: Strategy, feats: Tensor | None, losses: BatchLosses, ratio: float) -> Tensor:
    """The indices of one ``select``, checked: count, range, uniqueness, dtype, device, weights."""
    result = strategy.select(feats, losses, ratio)
    indices, weights = (result.indices, result.weights) if isinstance(result, Selection) else (result, None)
    size = losses.size
    count = keep_count(strategy.ratio or ratio, size)
    if not strategy.exact_count:  # the data decide
        count = max(1, min(len(indices), size))
    assert indices.shape == (count,), f"{strategy!r} picked {tuple(indices.shape)} of {size}, {count} were asked for"
    assert indices.dtype == torch.int64, f"{strategy!r} gave {indices.dtype}"
    assert indices.device == losses.index.device
    assert not indices.requires_grad
    assert int(indices.min()) >= 0 and int(indices.max()) < size, f"{strategy!r} picked outside the batch"
    assert indices.unique().numel() == count, f"{strategy!r} picked a candidate twice"
    if weights is not None:
        assert weights.shape == (count,)
        assert torch.isfinite(weights).all() and (weights > 0).all(), f"{strategy!r} gave weights {weights}"
    return indices


def count_range_unique(build: Build) -> None:
    """Any size from 1 up, odd ones too, and any ratio: exactly k unique positions."""

    @settings(max_examples=10, deadline=None, derandomize=True, database=None)
    @given(st.integers(1, 70), st.floats(0.01, 1.0), st.integers(0, 9))
    def law(size: int, ratio: float, seed: int) -> None:
        picked(build(), *make(size, seed=seed), ratio)

    law()
    for size in (1, 2, 3):
        for ratio in (0.01, 0.5, 1.0):
            picked(build(), *make(size), ratio)


def large_batch(build: Build) -> None:
    """The same where the solver is matrix-free."""
    picked(build(), *make(301, width=20), 0.25)


def ratio_one_keeps_all(build: Build) -> None:
    """At ratio 1 everything is kept."""
    for size in (1, 2, 33):
        assert picked(build(), *make(size), 1.0).sort().values.tolist() == list(range(size))


def odd_losses(build: Build) -> None:
    """Equal, tied, huge, NaN and infinite losses still give k unique positions."""
    size = 24
    feats, losses = make(size)
    nan, inf = float("nan"), float("inf")
    patterns = [
        torch.zeros(size),
        torch.arange(size) % 3.0,
        torch.full((size,), 1e30),
        torch.full((size,), 3e38),
        torch.full((size,), nan),
        torch.full((size,), inf),
        torch.full((size,), -inf),
        torch.where(torch.arange(size) < 12, nan, 1.0),
        torch.where(torch.arange(size) < 12, inf, 1.0),
        torch.tensor([nan, inf, -inf, 0.0, 1e30, 1.0] * 4),
    ]
    strategy = build()
    for i, learner in enumerate(patterns):
        for reference in (patterns[i], patterns[i - 1], patterns[i - 4]):
            picked(strategy, feats, replaced(losses, learner=learner, reference=reference), 0.6)
    picked(strategy, feats, replaced(losses, learner=losses.learner.half(), reference=losses.reference.double()), 0.6)


def odd_features(build: Build) -> None:
    """Zero, duplicate, constant, orthogonal, half-precision and broken features do too."""
    strategy = build()
    for size in (2, 24, 150):
        feats, losses = make(size)
        for odd in (
            torch.zeros_like(feats),
            torch.ones_like(feats),
            feats[:1].expand(size, -1),
            feats[torch.arange(size) // 2],
            torch.where(torch.arange(size)[:, None] < size // 2, feats, 0.0),
            torch.eye(size),
            feats.half(),
            feats.bfloat16(),
            feats.double(),
            feats * 1e15,
            feats * 1e-6,
            torch.where(torch.arange(size)[:, None] == 1, float("nan"), feats),
            torch.where(torch.arange(size)[:, None] == 1, float("inf"), feats),
        ):
            picked(strategy, odd, replaced(losses, learner_features=odd.float()), 0.5)


def signed_features(build: Build) -> None:
    """Features of either sign: picks, or a refusal that names the way out."""
    feats, losses = make(40)
    picked(build(), feats - 0.5, replaced(losses, learner_features=feats - 0.5), 0.5)


def inputs_untouched(build: Build) -> None:
    """Nothing handed in is written to, and no graph is kept."""
    feats, losses = make(40)
    feats.requires_grad_()
    given_signals = losses.signals()
    for name in given_signals:
        if given_signals[name].is_floating_point():
            given_signals[name].requires_grad_()
    before = {name: signal.detach().clone() for name, signal in given_signals.items()}
    feats_before = feats.detach().clone()
    strategy = build()
    picked(strategy, feats, losses, 0.5)
    assert torch.equal(feats, feats_before)
    for name, signal in given_signals.items():
        assert torch.equal(signal, before[name]), f"{strategy!r} wrote into {name}"
        assert signal._version == 0, f"{strategy!r} wrote into {name}"
    for name, kept in vars(strategy).items():
        assert not (isinstance(kept, Tensor) and kept.requires_grad), f"{strategy!r} keeps a graph in {name}"


def global_randomness_untouched(build: Build) -> None:
    """Neither torch's nor numpy's global stream moves."""
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    picked(build(), *make(40), 0.5)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before[1])  # noqa: NPY002


def same_stream_same_picks(build: Build) -> None:
    """The same generator state gives the same picks, call after call."""
    first, second = build(), build()
    for seed in range(3):
        batch = make(40, seed=seed)
        assert torch.equal(picked(first, *batch, 0.4), picked(second, *batch, 0.4)), f"{first!r} is not reproducible"


def works_without_begin(load: Build) -> None:
    """In a notebook, without ``begin``, two fresh instances agree."""
    batch = make(40)
    assert torch.equal(picked(load(), *batch, 0.4), picked(load(), *batch, 0.4))


def equivariant(build: Build) -> None:
    """Permuting the candidates permutes the picks."""
    for size, width in ((37, 8), (200, 24)):
        feats, losses = make(size, width=width)
        order = torch.randperm(size, generator=torch.Generator().manual_seed(5))
        moved = BatchLosses(**{name: signal[order] for name, signal in losses.signals().items()})
        plain = picked(build(), feats, losses, 0.3)
        permuted = picked(build(), feats[order], moved, 0.3)
        assert set(order[permuted].tolist()) == set(plain.tolist())


def needs_are_truthful(build: Build) -> None:
    """What is not declared is not read: its absence and its being poisoned change nothing."""
    feats, losses = make(40)
    strategy = build()
    assert strategy.needs <= NEEDS
    undeclared = {name for name in NEEDS - strategy.needs if name != "features"}
    seen = feats if "features" in strategy.needs else None
    bare = picked(build(), seen, replaced(losses, **dict.fromkeys(undeclared)), 0.4)
    poison = {name: torch.full_like(losses.signals()[name], -7) for name in undeclared}
    poisoned_feats = feats if seen is not None else torch.full_like(feats, float("nan"))
    poisoned = picked(build(), poisoned_feats, replaced(losses, **poison), 0.4)
    assert torch.equal(bare, poisoned), f"{strategy!r} reads a signal that it does not declare"


def needs_are_used(build: Build) -> None:
    """Each signal declared is read: without it the rule says which one is missing."""
    feats, losses = make(40)
    for need in build().needs:
        try:
            if need == "features":
                build().select(None, losses, 0.5)
            else:
                build().select(feats, replaced(losses, **{need: None}), 0.5)
        except (MissingSignal, ValueError) as error:
            assert need in str(error)
        else:
            raise AssertionError(f"{build()!r} declares {need!r} and never reads it")


def repr_round_trips(load: Build) -> None:
    """``eval(repr(s))`` is the same rule with the same hyper-parameters."""
    strategy = load()
    again = eval(repr(strategy), {type(strategy).__name__: type(strategy)})
    assert repr(again) == repr(strategy)
    assert again.hyper_parameters() == strategy.hyper_parameters()
    assert torch.equal(picked(again, *make(30), 0.5), picked(strategy, *make(30), 0.5))


def state_round_trips(build: Build) -> None:
    """A strategy that takes back its state goes on as if it had never stopped."""
    first = build()
    picked(first, *make(40, seed=1), 0.4)
    stored = io.BytesIO()
    torch.save(first.state_dict(), stored)
    stored.seek(0)
    second = build()
    picked(second, *make(50, seed=3), 0.4)
    second.begin(pool(seed=8))
    second.load_state_dict(torch.load(stored, weights_only=True))
    for seed in (4, 5):
        batch = make(40, seed=seed)
        assert torch.equal(picked(first, *batch, 0.4), picked(second, *batch, 0.4))


def flops_are_honest(build: Build, count: Callable[[Callable[[], Any]], float]) -> None:
    """The declared cost is within a factor of two of the counted one."""
    for size, width, ratio in ((20, 8, 0.5), (100, 64, 0.2), (400, 32, 0.1)):
        feats, losses = make(size, width=width)
        strategy = build()
        counted = count(lambda s=strategy, f=feats, x=losses, r=ratio: s.select(f, x, r))
        declared = strategy.flops(size, width, keep_count(strategy.ratio or ratio, size))
        assert declared <= 2 * counted and counted <= 2 * declared, (
            f"{strategy!r} declares {declared:.3g} operations at B={size}, d={width}; {counted:.3g} were counted"
        )
