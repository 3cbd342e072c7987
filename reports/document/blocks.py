"""Blocks of which a report is made, without a format: each renderer writes all of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text for a page, first column the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """Points of one name: ``x`` and ``y`` of one length, ``low`` and ``high`` as well or empty; None breaks a line."""

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    joined: bool = True
    """Whether a line joins the points."""


@dataclass(frozen=True)
class Chart:
    """A figure: points with intervals over a number, or over ``ticks`` (names, for x = 0, 1, ...)."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    ticks: tuple[str, ...] = ()
    log_x: bool = False
    log_y: bool = False
    level: float | None = None
    """Where a horizontal line stands, such as "no difference"."""
