"""What a claim file may hold. Unknown keys are errors; nothing is guessed.

A claim is one TOML file. Those of the package lie in ``benchmarks/claims/``, a user's own in ``RESULTS/claims/``;
both are read the same way, and both are judged from the results at hand.

.. code-block:: toml

    id = "gstds-4x"
    title = "Four times less compute"
    statement = "In our own words."
    said = "The figure as published."
    kind = "any"                      # one case is enough ("up to"); "all": every test must pass
    matrix = "savings"                # the shipped matrix that runs it
    needs = ""                        # what this suite lacks for it, if anything; then it is "not run"
    unknown = ["image size"]          # conditions that the source does not state

    [source]
    paper = "arXiv 2507.04269v1"
    section = "abstract"              # empty: not known

    [conditions]
    references = ["resnet50"]
    learner = { name = "resnet18", width = 64, pretrained = false }
    budget = { passes = 100 }         # at least
    [conditions.datasets.flowers]
    train = 2040                      # images that the splits are cut from, at least
    test = 6149
    classes = 102
    resolution = 128                  # at least
    accuracy = 50.0                   # percent that full training must have reached

    [[tests]]
    case = "Flowers at 2/5 of the budget"   # kind "any": tests of one case stand or fall together
    dataset = "flowers"
    strategy = { name = "gstds", schedule = "sigmoid", options = { share = 0.5 }, rung = 0.4 }
    baseline = "full"                 # or full ladder, uniform ladder, uniform, twin; or rival = { a strategy }
    metric = "accuracy"
    hypothesis = "non-inferior"       # superior, inferior, no gain, at least, at most, steadier
    margin = 1.5                      # points; without it, the margin that the matrix declares

    [[tests]]
    case = "Flowers at 2/5 of the budget"
    dataset = "flowers"
    strategy = { name = "gstds", schedule = "sigmoid", rung = 0.4 }
    baseline = "full"
    metric = "cost ratio"             # baseline's cost / strategy's cost
    account = "marginal"
    cost = "total_flops"
    hypothesis = "at least"
    bound = 4.0

A claim out of scope has ``scope = "out"`` with a ``reason``, and needs no test.

A test of metric "study" reads a number that a study of the matrix measures: ``quantity`` is its name there, and
``strategy`` and ``rival`` (or ``baseline``) the labels that it is given for; its hypothesis has a bound.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Metric = Literal["accuracy", "ratio of accuracies", "cost ratio", "cost to target", "spread ratio", "study"]
Hypothesis = Literal["non-inferior", "superior", "inferior", "no gain", "at least", "at most", "steadier"]
Baseline = Literal["full", "uniform", "twin", "full ladder", "uniform ladder"]
Account = Literal["marginal", "amortised", "standalone"]
Cost = Literal["learner_flops", "total_flops", "wall_clock"]

BOUNDED = ("at least", "at most")
PRICED = ("cost ratio", "cost to target")
LADDERS = ("full ladder", "uniform ladder")
ALLOWED: dict[str, tuple[str, ...]] = {
    "accuracy": ("non-inferior", "superior", "inferior", "no gain", *BOUNDED),
    "ratio of accuracies": BOUNDED,
    "cost ratio": BOUNDED,
    "cost to target": BOUNDED,
    "spread ratio": ("steadier",),
    "study": BOUNDED,
}
"""Hypotheses by metric."""


class Part(BaseModel):
    """A table: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Source(Part):
    """Where a claim was made. ``section`` may be a table or figure; empty where it is not known."""

    paper: str = Field(min_length=1)
    section: str = ""
    note: str = ""


class Rule(Part):
    """A run of the matrix, whatever it is called there.

    Parameters
    ----------
    name, label : str
        Registry name, or the matrix's own label; at least one of them.
    options : mapping
        Hyper-parameters that it must have; the others may be anything.
    schedule : str
        As reports show it, or its first words: ``sigmoid``, ``fixed 0.3``.
    rung : float
        Share of the budget, in (0, 1].
    """

    name: str = ""
    label: str = ""
    options: dict[str, Any] = Field({})
    schedule: str = ""
    rung: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _is_named(self) -> Rule:
        if not self.name and not self.label:
            raise ValueError("give the strategy's name (as registered) or its label in the matrix")
        return self


