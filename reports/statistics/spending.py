"""How the looks of a design that adds seeds share one level, so that their false decisions together stay within it.

Each look is given what a spending function spends between the look before and it (Lan & DeMets 1983, at the shares of
the seeds), as the whole level of that look's tests. The levels add up to alpha, and so do the chances of a false
decision, however the looks depend on each other: it holds for t tests of few pairs, sign flips and families alike.
Boundaries that use the dependence are wider, and were not taken: made for normal statistics, they give t tests of
three looks at 4, 6 and 8 pairs 7 to 9 % more false decisions than alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special


def look_levels(looks: Sequence[int], alpha: float, spending: str) -> tuple[float, ...]:
    """The one-sided level of each look; they add up to ``alpha``.

    Parameters
    ----------
    looks : sequence of int
        Numbers of pairs, rising.
    alpha : float
        One-sided level of all looks together.
    spending : str
        ``equal``: each look alike. ``pocock``: alpha log(1 + (e - 1) t), nearly even over the pairs.
        ``obrien-fleming``: 2 - 2 Phi(z(1 - alpha / 2) / sqrt(t)), most of it kept for the last look.
    """
    share = np.asarray(looks, dtype=np.float64) / looks[-1]
    if spending == "equal":
        spent = alpha * np.arange(1, len(looks) + 1) / len(looks)
    elif spending == "pocock":
        spent = alpha * np.log1p((math.e - 1) * share)
    elif spending == "obrien-fleming":
        spent = 2 * special.ndtr(-special.ndtri(1 - alpha / 2) / np.sqrt(share))
    else:
        raise ValueError(f"no spending function is called {spending!r}")
    return tuple(np.diff(spent, prepend=0.0).tolist())
