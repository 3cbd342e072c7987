"""How often each pool id was picked, with known truth, added to a synthetic folder by the format's text alone."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from synthetic import PASSES, POOL, checksum

SPREAD = 0.2
"""SD of the counts over the ids, as a share of their mean."""


def write_probes(root: Path, tastes: Mapping[str, float], *, left_out: frozenset[str] = frozenset()) -> Path:
    """Add ``selection.probe`` to the cells of a folder that :func:`synthetic.write_results` wrote, and return it.

    Parameters
    ----------
    root : Path
    tastes : mapping of label to correlation
        How much an arm's counts agree with a taste that all arms of a seed share, 0 where not named: two arms
        correlate as the product. ``full`` picks every id alike.
    left_out : set of label
        Arms whose records say nothing about their picks.
    """
    for file in sorted((root / "cells").glob("*.json")):
        record = json.loads(file.read_text())
        label, seed = record["arm_label"], record["seed"]
        if label in left_out:
            continue
        mean = PASSES * record["selection"]["mean_ratio"]
        spread = 0.0 if label.startswith("full") else SPREAD * mean
        taste = tastes.get(label, 0.0)
        shared = np.random.default_rng([17, seed]).standard_normal(POOL)
        own = np.random.default_rng([19, seed, *record["arm"].encode()]).standard_normal(POOL)
        counts = np.round(mean + spread * (taste * shared + math.sqrt(1 - taste**2) * own)).clip(0, 65535)
        packed = base64.b64encode(counts.astype("<u2").tobytes()).decode()
        record["selection"]["probe"] = {"stride": 1, "counts": packed}
        record["checksum"] = checksum(record)
        file.write_text(json.dumps(record))
    return root
