"""From the text that a user writes to an instance: ``NAME``, ``NAME:ARGUMENT``, and a table of options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from ...strategies.errors import UsageError
from ...strategies.registry import Registry, registry
from ..toml import StrictModel
from .base import Augmentation, Dataset
from .corruption import Corruption


def dataset(spec: str, options: Mapping[str, Any] | None = None) -> Dataset:
    """The data set that ``spec`` names: ``digits``, ``imagefolder:PATH``, or a plugin's.

    Parameters
    ----------
    spec : str
        A registered name, or a name and its argument behind a colon.
    options : mapping, optional
        The constructor's keyword arguments, for example ``{"resolution": 64}``.

    Raises
    ------
    UsageError
        For an unknown name or option, or an argument that is missing or not taken.
    """
    return from_spec(registry("datasets"), spec, options or {})


def from_spec(names: Registry, spec: str, options: Mapping[str, Any]) -> Any:
    """An instance of what ``spec`` names in a registry.

    The text behind the colon goes to the constructor's one parameter that is not keyword-only.

    Raises
    ------
    UsageError
        As :func:`dataset`.
    """
    name, colon, argument = spec.partition(":")
    places = [
        parameter
        for parameter in inspect.signature(names.target(name)).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if not colon:
        if places and places[0].default is inspect.Parameter.empty and places[0].name not in options:
            raise UsageError(f"{names.singular} {name!r} needs {places[0].name}: write {name}:{places[0].name.upper()}")
        return names.load(name, **options)
    if len(places) != 1 or not argument:
        what = f"write {name}:{places[0].name.upper()}" if len(places) == 1 else f"write {name} alone"
        raise UsageError(f"{names.singular} {spec!r}: {what}")
    if places[0].name in options:
        raise UsageError(f"{names.singular} {spec!r}: {places[0].name} is given twice, there and as an option")
    return names.load(name, **{places[0].name: argument, **options})


class DatasetSpec(StrictModel):
    """One data set. ``spec`` is what is loaded (``imagefolder:PATH``), ``name`` and ``title`` what it is called."""

    name: str
    spec: str = ""
    title: str = ""
    options: dict[str, Any] = Field({})
    holdout: float | int | None = Field(None, ge=0)
    val: float | int = Field(0.1, gt=0)
    augmentation: Augmentation | None = None
    spoil: Corruption | None = None