class Test(Part):
    """One comparison that the claim stands or falls with."""

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
        if self.bound is not None and self.metric not in ("accuracy", "study") and self.bound <= 0:
            raise ValueError("bound: a ratio is compared with a positive number")
        if self.margin is not None and self.hypothesis not in ("non-inferior", "inferior", "no gain"):
            raise ValueError("margin belongs to hypotheses non-inferior, inferior and no gain")
        if self.baseline in LADDERS and self.metric != "accuracy":
            raise ValueError("a ladder gives an accuracy at equal cost: use it with metric accuracy")
        if self.baseline == "twin" and self.metric == "cost to target":
            raise ValueError("a twin has no ladder: compare costs to a target with full, uniform or a rival")
        priced = self.metric in PRICED or self.baseline in LADDERS
        if priced != (self.cost is not None) or priced != (self.account is not None):
            raise ValueError("account and cost belong together, to cost metrics and to ladders, and only to them")
        if bool(self.quantity) != (self.metric == "study"):
            raise ValueError("quantity says what a study measures: it belongs to metric study, and only to it")
        return self


class DatasetCondition(Part):
    """What the data must be. ``lossy`` lets a recompressed copy pass; ``accuracy`` is in percent."""

    train: int | None = Field(None, gt=0)
    test: int | None = Field(None, gt=0)
    classes: int | None = Field(None, gt=0)
    resolution: int | None = Field(None, gt=0)
    lossy: bool = False
    accuracy: float | None = Field(None, gt=0, le=100)


class Learner(Part):
    """What must be trained; None where the source leaves it open."""

    name: str = ""
    width: int | None = Field(None, gt=0)
    pretrained: bool | None = None


class Scale(Part):
    """How long it must be trained, at least; passes are over the candidate pool."""

    passes: float | None = Field(None, gt=0)
    steps: int | None = Field(None, gt=0)


class Conditions(Part):
    """Under what the claim was made: a run that does not meet all of it gives an indication, no verdict."""

    datasets: dict[str, DatasetCondition] = Field({})
    learner: Learner = Learner()
    references: list[str] = Field([])
    budget: Scale = Scale()
    batching: Literal["fixed-candidates", "fixed-trained"] | None = None


class Claim(Part):
    """A published claim. Under kind ``all`` all tests are one case; under ``any`` each named case is one."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(min_length=1)
    statement: str = Field(min_length=1)
    said: str = ""
    source: Source
    scope: Literal["in", "out"] = "in"
    reason: str = ""
    kind: Literal["all", "any"] = "all"
    matrix: str = ""
    needs: str = ""
    unknown: list[str] = Field([])
    conditions: Conditions = Conditions()
    tests: list[Test] = Field([])

    @model_validator(mode="after")
    def _fits_together(self) -> Claim:
        if (self.scope == "out") != bool(self.reason):
            raise ValueError('reason says why a claim is out of scope: scope = "out" needs it, and nothing else has it')
        if self.scope == "in" and not self.tests:
            raise ValueError("a claim within scope needs at least one [[tests]]")
        if self.scope == "in" and not (self.matrix or self.needs):
            raise ValueError("name the matrix that runs it, or say in needs what is lacking")
        if self.kind == "all" and any(test.case for test in self.tests):
            raise ValueError('cases belong to kind = "any"; under "all" every test must pass')
        unused = set(self.conditions.datasets) - {test.dataset for test in self.tests}
        if unused:
            raise ValueError(f"conditions.datasets: no test is on {', '.join(sorted(unused))}")
        return self

    @property
    def cases(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the tests of each case: those that must pass together."""
        if self.kind == "all":
            return (tuple(range(len(self.tests))),)
        found: dict[object, list[int]] = {}
        for at, test in enumerate(self.tests):
            found.setdefault(test.case or at, []).append(at)
        return tuple(map(tuple, found.values()))
