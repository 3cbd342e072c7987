"""Laws about what a strategy does besides picking: what it reads, writes, draws, waits for, costs and remembers."""

import inspect
import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import Tensor

from ..interface import FLOPS_TOLERANCE, HELD_OUT_SIGNALS, NEEDS, BatchLosses, Traits
from .pretended_cuda import PretendedCuda, Wait, on_cuda
from .subject import Broken, NotJudged, Picks, Scene, Subject, begun, poisoned, unwrapped


def declares(subject: Subject) -> None:
    """``cadence``, ``needs``, ``weights_mode`` and ``exact_count`` are what the interface knows."""
    try:
        Traits.of(subject.make())
    except ValueError as error:
        raise Broken(str(error)) from error


def device(subject: Subject) -> None:
    """Picks lie where the signals lie, on whatever device that is."""
    try:
        picks, _ = on_a_gpu(subject)
    except Exception as error:
        raise Broken(
            f"with signals on a GPU it raised {type(error).__name__}: {error}; make new tensors with "
            "device=losses.index.device, and draw with pool.generator"
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
    _, waits = on_a_gpu(subject)
    if waits:
        raise Broken(
            f"{waits[0].what} at {waits[0].place} waits for the device: use no .item(), .cpu(), .tolist(), nonzero, "
            "mask as index or branch on a tensor inside select, and make constants with torch.full"
        )


@lru_cache(maxsize=1)
def on_a_gpu(subject: Subject) -> tuple[Picks, list[Wait]]:
    """One call on a pretended CUDA device, and the waits inside ``select``: one for two laws.

    Its operations are counted, where there is a counter: they may be others than on a CPU.
    """
    at, returned = subject.scene(24), list[Any]()
    with PretendedCuda() as machine, torch.no_grad():
        there = replace(
            at,
            features=on_cuda(at.features),
            signals={name: on_cuda(signal) for name, signal in at.signals.items()},
            pool_features=on_cuda(at.pool_features),
            pool_reference=on_cuda(at.pool_reference),
            pool_labels=on_cuda(at.pool_labels),
        )
        strategy, losses = begun(subject.make(), there.pool()), there.losses(k=subject.kept(at, 0.25))
        call = lambda: returned.append(strategy.select(there.features, losses, 0.25))  # noqa: E731
        with machine.watched() as waits:
            subject.count(call) if subject.count else call()
    return unwrapped(returned[0]), waits


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
    elif depth and isinstance(value, dict | list | tuple | set):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, depth - 1)
    elif depth and hasattr(value, "__dict__") and not inspect.isclass(value):
        yield from _tensors(vars(value), depth - 1)


def random_states() -> dict[str, Any]:
    """The global streams of random numbers as they stand, by library."""
    found: dict[str, Any] = {"torch": torch.get_rng_state().tolist(), "random": random.getstate()}
    if numpy := sys.modules.get("numpy"):
        keys, place = numpy.random.get_state()[1:3]
        found["numpy.random"] = (keys.tolist(), place)
    return found


def global_randomness(subject: Subject) -> None:
    """The global streams of torch, numpy and Python do not move."""
    at, before = subject.scene(40), random_states()
    subject.fresh_picks(at, 0.5)
    for name, state in random_states().items():
        if state != before.get(name, state):
            raise Broken(f"it moves the global stream of {name}: draw with generator=pool.generator")


