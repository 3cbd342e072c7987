"""What one call of an operation costs at any size, from the sizes at which it was measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

MEASURED = "measured"


class Estimate(NamedTuple):
    seconds: float
    basis: str


def beyond(edge: float, name: str = "") -> str:
    """The label of a figure outside the measured sizes, the nearest of which is ``edge``."""
    return f"extrapolated (from batch {edge:,.0f}{f' of {name}' if name else ''})"


def _around(points: dict[int, float], n: float) -> tuple[int, int]:
    """The measured sizes on either side of ``n``; the nearest twice where it is one or lies outside their range."""
    low, high = max((size for size in points if size <= n), default=0), min((s for s in points if s >= n), default=0)
    return low or high, high or low


@dataclass(frozen=True)
class Affine:
    """``fixed + slope * n`` seconds, all of one basis: how a device profile prices an operation."""

    fixed: float
    slope: float
    basis: str

    def growing(self, n: float) -> float:
        """Seconds of a call on ``n`` samples, less what does not grow with them."""
        return self.slope * n

    def at(self, n: float) -> Estimate:
        return Estimate(self.fixed + self.slope * n, self.basis)


@dataclass(frozen=True)
class Measured:
    """Straight lines between the measured sizes; the affine fit through all of them beyond."""

    points: dict[int, float]  # median seconds of a call, by size; a reading of zero counts as a nanosecond
    name: str = ""  # what is called, for the label of an extrapolated figure

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", {n: max(s, 1e-9) for n, s in self.points.items()})

    @property
    def fit(self) -> tuple[float, float]:
        """Fixed seconds (not negative) and seconds a sample (positive): least squares of the *relative* error.

        Where noise makes larger calls look no slower, a sample costs a thousandth of its share: none is free.
        """
        rows = [(n, s, s**-2.0) for n, s in self.points.items()]
        whole = sum(w for _, _, w in rows)
        n_mean, s_mean = sum(w * n for n, _, w in rows) / whole, sum(w * s for _, s, w in rows) / whole
        spread = sum(w * (n - n_mean) ** 2 for n, _, w in rows)
        joint = sum(w * (n - n_mean) * (s - s_mean) for n, s, w in rows)
        slope = max(joint / spread, 1e-3 * s_mean / max(self.points)) if spread > 0 else s_mean / n_mean
        if s_mean >= slope * n_mean:
            return s_mean - slope * n_mean, slope
        return 0.0, sum(w * n * s for n, s, w in rows) / sum(w * n * n for n, _, w in rows)

    @property
    def slope(self) -> float:
        return self.fit[1]

    def growing(self, n: float) -> float:
        """As :meth:`Affine.growing`, in the proportion that the fit has at ``n``."""
        fixed, slope = self.fit
        return self.at(n).seconds * slope * n / (fixed + slope * n)

    def at(self, n: float) -> Estimate:
        """Beyond the measured sizes the nearest of them gives the level, the fit the shape."""
        low, high = _around(self.points, n)
        if not low <= n <= high:
            fixed, slope = self.fit
            return Estimate(self.points[low] * (fixed + slope * n) / (fixed + slope * low), beyond(low, self.name))
        share = (n - low) / (high - low) if high > low else 0.0
        return Estimate((1 - share) * self.points[low] + share * self.points[high], MEASURED)


@dataclass(frozen=True)
class Scaled:
    """Selection: straight in log-log between measured sizes, in proportion to FLOPs beyond them."""

    points: dict[int, float]  # median seconds of a call, by number of candidates
    flops: Callable[[int], float]  # of a call on n candidates
    basis: str = MEASURED  # of the points themselves; a profile's own where they were read from one
    name: str = ""

    @property
    def slope(self) -> float:
        low, high = min(self.points), max(self.points)
        return max(0.0, (self.points[high] - self.points[low]) / (high - low)) if high > low else self.points[low] / low

    def at(self, n: float) -> Estimate:
        low, high = _around(self.points, n)
        if low <= n <= high:
            share = math.log(n / low) / math.log(high / low) if high > low else 0.0
            return Estimate(self.points[low] ** (1 - share) * self.points[high] ** share, self.basis)
        base = self.flops(low)
        # A call on fewer candidates, or one without operations, costs its launch, which does not shrink.
        growth = self.flops(max(1, round(n))) / base if base > 0 and n > low else 1.0
        return Estimate(self.points[low] * growth, beyond(low, self.name) if self.basis == MEASURED else self.basis)


Line = Affine | Measured  # a cost with a part that is the same at every size
Cost = Line | Scaled


@dataclass(frozen=True)
class Costs:
    """The price list of one device for one workload. A size is a number of samples."""

    views: Cost
    score: Line  # the learner's forward pass
    train: Line
    gather: Cost  # cached features with their losses
    gather_losses: Cost  # the losses alone
    reference: Line | None  # a forward pass of its network, where there is one
    remember: Cost  # noting a step's losses for a rule at cadence ``epoch``
    other: Cost  # outside the phases, in a step that selects
    other_plain: Cost  # and in one that does not
    select: dict[str, Cost] = field(default_factory=dict)  # by the strategy's label
