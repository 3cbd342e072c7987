"""What is asked: a metric, an arm and what it is compared with, and at equal cost the account and kind of cost.

The words here are those of claim files (:mod:`selbench.reports.questions.claims.schema`) and of the summary.
:func:`estimand` finds the arms that a test of a claim means among those of a matrix.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..records.folder import ACCOUNTS, COSTS, Arm, LadderName, Results

Metric = Literal[
    "accuracy", "worst class", "ratio of accuracies", "cost ratio", "cost to target", "spread ratio", "study"
]
Hypothesis = Literal["non-inferior", "superior", "inferior", "no gain", "at least", "at most", "steadier"]
Baseline = Literal["full", "uniform", "twin", "cost twin", "full ladder", "uniform ladder"]
if TYPE_CHECKING:
    Account = str
    Cost = str
else:  # as a new one is added there, claims may name it
    Account, Cost = Literal[ACCOUNTS], Literal[COSTS]

BEST = "best budget no dearer"
"""The rung with the best accuracy among those that cost no more, chosen on other seeds."""

BOUNDED = ("at least", "at most")
PRICED = ("cost ratio", "cost to target")
LADDERS = ("full ladder", "uniform ladder")
IN_POINTS = ("accuracy", "worst class")
"""Metrics whose tests are of a difference, and may be held against a margin."""
AT_EQUAL_COST = (*LADDERS, "cost twin")
ALLOWED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IN_POINTS, ("non-inferior", "superior", "inferior", "no gain", *BOUNDED)),
    "ratio of accuracies": BOUNDED,
    "cost ratio": BOUNDED,
    "cost to target": BOUNDED,
    "spread ratio": ("steadier",),
    "study": BOUNDED,
}
"""Hypotheses by metric."""


@dataclass(frozen=True)
class Estimand:
    metric: str
    arm: Arm
    rivals: tuple[Arm, ...]  # one arm, or the rungs of a ladder by rising budget
    account: str | None = None  # of what costs are compared, or made equal
    cost: str | None = None
    ladder: LadderName | Literal["best"] | None = None  # where rungs are read, or chosen, at the cost of ``arm``
    equal: str = ""  # what a rival of the arm's own cost is called

    @property
    def rival(self) -> Arm:
        """The arm compared with; of a ladder, its top."""
        return self.rivals[-1]

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (self.arm, *self.rivals)

    @property
    def against(self) -> str:
        if self.ladder == "best":
            return BEST
        return f"{self.ladder} ladder" if self.ladder else self.equal or self.rival.label

    @property
    def keys(self) -> dict[str, str]:
        arm, priced = self.arm, {"account": self.account or "", "cost": self.cost or ""}
        sides = {"strategy": arm.label, "rival": self.against}
        return {"dataset": arm.dataset, "reference": arm.reference, **sides, **priced}


@dataclass(frozen=True)
class Studied:
    """A number that a study measured, as in the summary, and the arms it is of, as far as it is of arms."""

    quantity: Mapping[str, Any]
    arms: tuple[Arm, ...]


class Part(BaseModel):
    """A table: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Rule(Part):
    """A run of the matrix, whatever it is called there."""

    name: str = ""  # as registered
    label: str = ""  # the matrix's own
    options: dict[str, Any] = Field({})  # hyper-parameters that it must have; the others may be anything
    schedule: str = ""  # as reports show it, or its first words: ``sigmoid``, ``fixed 0.3``
    rung: float = Field(1.0, gt=0, le=1)  # share of the budget

    @model_validator(mode="after")
    def _is_named(self) -> Rule:
        if not self.name and not self.label:
            raise ValueError("give the strategy's name (as registered) or its label in the matrix")
        return self

    def __str__(self) -> str:
        """``static (keep hard, fixed 0.3) at 0.5 of the budget``."""
        details = [*(f"{name} {value}" for name, value in self.options.items()), *filter(None, [self.schedule])]
        text = (self.label or self.name) + (f" ({', '.join(details)})" if details else "")
        return text if self.rung == 1.0 else f"{text} at {self.rung:g} of the budget"

    def means(self, arm: Arm) -> bool:
        if arm.role == "full-all" and self.label != "full-all":
            return False  # it trains on other data than everything else
        return (
            self.name in ("", arm.name)
            and self.label in ("", arm.label)
            and abs(arm.rung - self.rung) < 1e-9
            and (self.schedule in ("", arm.schedule) or arm.schedule.startswith(f"{self.schedule} "))
            and _has(arm, self.options)
        )

    def find(self, results: Results, dataset: str, references: Sequence[str]) -> Arm | None:
        """The arm that this means.

        Of several, one with a wanted reference (or without any) comes first, then one that is labelled by its
        registry name, then the matrix's order.
        """
        found = [arm for arm in results.arms(dataset=dataset) if self.means(arm)]
        wanted = ("", *references)
        return min(found, key=lambda arm: (arm.reference not in wanted, arm.label != arm.name), default=None)


