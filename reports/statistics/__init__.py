"""Statistics as pure functions of arrays. A difference is always strategy minus baseline, one number for each seed.

Tests are one-sided, in the direction "greater than ``null``": with ``null = 0`` superiority, with
``null = -margin`` non-inferiority. Intervals are two-sided; the one that goes with a one-sided test at
level alpha has confidence 1 - 2 alpha: its lower end lies above ``null`` exactly where p < alpha.
"""

from __future__ import annotations

from .agreement import sampling_error
from .bootstrap import bca_interval, mean_of, ratio_interval, ratio_of_means
from .flips import EXACT_PAIRS, sign_flip_test
from .monotone import isotonic
from .multiplicity import fewest_pairs, holm
from .paired import correlation, equivalence_test, mean_interval, t_test, welch_interval, wilcoxon_test
from .power import pairs_needed, power_noninferior, smallest_margin
from .samples import Array, Interval

__all__ = [
    "EXACT_PAIRS",
    "Array",
    "Interval",
    "bca_interval",
    "correlation",
    "equivalence_test",
    "fewest_pairs",
    "holm",
    "isotonic",
    "mean_interval",
    "mean_of",
    "pairs_needed",
    "power_noninferior",
    "ratio_interval",
    "ratio_of_means",
    "sampling_error",
    "sign_flip_test",
    "smallest_margin",
    "t_test",
    "welch_interval",
    "wilcoxon_test",
]
