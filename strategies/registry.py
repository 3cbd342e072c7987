"""Names to classes through entry points: lazy, collision-proof, and helpful about misspellings.

The built-ins are registered in ``pyproject.toml`` in the same way as anyone's plugin. The registry
serves every group of the suite (strategies here; schedules, datasets and others in the harness).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import UsageError, did_you_mean
from .time_limit import time_limit


@dataclass(frozen=True)
class Entry:
    """One registered name: its target, the distribution it comes from, and its version."""

    name: str
    target: str
    distribution: str
    version: str
    point: EntryPoint

    @property
    def builtin(self) -> bool:
        """Whether this suite itself registered the name."""
        return self.distribution == "selbench"


class Registry:
    """The names of one entry-point group.

    Parameters
    ----------
    group : str
        For example ``selbench.strategies``.
    """

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
        """The one entry behind ``name``.

        Raises
        ------
        UsageError
            If nobody registered the name, or two distributions did.
        """
        table = self.found()
        if name not in table:
            raise UsageError(f"no {self.singular} named {name!r}{did_you_mean(name, table)}")
        entries = table[name]
        if len(entries) > 1:
            owners = " and ".join(sorted(f"{e.distribution} ({e.target})" for e in entries))
            raise UsageError(f"{self.singular} {name!r} is registered twice, by {owners}: uninstall or rename one")
        return entries[0]

    def target(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Raises
        ------
        UsageError
            If the name is unknown, clashes, or its module cannot be imported, or not in time.
        """
        entry = self.entry(name)
        try:
            with nullcontext() if entry.builtin else time_limit():
                return entry.point.load()
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            raise UsageError(
                f"{self.singular} {name!r} of {entry.distribution} {entry.version} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error

    def load(self, name: str, /, **hyper_parameters: Any) -> Any:
        """An instance of ``name`` with these hyper-parameters.

        Raises
        ------
        UsageError
            As :meth:`target`; also for a hyper-parameter that the constructor does not have or refuses.
        """
        target = self.target(name)
        known = _parameters(target)
        for key in hyper_parameters:
            if known is not None and key not in known:
                raise UsageError(f"{self.singular} {name!r} has no parameter {key!r}{did_you_mean(key, known)}")
        try:
            return target(**hyper_parameters)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self.singular} {name!r} refuses its parameters: {error}") from error

    def describe(self) -> list[dict[str, str]]:
        """One row a name for listings: name, summary, origin, and the error where it does not import."""
        rows = []
        for name, entries in self.found().items():
            row = {"name": name, "origin": " / ".join(f"{e.distribution} {e.version}" for e in entries)}
            try:
                target = self.target(name)
                row["summary"] = (inspect.getdoc(target) or "").strip().split("\n")[0]
                row["error"] = ""
            except UsageError as error:
                row["summary"], row["error"] = "", str(error)
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


def _parameters(target: Any) -> set[str] | None:
    """Names that ``target`` takes; None where it takes any."""
    parameters = inspect.signature(target).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters}


@cache
def registry(group: str) -> Registry:
    """The registry of ``selbench.<group>``."""
    return Registry(f"selbench.{group}")
