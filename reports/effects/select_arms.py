"""Which arms of the results a test speaks of."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..questions.claims.schema import LADDERS, Rule, Test
from ..records.folder import Arm, Results


@dataclass(frozen=True)
class Pair:
    """A test's two sides: the baseline is one arm, or a ladder's rungs by rising budget."""

    arm: Arm
    baseline: tuple[Arm, ...]

    @property
    def against(self) -> Arm:
        """The baseline's arm; of a ladder, its top."""
        return self.baseline[-1]

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every arm that is read."""
        return (self.arm, *self.baseline)


@dataclass(frozen=True)
class Studied:
    """A number that a study measured, as in the summary, and the arms it is of, as far as it is of arms."""

    quantity: Mapping[str, Any]
    arms: tuple[Arm, ...]


Sides = Pair | Studied | str
"""What a test compares, or why that is not there."""


def sides_of(results: Results, studies: Sequence[Mapping[str, Any]], test: Test, references: Sequence[str]) -> Sides:
    """What a test compares: a study's number for a test that asks for one, two sides for any other.

    Parameters
    ----------
    studies : sequence of mappings
        The answers to the matrix's studies, as in the summary.
    references : sequence of str
        Those that the claim was made with, which are looked for first.
    """
    if test.metric != "study":
        return pair(results, test, references)
    quantity = measured(studies, test)
    if quantity is None:
        return f"no study here measures {test.quantity} of {describe(test.strategy)}"
    arms = (find(results, rule, test.dataset, references) for rule in (test.strategy, test.rival) if rule)
    return Studied(quantity, tuple(arm for arm in arms if arm))


def measured(studies: Sequence[Mapping[str, Any]], test: Test) -> Mapping[str, Any] | None:
    """The first number under the name that a test asks for, of its data set and its two sides."""
    ours = test.strategy.label or test.strategy.name
    theirs = (test.rival.label or test.rival.name) if test.rival else str(test.baseline)
    wanted = (test.quantity, test.dataset, ours, theirs)
    found = (
        quantity
        for study in studies
        for quantity in study["quantities"]
        if tuple(quantity[key] for key in ("name", "dataset", "strategy", "rival")) == wanted
    )
    return next(found, None)


def pair(results: Results, test: Test, references: Sequence[str]) -> Pair | str:
    """The two sides of a test, or why they are not there.

    Parameters
    ----------
    references : sequence of str
        Those that the claim was made with, which are looked for first.
    """
    arm = find(results, test.strategy, test.dataset, references)
    if arm is None:
        return f"no runs of {describe(test.strategy)}"
    if test.rival is not None:
        rival = find(results, test.rival, test.dataset, references)
        return Pair(arm, (rival,)) if rival else f"no runs of {describe(test.rival)}"
    if test.baseline == "twin":
        twin = results.matrix.arms.get(arm.twin)
        return Pair(arm, (twin,)) if twin else f"{arm.label} has no uniform twin"
    ladder = results.ladder(test.dataset, "uniform" if str(test.baseline).startswith("uniform") else "full")
    if not ladder:
        return f"no runs of {test.baseline}"
    return Pair(arm, ladder if test.baseline in LADDERS else ladder[-1:])


def find(results: Results, rule: Rule, dataset: str, references: Sequence[str]) -> Arm | None:
    """The arm that a rule means.

    Of several, one with a wanted reference (or without any) comes first, then one that is labelled by its registry
    name, then the matrix's order.
    """
    found = [arm for arm in results.arms(dataset=dataset) if is_meant(arm, rule)]
    wanted = ("", *references)
    return min(found, key=lambda arm: (arm.reference not in wanted, arm.label != arm.name), default=None)


def is_meant(arm: Arm, rule: Rule) -> bool:
    """Whether ``arm`` is what a rule names."""
    if arm.role == "full-all" and rule.label != "full-all":
        return False  # it trains on other data than everything else
    return (
        rule.name in ("", arm.name)
        and rule.label in ("", arm.label)
        and abs(arm.rung - rule.rung) < 1e-9
        and _follows(arm.schedule, rule.schedule)
        and _has(arm, rule.options)
    )


def _follows(schedule: str, wanted: str) -> bool:
    return schedule == wanted or not wanted or schedule.startswith(f"{wanted} ")


def _has(arm: Arm, wanted: dict[str, Any]) -> bool:
    options = {"cadence": arm.cadence, **_options(arm.strategy)}
    return all(name in options and _same(options[name], value) for name, value in wanted.items())


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


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


def describe(rule: Rule) -> str:
    """``static (keep hard, fixed 0.3) at 0.5 of the budget``."""
    details = [f"{name} {value}" for name, value in rule.options.items()]
    details += [rule.schedule] if rule.schedule else []
    text = rule.label or rule.name
    text += f" ({', '.join(details)})" if details else ""
    return text if rule.rung == 1.0 else f"{text} at {rule.rung:g} of the budget"
