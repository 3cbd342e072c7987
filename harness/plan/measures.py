"""The options of each measure, as a matrix declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ..toml import StrictModel, validate

ROOM = 4
"""A subset holds this many images for each rank of its window, at least: further down, the sample shapes the slope."""


class MeasureOptions(StrictModel):
    """What every measure needs: a frozen reference of the matrix, whose features are read."""

    model_config = ConfigDict(strict=True)
    name: ClassVar[str]
    reference: str

    def fault(self) -> str:
        """What cannot work together and what to set instead; empty where nothing is wrong."""
        return ""


class SpectrumOptions(MeasureOptions):
    """Of the tail exponent.

    Parameters
    ----------
    draws : int
        Random selections of equal size beside the one that was made.
    first, last : int
        Ranks that the line is fitted through, both among them.
    components : int
        Leading principal components of the pool that features are projected on; at most all of them.
    """

    name: ClassVar[str] = "spectrum"
    draws: int = 50
    first: int = 10
    last: int = 100
    components: int = 512

    def fault(self) -> str:
        if not 1 <= self.first < self.last - 1:
            return f"ranks {self.first} to {self.last} hold no line: take first = 10, last = 100"
        if self.last >= self.components:
            return f"last = {self.last} lies outside {self.components} components: make components larger"
        return "" if self.draws >= 2 else f"draws = {self.draws} give no estimate of chance: take 50"


class ResidualsOptions(MeasureOptions):
    """Of the residual by eigen-direction.

    Parameters
    ----------
    directions : int
        How many, from the largest variance down.
    images : int
        Images of the pool, drawn once for each seed, that the learner is asked about.
    """

    name: ClassVar[str] = "residuals"
    directions: int = 64
    images: int = 2000

    def fault(self) -> str:
        if self.directions < 3:
            return f"directions = {self.directions} have no head, middle and tail: take 64"
        need = ROOM * self.directions
        return "" if self.images >= need else f"images = {self.images} for {self.directions} directions: take {need}"


class DistanceOptions(MeasureOptions):
    """Of the distances between what is picked.

    Parameters
    ----------
    draws : int
        Random subsets of equal size, shared out over the selections looked at.
    samples : int
        Selections looked at, evenly over training.
    quantile : float
        Of the distances to the nearest neighbour, beside their minimum.
    """

    name: ClassVar[str] = "distance"
    draws: int = 32
    samples: int = 8
    quantile: float = 0.05

    def fault(self) -> str:
        if self.samples < 1 or self.draws < self.samples:
            return f"draws = {self.draws} for samples = {self.samples}: take one draw for each, at least"
        return "" if 0 < self.quantile < 1 else f"quantile = {self.quantile:g} is not inside (0, 1)"


Options = SpectrumOptions | ResidualsOptions | DistanceOptions
KINDS: tuple[type[Options], ...] = (SpectrumOptions, ResidualsOptions, DistanceOptions)


def check(measures: Mapping[str, Mapping[str, Any]], frozen: Collection[str]) -> dict[str, Options]:
    """The options of each measure by name.

    Parameters
    ----------
    measures : mapping
        Tables by name, as a matrix holds them.
    frozen : collection of str
        Names of the matrix's references that are not trained here.

    Raises
    ------
    UsageError
        For an unknown measure, option or reference, or a value that cannot work.
    """
    kinds: dict[str, type[Options]] = {kind.name: kind for kind in KINDS}
    found: dict[str, Options] = {}
    for name, table in measures.items():
        if name not in kinds:
            raise UsageError(f"measures: there is none named {name!r}{did_you_mean(name, kinds)}")
        options = validate(kinds[name], dict(table), f"measures.{name}")
        if fault := options.fault():
            raise UsageError(f"measures.{name}: {fault}")
        found[name], reference = options, options.reference
        if reference not in frozen:
            raise UsageError(
                f"measures.{name}.reference: {reference!r} is no [[references]] entry with features that are the same "
                f"at every seed{did_you_mean(str(reference), frozen)}"
            )
    return found
