"""Statistics as pure functions of arrays. A difference is always strategy minus baseline, one number for each seed.
A ``confidence`` is two-sided; ValueError where there are too few numbers, of unlike lengths, or any is not finite.

Tests are one-sided, in the direction "greater than ``null``": with ``null = 0`` superiority, with
``null = -margin`` non-inferiority. Intervals are two-sided; the one that goes with a one-sided test at
level alpha has confidence 1 - 2 alpha: its lower end lies above ``null`` exactly where p < alpha.
"""

from __future__ import annotations

from .bootstrap import Strata, bca_interval, mean_of, stratified_interval
from .flips import EXACT_PAIRS, fewest_pairs, sign_flip_interval, sign_flip_test
from .paired import (
    Correction,
    McNemar,
    corrected_interval,
    corrected_test,
    correlation,
    equivalence_test,
    holm,
    image_error,
    mcnemar,
    mean_interval,
    median_interval,
    sampling_error,
    t_test,
    welch_interval,
    widened,
    wilcoxon_test,
)
from .pooled import (
    FEWEST_DATASETS,
    Friedman,
    Pooled,
    cliques,
    fixed_effect,
    friedman,
    geometric_ratio_interval,
    interquartile_mean,
    iqm_interval,
    probability_of_improvement,
)
from .power import pairs_needed, power_noninferior, power_steadier, smallest_margin, spread_shown
from .ratios import SpreadRatio, fieller_interval, ratio_interval, spread_ratio
from .samples import Array, Interval, spread
from .spending import look_levels

__all__ = [
    "EXACT_PAIRS", "FEWEST_DATASETS", "INTERVALS", "Array", "Correction", "Friedman", "Interval", "McNemar",
    "Pooled", "SpreadRatio", "Strata", "bca_interval", "cliques", "corrected_interval", "corrected_test",
    "correlation", "equivalence_test", "fewest_pairs", "fieller_interval", "fixed_effect", "friedman",
    "geometric_ratio_interval", "holm", "image_error", "interquartile_mean", "iqm_interval", "look_levels",
    "mcnemar", "mean_interval", "mean_of", "median_interval", "pairs_needed", "power_noninferior",
    "power_steadier", "probability_of_improvement", "ratio_interval", "sampling_error", "sign_flip_interval",
    "sign_flip_test", "smallest_margin", "spread", "spread_ratio", "spread_shown", "stratified_interval", "t_test",
    "welch_interval", "widened", "wilcoxon_test",
]  # fmt: skip

INTERVALS = {"t": mean_interval, "sign-flip": sign_flip_interval}
"""Of a mean difference, by the name that a matrix declares."""
