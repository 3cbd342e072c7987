"""Whether the results at hand were made under the conditions of a claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...records.folder import Dataset, Results
from .schema import Claim, DatasetCondition, Learner, Scale

STANDARD_WIDTH = 64
"""What a learner has where the matrix does not say."""


@dataclass(frozen=True)
class Condition:
    """One condition; ``dataset`` is empty where it binds every test of the claim."""

    name: str
    wanted: str
    found: str
    met: bool
    dataset: str = ""


def conditions(
    claim: Claim, results: Results, references: Iterable[tuple[str, str]], accuracies: Mapping[str, float | None]
) -> list[Condition]:
    """Every condition of a claim, held against a results folder."""
    names, matrix = list(dict.fromkeys(test.dataset for test in claim.tests)), results.matrix
    there = [matrix.datasets[name] for name in names if name in matrix.datasets]
    found: list[Condition] = []
    for learner in _unlike([of.learner or matrix.learner for of in there] or [matrix.learner]):
        found += _learner(claim.conditions.learner, learner)
    for budget in _unlike([of.budget or matrix.budget for of in there] or [matrix.budget], "batching"):
        if claim.conditions.batching:
            at_hand = str(budget.get("batching", "not said"))
            met = at_hand == claim.conditions.batching
            found.append(Condition("batching", claim.conditions.batching, at_hand, met))
    read = set(references)
    for name in names:
        dataset = results.matrix.datasets.get(name)
        if dataset is None:
            found.append(Condition("data set", name, "none", False, name))
            continue
        found += _data(claim.conditions.datasets.get(name, DatasetCondition()), dataset, accuracies.get(name))
        found += _scale(claim.conditions.budget, dataset.budget or results.matrix.budget, dataset)
        wanted = claim.conditions.references
        guides = sorted(reference for of, reference in read if of == name)
        if wanted and guides:
            text = f"reference on {dataset.title}"
            found.append(Condition(text, " or ".join(wanted), ", ".join(guides), set(guides) <= set(wanted), name))
    return found


def _unlike(tables: Iterable[Mapping[str, Any]], key: str = "") -> list[Mapping[str, Any]]:
    """Each table once, or each value of one key."""
    return list({repr(table.get(key) if key else sorted(table.items())): table for table in tables}.values())


def _learner(wanted: Learner, found: Mapping[str, Any]) -> Iterator[Condition]:
    if wanted.name:
        name = str(found.get("name", "not said"))
        yield Condition("learner", wanted.name, name, name == wanted.name)
    if wanted.width is not None:
        width = found.get("width", STANDARD_WIDTH)
        yield Condition("learner width", str(wanted.width), str(width), width == wanted.width)
    if wanted.pretrained is not None:
        pretrained = bool(found.get("weights"))
        words = {True: "pre-trained", False: "random weights"}
        yield Condition(
            "learner starts from", words[wanted.pretrained], words[pretrained], pretrained is wanted.pretrained
        )


def _data(wanted: DatasetCondition, found: Dataset, reached: float | None) -> Iterator[Condition]:
    title, name = found.title, found.name
    train = found.pool + found.holdout + found.val
    sizes = (("training images", wanted.train, train), ("test images", wanted.test, found.test))
    for what, least, at_hand in (*sizes, ("resolution in pixels", wanted.resolution, found.resolution)):
        if least is not None:
            yield Condition(f"{what} of {title}", f"at least {least:,}", f"{at_hand:,}", at_hand >= least, name)
    if wanted.classes is not None:
        classes = len(found.classes)
        yield Condition(f"classes of {title}", str(wanted.classes), str(classes), classes == wanted.classes, name)
    if not wanted.lossy:
        flaws = [note for note in (found.title, *found.note.split("; ")) if _flawed(note)]
        yield Condition(f"pixels of {title}", "as published", "; ".join(flaws) or "as published", not flaws, name)
    if wanted.accuracy is not None:
        text = "not run" if reached is None else f"{reached:.1f} %"
        met = reached is not None and reached >= wanted.accuracy
        yield Condition(f"accuracy of full training on {title}", f"at least {wanted.accuracy:g} %", text, met, name)


def _flawed(note: str) -> bool:
    """Whether a data set's own words say that it is not the published one."""
    return any(word in note.lower() for word in ("lossy", "jpeg copy", "partial"))


def _scale(wanted: Scale, budget: Mapping[str, Any], dataset: Dataset) -> Iterator[Condition]:
    for kind in ("passes", "steps"):
        least, found = getattr(wanted, kind), budget.get(kind)
        if least is not None:
            text = f"{found:g}" if isinstance(found, int | float) else f"a budget in other terms than {kind}"
            met = isinstance(found, int | float) and found >= least
            yield Condition(f"{kind} of training on {dataset.title}", f"at least {least:g}", text, met, dataset.name)
