"""``matrix.toml``, the matrix as run, from its file to dataclasses. Keys that came later may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .files import open_toml
from .parsing import FORMAT, number, text, whole
from .records import (
    ACCOUNTS,
    COSTS,
    INTERVALS,
    LADDERS,
    LR_SOURCES,
    ROLES,
    TUNINGS,
    Arm,
    Dataset,
    Grid,
    Matrix,
    Pays,
    Request,
    ResultsError,
)

_T = TypeVar("_T")
_R = TypeVar("_R", Arm, Dataset)


def read_matrix(file: Path) -> Matrix:
    record = open_toml(file)
    if record.get("version") != FORMAT:
        raise ResultsError(f"{file}: format version {record.get('version')!r}; this selbench reads version {FORMAT}")
    try:
        return _matrix(record)
    except KeyError as error:
        raise ResultsError(f"{file}: field {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultsError(f"{file}: {error}") from error


def table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not a table")
    return value


def finite(value: Any) -> float:
    if not np.isfinite(number(value)):
        raise ValueError(f"{value!r} is not finite")
    return float(value)


def list_of(read: Callable[[Any], _T], value: Any) -> tuple[_T, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is not a list")
    return tuple(map(read, value))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "str": text,
    "Role": text,
    "int": whole,
    "float": finite,
    "float | None": lambda value: None if value is None else finite(value),
    "tuple[str, ...]": lambda value: list_of(text, value),
    "Mapping[str, Any]": table,
}
"""How a field of each type is read: strangers' files may hold anything."""


def _matrix(record: Mapping[str, Any]) -> Matrix:
    analysis, requested = table(record["analysis"]), table(record["requested"])
    rows = list_of(lambda item: _known(Dataset, table(item)), record["datasets"])
    datasets = {dataset.name: dataset for dataset in rows}
    rate = table(record.get("optimizer", {})).get("lr")
    listed = list_of(lambda item: _known(Arm, {"lr": rate, "base": table(item)["key"], **item}), record["arms"])
    arms = {arm.key: arm for arm in listed}
    pays = Pays(**table(analysis.get("pays", {})))
    _check(datasets, arms, len(listed), pays)
    if len(datasets) < len(rows):
        raise ValueError("two data sets have the same name")
    alpha, share = finite(analysis["alpha"]), finite(analysis["amortise_over"])
    seeds = list_of(whole, record["seeds"])
    if not (0 < alpha < 0.5 and share > 0):
        raise ValueError(f"analysis.alpha = {alpha:g} is not in (0, 0.5), or amortise_over = {share:g} is not positive")
    tuning, interval = record["tuning"], analysis.get("interval", "t")
    if tuning not in TUNINGS or interval not in INTERVALS:
        raise ValueError(f"tuning = {tuning!r} or analysis.interval = {interval!r} is unknown")
    return Matrix(
        name=text(record["name"]),
        title=text(record["title"]),
        identity=text(record["identity"]),
        seeds=seeds,
        tuning=tuning,
        grid=_grid(table(record["grid"]), seeds) if tuning == "grid" else None,
        learner=_learner(table(record["learner"])),
        budget=_budget(table(record["budget"])),
        alpha=alpha,
        amortise_over=share,
        interval=interval,
        primary=list_of(text, analysis["primary"]),
        pays=pays,
        requests=list_of(_request, record.get("parts", [{**record, "datasets": list(datasets)}])),
        requested_strategies=list_of(text, requested["strategies"]),
        requested_seeds=list_of(whole, requested["seeds"]),
        timing_seeds=whole(table(record.get("timing", {})).get("seeds", 0)),
        datasets=datasets,
        arms=arms,
        studies=list_of(_study, record.get("studies", [])),
    )


def _study(found: Any) -> dict[str, Any]:
    asked = table(found)
    return {
        "analysis": text(asked["analysis"]),
        "question": text(asked["question"]),
        "options": table(asked.get("options", {})),
    }


def _learner(found: dict[str, Any]) -> dict[str, Any]:
    for name in ("name", "text"):
        text(found[name])
    return found


def _budget(found: dict[str, Any]) -> dict[str, Any]:
    for name in found.keys() & {"passes", "steps", "flops", "seconds", "batch", "buckets"}:
        finite(found[name])
    return found


def _request(part: Any) -> Request:
    asked = table(table(part)["requested"])
    declared = table(part.get("declared", asked))
    return Request(
        name=text(part["name"]),
        source=text(asked.get("matrix", part["name"])),
        overrides=list_of(text, asked.get("set", ())),
        datasets=list_of(text, part["datasets"]),
        declared_strategies=list_of(text, declared["strategies"]),
        declared_seeds=list_of(whole, declared["seeds"]),
        strategies=list_of(text, asked["strategies"]),
        seeds=list_of(whole, asked["seeds"]),
        timing_seeds=whole(table(part.get("timing", {})).get("seeds", 0)),
    )


def _grid(record: Mapping[str, Any], reported: Sequence[int]) -> Grid:
    grid = Grid(list_of(finite, record["factors"]), list_of(whole, record["tuning_seeds"]))
    if not all(factor > 0 for factor in grid.factors):
        raise ValueError("grid.factors holds a factor that is not positive")
    for name, values in vars(grid).items():
        if not values or len(set(values)) < len(values):
            raise ValueError(f"grid: {name} are missing or named twice")
    if set(grid.seeds) & set(reported):
        raise ValueError("grid.tuning_seeds holds a seed that is reported as well")
    return grid


def _known(kind: type[_R], item: Mapping[str, Any]) -> _R:
    """An instance from the fields that ``kind`` has; what else the writer added is not for this reader."""
    values = {}
    for field in fields(kind):
        needed = field.default is MISSING and field.default_factory is MISSING
        if needed or field.name in item:
            try:
                values[field.name] = _READ[str(field.type)](item[field.name])
            except (TypeError, ValueError) as error:
                raise type(error)(f"{field.name} of {kind.__name__.lower()} {item.get('name')!r}: {error}") from None
    return kind(**values)


def _check(datasets: Mapping[str, Dataset], arms: Mapping[str, Arm], written: int, pays: Pays) -> None:
    if len(arms) != written:
        raise ValueError("two arms have the same key")
    for arm in arms.values():
        if arm.role not in ROLES:
            raise ValueError(f"arm {arm.label!r} has the unknown role {arm.role!r}")
        if arm.role == "rung" and not 0 < arm.rung < 1:
            raise ValueError(f"rung {arm.rung:g} of {arm.label!r} is no share below the whole budget")
        if arm.lr_from not in LR_SOURCES or not (arm.lr is None or arm.lr > 0) or not arm.lr_factor > 0:
            raise ValueError(f"the learning rate of arm {arm.label!r} is not positive, or from nowhere known")
        if arm.dataset not in datasets:
            raise ValueError(f"arm {arm.label!r} is on the unknown dataset {arm.dataset!r}")
        if arm.twin and arm.twin not in arms:
            raise ValueError(f"the twin {arm.twin!r} of arm {arm.label!r} is not among the arms")
    for dataset in datasets.values():
        if not dataset.margin >= 0:
            raise ValueError(f"the margin of {dataset.name!r} is negative")
    if pays.account not in ACCOUNTS or pays.cost not in COSTS or pays.ladder not in LADDERS:
        raise ValueError(f"analysis.pays names no account, cost or ladder that there is: {pays}")
