"""From the text that a user writes to an instance: ``NAME``, ``NAME:ARGUMENT``, and a table of options.

Checked before anything else of a run, so it imports no tensor library until a file of labels is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr

from ...strategies.errors import UsageError
from ...strategies.registry import Registry, registry
from ..toml import StrictModel, expanded
from .base import Augmentation, Dataset

if TYPE_CHECKING:
    from torch import Tensor


def dataset(spec: str, options: Mapping[str, Any] | None = None) -> Dataset:
    """The data set that ``spec`` names: ``digits``, ``imagefolder:PATH``, or a plugin's."""
    return from_spec(registry("datasets"), spec, options or {})


def from_spec(names: Registry, spec: str, options: Mapping[str, Any]) -> Any:
    """An instance of what ``spec`` names: the text behind the colon is the constructor's one parameter that is not
    keyword-only, ``options`` the others.
    """
    name, colon, argument = spec.partition(":")
    parameters = names.parameters(name).values()
    places = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
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


class Corruption(StrictModel):
    """Corruptions of a pool, as ``corruption.py`` explains."""

    label_noise: float = Field(0.0, ge=0, lt=1)  # share of wrong labels
    kind: Literal["uniform", "pairs"] | None = None  # which wrong label: any other, or the next class
    labels: str | None = None  # a file of labels, in place of label_noise
    column: str = ""
    imbalance: float = Field(1.0, gt=0, le=1)  # size of the last class over that of the first
    duplicates: float = Field(0.0, ge=0, lt=1)  # share of the pool that are copies

    def check(self, where: str) -> None:
        """Refuse options that have no effect."""
        if self.labels is not None and self.label_noise:
            raise UsageError(f"{where}: spoil: labels come from a file or are made wrong by label_noise: set one")
        if self.column and self.labels is None:
            raise UsageError(f"{where}: spoil.column = {self.column!r} is for labels: set it too, to a file")
        if self.kind is not None and not self.label_noise:
            raise UsageError(f"{where}: spoil.kind = {self.kind!r} is for label_noise: set it too, such as 0.2")
        if not self.identity():
            raise UsageError(
                f"{where}: spoil: nothing is set: set label_noise, labels, imbalance or duplicates, or remove the table"
            )

    def identity(self) -> dict[str, Any]:
        """The options that are set, as ids and records hold them."""
        noise: dict[str, Any] = {}
        if self.label_noise:
            noise = {"label_noise": self.label_noise, "kind": self.kind or "uniform"}
        elif self.labels is not None:  # whatever the file is called, wherever it lies
            from ..store.tensor_cache import digest

            noise = {"labels": digest({"labels": self.given()})}
        rare = {"imbalance": self.imbalance} if self.imbalance < 1 else {}
        return noise | rare | ({"duplicates": self.duplicates} if self.duplicates else {})

    def given(self) -> Tensor:
        """The file's labels ``[N]`` int64."""
        from .label_file import read_labels

        assert self.labels is not None
        return read_labels(expanded(self.labels), self.column)

    def describe(self, wrong: float | None = None) -> str:
        """For readers of the numbers; ``wrong`` is the share of the file's labels that differ from the true ones."""
        said = [f"classes thinned to 1:{1 / self.imbalance:.4g}"] if self.imbalance < 1 else []
        said += [f"{100 * self.label_noise:.4g} % wrong labels ({self.kind or 'uniform'})"] if self.label_noise else []
        if self.labels is not None:
            share = "" if wrong is None else f", {100 * wrong:.3g} % of them wrong"
            said.append(f"labels of {Path(self.labels).name}{f' ({self.column})' if self.column else ''}{share}")
        said += [f"{100 * self.duplicates:.4g} % copies"] if self.duplicates else []
        return f"spoiled pool: {', '.join(said)}; holdout, val and test clean"


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
    _replaced: bool = PrivateAttr(False)  # by ``--dataset``: ``title`` is that of another set. No part of an identity
