"""What one call of an operation costs at any size, from the sizes at which it was measured."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

MEASURED = "measured"


class Estimate(NamedTuple):
    """Seconds of one call, and where the figure comes from: ``measured``, or ``extrapolated (from ...)``."""

    seconds: float
    basis: str


def beyond(edge: float, name: str = "") -> str:
    """The label of a figure outside the measured sizes, the nearest of which is ``edge``."""
    return f"extrapolated (from batch {edge:,.0f}{f' of {name}' if name else ''})"


def _neighbours(points: dict[int, float], n: float) -> tuple[int, int] | None:
    """The measured sizes on either side of ``n``, the same twice where it is one; None outside their range."""
    sizes = sorted(points)
    if n in points:
        return int(n), int(n)
    right = bisect_left(sizes, n)
    return (sizes[right - 1], sizes[right]) if 0 < right < len(sizes) else None


def _edge(points: dict[int, float], n: float) -> int:
    return min(points) if n < min(points) else max(points)


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
        """Seconds of a call on ``n`` samples."""
        return Estimate(self.fixed + self.slope * n, self.basis)


@dataclass(frozen=True)
class Measured:
    """Straight lines between the measured sizes; the affine fit through all of them beyond.

    Parameters
    ----------
    points : dict
        Median seconds of a call, by size; a reading of zero counts as a nanosecond.
    name : str
        What is called, for the label of an extrapolated figure.
    """

    points: dict[int, float]
    name: str = ""

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
        """Seconds that one more sample adds."""
        return self.fit[1]

    def growing(self, n: float) -> float:
        """As :meth:`Affine.growing`, in the proportion that the fit has at ``n``."""
        fixed, slope = self.fit
        return self.at(n).seconds * slope * n / (fixed + slope * n)

    def at(self, n: float) -> Estimate:
        """As :meth:`Affine.at`; beyond the measured sizes the nearest of them gives the level, the fit the shape."""
        near = _neighbours(self.points, n)
        if near is None:
            edge, (fixed, slope) = _edge(self.points, n), self.fit
            return Estimate(self.points[edge] * (fixed + slope * n) / (fixed + slope * edge), beyond(edge, self.name))
        low, high = near
        share = (n - low) / (high - low) if high > low else 0.0
        return Estimate((1 - share) * self.points[low] + share * self.points[high], MEASURED)


@dataclass(frozen=True)
class Scaled:
    """Selection: straight in log-log between measured sizes, in proportion to FLOPs beyond them.

    Parameters
    ----------
    points : dict
        Median seconds of a call, by number of candidates.
    flops : callable
        FLOPs of a call on n candidates.
    basis : str
        Of the points themselves; a profile's own where they were read from one.
    name : str
        As in :class:`Measured`.
    """

    points: dict[int, float]
    flops: Callable[[int], float]
    basis: str = MEASURED
    name: str = ""

    @property
    def slope(self) -> float:
        """Seconds that one more sample adds, between the two ends of the measured range."""
        low, high = min(self.points), max(self.points)
        return max(0.0, (self.points[high] - self.points[low]) / (high - low)) if high > low else self.points[low] / low

    def at(self, n: float) -> Estimate:
        """As :meth:`Affine.at`."""
        near = _neighbours(self.points, n)
        if near is not None:
            low, high = near
            share = math.log(n / low) / math.log(high / low) if high > low else 0.0
            return Estimate(self.points[low] ** (1 - share) * self.points[high] ** share, self.basis)
        edge = _edge(self.points, n)
        base = self.flops(edge)
        # A call on fewer candidates, or one without operations, costs its launch, which does not shrink.
        growth = self.flops(max(1, round(n))) / base if base > 0 and n > edge else 1.0
        return Estimate(self.points[edge] * growth, beyond(edge, self.name) if self.basis == MEASURED else self.basis)


Line = Affine | Measured
"""A cost with a part that is the same at every size."""

Cost = Line | Scaled


@dataclass(frozen=True)
class Costs:
    """The price list of one device for one workload. A size is a number of samples.

    Parameters
    ----------
    views, score, train : Cost, Line, Line
        An augmented view, the learner's scoring forward pass, its training step.
    gather, gather_losses : Cost
        Reading cached features with their losses, or the losses alone.
    reference : Line or None
        A forward pass of the reference network, where there is one.
    remember : Cost
        Noting a step's losses for a rule at cadence ``epoch``.
    other, other_plain : Cost
        What the loop spends outside the phases in a step that selects, and in one that does not.
    select : dict of Cost
        A call of each strategy, by label.
    """

    views: Cost
    score: Line
    train: Line
    gather: Cost
    gather_losses: Cost
    reference: Line | None
    remember: Cost
    other: Cost
    other_plain: Cost
    select: dict[str, Cost] = field(default_factory=dict)
