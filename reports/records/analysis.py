"""How the runs of a folder are judged: what was declared before them, and what each look found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, get_args

from pydantic import Field

from .fields import OPEN, AsTuple, Count, Counts, Names, Part

LadderName = Literal["full", "uniform"]
LADDERS: tuple[LadderName, ...] = get_args(LadderName)
Account = Literal["marginal", "amortised", "standalone"]
ACCOUNTS: tuple[str, ...] = get_args(Account)
Cost = Literal["learner_flops", "total_flops", "wall_clock"]
COSTS: tuple[str, ...] = get_args(Cost)
Spending = Literal["equal", "pocock", "obrien-fleming"]


class Open(Part):
    model_config = OPEN | {"frozen": True}


class Pays(Part):
    account: Account = "amortised"
    cost: Cost = "total_flops"
    ladder: LadderName = "full"


class Analysis(Open):
    """How the results are judged; ``amortise_over`` is the number of runs that share the cost of an artefact.

    ``scope``: whether verdicts are of new test images as well, or of those of the test set alone.
    """

    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    amortise_over: Annotated[float, Field(gt=0)]
    primary: Names
    pays: Pays = Pays()
    interval: Literal["t", "sign-flip"] = "t"
    scope: Literal["population", "test-set"] = "population"
    primary_datasets: Names = ()  # where ``primary`` is declared; empty for everywhere
    primary_references: Names = ()
    looks: Counts = ()
    spending: Spending = "equal"


class _Declared(Protocol):
    @property
    def primary(self) -> Sequence[str]: ...
    @property
    def primary_datasets(self) -> Sequence[str]: ...
    @property
    def primary_references(self) -> Sequence[str]: ...


def declares(analysis: _Declared, label: str, question: str, dataset: str, reference: str) -> bool:
    """Whether a strategy's contrast is a declared one; a strategy that reads no reference is of every one."""
    return (
        f"{label}:{question}" in analysis.primary
        and (not analysis.primary_datasets or dataset in analysis.primary_datasets)
        and (not analysis.primary_references or reference in ("", *analysis.primary_references))
    )


class Found(Open):
    """The verdict of one primary contrast at a look."""

    dataset: str
    reference: str
    strategy: str
    question: str
    verdict: str


class Look(Open):
    """A declared look that was taken: how many seeds there were, the one-sided level of a family, the verdicts."""

    seeds: Count
    level: Annotated[float, Field(gt=0, lt=0.5)]
    decided: bool
    verdicts: Annotated[tuple[Found, ...], AsTuple] = ()
