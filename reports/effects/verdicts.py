"""From differences to a verdict, exactly as declared before the run.

**Which interval.** Alpha (5 %) is one-sided, so the interval that belongs to it is two-sided with confidence
1 - 2 alpha (90 %): its lower end lies above -margin exactly where the one-sided non-inferiority test rejects.
Every verdict is read off the interval that is shown beside it, and off nothing else, so the two cannot disagree.
The matrix declares whether that is Student's t interval or the inverted sign-flip test's; the p-values are always
of the same test as the interval.

**Which level.** The declared primary contrasts of a data set form one family of m. Holm's step-down runs over their
non-inferiority p-values; it ends at the level alpha / (m - rejected), or alpha where all are rejected, and the whole
family's intervals are drawn at that level. They agree with Holm for each contrast: what was rejected earlier
has a smaller p, what was not has a larger one. Superiority is looked at only after non-inferiority (fixed
sequence) and must survive Holm over the family's superiority p-values too; until it does, the verdict stays
at "non-inferior". Each of the two families of claims is so held at alpha.

Every other contrast is exploratory: a family of its own, unadjusted, to be read as an interval.

**No verdict** below the exact sign-flip test's floor: n pairs cannot give a p below 2^-n, whatever the data, so
2^-n <= alpha / m must hold. **Collapsed runs** withhold non-inferiority and all that rests on it; "inferior"
stands, and "inconclusive" is said as withheld, since a collapsed run is why the interval is that wide.
**Seconds of ordinary cells** carry no verdict and no p-value whatever they are: that takes a timing pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..statistics import (
    Interval,
    fewest_pairs,
    holm,
    mean_interval,
    sign_flip_interval,
    sign_flip_test,
    t_test,
    wilcoxon_test,
)

SUPERIOR = "superior"
NON_INFERIOR = "non-inferior"
WORSE_WITHIN = "measurably worse, within the margin"
INFERIOR = "inferior"
INCONCLUSIVE = "inconclusive"
WITHHELD = "withheld: collapsed runs"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a verdict is made from.

    Parameters
    ----------
    differences : array ``[n]``
        Strategy minus baseline, in points, one for each seed; may be empty.
    margin : float
        Points, not negative.
    collapsed : int
        Seeds with a collapsed run on either side.
    """

    differences: NDArray[np.float64]
    margin: float
    collapsed: int = 0


@dataclass(frozen=True)
class Decision:
    """A verdict with the interval it is read off.

    ``confidence`` is of the two-sided interval, whose ends are infinite where its test cannot reject with so few
    pairs. Numbers are None where there are fewer than two pairs.

    ``p_noninferior``, ``p_superior`` and ``p_equivalent`` (two one-sided tests at the margin) are of the test that
    the interval inverts; ``p_sign_flip`` and ``p_wilcoxon`` are second opinions on non-inferiority. ``p_adjusted``
    (of non-inferiority) and the family's superiority test only exist for primary contrasts.
    """

    verdict: str
    confidence: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    p_noninferior: float | None = None
    p_superior: float | None = None
    p_equivalent: float | None = None
    p_sign_flip: float | None = None
    p_wilcoxon: float | None = None
    p_adjusted: float | None = None

    def withheld(self, verdict: str) -> Decision:
        """The same interval with ``verdict`` and without any test."""
        shown = (self.confidence, self.mean, self.low, self.high, self.sd)
        return Decision(verdict, *shown)


def no_verdict(short: int) -> str:
    """The verdict of a run that lacks ``short`` seeds."""
    return f"no verdict: {short} more seed{'' if short == 1 else 's'} needed"


def needs_timing(matrix: str) -> str:
    """The verdict at equal seconds where the timing pass that it takes was not made (of ``matrix``, as named)."""
    return f"no verdict: needs a timing pass (selbench run {matrix} --timing 3)"


def verdict(low: float, high: float, margin: float, *, superiority: bool = True, collapsed: int = 0) -> str:
    """Read a verdict off an interval of the difference, in points.

    Parameters
    ----------
    low, high : float
        Ends of the interval.
    margin : float
        Not negative.
    superiority : bool
        Whether superiority may be claimed where ``low > 0`` (False where the family's adjustment forbids it).
    collapsed : int
        Number of collapsed runs.
    """
    if high < -margin:
        return INFERIOR
    if collapsed:
        return WITHHELD
    if low > -margin:
        if low > 0 and superiority:
            return SUPERIOR
        return WORSE_WITHIN if high < 0 else NON_INFERIOR
    return INCONCLUSIVE


class _Method(NamedTuple):
    """A one-sided test and the two-sided interval that inverts it."""

    test: Callable[[NDArray[np.float64], float], float]
    interval: Callable[[NDArray[np.float64], float], Interval]


def _flipped(differences: NDArray[np.float64], confidence: float) -> Interval:
    # Its p-values are steps, so that one can equal the level; Holm rejects there, and so must the interval. No
    # other step is as near as this.
    return sign_flip_interval(differences, confidence - 1e-9)


_METHODS = {"t": _Method(t_test, mean_interval), "sign-flip": _Method(sign_flip_test, _flipped)}


def decide(family: Sequence[Evidence], alpha: float, *, primary: bool = True, interval: str = "t") -> list[Decision]:
    """Verdicts of one family of contrasts, in the order given.

    Parameters
    ----------
    family : sequence of Evidence
        The declared primary contrasts of a data set, those without data included: they count in Holm with
        p = 1, so that a family cannot be shrunk by leaving out runs.
    alpha : float
        One-sided, for the family.
    primary : bool
        False for an exploratory contrast (a family of one): it carries no adjusted p.
    interval : str
        ``t`` or ``sign-flip``.
    """
    if not family:
        return []  # a matrix may declare nothing: all of it is then exploratory
    method = _METHODS[interval]
    p_noninferior = [_p(method, item, -item.margin) for item in family]
    p_superior = [_p(method, item, 0.0) for item in family]
    adjusted = holm(p_noninferior)
    superior = holm(p_superior) <= alpha
    rejected = int(np.count_nonzero(adjusted <= alpha))
    confidence = 1 - 2 * alpha / max(1, len(family) - rejected)
    least = fewest_pairs(alpha, len(family))
    decisions = []
    for i, item in enumerate(family):
        d, margin = item.differences, item.margin
        short = least - d.size
        if d.size < 2:
            decisions.append(Decision(no_verdict(short), confidence, float(d[0]) if d.size else None))
            continue
        mean, low, high, sd = method.interval(d, confidence)
        text = verdict(low, high, margin, superiority=bool(superior[i]), collapsed=item.collapsed)
        flipped = p_noninferior[i] if interval == "sign-flip" else sign_flip_test(d, -margin)
        decisions.append(
            Decision(
                verdict=no_verdict(short) if short > 0 else text,
                confidence=confidence,
                mean=mean,
                low=low,
                high=high,
                sd=sd,
                p_noninferior=p_noninferior[i],
                p_superior=p_superior[i],
                p_equivalent=max(p_noninferior[i], method.test(-d, -margin)),
                p_sign_flip=flipped,
                p_wilcoxon=wilcoxon_test(d, -margin),
                p_adjusted=float(adjusted[i]) if primary else None,
            )
        )
    return decisions


def _p(method: _Method, item: Evidence, null: float) -> float:
    """1 where there is too little to test: nothing is shown by it."""
    return 1.0 if item.differences.size < 2 else method.test(item.differences, null)
