"""Sweeps: a list among the parameters of a ``[[strategies]]`` entry stands for one arm a value."""

from __future__ import annotations

import collections.abc
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, product
from typing import Any

from ...strategies import UsageError
from ...strategies.registry import registry
from ..toml import Named
from .tables import StrategyEntry, Study, Sweep

LIMIT = 50  # arms of one sweep
_LISTS = re.compile(r"\b(list|tuple|set|frozenset|Sequence|Iterable|Collection|ndarray|Tensor)\b", re.IGNORECASE)
Path = tuple[str, ...]  # of a parameter in its entry, such as ("schedule", "ratio")


def expanded(entries: Sequence[StrategyEntry], where: str) -> list[StrategyEntry]:
    """The entries with each sweep as its arms, in order; several lists of one entry give their product.

    Raises
    ------
    UsageError
        In one line: a list with fewer than two values, a value named twice or of no plain type, or too many arms.
    """
    return [arm for place, entry in enumerate(entries) for arm in _arms(entry, place, f"{where}: strategies.{place}")]


def studies(entries: Iterable[StrategyEntry]) -> list[Study]:
    """A question for each sweep, over the numbers that have most values; the other parameters tell curves apart."""
    swept = [(entry, entry._sweep) for entry in entries if entry._sweep]
    found = []
    for _, group in groupby(swept, key=lambda row: row[1].place):
        arms = [(entry, sweep) for entry, sweep in group]
        values = {name: dict.fromkeys(sweep.values[name] for _, sweep in arms) for name in arms[0][1].values}
        over = max(values, key=lambda name: (all(map(_is_number, values[name])), len(values[name])))
        curves: dict[str, dict[str, Any]] = {}
        for entry, sweep in arms:
            others = {name: value for name, value in sweep.values.items() if name != over}
            curves.setdefault(_labelled(sweep.label, others), {})[entry.label] = sweep.values[over]
        question = f"How does {arms[0][1].label} depend on {over}?"
        found.append(Study(analysis="sweep", question=question, options={"over": over, "curves": curves}))
    return found


def _arms(entry: StrategyEntry, place: int, where: str) -> Iterator[StrategyEntry]:
    lists = {("options", *path): values for path, values in _lists("strategies", entry.name, entry.options)}
    if entry.schedule is not None:
        of = _lists("schedules", entry.schedule.name, entry.schedule.parameters())
        lists |= {("schedule", *path): values for path, values in of}
    if not lists:
        yield entry
        return
    for path, given in lists.items():
        _check(given, f"{where}.{'.'.join(path)}")
    if (number := math.prod(map(len, lists.values()))) > LIMIT:
        raise UsageError(f"{where}: its lists make {number:,} arms, and one entry takes {LIMIT}: name fewer values")
    last = [path[-1] for path in lists]
    names = [path[-1] if last.count(path[-1]) == 1 else ".".join(path) for path in lists]
    label = entry.label or entry.name
    for combination in product(*lists.values()):
        values, table = dict(zip(names, combination, strict=True)), entry.model_dump(include={"options", "schedule"})
        for (*parents, key), value in zip(lists, combination, strict=True):
            at = table
            for parent in parents:
                at = at[parent]
            at[key] = value
        schedule = entry.schedule and Named(**table["schedule"])
        arm = entry.model_copy(
            update={"label": _labelled(label, values), "options": table["options"], "schedule": schedule}
        )
        arm._sweep = Sweep(place, label, values)
        yield arm


def _lists(kind: str, name: str, table: Mapping[str, Any]) -> Iterator[tuple[Path, list[Any]]]:
    """The lists of ``table`` that the parameters of ``name`` take one value of, also those of a schedule in it."""
    for key, value in table.items():
        if isinstance(value, list) and _takes_one(kind, name, key):
            yield (key,), value
        elif kind == "schedules" and isinstance(value, dict) and isinstance(inner := value.get("name"), str):
            rest = {name: part for name, part in value.items() if name != "name"}
            yield from (((key, *path), values) for path, values in _lists(kind, inner, rest))


def _takes_one(kind: str, name: str, key: str) -> bool:
    """Whether the parameter's annotation has no list in it; without one, whether it has a default that is none."""
    try:
        target, known = registry(kind).target(name), registry(kind).parameters(name)
    except UsageError:
        return False  # it is refused where it is loaded, with the reason
    with suppress(Exception):  # of names that are not there when it runs: such an annotation is read as text
        known = inspect.signature(target, eval_str=True).parameters
    parameter = known.get(key)
    if parameter is None:
        return False
    if parameter.annotation in (parameter.empty, Any, object, "Any", "object"):
        return parameter.default is not parameter.empty and not isinstance(parameter.default, list | tuple)
    return not _holds_list(parameter.annotation)


def _holds_list(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return bool(_LISTS.search(annotation))
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return any(map(_holds_list, typing.get_args(annotation)))
    if origin is typing.Annotated:
        return _holds_list(typing.get_args(annotation)[0])
    kinds = (str, bytes, collections.abc.Mapping)
    return isinstance(origin, type) and issubclass(origin, collections.abc.Iterable) and not issubclass(origin, kinds)


def _check(values: list[Any], where: str) -> None:
    if len(values) < 2:
        mend = f"write {_text(values[0])} alone, or add values" if values else "name two, or leave the key out"
        raise UsageError(f"{where}: a list is a sweep of two values or more, and this has {len(values)}: {mend}")
    if wrong := [value for value in values if not isinstance(value, str | int | float)]:
        raise UsageError(f"{where}: a sweep is over numbers, words or true and false, and {wrong[0]!r} is none of them")
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise UsageError(f"{where}: {_text(twice[0])} is named twice: name each value once")


def _labelled(label: str, values: Mapping[str, Any]) -> str:
    return " ".join([label, *(f"{name}={_text(value)}" for name, value in values.items())])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
