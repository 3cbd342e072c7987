"""References by text: ``resnet50``, ``untrained:resnet18``, ``file:PATH``, or a plugin's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...strategies.registry import registry
from ..datasets.spec import from_spec
from .cross_holdout import CrossHoldout


def reference(spec: str, options: Mapping[str, Any] | None = None) -> Any:
    """The reference that ``spec`` names, frozen or trained here.

    Parameters
    ----------
    spec : str
        A registered name, or a name and its argument behind a colon.
    options : mapping, optional
        The constructor's keyword arguments, for example ``{"resolution": 128}``.

    Raises
    ------
    UsageError
        For an unknown name or option, or an argument that is missing or not taken.
    """
    return from_spec(registry("references"), spec, options or {})


def training_of(instance: Any) -> str:
    """How the harness trains a reference: as its class says in ``training``; "" for a frozen one."""
    return str(getattr(instance, "training", "holdout" if instance.needs_holdout else ""))


def trained_here(instance: Any) -> bool:
    """Whether a reference is trained by the harness, once for each seed, rather than read."""
    return bool(training_of(instance))


def gives_features(instance: Any) -> bool:
    """Whether its features are of one space: two nets have two."""
    return training_of(instance) != CrossHoldout.training
