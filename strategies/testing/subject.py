"""A strategy under examination, and the scenes that it is called on: every signal there is, no two candidates alike."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..interface import LEARNER_SIGNALS, BatchLosses, Cadence, Pool, Traits, keep_count, never_seen
from ..registry import registry

SIZES = (1, 2, 3, 33, 64, 301)
RATIOS = (0.01, 0.3, 0.5, 0.7)
"""Of two candidates or more, none of these keeps all: that is a law of its own."""


CLASSES = 4
EPOCHS = 6
POOL = 512
"""Samples of the pool that candidate batches are taken from; at the other cadences the batch is the pool."""


@dataclass(frozen=True)
class Scene:
    """One call of ``select``: B candidates with every signal of :class:`BatchLosses`, and the pool that they come from.

    Features are not negative, as after a ReLU. ``about`` says in messages what is special.
    """

    cadence: Cadence
    features: Tensor
    signals: dict[str, Tensor]
    pool_features: Tensor
    pool_reference: Tensor
    pool_labels: Tensor
    about: str

    @property
    def size(self) -> int:
        return int(self.features.shape[0])

    def pool(self, stream: int = 0) -> Pool:
        """The pool, with a random stream of its own."""
        return Pool(
            len(self.pool_labels),
            CLASSES,
            self.pool_labels,
            self.pool_labels.device,
            torch.Generator(self.pool_labels.device).manual_seed(stream),
            self.pool_features,
            self.pool_reference,
        )

    def losses(self, kind: type[BatchLosses] = BatchLosses, *, k: int | None = None, epoch: int = 1) -> BatchLosses:
        """The signals as a strategy gets them."""
        return kind(**self.signals, k=k, epoch=epoch, progress=epoch / 10)

    def with_signals(self, about: str, **signals: Tensor) -> Scene:
        return replace(self, signals={**self.signals, **signals}, about=f"{about} ({self.about})")

    def without(self, *names: str) -> Scene:
        return replace(self, signals={name: s for name, s in self.signals.items() if name not in names})

    def with_features(self, about: str, features: Tensor) -> Scene:
        """The same with other features, the learner's included."""
        odd = replace(self, features=features, about=f"{about} ({self.about})")
        if self.cadence != "batch":
            odd = replace(odd, pool_features=features)
        return odd.with_signals(about, learner_features=features.float(), **held_out(features.shape[1]))

    def copied(self) -> Scene:
        """The same in tensors of its own, which a rule may write into."""
        tensors: dict[str, Any] = {n: value.clone() for n, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors, signals=_copied(self.signals))

    def permuted(self, order: Tensor) -> Scene:
        """The same candidates in another order; where they are the whole pool, its ids change with them."""
        moved = {n: signal if n in BatchLosses._HELD_OUT else signal[order] for n, signal in self.signals.items()}
        scene = replace(self, features=self.features[order], signals=moved)
        if self.cadence == "batch":
            return scene
        return replace(
            scene,
            signals={**moved, "index": self.signals["index"]},
            pool_features=self.pool_features[order],
            pool_reference=self.pool_reference[order],
            pool_labels=self.pool_labels[order],
        )


def _copied(signals: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: signal.clone() for name, signal in signals.items()}


def scene(size: int, cadence: Cadence = "batch", *, width: int = 8, seed: int = 0) -> Scene:
    """``size`` candidates with ``width`` features, of the one pool there is for this cadence, size and width.

    The seed says which they are, and the learner's signals; unless the cadence is ``batch``, they are the whole pool.
    """
    return _drawn(size, cadence, width, seed).copied()


@lru_cache(maxsize=64)  # drawing one takes longer than most rules take to pick from it
def _drawn(size: int, cadence: Cadence, width: int, seed: int) -> Scene:
    total = max(POOL, size) if cadence == "batch" else size
    fixed = torch.Generator().manual_seed(2_025)
    pool_features = torch.rand(total, width, generator=fixed)
    pool_reference = torch.rand(total, generator=fixed) * 2 + 0.01
    pool_labels = torch.randint(CLASSES, (total,), generator=fixed)
    pool_trace = (torch.rand(total, EPOCHS, CLASSES, generator=fixed) * 3).softmax(2)
    stream = torch.Generator().manual_seed(seed)
    ids = torch.randperm(total, generator=stream)[:size] if cadence == "batch" else torch.arange(size)
    signals = {
        "learner": torch.rand(size, generator=stream) * 4,
        "reference": pool_reference[ids],
        "labels": pool_labels[ids],
        "index": ids,
        "learner_probs": (torch.rand(size, CLASSES, generator=stream) * 3).softmax(1),
        "learner_features": torch.rand(size, 5, generator=stream) - 0.3,
        "trace": pool_trace[ids],
        "trained_trace": pool_trace[ids].flip(1),
        "age": torch.randint(0, 9, (size,), generator=stream),
        "picks": torch.rand(size, generator=stream) < 0.5,
        **held_out(5, seed),
    }
    about = f"B = {size}" + ("" if width == 8 else f", d = {width}")
    return Scene(cadence, pool_features[ids], signals, pool_features, pool_reference, pool_labels, about)


