"""The options of each measure, as a matrix declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ..toml import StrictModel, validate

ROOM = 4  # images of a subset for each rank of its window, at least: further down, the sample shapes the slope


class MeasureOptions(StrictModel):
    model_config = ConfigDict(strict=True)
    name: ClassVar[str]
    reference: str  # a frozen one of the matrix, whose features are read

    def fault(self) -> str:
        """What cannot work together and what to set instead; empty where nothing is wrong."""
        return ""


class SpectrumOptions(MeasureOptions):
    name: ClassVar[str] = "spectrum"
    draws: int = 50  # random selections of equal size beside the one that was made
    first: int = 10  # the line is fitted through the ranks first to last, both among them
    last: int = 100
    components: int = 512  # leading principal components of the pool that features are projected on

    def fault(self) -> str:
        if not 1 <= self.first < self.last - 1:
            return f"ranks {self.first} to {self.last} hold no line: take first = 10, last = 100"
        if self.last >= self.components:
            return f"last = {self.last} lies outside {self.components} components: make components larger"
        return "" if self.draws >= 2 else f"draws = {self.draws} give no estimate of chance: take 50"


class ResidualsOptions(MeasureOptions):
    name: ClassVar[str] = "residuals"
    directions: int = 64  # from the largest variance down
    images: int = 2000  # of the pool, drawn once for each seed, that the learner is asked about

    def fault(self) -> str:
        if self.directions < 3:
            return f"directions = {self.directions} have no head, middle and tail: take 64"
        need = ROOM * self.directions
        return "" if self.images >= need else f"images = {self.images} for {self.directions} directions: take {need}"


class DistanceOptions(MeasureOptions):
    name: ClassVar[str] = "distance"
    draws: int = 32  # random subsets of equal size, shared out over the selections looked at
    samples: int = 8  # selections looked at, evenly over training
    quantile: float = 0.05  # of the distances to the nearest neighbour, beside their minimum

    def fault(self) -> str:
        if self.samples < 1 or self.draws < self.samples:
            return f"draws = {self.draws} for samples = {self.samples}: take one draw for each, at least"
        return "" if 0 < self.quantile < 1 else f"quantile = {self.quantile:g} is not inside (0, 1)"


Options = SpectrumOptions | ResidualsOptions | DistanceOptions
KINDS: dict[str, type[Options]] = {kind.name: kind for kind in (SpectrumOptions, ResidualsOptions, DistanceOptions)}


def check(measures: Mapping[str, Mapping[str, Any]], frozen: Collection[str]) -> dict[str, Options]:
    """The options of each measure by name; ``frozen`` names the matrix's references that are not trained here."""
    found: dict[str, Options] = {}
    for name, table in measures.items():
        if name not in KINDS:
            raise UsageError(f"measures: there is none named {name!r}{did_you_mean(name, KINDS)}")
        options = validate(KINDS[name], dict(table), f"measures.{name}")
        if fault := options.fault():
            raise UsageError(f"measures.{name}: {fault}")
        found[name], reference = options, options.reference
        if reference not in frozen:
            raise UsageError(
                f"measures.{name}.reference: {reference!r} is no [[references]] entry with features that are the same "
                f"at every seed{did_you_mean(str(reference), frozen)}"
            )
    return found
