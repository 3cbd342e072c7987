"""What one call of an operation costs at any size, from the sizes at which it was measured."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

MEASURED = "measured"


class Estimate(NamedTuple):
    """Seconds of one call, and where the figure comes from: ``measured``, or ``extrapolated (from ...)``."""

    seconds: float
    basis: str


class Cost(Protocol):
    """Anything that prices a call on n samples."""

    @property
    def slope(self) -> float:
        """Seconds that one more sample adds."""
        ...

    def at(self, n: float) -> Estimate:
        """Seconds of a call on ``n`` samples."""
        ...


class Line(Cost, Protocol):
    """A cost with a part that is the same at every size."""

    def growing(self, n: float) -> float:
        """Seconds of a call on ``n`` samples, less what does not grow with them."""
        ...


@dataclass(frozen=True)
class Affine:
    """``fixed + slope * n`` seconds, all of one basis: how a device profile prices an operation."""

    fixed: float
    slope: float
    basis: str

    def growing(self, n: float) -> float:
        """As :meth:`Line.growing`."""
        return self.slope * n

    def at(self, n: float) -> Estimate:
        """As :meth:`Cost.at`."""
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
        """As :attr:`Cost.slope`."""
        return self.fit[1]

    def growing(self, n: float) -> float:
        """As :meth:`Line.growing`, in the proportion that the fit has at ``n``."""
        fixed, slope = self.fit
        return self.at(n).seconds * slope * n / (fixed + slope * n)

    def at(self, n: float) -> Estimate:
        """As :meth:`Cost.at`."""
        sizes = sorted(self.points)
        if n in self.points:
            return Estimate(self.points[int(n)], MEASURED)
        if sizes[0] < n < sizes[-1]:
            right = bisect.bisect_left(sizes, n)
            low, high = sizes[right - 1], sizes[right]
            share = (n - low) / (high - low)
            return Estimate((1 - share) * self.points[low] + share * self.points[high], MEASURED)
        edge = sizes[0] if n < sizes[0] else sizes[-1]
        # The fit gives the shape, the nearest measured point the level.
        fixed, slope = self.fit
        return Estimate(self.points[edge] * (fixed + slope * n) / (fixed + slope * edge), beyond(edge, self.name))


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
        """As :attr:`Cost.slope`, between the two ends of the measured range."""
        low, high = min(self.points), max(self.points)
        return max(0.0, (self.points[high] - self.points[low]) / (high - low)) if high > low else self.points[low] / low

    def at(self, n: float) -> Estimate:
        """As :meth:`Cost.at`."""
        sizes = sorted(self.points)
        if n in self.points:
            return Estimate(self.points[int(n)], self.basis)
        if sizes[0] < n < sizes[-1]:
            right = bisect.bisect_left(sizes, n)
            low, high = sizes[right - 1], sizes[right]
            share = math.log(n / low) / math.log(high / low)
            return Estimate(self.points[low] ** (1 - share) * self.points[high] ** share, self.basis)
        edge = sizes[0] if n < sizes[0] else sizes[-1]
        base = self.flops(edge)
        # Free rules (nothing to count) and smaller calls: what is left is the launching, which does not shrink.
        growth = self.flops(max(1, round(n))) / base if base > 0 and n > edge else 1.0
        basis = beyond(edge, self.name) if self.basis == MEASURED else self.basis
        return Estimate(self.points[edge] * growth, basis)


def beyond(edge: float, name: str = "") -> str:
    """The label of a figure outside the measured sizes, the nearest of which is ``edge``."""
    return f"extrapolated (from batch {edge:,.0f}{f' of {name}' if name else ''})"


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
