"""The state of a strategy between two steps, and whether there is a way to save it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...strategies.base import Strategy
from ...strategies.interface import Pool
from ...strategies.rules.wrapper import Wrapper

_PLAIN = (bool, int, float, str, bytes, type(None), torch.device, torch.dtype)


class StateNotGiven(Exception):
    """The state of a strategy cannot be saved; the message says why."""


class StrategyState:
    """Saves a strategy that has begun, and puts it back.

    A rule with a ``state_dict`` of its own is taken at its word, and so are ours, which the law ``state`` of
    ``selbench check`` is held against. Any other can be resumed only while its attributes are as ``begin`` left
    them: then it has no state but the stream that it was given.
    """

    def __init__(self, strategy: Any, pool: Pool | None) -> None:
        self.strategy, self.stream = strategy, None if pool is None else pool.generator
        self._watched = [rule for rule in _leaves(strategy) if not _declares_state(rule)]
        self._held: list[Tensor] = []  # so that no other tensor comes to their addresses
        self._begun = [_attributes(rule, self.stream, self._held) for rule in self._watched]

    def state_dict(self) -> dict[str, Any]:
        for rule, begun in zip(self._watched, self._begun, strict=True):
            if _attributes(rule, self.stream, []) != begun:
                raise StateNotGiven(
                    f"{type(rule).__name__} changes from call to call and has no state_dict and load_state_dict"
                )
        saved: dict[str, Any] = {"stream": None if self.stream is None else self.stream.get_state()}
        if _saves(self.strategy):
            try:
                saved["own"] = dict(self.strategy.state_dict())
            except Exception as error:
                raise StateNotGiven(f"state_dict raised {type(error).__name__}: {error}") from error
        return saved

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "own" in state:
            self.strategy.load_state_dict(state["own"])
        if self.stream is not None:
            self.stream.set_state(state["stream"])


def _attributes(rule: Any, stream: torch.Generator | None, held: list[Tensor]) -> Any:
    """What equals the same of a later moment only where nothing has changed; tensors seen are ``held``."""

    def frozen(value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return type(value), repr(value)
        if isinstance(value, Tensor):
            held.append(value)
            return id(value), value._version
        if isinstance(value, list | tuple):
            return type(value), [frozen(item) for item in value]
        if isinstance(value, dict):
            return [(frozen(key), frozen(item)) for key, item in value.items()]
        if isinstance(value, set | frozenset) and all(isinstance(item, _PLAIN) for item in value):
            return type(value), sorted(map(repr, value))
        return "stream" if value is not None and value is stream else object()  # which equals nothing

    # Without a __dict__ it may hold anything.
    return frozen(vars(rule)) if hasattr(rule, "__dict__") else object()


def _leaves(strategy: Any) -> Iterator[Any]:
    """The rules that decide: those inside, where ``strategy`` asks others."""
    if isinstance(strategy, Wrapper):
        for rule in strategy._rules:
            yield from _leaves(rule)
    elif strategy is not None:
        yield strategy


def _saves(rule: Any) -> bool:
    return all(callable(getattr(rule, name, None)) for name in ("state_dict", "load_state_dict"))


def _declares_state(rule: Any) -> bool:
    kind = type(rule)
    if kind.__module__.split(".")[0] == "selbench":
        return True
    return _saves(rule) and getattr(kind, "state_dict", None) is not Strategy.state_dict
