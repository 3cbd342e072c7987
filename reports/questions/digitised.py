"""Accuracies of static pruning that others published, read off figures: the package's ``benchmarks/published``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

Accuracy = float | Annotated[str, Field(pattern=r"^<\d+(\.\d+)?$")]
"""In percent; ``<40`` where it lies below the figure's axis."""

RANDOM = "random"


class Gap(NamedTuple):
    """A rule's published accuracy minus random's, in points, at a percentage kept.

    ``error`` is what reading both off a figure may be wrong by; ``bound`` says that the difference is at most this.
    """

    kept: float
    difference: float
    error: float
    bound: bool


class Source(BaseModel):
    """One figure: accuracies by rule, in the order of ``kept``, with the recipe behind them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    paper: str
    place: str
    dataset: str
    learner: str
    budget: str
    recipe: str
    error: float = Field(ge=0)
    full: float | None = None
    kept: tuple[float, ...]
    accuracy: dict[str, tuple[Accuracy, ...]]
    exact: dict[str, tuple[float, ...]] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Source:
        if any(len(values) != len(self.kept) for values in self.accuracy.values()):
            raise ValueError("each rule has one accuracy for each percentage kept")
        if any(isinstance(value, str) for value in self.accuracy.get(RANDOM, ("",))):
            raise ValueError("random's accuracies are numbers")
        if any(rule not in self.accuracy or set(kept) - set(self.kept) for rule, kept in self.exact.items()):
            raise ValueError("exact names rules, and percentages kept, that have an accuracy")
        return self

    @property
    def rules(self) -> tuple[str, ...]:
        """All but random."""
        return tuple(rule for rule in self.accuracy if rule != RANDOM)

    def gaps(self, rule: str) -> tuple[Gap, ...]:
        """Accuracy minus random's at each percentage kept, ascending."""
        found = []
        for kept, ours, theirs in zip(self.kept, self.accuracy[rule], self.accuracy[RANDOM], strict=True):
            assert not isinstance(theirs, str)
            bound = isinstance(ours, str)
            value = float(ours.removeprefix("<")) if isinstance(ours, str) else ours
            error = (0.0 if bound else self._error(rule, kept)) + self._error(RANDOM, kept)
            found.append(Gap(kept, value - theirs, error, bound))
        return tuple(sorted(found))

    def _error(self, rule: str, kept: float) -> float:
        return 0.0 if kept in self.exact.get(rule, ()) else self.error


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[Source, ...]


@cache
def published() -> dict[str, Source]:
    """The package's sources, by id."""
    file = resources.files("selbench") / "benchmarks" / "published" / "static-pruning.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return {source.id: source for source in _File.model_validate(table).sources}
