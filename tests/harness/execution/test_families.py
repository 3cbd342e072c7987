"""Declared contrasts on the same data are one family: its size is bounded, and its seeds must be able to decide it."""

from __future__ import annotations

import pytest

from selbench.harness.execution.families import check_families, fewest_seeds
from selbench.harness.plan.matrix import parse, read, shipped
from selbench.reports.statistics import fewest_pairs
from selbench.strategies import UsageError


class Stub:
    """What the planner reads of an arm here, without data sets on disk."""

    def __init__(self, label: str, dataset: str, reference: str, *, role: str = "strategy", twin: str = "t") -> None:
        self.label, self.dataset, self.reference, self.role, self.twin = label, dataset, reference, role, twin
        self.key = "/".join((label, dataset, reference))


def checked(name: str, **analysis: object) -> None:
    """Check a shipped matrix as it would be expanded: each strategy with each data set and reference."""
    matrix = read(name)
    matrix = matrix.model_copy(update={"analysis": matrix.analysis.model_copy(update=analysis)})
    arms = [
        Stub(entry.label or entry.name, dataset.name, reference)
        for entry in matrix.strategies
        for dataset in matrix.datasets
        for reference in entry.references or [of.name for of in matrix.references] or [""]
    ]
    check_families(matrix, arms, {entry.name: entry.spec or entry.name for entry in matrix.datasets})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_seeds_of_every_shipped_matrix_can_decide_what_it_declares(name: str) -> None:
    checked(name)


def test_arms_are_counted_and_not_labels() -> None:
    with pytest.raises(UsageError, match="18 arms are declared on cifar10, the same data: at most 3"):
        checked("study-4", primary_references=[])
    with pytest.raises(UsageError, match="4 arms are declared on cifar10, fixed-trained, batch-256, batch-1024"):
        checked("study-1", primary_datasets=[])


def test_what_the_seeds_can_never_decide_is_refused_with_the_number_that_could() -> None:
    three = ["spectral-oracle:accuracy", "spectral-oracle:picking", "spectral-oracle:pays"]
    with pytest.raises(UsageError, match="5 seeds can never decide 3 declared contrasts on cifar10: declare 6 seeds"):
        checked("study-6", primary=three)
    checked("study-6", primary=three, alpha=0.1)


def test_the_fewest_seeds_are_those_that_verdicts_ask_for() -> None:
    for alpha in (0.05, 1 / 32, 0.01):
        assert [fewest_seeds(alpha, m) for m in range(1, 20)] == [fewest_pairs(alpha, m) for m in range(1, 20)]


def test_a_run_is_refused_before_anything_is_trained(tiny, planned) -> None:
    tiny |= {"seeds": 4, "analysis": {"primary": ["gstds:accuracy"]}}
    plan = planned(tiny)
    with pytest.raises(UsageError, match="declare 5 seeds"):
        check_families(parse(tiny), plan.arms, {"digits": "one"})
    check_families(parse({**tiny, "seeds": 5}), plan.arms, {"digits": "one"})
