"""What picks: one interface, one registry, one file for each rule, and the maths they share.

Names are imported when they are used: checking a request needs the registry and the errors, and no tensor library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .registry import registry as _registry

if TYPE_CHECKING:
    from .base import Strategy
    from .interface import BatchLosses, MissingSignal, Pool, Selection, StrategyLike, keep_count

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".base" if name == "Strategy" else ".interface", __name__), name)


def load(name: str, **hyper_parameters: Any) -> Any:
    """An instance of the registered strategy ``name``; works at once, in a notebook as well.

    Raises
    ------
    UsageError
        For an unknown name or hyper-parameter, with the nearest known one.
    """
    return _registry("strategies").load(name, **hyper_parameters)
