"""``matrix.toml``, the matrix as run, from its file to dataclasses. Keys that came later may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def read_matrix(file: Path) -> Matrix:
    record = open_toml(file)
    if record.get("version") != FORMAT:
        raise ResultsError(f"{file}: format version {record.get('version')!r}; this selbench reads version {FORMAT}")
    try:
        return _matrix(record)
    except KeyError as error:
        raise ResultsError(f"{file}: field {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{file}: {error}") from error


def _matrix(record: Mapping[str, Any]) -> Matrix:
    analysis, requested = record["analysis"], record["requested"]
    datasets = {
        item["name"]: _known(Dataset, {**item, "classes": tuple(item["classes"])}) for item in record["datasets"]
    }
    rate = record.get("optimizer", {}).get("lr")
    arms = {item["key"]: _known(Arm, {"lr": rate, "base": item["key"], **item}) for item in record["arms"]}
    pays = Pays(**analysis.get("pays", {}))
    _check(datasets, arms, len(record["arms"]), pays)
    alpha, share = number(analysis["alpha"]), number(analysis["amortise_over"])
    if not (0 < alpha < 0.5 and share > 0):
        raise ValueError(f"analysis.alpha = {alpha:g} is not in (0, 0.5), or amortise_over = {share:g} is not positive")
    tuning, interval = record["tuning"], analysis.get("interval", "t")
    if tuning not in TUNINGS or interval not in INTERVALS:
        raise ValueError(f"tuning = {tuning!r} or analysis.interval = {interval!r} is unknown")
    return Matrix(
        name=record["name"],
        title=record["title"],
        identity=record["identity"],
        seeds=tuple(record["seeds"]),
        tuning=tuning,
        grid=_grid(record["grid"], record["seeds"]) if tuning == "grid" else None,
        learner=record["learner"],
        budget=record["budget"],
        alpha=alpha,
        amortise_over=share,
        interval=interval,
        primary=tuple(analysis["primary"]),
        pays=pays,
        requests=tuple(map(_request, record.get("parts", [{**record, "datasets": list(datasets)}]))),
        requested_strategies=tuple(requested["strategies"]),
        requested_seeds=tuple(requested["seeds"]),
        timing_seeds=whole(record.get("timing", {}).get("seeds", 0)),
        datasets=datasets,
        arms=arms,
    )


def _request(table: Mapping[str, Any]) -> Request:
    asked = table["requested"]
    declared = table.get("declared", asked)
    return Request(
        name=text(table["name"]),
        source=text(asked.get("matrix", table["name"])),
        overrides=tuple(map(text, asked.get("set", ()))),
        datasets=tuple(map(text, table["datasets"])),
        declared_strategies=tuple(map(text, declared["strategies"])),
        declared_seeds=tuple(map(whole, declared["seeds"])),
        strategies=tuple(map(text, asked["strategies"])),
        seeds=tuple(map(whole, asked["seeds"])),
        timing_seeds=whole(table.get("timing", {}).get("seeds", 0)),
    )


def _grid(record: Mapping[str, Any], reported: Sequence[int]) -> Grid:
    grid = Grid(tuple(map(number, record["factors"])), tuple(map(whole, record["tuning_seeds"])))
    if not all(np.isfinite(factor) and factor > 0 for factor in grid.factors):
        raise ValueError("grid.factors holds a factor that is not positive")
    for name, values in vars(grid).items():
        if not values or len(set(values)) < len(values):
            raise ValueError(f"grid: {name} are missing or named twice")
    if set(grid.seeds) & set(reported):
        raise ValueError("grid.tuning_seeds holds a seed that is reported as well")
    return grid


def _known(kind: type[_T], item: Mapping[str, Any]) -> _T:
    """An instance from the fields that ``kind`` has; what else the writer added is not for this reader."""
    needed = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}  # type: ignore[arg-type]
    named = [field.name for field in fields(kind) if field.name in needed or field.name in item]  # type: ignore[arg-type]
    return kind(**{name: item[name] for name in named})


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
