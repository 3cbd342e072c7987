"""Laws about what a strategy does besides picking: what it reads, writes, draws, waits for, costs and remembers."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..interface import NEEDS, BatchLosses, Pool, Traits
from .scenes import CLASSES, poisoned
from .subject import Broken, NotJudged, Picks, Subject, unwrapped
from .waiting import Waits, run_fake


class _Unwatched(TorchDispatchMode):
    """Lets everything pass."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def declares(subject: Subject) -> None:
    """``cadence``, ``needs``, ``weights_mode`` and ``exact_count`` are what the interface knows."""
    try:
        Traits.of(subject.make())
    except ValueError as error:
        raise Broken(str(error)) from error


def device(subject: Subject) -> None:
    """Picks lie where the signals lie, on whatever device that is."""
    try:
        picks = fake_select(subject, _Unwatched())
    except Waits as error:
        raise NotJudged(f"without a GPU this is seen on tensors without data, and it reads data: {error}") from error
    except RuntimeError as error:
        raise Broken(
            f"with signals on a GPU select raised {error}; make new tensors with device=losses.index.device"
        ) from error
    for name, tensor in (("picks", picks.indices), ("weights", picks.weights)):
        if isinstance(tensor, Tensor) and tensor.device.type != "cuda":
            raise Broken(
                f"{name} are on the CPU where the signals are on a GPU: make them with device=losses.index.device"
            )


def waiting(subject: Subject) -> None:
    """At cadence ``batch``, ``select`` never makes the host wait for the device."""
    if subject.traits.cadence != "batch":
        raise NotJudged(f"waiting is allowed at cadence {subject.traits.cadence!r}")
    try:
        fake_select(subject)
    except Waits as error:
        raise Broken(
            f"{' '.join(str(error).split())}: use no .item(), .cpu(), .tolist(), nonzero, mask as index "
            "or branch on a tensor inside select"
        ) from error


def fake_select(subject: Subject, watch: TorchDispatchMode | None = None, size: int = 48) -> Picks:
    """One call on CUDA tensors without data.

    Raises
    ------
    Waits
        If it would wait, as ``watch`` sees it.
    NotJudged
        If ``begin`` reads values on the host, where it may.
    """
    at = subject.scene(size)
    total = len(at.pool_labels)

    def build() -> Any:
        def empty(like: Tensor) -> Tensor:
            return torch.empty(like.shape, dtype=like.dtype, device="cuda")

        signals = {name: empty(signal) for name, signal in at.signals.items()}
        feats = empty(at.features)
        losses = BatchLosses(**signals, k=subject.kept(at, 0.25), epoch=1, progress=0.1)
        # A CUDA generator cannot exist without a driver.
        pool = Pool(
            total,
            CLASSES,
            empty(at.pool_labels),
            torch.device("cuda"),
            torch.Generator().manual_seed(0),
            empty(at.pool_features),
            empty(at.pool_reference),
        )
        strategy = subject.make()
        begin = getattr(strategy, "begin", None)
        try:
            if callable(begin):
                begin(pool)
        except Exception as error:
            raise NotJudged(
                f"begin reads values on the host, which tensors without data do not have: {error}"
            ) from error
        return lambda: strategy.select(feats, losses, 0.25)

    with torch.no_grad():
        return unwrapped(run_fake(build, watch))


def inputs(subject: Subject) -> None:
    """Neither the signals nor the pool are written to."""
    at = subject.scene(40)
    given = {
        "batch_feats": at.features,
        **{f"losses.{name}": signal for name, signal in at.signals.items()},
        "pool.labels": at.pool_labels,
        "pool.features": at.pool_features,
        "pool.reference": at.pool_reference,
    }
    before = {name: tensor.clone() for name, tensor in given.items()}
    subject.fresh_picks(at, 0.5)
    for name, tensor in given.items():
        if not torch.equal(tensor, before[name]) or tensor._version:
            raise Broken(f"it writes into {name}: work on a copy, without in-place operations (names that end in _)")


def graph(subject: Subject) -> None:
    """No autograd graph is returned or kept."""
    at = subject.scene(40)
    signals = {n: s.clone().requires_grad_() if s.is_floating_point() else s for n, s in at.signals.items()}
    at = at.with_signals("signals that require gradients", **signals)
    at.features.requires_grad_()
    strategy = subject.begun(at)
    picks = subject.called(strategy, at, 0.5)
    kept = {"what select returns": picks.weights, **getattr(strategy, "__dict__", {})}
    for name, value in kept.items():
        if any(tensor.requires_grad for tensor in _tensors(value)):
            raise Broken(f"{name} holds an autograd graph: compute under torch.no_grad() or detach()")


