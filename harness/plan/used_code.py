"""The code that a task's result rests on, by what it is of: rule, schedule, learner, data set, reference."""

from __future__ import annotations

from typing import Any

from ...strategies.registry import registry
from ..code import code_of, outside
from .matrix import Matrix
from .tasks import Task


def used_code(matrix: Matrix, task: Task) -> dict[str, str]:
    """Digests of code by ``"strategy NAME"`` and so on, as they are written into the record of ``task``."""
    entry = next(row for row in matrix.datasets if row.name == task.dataset)
    used: list[tuple[str, str]] = [("datasets", _name(entry))]
    if task.kind != "features":
        used.append(("learners", (task.proxy.learner or matrix.at(task.dataset).learner).name))
    if task.reference:
        used.append(("references", _name(next(row for row in matrix.references if row.name == task.reference))))
    if (arm := task.arm or task.serves) is not None:
        rule = registry("strategies").load(arm.name, **arm.options)
        used += [("strategies", name) for name in (arm.name, *_named(rule))]
        used.append(("schedules", arm.schedule["name"]))
    return {
        f"{registry(group).singular} {name}": code_of(group, name)
        for group, name in dict.fromkeys(used)
        if name.partition(":")[0] in registry(group).found() or outside(group, name)
    }


def _name(entry: Any) -> str:
    return str(entry.spec or entry.name).split(":")[0]


def _named(rule: Any) -> list[str]:
    """Rules that a rule has the names of, such as the ``of`` of a wrapper."""
    known = registry("strategies").found()
    return sorted({value for value in getattr(rule, "__dict__", {}).values() if isinstance(value, str)} & known.keys())