def unseen(at: Scene, seen: int = 0) -> Scene:
    """The same pool when the learner was trained on its first ``seen`` samples only, as at cadence ``epoch``."""
    width = at.signals["learner_features"].shape[1]
    nothing = never_seen(LEARNER_SIGNALS | {"age"}, at.size, CLASSES, width)
    signals = {name: torch.cat([at.signals[name][:seen], signal[seen:]]) for name, signal in nothing.items()}
    return at.with_signals(f"{seen} samples trained on yet", **signals)


def poisoned(signal: Tensor) -> Tensor:
    """A signal of the same shape and type that means nothing."""
    stream = torch.Generator().manual_seed(31_337)
    if signal.is_floating_point():
        return (torch.rand(signal.shape, generator=stream) * 1e3).to(signal.dtype)
    return torch.randint(0, 1_000, signal.shape, generator=stream).to(signal.dtype)


def held_out(width: int, seed: int = 0, size: int = 12) -> dict[str, Tensor]:
    """Held-out signals that belong together: of a learner with ``width`` features on ``size`` images of ``val``."""
    return _copied(_held_out(width, seed, size))


@lru_cache(maxsize=64)
def _held_out(width: int, seed: int, size: int) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(7_000 + seed)
    probs = (torch.rand(size, CLASSES, generator=stream) * 3).softmax(1)
    features = torch.rand(size, width, generator=stream) - 0.3
    labels = torch.randint(CLASSES, (size,), generator=stream)
    wrong = probs - torch.eye(CLASSES)[labels]
    gradient = wrong.t() @ torch.cat([features, torch.ones(size, 1)], 1) / size
    return {"val_gradient": gradient, "val_features": features, "val_probs": probs, "val_labels": labels}


def odd_losses(cadence: Cadence, needs: Collection[str] = ("learner", "reference")) -> list[Scene]:
    """Losses that no rule hopes for: equal, tied, huge, NaN, infinite, half precision; of those that it ``needs``."""
    size = 24
    plain = scene(size, cadence)
    nan, inf = float("nan"), float("inf")
    half = torch.arange(size) < size // 2
    patterns: dict[str, Tensor] = {
        "all losses 0": torch.zeros(size),
        "all losses equal": torch.full((size,), 2.5),
        "tied losses": torch.arange(size) % 3.0,
        "losses of 1e30": torch.full((size,), 1e30),
        "losses of 3e38": torch.full((size,), 3e38),
        "all losses NaN": torch.full((size,), nan),
        "all losses +inf (none seen yet)": torch.full((size,), inf),
        "all losses -inf": torch.full((size,), -inf),
        "half of the losses NaN": torch.where(half, nan, 1.0),
        "half of the losses +inf": torch.where(half, inf, 1.0),
        "NaN, infinite and huge losses together": torch.tensor([nan, inf, -inf, 0.0, 1e30, 1.0] * 4),
        "losses in half precision": plain.signals["learner"].half(),
    }
    never = torch.full((size,), -1)
    whose = {
        "": ("learner", "reference"),
        "the learner's: ": ("learner",),
        "the reference's: ": ("reference",),
    }
    odd = [
        plain.with_signals(prefix + about, **dict.fromkeys(names, pattern))
        for about, pattern in patterns.items()
        for prefix, names in whose.items()
        if set(names) <= set(needs)
    ]
    return [*odd, plain.with_signals("no loss seen yet", learner=torch.full((size,), inf), age=never)]


