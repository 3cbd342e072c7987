"""What a cell's record says of its measures, with every check that they must pass before they count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Tail:
    """One selection: exponent and level of its spectrum's tail, and those ``[draws]`` of random ones of equal size.

    ``lacking`` says why there is none; the numbers are then NaN, the arrays empty.
    """

    size: int
    effective: float
    exponent: float
    level: float
    random_exponents: Array
    random_levels: Array
    lacking: str


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Hard selection (picks counted) and soft (weights summed; None where nothing was weighted), apart."""

    reference: str
    first: int
    last: int
    pool: float | None
    hard: Tail
    soft: Tail | None


@dataclass(frozen=True, eq=False)
class Residuals:
    """Energies ``[points, directions]`` as shares of their start, over ``progress`` and total ``flops`` ``[points]``.

    NaN where the learner had diverged.
    """

    reference: str
    progress: Array
    flops: Array
    energies: Array


@dataclass(frozen=True)
class Distance:
    """Means over ``samples`` selections of ``size`` picks: the minimum distance, and a low ``quantile`` of those to
    the nearest neighbour, beside those of random picks."""

    reference: str
    samples: int
    size: float
    quantile: float
    minimum: float
    low: float
    random_minimum: float
    random_low: float


@dataclass(frozen=True, eq=False)
class Measures:
    """Each is None where it was not taken, or nothing was selected."""

    spectrum: Spectrum | None = None
    residuals: Residuals | None = None
    distance: Distance | None = None


def measures(record: Mapping[str, Any] | None) -> Measures | None:
    """The measures of a record.

    Raises
    ------
    ValueError, TypeError, KeyError
        Where a number is missing, not finite or negative, or lengths disagree.
    """
    if record is None:
        return None
    return Measures(
        spectrum=_given(record.get("spectrum"), _spectrum),
        residuals=_given(record.get("residuals"), _residuals),
        distance=_given(record.get("distance"), _distance),
    )


def _given(record: Any, read: Callable[[Mapping[str, Any]], Made]) -> Made | None:
    return None if record is None else read(record)


def _number(value: Any, least: float = -np.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    if not (np.isfinite(value) and value >= least):
        raise ValueError(f"{value!r} cannot be a measured number")
    return float(value)


def _numbers(values: Any, least: float = -np.inf) -> Array:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list of numbers")
    return np.array([_number(value, least) for value in values])


def _spectrum(record: Mapping[str, Any]) -> Spectrum:
    return Spectrum(
        reference=str(record["reference"]),
        first=int(_number(record["first"], 1)),
        last=int(_number(record["last"], 1)),
        pool=_given(record["pool"], _number),  # type: ignore[arg-type]
        hard=_tail(record["hard"]),
        soft=_given(record["soft"], _tail),
    )


def _tail(record: Mapping[str, Any]) -> Tail:
    lacking = str(record.get("lacking", ""))
    exponents, levels = (_numbers(record.get(f"random_{name}", [])) for name in ("exponents", "levels"))
    if len(exponents) != len(levels) or bool(len(exponents)) == bool(lacking):
        raise ValueError(f"{len(exponents)} random exponents and {len(levels)} levels are no draws of one selection")
    return Tail(
        size=int(_number(record["size"], 1)),
        effective=_number(record["effective"], 0),
        exponent=np.nan if lacking else _number(record["exponent"]),
        level=np.nan if lacking else _number(record["level"]),
        random_exponents=exponents,
        random_levels=levels,
        lacking=lacking,
    )


def _residuals(record: Mapping[str, Any]) -> Residuals:
    count, points = int(_number(record["directions"], 1)), record["points"]
    rows = [np.full(count, np.nan) if shares is None else _numbers(shares, 0) for *_, shares in points]
    if not rows or {len(row) for row in rows} != {count}:
        raise ValueError(f"the residuals do not have {count} directions at every point")
    progress, flops = (np.array([_number(point[place], 0) for point in points]) for place in (0, 1))
    if (np.diff(progress) < 0).any() or (np.diff(flops) < 0).any():
        raise ValueError("the residuals' progress or cost falls")
    return Residuals(str(record["reference"]), progress, flops, np.stack(rows))


def _distance(record: Mapping[str, Any]) -> Distance:
    names = ("size", "quantile", "minimum", "low", "random_minimum", "random_low")
    found = {name: _number(record[name], 0) for name in names}
    return Distance(str(record["reference"]), int(_number(record["samples"], 1)), **found)
