"""Declared contrasts on the same data are judged as one family: one that the seeds can never decide is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ...reports.records.analysis import declares
from ...strategies import UsageError
from ..plan.arms import Arm
from ..plan.matrix import PRIMARY_LIMIT, QUESTIONS, Matrix


def fewest_seeds(alpha: float, contrasts: int) -> int:
    """Fewest seeds that can decide a contrast of a family: n pairs give no p below 2^-n, and two give an interval."""
    return max(2, math.ceil(math.log2(contrasts / alpha) - 1e-12))


def check_families(declared: Matrix, arms: Iterable[Arm], prints: Mapping[str, str]) -> None:
    """Refuse a family of more arms than :data:`PRIMARY_LIMIT`, or of more contrasts than the declared seeds decide.

    ``prints`` are fingerprints by data set: entries of the same data are one family.
    """
    seeds, analysis = len(declared.seed_list()), declared.analysis
    alpha = analysis.alpha / max(1, len(analysis.looks))  # about what the last look has of it
    families: dict[str, list[tuple[Arm, str]]] = {}
    for arm in arms:
        for question in QUESTIONS if arm.role == "strategy" else ():
            asked = question != "picking" or arm.twin
            if asked and declares(analysis, arm.label, question, arm.dataset, arm.reference):
                families.setdefault(prints[arm.dataset], []).append((arm, question))
    for family in families.values():
        on = ", ".join(dict.fromkeys(arm.dataset for arm, _ in family))
        rows, least = len({arm.key for arm, _ in family}), fewest_seeds(alpha, len(family))
        narrow = "primary_references or primary_datasets narrow what is declared"
        if rows > PRIMARY_LIMIT:
            raise UsageError(
                f"analysis.primary: {rows} arms are declared on {on}, the same data: at most {PRIMARY_LIMIT}; {narrow}"
            )
        if seeds < least:
            raise UsageError(
                f"analysis.primary: {seeds} seeds can never decide {len(family)} declared contrasts on {on}: "
                f"declare {least} seeds, or fewer contrasts ({narrow})"
            )
