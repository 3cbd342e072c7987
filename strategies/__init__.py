"""What picks: one interface, one registry, one file for each rule, and the maths they share."""

from __future__ import annotations

from typing import Any

from .base import Strategy
from .errors import UsageError
from .interface import BatchLosses, MissingSignal, Pool, Selection, StrategyLike, keep_count
from .registry import registry as _registry

__all__ = [
    "BatchLosses",
    "MissingSignal",
    "Pool",
    "Selection",
    "Strategy",
    "StrategyLike",
    "UsageError",
    "keep_count",
    "load",
]


def load(name: str, **hyper_parameters: Any) -> Any:
    """An instance of the registered strategy ``name``; works at once, in a notebook as well.

    Raises
    ------
    UsageError
        For an unknown name or hyper-parameter, with the nearest known one.
    """
    return _registry("strategies").load(name, **hyper_parameters)
