"""Accuracy by class: who pays for the mean?

**The worst classes** of a data set are the share :data:`SHARE` of its classes at which ``full`` is least accurate. A
minimum of noisy numbers lies too low, and what was picked for lying low rises when it is looked at again; so the worst
classes are chosen for each seed from the runs of ``full`` at all other seeds. What a contrast says of them is then a
difference of two runs of one seed, as its mean is: the mean accuracy over these classes, ours minus theirs.

**An arm's own worst class** is chosen in the same way from the arm's own runs, and describes.

Nothing is measured where the folder does not hold the labels of the test images (older versions did not write them),
against a ladder (which has no run of its own at that cost), and below two seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..records.folder import Arm, Dataset, Results
from ..statistics import INTERVALS, Array, mean_interval
from .estimand import Estimand
from .estimate import finite
from .pairing import Sample, common

SHARE = 0.1
"""Of the classes that have test images: how many are the worst ones, and at least one."""

Whole = NDArray[np.int64]
NOT_BY_CLASS = "accuracy by class was not measured"
BEHIND = "ahead on the mean, behind on the worst class"


class ByClass:
    """Accuracies by class of a results folder, and contrasts on the worst classes."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._found: dict[str, dict[int, Array]] = {}

    def of(self, arm: Arm) -> Mapping[int, Array]:
        """Accuracy in percent ``[classes]`` by seed, NaN for a class without a test image.

        Runs on another number of test images than there are labels are left out.
        """
        if arm.key not in self._found:
            dataset = self.results.matrix.datasets[arm.dataset]
            labels, cells = dataset.labels, self.results.of(arm)
            self._found[arm.key] = (
                {}
                if labels is None
                else {
                    seed: _percent(np.bincount(labels[cell.correct], minlength=len(dataset.classes)), images(dataset))
                    for seed, cell in cells.items()
                    if cell.correct.size == labels.size
                }
            )
        return self._found[arm.key]

    def full(self, dataset: str) -> Mapping[int, Array]:
        whole = [rung for rung in self.results.ladder(dataset, "full") if rung.rung == 1.0]
        return self.of(whole[0]) if whole else {}

    def worst(self, asked: Estimand) -> Sample:
        """Mean accuracy of both sides over the worst classes, at the seeds that have both and another of ``full``."""
        if asked.ladder:
            return Sample()
        full, paired = self.full(asked.arm.dataset), common(self.of(asked.arm), self.of(asked.rival))
        rows = [
            (seed, *(float(side[chosen].mean()) for side in sides))
            for seed, sides in paired.items()
            if (chosen := _lowest_of_others(full, seed)).size
        ]
        seeds, ours, theirs = zip(*rows, strict=True) if rows else ((), (), ())
        return Sample(seeds, np.array(ours), np.array(theirs))

    def difference(self, asked: Estimand, confidence: float) -> dict[str, Any] | None:
        """On the worst classes, with the interval that the matrix declares; None where it is not measured."""
        found = self.worst(asked)
        if len(found.seeds) < 2:
            return None
        mean, low, high, _ = INTERVALS[self.results.matrix.interval](found.differences, confidence)
        return {"mean_difference": mean, "ci_low": finite(low), "ci_high": finite(high), "n": len(found.seeds)}

    def summary(self, asked: Sequence[tuple[str, Estimand]]) -> list[dict[str, Any]]:
        """Each data set whose test labels are known, with the contrasts of ``asked`` (question, estimand) by class.

        Lists are in the order of the data set's classes; intervals describe, at 95 %, each class alone.
        """
        found = []
        for name, dataset in self.results.matrix.datasets.items():
            if dataset.labels is None:
                continue
            full = list(self.full(name).values())
            rows = (self._row(question, of) for question, of in asked if of.arm.dataset == name and not of.ladder)
            found.append(
                {
                    "dataset": name,
                    "classes": list(dataset.classes),
                    "images": images(dataset).tolist(),
                    "full": _means(full) if full else None,
                    "worst": lowest(full).tolist() if full else [],
                    "contrasts": list(filter(None, rows)),
                }
            )
        return found

    def _row(self, question: str, asked: Estimand) -> dict[str, Any] | None:
        sides = list(common(self.of(asked.arm), self.of(asked.rival)).values())
        if len(sides) < 2:
            return None
        confidence, apart = 0.95, np.array([ours - theirs for ours, theirs in sides])
        each = [mean_interval(of, confidence)[:3] if np.isfinite(of).all() else (None,) * 3 for of in apart.T]
        means, lows, highs = map(list, zip(*each, strict=True))
        return {
            **asked.keys,
            "strategy": asked.arm.label,
            "arm": asked.arm.key,
            "question": question,
            "baseline": asked.against,
            "baseline_arm": asked.rival.key,
            "n": len(sides),
            "confidence": confidence,
            "mean_difference": means,
            "ci_low": lows,
            "ci_high": highs,
            "own_worst": self._own_worst(asked.arm),
            "baseline_worst": self._own_worst(asked.rival),
        }

    def _own_worst(self, arm: Arm) -> dict[str, Any] | None:
        """The accuracy of an arm's worst class, chosen on other seeds; ``class`` is the worst over all of them."""
        found = self.of(arm)
        chosen = {seed: _lowest_of_others(found, seed, 1) for seed in found}
        if len(found) < 2 or not all(at.size for at in chosen.values()):
            return None
        mean, low, high, _ = mean_interval([float(found[seed][at[0]]) for seed, at in chosen.items()])
        name = self.results.matrix.datasets[arm.dataset].classes[int(lowest(list(found.values()), 1)[0])]
        return {"class": name, "accuracy": mean, "ci_low": low, "ci_high": high, "n": len(found)}


def behind(verdict: str, low: float | None, worst: Mapping[str, Any] | None) -> Iterator[str]:
    """The remark where the mean's interval, from ``low``, lies above 0 and that of the worst classes below.

    Too few seeds and collapsed runs, which withhold the verdict, withhold it too.
    """
    if verdict.startswith(("no verdict", "withheld")) or low is None or low <= 0 or not worst:
        return
    if worst["ci_high"] is not None and worst["ci_high"] < 0:
        yield BEHIND


def images(dataset: Dataset) -> Whole:
    """Test images of each class ``[classes]``."""
    return np.bincount(() if dataset.labels is None else dataset.labels, minlength=len(dataset.classes))


def lowest(accuracies: Iterable[Array], most: int | None = None) -> Whole:
    """The classes of lowest mean accuracy, lowest first: ``most`` or the share of the worst; ties in their order."""
    mean = np.mean(list(accuracies), axis=0)
    there = np.flatnonzero(np.isfinite(mean))
    # Accuracies of few images tie often, and rounding must not break ties.
    in_order = there[np.argsort(np.round(mean[there], 9), kind="stable")]
    return in_order[: max(1, round(SHARE * there.size)) if most is None else most]


def _lowest_of_others(accuracies: Mapping[int, Array], seed: int, most: int | None = None) -> Whole:
    others = [found for other, found in accuracies.items() if other != seed]
    return lowest(others, most) if others else np.empty(0, dtype=np.int64)


def _percent(right: Whole, there: Whole) -> Array:
    found = np.full(there.size, np.nan)
    np.divide(100.0 * right, there, out=found, where=there > 0)
    return found


def _means(accuracies: Sequence[Array]) -> list[float | None]:
    return [finite(float(mean)) for mean in np.mean(accuracies, axis=0)]
