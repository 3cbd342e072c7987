"""Claims as the page tells them: how many got which verdict, in which order, and each measured number with its unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..numbers import MINUS, NARROW, NONE, points, ratio
from ..panels import Row

VERDICTS = ("supported", "contradicted", "inconclusive", "not run", "out of scope")
JUDGED = VERDICTS[:3]


def tally(claims: Iterable[Row]) -> list[tuple[str, int]]:
    """How many claims have each verdict, those that none has left out."""
    found = [claim["verdict"] for claim in claims]
    return [(verdict, found.count(verdict)) for verdict in VERDICTS if verdict in found]


def counted(claims: Iterable[Row]) -> str:
    """``2 supported, 1 contradicted, 9 not run``."""
    return ", ".join(f"{number} {verdict}" for verdict, number in tally(claims))


def judged(claims: Iterable[Row]) -> list[Row]:
    """The claims that were put to the test, by verdict."""
    return sorted((claim for claim in claims if claim["verdict"] in JUDGED), key=lambda c: JUDGED.index(c["verdict"]))


def of_verdict(claims: Iterable[Row], verdict: str) -> list[Row]:
    """The claims with one verdict; of those not run, those with an indication first."""
    return sorted((claim for claim in claims if claim["verdict"] == verdict), key=lambda claim: not claim["indication"])


def unindicated(claims: Iterable[Row]) -> list[Row]:
    """The claims that these runs say nothing about."""
    return [claim for claim in claims if claim["verdict"] not in JUDGED and not claim["indication"]]


def source(claim: Row) -> str:
    """``paper, section``."""
    return ", ".join(filter(None, (claim["source"].get("paper"), claim["source"].get("section"))))


def number(test: Row, value: float | None) -> str:
    """A value of a test in its metric's unit: points of accuracy, a ratio, or three digits."""
    if value is None:
        return NONE
    metric = test["metric"]
    if metric in ("accuracy", "test_accuracy"):
        return points(value)
    return ratio(value) if "ratio" in metric or "cost" in metric else f"{value:.3g}".replace("-", MINUS)


def measured(test: Row) -> str:
    """``+0.12 (90 % interval −0.30 to +0.54, n 8)``; a dash where nothing was measured."""
    if test["estimate"] is None:
        return NONE
    shown = number(test, test["estimate"])
    parts = []
    if test["low"] is not None or test["high"] is not None:
        level = f"{100 * test['confidence']:.3g}{NARROW}% interval " if test["confidence"] else ""
        ends = [number(test, end) if end is not None else "\u221e" for end in (test["low"], test["high"])]
        parts.append(f"{level}{ends[0]} to {ends[1]}")
    if test["n"]:
        parts.append(f"n{NARROW}={NARROW}{test['n']}")
    return f"{shown} ({', '.join(parts)})" if parts else shown


def hints(claims: Iterable[Row]) -> str:
    """What smaller runs hint at: ``of 3 smaller runs give an indication: 2 contradicted, 1 inconclusive``."""
    found = [claim["indication"] for claim in claims if claim["indication"]]
    return f"; runs here give an indication on {len(found)}: {counted(found)}" if found else ""


def lacking(claim: Row) -> str:
    """Why a claim was not judged, where its unmet conditions do not say it already."""
    return "" if any(not item["met"] for item in claim["conditions"]) and not claim.get("needs") else claim["reason"]


def leading(claim: Row) -> Sequence[Row]:
    """The tests that the short table shows: those that have an estimate, two at most."""
    return [test for test in claim["tests"] if test["estimate"] is not None][:2]


def told(claim: Row) -> str:
    """What the leading tests measured, in one line; a dash where nothing was."""
    return "; ".join(measured(test) for test in leading(claim)) or NONE
