"""What stands beside a verdict: what it would take to decide it, its two errors, and other tests of the same pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..numbers import NARROW, NONE, count, p_value, plural, points
from ..panels import Row

_INTERVALS = {"t": "paired t", "sign-flip": "inverted sign-flip tests"}


def to_decide(row: Row) -> str:
    """What an inconclusive contrast would take; empty for any other.

    Both numbers are for a power of 80 % where the true difference is 0; a difference near the margin takes more.
    """
    if row["verdict"] != "inconclusive" or row["mean_difference"] is None:
        return ""
    needed, smallest, there = row["seeds_needed"], row["smallest_margin"], row["n_pairs"]
    could = "" if smallest is None else f"{plural(there, 'seed')} can show a margin of {smallest:.2g}"
    if needed is None:
        return could
    if needed <= there:
        return "more seeds: the difference lies near the margin"
    return f"{count(needed)} seeds" + (f"; {could}" if could else "")


def interval_words(contrasts: Iterable[Row]) -> str:
    """By which test intervals and *p* were made: ``paired t``, or what the matrix declared instead."""
    kinds = {row.get("interval", "t") for row in contrasts}
    return " and ".join(_INTERVALS[kind] for kind in sorted(kinds)) or _INTERVALS["t"]


def seed_error(row: Row) -> float | None:
    """Standard error in points that the choice of seeds gives to the mean difference."""
    return None if row["sd"] is None or not row["n_pairs"] else row["sd"] / math.sqrt(row["n_pairs"])


def error(value: float | None) -> str:
    """A standard error without a sign: ``0.21``."""
    return NONE if value is None else points(value).lstrip("+")


def changed(found: Row) -> str:
    """One seed of McNemar's test: ``+12 −9, p .664``."""
    return f"+{found['gained']:,} \u2212{found['lost']:,}, p{NARROW}{p_value(found['p'])}"


def _parts(row: Row) -> list[str]:
    return [part for part in row["note"].split("; ") if part]


def shared_notes(rows: Sequence[Row]) -> list[str]:
    """Remarks that all of several rows carry, to be told once."""
    return [part for part in _parts(rows[0]) if len(rows) > 1 and all(part in _parts(row) for row in rows)]


def own_notes(row: Row, shared: Sequence[str]) -> str:
    """The remarks of a row that are not shared."""
    return "; ".join(part for part in _parts(row) if part not in shared)


def opinions(rows: list[Row]) -> list[Row]:
    """The contrasts that have pairs to be tested in another way."""
    return [row for row in rows if row["mean_difference"] is not None and row["n_pairs"] > 1]


def seeds_of(rows: list[Row]) -> list[int]:
    """The seeds at which any of ``rows`` was compared image by image."""
    return sorted({found["seed"] for row in rows for found in row.get("mcnemar") or ()})


def at_seed(row: Row, seed: int) -> str:
    """What McNemar's test says of one seed, or a dash."""
    return next((changed(found) for found in row.get("mcnemar") or () if found["seed"] == seed), NONE)