def odd_features(cadence: Cadence) -> list[Scene]:
    """Zero, duplicate, half-precision and broken features."""
    odd: list[Scene] = []
    for size in (2, 24, 150):
        plain = scene(size, cadence)
        feats, at = plain.features, torch.arange(size)
        table: dict[str, Any] = {
            "all features 0": torch.zeros_like(feats),
            "all features 1": torch.ones_like(feats),
            "all candidates alike": feats[:1].expand(size, -1),
            "every candidate twice": feats[at // 2],
            "half of the features 0": torch.where(at[:, None] < size // 2, feats, 0.0),
            "orthogonal features": torch.eye(size),
            "features in float16": feats.half(),
            "features in bfloat16": feats.bfloat16(),
            "features in float64": feats.double(),
            "features of 1e15": feats * 1e15,
            "features of 1e-6": feats * 1e-6,
            "a candidate of NaN features": torch.where(at[:, None] == 1, float("nan"), feats),
            "a candidate of infinite features": torch.where(at[:, None] == 1, float("inf"), feats),
        }
        odd += [plain.with_features(about, features) for about, features in table.items()]
    return odd


class Broken(AssertionError):
    """A law is broken; the message says what to change."""


class NotJudged(Exception):
    """The law does not apply, or cannot be judged here; the message says why."""


@dataclass(frozen=True)
class Picks:
    """What one ``select`` returned, unwrapped."""

    indices: Tensor
    weights: Tensor | None

    def listed(self) -> list[int]:
        """The positions in ascending order."""
        return sorted(self.indices.tolist())


Call = tuple[Scene, float, Picks]
"""Candidates, keep ratio, and what was picked of them."""


@dataclass(frozen=True)
class Subject:
    """A strategy under examination: its name as the user wrote it, and what makes a fresh instance.

    ``count`` runs a call and returns its floating-point operations.
    """

    name: str
    make: Callable[[], Any]
    count: Callable[[Callable[[], Any]], float] | None = None

    @classmethod
    def of(
        cls,
        strategy: Any,
        hyper_parameters: Mapping[str, Any] | None = None,
        count: Callable[[Callable[[], Any]], float] | None = None,
    ) -> Subject:
        """From a registered name, ``package.module:Class``, a class or an instance, or a UsageError."""
        given = dict(hyper_parameters or {})
        if isinstance(strategy, str) and ":" in strategy:
            strategy = _imported(strategy)
        if isinstance(strategy, str):
            registry("strategies").load(strategy, **given)  # says what is wrong with name or parameters
            target = registry("strategies").target(strategy)  # once: a look-up reads all installed metadata
            name, make = strategy, lambda: target(**given)
        elif inspect.isclass(strategy):
            name, make = strategy.__name__, lambda: _constructed(strategy, given)
        else:
            if given:
                raise UsageError(
                    f"{type(strategy).__name__} is an instance: hyper-parameters are for names and classes"
                )
            written = repr(strategy)  # tells instances of one class apart; the default one tells nothing
            name = type(strategy).__name__ if written.startswith("<") else written
            make = lambda: copy.deepcopy(strategy)  # noqa: E731
        make()  # a wrong request is known at once
        inside = ", ".join(f"{key}={value!r}" for key, value in given.items())
        return cls(f"{name}({inside})" if inside else name, make, count)

    @cached_property
    def traits(self) -> Traits:
        return Traits.of(self.make())

    def scene(self, size: int, *, width: int = 8, seed: int = 0) -> Scene:
        return scene(size, self.traits.cadence, width=width, seed=seed)

    def begun(self, at: Scene, stream: int = 0) -> Any:
        return begun(self.make(), at.pool(stream))

    def kept(self, at: Scene, ratio: float) -> int:
        return keep_count(self.traits.ratio or ratio, at.size)

    def select(self, strategy: Any, at: Scene, ratio: float, losses: BatchLosses | None = None) -> Picks:
        """One call, with gradients off as in a run; :class:`Broken` if it raises or does not return picks."""
        with torch.no_grad():
            return self.called(strategy, at, ratio, losses)

    def called(self, strategy: Any, at: Scene, ratio: float, losses: BatchLosses | None = None) -> Picks:
        """As :meth:`select`, with gradients as they are."""
        kept = self.kept(at, ratio)
        given = at.losses(k=kept) if losses is None else losses
        try:
            returned = strategy.select(at.features, given, kept / at.size)
        except Exception as error:
            raise Broken(
                f"select raised {type(error).__name__} on {at.about}, ratio {ratio}: {error}; it must return picks"
            ) from error
        return unwrapped(returned)

    def fresh_picks(self, at: Scene, ratio: float, stream: int = 0) -> Picks:
        return self.select(self.begun(at, stream), at, ratio)

    @cached_property
    def plain(self) -> list[Call]:
        """Ordinary calls: every size with every ratio."""
        return [(at, ratio, self.fresh_picks(at, ratio)) for at in map(self.scene, SIZES) for ratio in RATIOS]


def begun(strategy: Any, pool: Pool) -> Any:
    """The strategy, told its pool where it has ``begin``."""
    if callable(begin := getattr(strategy, "begin", None)):
        with torch.no_grad():
            begin(pool)
    return strategy


def unwrapped(returned: Any) -> Picks:
    """Picks from a tensor or a ``Selection``; :class:`Broken` if it is neither."""
    if isinstance(returned, Tensor):
        return Picks(returned, None)
    indices, weights = getattr(returned, "indices", None), getattr(returned, "weights", None)
    if not isinstance(indices, Tensor):
        raise Broken(
            f"select returned {type(returned).__name__}: return an int64 tensor of positions, "
            "or Selection(indices, weights)"
        )
    return Picks(indices, weights)


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise UsageError(f"{module!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not inspect.isclass(getattr(found, attribute, None)):
        raise UsageError(f"{module!r} has no class {attribute!r}: write package.module:Class")
    return getattr(found, attribute)


def _constructed(kind: type, hyper_parameters: Mapping[str, Any]) -> Any:
    try:
        return kind(**hyper_parameters)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind.__name__} cannot be made: {error}") from error
