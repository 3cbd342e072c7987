"""What the choice of test images adds to the error of a difference: all runs share one test set, a sample as well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..records.folder import Results
from .estimand import Estimand

Bits = NDArray[np.bool_]


def correctness(results: Results, asked: Estimand, seeds: Sequence[int]) -> tuple[Bits, Bits] | None:
    """Which test images each side's runs have right, ``[seeds, images]``.

    None against a ladder, which has no run of its own at that cost, without pairs, and where the test sets are unlike.
    """
    if asked.ladder or not seeds:
        return None
    runs = [[results.of(arm)[seed].correct for seed in seeds] for arm in (asked.arm, asked.rival)]
    if len({bits.size for side in runs for bits in side}) != 1:
        return None
    ours, theirs = map(np.stack, runs)
    return ours, theirs
