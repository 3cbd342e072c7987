"""Names to classes through entry points, of built-ins (``pyproject.toml``) and plugins alike, for every group.

Lazy, collision-proof, and helpful about misspellings.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import UsageError, did_you_mean
from .time_limit import time_limit

CALLED = {
    "schedules": "ratio",
    "datasets": "load",
    "references": "fingerprint",
    "learners": "build",
    "executors": "run",
    "trackers": "cell",
}
"""The method that tells what a class is, by group; a strategy tells more (``Traits.of``)."""


@dataclass(frozen=True)
class Entry:
    name: str
    target: str
    distribution: str
    version: str
    point: EntryPoint

    @property
    def builtin(self) -> bool:
        return self.distribution == "selbench"


class Registry:
    """The names of one entry-point group, such as ``selbench.strategies``."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.kind = group.removeprefix("selbench.")

    @property
    def singular(self) -> str:
        """The kind's name for one of them: ``strategies`` -> ``strategy``."""
        return self.kind[:-3] + "y" if self.kind.endswith("ies") else self.kind.removesuffix("s")

    def found(self) -> dict[str, list[Entry]]:
        """Every registered name with all that claim it, without importing any of them."""
        # Reading the metadata of all that is installed takes 30 ms: once for each search path is enough.
        return dict(_found(self.group, entry_points, tuple(sys.path)))

    def entry(self, name: str) -> Entry:
        """The one entry behind ``name``; raises where nobody registered it, or two distributions did."""
        table = self.found()
        if name not in table:
            raise UsageError(f"no {self.singular} named {name!r}{self._elsewhere(name) or did_you_mean(name, table)}")
        entries = table[name]
        if len(entries) > 1:
            owners = " and ".join(sorted(f"{e.distribution} ({e.target})" for e in entries))
            raise UsageError(f"{self.singular} {name!r} is registered twice, by {owners}: uninstall or rename one")
        return entries[0]

    def _elsewhere(self, name: str) -> str:
        """Where a distribution registers ``name`` in another of our groups, or one that does not exist."""
        for point in entry_points(name=name):
            if point.group.startswith("selbench"):
                owner = point.dist.name if point.dist else "?"
                return f": {owner} registers it under {point.group!r}, and {self.kind} belong under {self.group!r}"
        return ""

    def target(self, name: str) -> Any:
        """Import and return the class (or function) behind ``name``; raises where there is none, or not in time."""
        entry = self.entry(name)
        try:
            with nullcontext() if entry.builtin else time_limit():
                found = entry.point.load()
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            raise UsageError(
                f"{self.singular} {name!r} of {entry.distribution} {entry.version} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
        if inspect.isclass(found) or inspect.isroutine(found) or isinstance(found, partial):
            return found
        what, module = f"an instance of {type(found).__name__}", entry.point.module
        kind = type(found).__name__
        if inspect.ismodule(found):
            own = [key for key, value in vars(found).items() if inspect.isclass(value) and value.__module__ == module]
            what, kind = "a module", own[0] if own else "CLASS"
        raise UsageError(
            f"{self.singular} {name!r} of {entry.distribution} {entry.version} is {what}, and must be a class: write "
            f'{name} = "{module}:{kind}" in its entry points, and install it again'
        )

    def parameters(self, name: str) -> Mapping[str, inspect.Parameter]:
        """What the constructor of ``name`` takes; raises as :meth:`target`."""
        try:
            return inspect.signature(self.target(name)).parameters
        except (TypeError, ValueError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{self.singular} {name!r} does not say what parameters it takes: {error}") from error

    def load(self, name: str, /, **hyper_parameters: Any) -> Any:
        """An instance of ``name`` with these hyper-parameters.

        Raises
        ------
        UsageError
            As :meth:`target`; also for a hyper-parameter that the constructor does not have or refuses.
        """
        target = self.target(name)
        known = self.parameters(name)
        for key in () if any(p.kind is p.VAR_KEYWORD for p in known.values()) else hyper_parameters:
            if key not in known:
                raise UsageError(f"{self.singular} {name!r} has no parameter {key!r}{did_you_mean(key, known)}")
        try:
            made = target(**hyper_parameters)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self.singular} {name!r} refuses its parameters: {error}") from error
        if (needed := CALLED.get(self.kind)) and not callable(getattr(made, needed, None)):
            raise UsageError(
                f"{self.singular} {name!r} of {self.entry(name).distribution} has no method {needed}: write it, or "
                f"register {type(made).__name__} under another group than {self.group!r}"
            )
        return made

    def describe(self) -> list[dict[str, str]]:
        """One row a name for listings: name, summary, origin, and the error where it does not import."""
        rows = []
        for name, entries in self.found().items():
            row = {"name": name, "origin": " / ".join(f"{e.distribution} {e.version}" for e in entries)}
            try:
                row |= {"summary": (inspect.getdoc(self.target(name)) or "").strip().split("\n")[0], "error": ""}
            except UsageError as error:
                row |= {"summary": "", "error": str(error)}
            rows.append(row)
        return rows


@cache
def _found(group: str, points: Callable[..., Any], path: tuple[str, ...]) -> dict[str, list[Entry]]:
    table: dict[str, list[Entry]] = {}
    for point in points(group=group):
        dist = point.dist
        entry = Entry(point.name, point.value, dist.name if dist else "?", dist.version if dist else "?", point)
        entries = table.setdefault(point.name, [])
        # An editable install can list one distribution twice; that is no clash.
        if (entry.target, entry.distribution) not in [(e.target, e.distribution) for e in entries]:
            entries.append(entry)
    return dict(sorted(table.items()))


@cache
def registry(group: str) -> Registry:
    return Registry(f"selbench.{group}")
