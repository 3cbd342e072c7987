"""Strategies that cannot be used at all are found before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ... import __version__
from ...strategies import UsageError
from ...strategies.interface import Traits
from ...strategies.registry import Entry, registry
from ...strategies.time_limit import time_limit
from ..identity import digest
from ..plan.matrix import Matrix
from ..plan.tables import StrategyEntry
from ..plan.tasks import Task
from .executors.outcome import Outcome

NEWER = re.compile(r"selbench\s*\(?\s*>=\s*([\d.]+)")
"""How a distribution asks for a version of this one."""


@dataclass(frozen=True)
class UnusableStrategy:
    """A strategy of a matrix that cannot be used, and why."""

    label: str
    outcome: Outcome

    def tasks(self, matrix: Matrix) -> list[Task]:
        """Placeholders for its cells, without arms."""
        return [
            Task(digest(["unusable", self.label, entry.name, seed]), f"strategy {self.label}", entry.name, seed)
            for seed in matrix.seed_list()
            for entry in matrix.datasets
        ]


def without_unusable(matrix: Matrix, keep_going: bool) -> tuple[Matrix, list[UnusableStrategy]]:
    """The matrix without its strategies that cannot be used, and those.

    Raises
    ------
    UsageError
        For the first of them, unless ``keep_going``; where the request itself is wrong, in any case.
    """
    usable, rest = [], []
    for entry in matrix.strategies:
        outcome = _fault(entry)
        if outcome is None:
            usable.append(entry)
        elif keep_going:
            rest.append(UnusableStrategy(entry.label or entry.name, outcome))
        else:
            raise UsageError(f"{outcome.error}; fix it, leave it out, or pass --keep-going to run the others")
    return matrix.model_copy(update={"strategies": usable}), rest


def _fault(asked: StrategyEntry) -> Outcome | None:
    """The law that a strategy breaks before it is called, or None.

    Raises
    ------
    UsageError
        For an unknown name, or options that a built-in rule refuses.
    """
    known, name = registry("strategies"), asked.name
    if name not in known.found() or all(entry.builtin for entry in known.found()[name]):
        Traits.of(known.load(name, **asked.options))
        return None
    checks: list[tuple[str, Callable[[], Any]]] = [
        ("name", lambda: known.entry(name)),
        ("version", lambda: _asks_for(known.entry(name))),
        ("imports", lambda: known.target(name)),
        ("constructs", lambda: known.load(name, **asked.options)),
        ("declares", lambda: Traits.of(known.load(name, **asked.options))),
    ]
    for law, check in checks:
        try:
            with time_limit():
                check()
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            said = str(error) if isinstance(error, UsageError) else f"it raised {type(error).__name__}: {error}"
            return Outcome(" ".join(f"law broken: {law}: {_named(said, known.found()[name])}".split()), law)
    return None


def _named(said: str, entries: list[Entry]) -> str:
    """``said``, prefixed with the plugin's name unless it holds it."""
    if any(f"{entry.distribution} " in said for entry in entries):
        return said
    return f"strategy {entries[0].name!r} of {entries[0].distribution} {entries[0].version}: {said}"


def _asks_for(entry: Entry) -> None:
    """Refuse a plugin that is written for a later version of the suite than this one."""
    for line in (entry.point.dist.requires if entry.point.dist else None) or []:
        asked = NEWER.match(line)
        if asked and _numbers(asked[1]) > _numbers(__version__):
            raise UsageError(
                f"strategy {entry.name!r} of {entry.distribution} {entry.version} asks for selbench {asked[1]} or "
                f"later, and this is {__version__}: update selbench, or use an earlier version of it"
            )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]
