"""What is being checked: how to make a fresh one, and how to call it."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..interface import BatchLosses, Traits, keep_count
from ..registry import registry
from .scenes import Scene, scene

SIZES = (1, 2, 3, 33, 64, 301)
RATIOS = (0.01, 0.3, 0.5, 0.7)
"""Of two candidates or more, none of these keeps all: that is a law of its own."""


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


@dataclass(frozen=True)
class Subject:
    """A strategy under examination.

    Attributes
    ----------
    name : str
        As the user wrote it.
    make : callable
        Gives a fresh instance that ``begin`` was never called on.
    count : callable, optional
        Runs a call and returns its floating-point operations.
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
        """From a registered name, ``package.module:Class``, a class, or an instance.

        Raises
        ------
        UsageError
            If there is no such strategy, or it cannot be made with these hyper-parameters.
        """
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
        """What it declares."""
        return Traits.of(self.make())

    def scene(self, size: int, *, width: int = 8, seed: int = 0) -> Scene:
        """A scene at the strategy's cadence."""
        return scene(size, self.traits.cadence, width=width, seed=seed)

    def begun(self, at: Scene, stream: int = 0) -> Any:
        """A fresh instance that has been told its pool."""
        strategy = self.make()
        begin = getattr(strategy, "begin", None)
        if callable(begin):
            with torch.no_grad():
                begin(at.pool(stream))
        return strategy

    def kept(self, at: Scene, ratio: float) -> int:
        """How many picks are asked for."""
        return keep_count(self.traits.ratio or ratio, at.size)

    def select(self, strategy: Any, at: Scene, ratio: float, losses: BatchLosses | None = None) -> Picks:
        """One call, with gradients off as in a run.

        Raises
        ------
        Broken
            If ``select`` raises, or returns something else than picks.
        """
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
        """The picks of a fresh instance."""
        return self.select(self.begun(at, stream), at, ratio)

    @cached_property
    def plain(self) -> list[tuple[Scene, float, Picks]]:
        """Ordinary calls: every size with every ratio."""
        return [(at, ratio, self.fresh_picks(at, ratio)) for at in map(self.scene, SIZES) for ratio in RATIOS]


def unwrapped(returned: Any) -> Picks:
    """Picks from a tensor or a ``Selection``.

    Raises
    ------
    Broken
        If it is neither.
    """
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
