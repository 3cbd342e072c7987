"""What a cell's record says of its measures."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PlainSerializer, model_validator

from .fields import AsTuple, Cost, Count, Part, Positive, Share

Array = NDArray[np.float64]

if TYPE_CHECKING:
    Numbers = Array
else:
    Numbers = Annotated[list[float], AfterValidator(np.array), PlainSerializer(np.ndarray.tolist)]


class Tail(Part):
    """One selection: exponent and level of its spectrum's tail, and those ``[draws]`` of random ones of equal size.

    ``lacking`` says why there is none; the numbers are then NaN, the arrays empty.
    """

    size: Positive
    effective: Cost
    exponent: float = math.nan
    level: float = math.nan
    random_exponents: Numbers = Field(default_factory=lambda: np.empty(0))
    random_levels: Numbers = Field(default_factory=lambda: np.empty(0))
    lacking: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Tail:
        exponents, levels = len(self.random_exponents), len(self.random_levels)
        if exponents != levels or bool(exponents) == bool(self.lacking):
            raise ValueError(f"{exponents} random exponents and {levels} levels are no draws of one selection")
        if not self.lacking and math.isnan(self.exponent + self.level):
            raise ValueError("the tail of the spectrum has no exponent or no level, and does not say why")
        return self


class Spectrum(Part):
    """Hard selection (picks counted) and soft (weights summed; None where nothing was weighted), apart."""

    reference: str
    features: Count
    components: Count
    first: Positive
    last: Positive
    pool: float | None
    hard: Tail
    soft: Tail | None


class Residuals(Part):
    """Energies of the residual in each direction, as shares of their start, along the run.

    Each of ``points`` has progress, total FLOPs, and the energies; None where the learner had diverged.
    """

    reference: str
    images: Count
    directions: Positive
    points: Annotated[
        tuple[Annotated[tuple[Share, Cost, list[Cost] | None], AsTuple], ...], Field(strict=False, min_length=1)
    ]

    @cached_property
    def progress(self) -> Array:
        """``[points]``."""
        return np.array([progress for progress, _, _ in self.points])

    @cached_property
    def flops(self) -> Array:
        """``[points]``."""
        return np.array([flops for _, flops, _ in self.points])

    @cached_property
    def energies(self) -> Array:
        """``[points, directions]``, NaN where the learner had diverged."""
        lost = np.full(self.directions, np.nan)
        return np.stack([lost if energies is None else np.array(energies) for _, _, energies in self.points])

    @model_validator(mode="after")
    def _is_whole(self) -> Residuals:
        if any(energies is not None and len(energies) != self.directions for _, _, energies in self.points):
            raise ValueError(f"the residuals do not have {self.directions} directions at every point")
        if (np.diff(self.progress) < 0).any() or (np.diff(self.flops) < 0).any():
            raise ValueError("the residuals' progress or cost falls")
        return self


class Distance(Part):
    """Means over ``samples`` selections of ``size`` picks: the minimum distance, and a low ``quantile`` of those to
    the nearest neighbour, beside those of random picks."""

    reference: str
    samples: Positive
    draws: Count
    size: Cost
    quantile: Share
    minimum: Cost
    low: Cost
    random_minimum: Cost
    random_low: Cost


class Measures(Part):
    """Each is None where it was not taken, or nothing was selected."""

    spectrum: Spectrum | None = None
    residuals: Residuals | None = None
    distance: Distance | None = None