class _Watched(BatchLosses):
    """Notes which signals are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in BatchLosses._SIGNALS:
            object.__getattribute__(self, "__dict__").setdefault("read", set()).add(name)
        return super().__getattribute__(name)


def needs(subject: Subject) -> None:
    """Nothing is read that ``needs`` does not name: neither its absence nor its being poisoned shows."""
    declared = subject.traits.needs
    hidden = sorted(NEEDS - declared - {"features"}) + (["val_labels"] if not declared & HELD_OUT_SIGNALS else [])
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
        wanted = ", ".join(map(repr, sorted(declared | {"features"})))
        raise Broken(
            f"with only what needs declares ({', '.join(sorted(declared)) or 'nothing'}) select raised "
            f"{type(error).__name__}: {error}; add to needs what it reads"
            + (f"; batch_feats is None here, and needs = {{{wanted}}} brings it" if feats is None else "")
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
    """``flops(n, d, k)`` is within a factor of two (``FLOPS_TOLERANCE``) of the operations counted."""
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
        if not (declared <= FLOPS_TOLERANCE * counted and counted <= FLOPS_TOLERANCE * declared):
            raise Broken(
                f"flops declares {declared:.3g} operations at {at.about}, ratio {ratio}, where {counted:.3g} were "
                "counted: correct flops(n, d, k), or leave it out to have them counted"
            )


def repr_rebuilds(subject: Subject) -> None:
    """``eval(repr(s))`` is the same rule with the same hyper-parameters."""
    strategy = subject.make()
    parameters = list(inspect.signature(type(strategy)).parameters)
    if not parameters:
        raise NotJudged("its constructor takes no hyper-parameters")
    for name in parameters:
        if not hasattr(strategy, name):
            raise Broken(f"hyper-parameter {name!r} is not kept: write self.{name} = {name} in __init__")
    for one in (strategy, *_changed(strategy, parameters)):
        written = repr(one)
        namespace = {**vars(sys.modules[type(one).__module__]), type(one).__name__: type(one)}
        try:
            again = eval(written, namespace)
        except Exception as error:
            raise Broken(
                f"repr gives {written}, which Python cannot evaluate: derive from selbench.strategies.Strategy, or "
                "write __repr__ as Name(parameter=value, ...)"
            ) from error
        for name in parameters:
            if type(again) is not type(one) or repr(getattr(again, name)) != repr(getattr(one, name)):
                raise Broken(
                    f"repr gives {written}, which does not bring back {name} = {getattr(one, name)!r}: "
                    "name every hyper-parameter in __repr__"
                )


def _changed(strategy: Any, parameters: list[str]) -> Iterator[Any]:
    """The same rule with one hyper-parameter changed, for each whose type tells of another value."""
    held = {name: getattr(strategy, name) for name in parameters}
    for name, value in held.items():
        if isinstance(value, int | float):
            other = (
                not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else value * 0.75 + 0.0625
            )
            with suppress(TypeError, ValueError):  # the rule refuses this value
                yield type(strategy)(**{**held, name: other})


def state(subject: Subject) -> None:
    """A strategy that takes back its ``state_dict`` goes on as if it had never stopped."""
    first = subject.make()
    saves, loads = (callable(getattr(first, name, None)) for name in ("state_dict", "load_state_dict"))
    if saves != loads:
        raise Broken("it has one of state_dict and load_state_dict: write both, or neither")
    if not saves:
        raise NotJudged("it has no state_dict: a resumed run begins it anew")
    calls = [subject.scene(40, seed=seed) for seed in range(5)]
    first = subject.begun(calls[0])
    _step(subject, first, calls[0])
    kept = _copied(first.state_dict(), "state_dict()")
    second = subject.begun(calls[0], stream=8)
    for _ in range(2):  # another number of calls than the first has seen
        _step(subject, second, calls[1])
    try:
        second.load_state_dict(kept)
    except Exception as error:
        raise Broken(
            f"load_state_dict raised {type(error).__name__}: {error}; it must take what state_dict gave"
        ) from error
    for at in calls[2:]:
        if _step(subject, first, at) != _step(subject, second, at):
            raise Broken(
                "after load_state_dict it picks differently: state_dict must hold all that changes from call to "
                "call, the generator's state (generator.get_state()) included"
            )


def _step(subject: Subject, strategy: Any, at: Scene) -> list[int]:
    """One call, and the training step behind it."""
    picks = subject.select(strategy, at, 0.4)
    observe = getattr(strategy, "observe", None)
    if callable(observe):
        observe(at.signals["index"][picks.indices], at.signals["learner"][picks.indices] * 0.5)
    return picks.listed()


def _copied(value: Any, where: str) -> Any:
    """As if written and read: nothing shared with the instance that goes on."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            return value.clone()
        case list() | tuple():
            return [_copied(item, f"{where}[{i}]") for i, item in enumerate(value)]
        case dict():
            for key in value:
                if not isinstance(key, str):
                    raise Broken(f"{where} has the key {key!r}: keys are strings")
            return {key: _copied(item, f"{where}[{key!r}]") for key, item in value.items()}
    raise Broken(
        f"{where} is a {type(value).__name__}: keep to tensors, numbers, strings, and lists and dicts of these"
    )


def worker(subject: Subject) -> None:
    """A fresh instance survives the way to a worker process."""
    strategy = subject.make()
    try:
        # The way multiprocessing sends arguments, in memory: no file is written or read.
        arrived = ForkingPickler.loads(ForkingPickler.dumps(strategy))
    except Exception as error:
        raise Broken(
            f"it cannot be sent to a worker process: {error}; define its class at the top of a module, and keep "
            "lambdas, open files and generators out of __init__"
        ) from error
    at = subject.scene(40)
    begun(arrived, at.pool())
    if not torch.equal(subject.select(arrived, at, 0.4).indices, subject.fresh_picks(at, 0.4).indices):
        raise Broken("after the way to a worker process it picks differently: __getstate__ must keep every attribute")
