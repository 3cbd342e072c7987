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
    metric = "accuracy"               # or "worst class": on the classes that are worst under full training
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

from typing import Literal

from pydantic import Field, model_validator

from ...effects.estimand import Part, Test


class Source(Part):
    """Where a claim was made. ``section`` may be a table or figure; empty where it is not known."""

    paper: str = Field(min_length=1)
    section: str = ""
    note: str = ""


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