class Test(Part):
    __test__ = False
    """Not a test of the suite, whatever pytest makes of its name."""

    dataset: str = Field(min_length=1)
    strategy: Rule
    baseline: Baseline | None = None
    rival: Rule | None = None
    reference: str = ""
    metric: Metric
    hypothesis: Hypothesis
    bound: float | None = None
    margin: float | None = Field(None, gt=0)
    account: Account | None = None
    cost: Cost | None = None
    case: str = ""
    quantity: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Test:
        if (self.baseline is None) == (self.rival is None):
            raise ValueError("give either baseline or rival, what the strategy is compared with")
        if self.hypothesis not in ALLOWED[self.metric]:
            allowed = ", ".join(ALLOWED[self.metric])
            raise ValueError(f"hypothesis {self.hypothesis!r} does not go with metric {self.metric!r}: {allowed}")
        if (self.bound is None) == (self.hypothesis in BOUNDED):
            raise ValueError(f"bound belongs to hypotheses {' and '.join(BOUNDED)}, and only to them")
        if self.bound is not None and self.metric not in (*IN_POINTS, "study") and self.bound <= 0:
            raise ValueError("bound: a ratio is compared with a positive number")
        if self.margin is not None and self.hypothesis not in ("non-inferior", "inferior", "no gain"):
            raise ValueError("margin belongs to hypotheses non-inferior, inferior and no gain")
        if self.baseline in AT_EQUAL_COST and self.metric != "accuracy":
            raise ValueError(f"baseline {self.baseline} gives an accuracy at equal cost: use it with metric accuracy")
        if self.baseline == "twin" and self.metric == "cost to target":
            raise ValueError("a twin has no ladder: compare costs to a target with full, uniform or a rival")
        priced = self.metric in PRICED or self.baseline in AT_EQUAL_COST
        if priced != (self.cost is not None) or priced != (self.account is not None):
            raise ValueError(
                "account and cost belong together, to cost metrics, to ladders and to cost twins, and only to them"
            )
        if bool(self.quantity) != (self.metric == "study"):
            raise ValueError("quantity says what a study measures: it belongs to metric study, and only to it")
        return self

    @property
    def against(self) -> str:
        return str(self.rival or self.baseline)


def estimand(
    results: Results, test: Test, references: Sequence[str], studies: Sequence[Mapping[str, Any]] = ()
) -> Estimand | Studied | str:
    arm = test.strategy.find(results, test.dataset, references)
    rival = test.rival.find(results, test.dataset, references) if test.rival else None
    if test.metric == "study":
        ours, theirs = (str(of and (of.label or of.name)) for of in (test.strategy, test.rival))
        wanted = (test.quantity, test.dataset, ours, theirs if test.rival else str(test.baseline))
        named = ("name", "dataset", "strategy", "rival")
        found = (q for study in studies for q in study["quantities"] if tuple(q[key] for key in named) == wanted)
        if quantity := next(found, None):
            return Studied(quantity, tuple(filter(None, (arm, rival))))
        return f"no study here measures {test.quantity} of {test.strategy}"
    if arm is None:
        return f"no runs of {test.strategy}"
    ladder: LadderName = "uniform" if str(test.baseline).startswith("uniform") else "full"
    priced = test.baseline in LADDERS
    rivals: tuple[Arm, ...] = ()
    if test.rival is not None:
        rivals = (rival,) if rival else ()
    elif test.baseline == "cost twin":
        twin = results.cost_twin(arm)
        if twin is None or (test.account, test.cost) != (results.matrix.pays.account, results.matrix.pays.cost):
            return f"{arm.label} has no cost twin at equal {test.cost} ({test.account})"
        return Estimand(test.metric, arm, (twin,), test.account, test.cost, equal="cost twin")
    elif test.baseline == "twin":
        if arm.twin not in results.matrix.arms:
            return f"{arm.label} has no uniform twin"
        rivals = (results.matrix.arms[arm.twin],)
    else:
        rungs = results.ladder(test.dataset, ladder)
        rivals = rungs if priced else rungs[-1:]
    if not rivals:
        return f"no runs of {test.against}"
    return Estimand(test.metric, arm, rivals, test.account, test.cost, ladder if priced else None)


def _has(arm: Arm, wanted: dict[str, Any]) -> bool:
    options = {"cadence": arm.cadence, **_options(arm.strategy)}
    return all(
        name in options and options[name] == value and isinstance(options[name], bool) == isinstance(value, bool)
        for name, value in wanted.items()
    )


@lru_cache(maxsize=1024)
def _options(text: str) -> dict[str, Any]:
    """Hyper-parameters from a strategy's repr, such as ``Static(keep='hard')``; {} where it is no such text."""
    try:
        call = ast.parse(text, mode="eval").body
        if isinstance(call, ast.Call):
            return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # a plugin may print itself as it likes
    return {}