def _tensors(value: Any, depth: int = 4) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item, depth - 1)
    elif depth and isinstance(value, list | tuple | set):
        for item in value:
            yield from _tensors(item, depth - 1)
    elif depth and hasattr(value, "__dict__") and not inspect.isclass(value):
        yield from _tensors(vars(value), depth - 1)


def global_randomness(subject: Subject) -> None:
    """The global streams of torch, numpy and Python do not move."""
    numpy: Any = sys.modules.get("numpy")
    at = subject.scene(40)

    def states() -> dict[str, Any]:
        return {
            "torch": torch.get_rng_state().tolist(),
            "random": random.getstate(),
            "numpy.random": numpy.random.get_state()[1:3] if numpy else None,
        }

    before = states()
    subject.fresh_picks(at, 0.5)
    for name, state in states().items():
        if repr(state) != repr(before[name]) or not _same(state, before[name]):
            raise Broken(f"it moves the global stream of {name}: draw with generator=pool.generator")


def _same(a: Any, b: Any) -> bool:
    if hasattr(a, "tolist"):
        return bool(a.tolist() == b.tolist())
    if isinstance(a, tuple):
        return all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


class _Watched(BatchLosses):
    """Notes which signals are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in BatchLosses._SIGNALS:
            object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return super().__getattribute__(name)


def needs(subject: Subject) -> None:
    """Nothing is read that ``needs`` does not name: neither its absence nor its being poisoned shows."""
    declared = subject.traits.needs
    hidden = sorted(NEEDS - declared - {"features"})
    full = subject.scene(40)
    bare = full.without(*hidden)
    feats = full.features if "features" in declared else None
    spoiled = full.with_signals("poison", **{name: poisoned(full.signals[name]) for name in hidden})
    spoilt_feats = full.features if "features" in declared else poisoned(full.features)
    kept = subject.kept(full, 0.4)

    def picked(features: Tensor | None, losses: BatchLosses) -> list[int]:
        with torch.no_grad():
            strategy = subject.begun(full)
            return unwrapped(strategy.select(features, losses, kept / full.size)).listed()

    try:
        alone = picked(feats, bare.losses(k=kept))
    except Exception as error:
        raise Broken(
            f"with only what needs declares ({', '.join(sorted(declared)) or 'nothing'}) select raised "
            f"{type(error).__name__}: {error}; add to needs what it reads"
        ) from error
    if alone != picked(spoilt_feats, spoiled.losses(k=kept)):
        raise Broken("a signal that needs does not name changes the picks: add it to needs, or do not read it")


def needs_used(subject: Subject) -> None:
    """Every signal that ``needs`` names is read: each one costs a run something."""
    read: set[str] = set()
    full = subject.scene(40)
    strategy = subject.begun(full)
    for epoch in range(10):
        watched = full.losses(_Watched, k=subject.kept(full, 0.5), epoch=epoch)
        subject.select(strategy, full, 0.5, watched)
        read |= watched.__dict__.get("read", set())
    plain = subject.fresh_picks(full, 0.5).listed()
    for name in sorted(subject.traits.needs - read):
        strategy = subject.begun(full)
        features = None if name == "features" else full.features
        try:
            with torch.no_grad():
                picks = unwrapped(strategy.select(features, full.without(name).losses(k=subject.kept(full, 0.5)), 0.5))
        except Exception:
            continue  # it was missed
        if picks.listed() == plain:
            raise Broken(f"needs names {name!r}, which is never read: leave it out, since a run pays for it")


def flops(subject: Subject) -> None:
    """``flops(n, d, k)`` is within a factor of two of the operations counted."""
    strategy = subject.make()
    if not callable(getattr(strategy, "flops", None)):
        raise NotJudged("it has no flops(n, d, k): a run counts its operations")
    if subject.count is None:
        raise NotJudged("no counter of operations was given: `selbench check` has one")
    for size, width, ratio in ((20, 8, 0.5), (100, 64, 0.2), (400, 32, 0.1)):
        at = subject.scene(size, width=width)
        strategy = subject.begun(at)
        counted = subject.count(partial(subject.select, strategy, at, ratio))
        declared = float(strategy.flops(size, width, subject.kept(at, ratio)))
        if not (declared <= 2 * counted and counted <= 2 * declared):
            raise Broken(
                f"flops declares {declared:.3g} operations at {at.about}, ratio {ratio}, where {counted:.3g} were "
                "counted: correct flops(n, d, k), or leave it out to have them counted"
            )
