"""Claims as the page tells them: how many got which verdict, in which order, and each measured number with its unit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ..blocks import Block, Cell, Fold, Grid, Items, Line, Part, Prose, columns
from ..numbers import INFINITE, MINUS, NARROW, NONE, interval, plural, points, ratio, tone
from ..panels import Row

VERDICTS = ("supported", "contradicted", "inconclusive", "not run", "out of scope")
JUDGED = VERDICTS[:3]


def tally(claims: Iterable[Row]) -> list[tuple[str, int]]:
    """How many claims have each verdict, those that none has left out."""
    found = Counter(claim["verdict"] for claim in claims)
    return [(verdict, found[verdict]) for verdict in VERDICTS if found[verdict]]


def counted(claims: Iterable[Row]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in tally(claims))


def judged(claims: Iterable[Row]) -> list[Row]:
    """The claims that were put to the test, by verdict."""
    return sorted((claim for claim in claims if claim["verdict"] in JUDGED), key=lambda c: JUDGED.index(c["verdict"]))


def of_verdict(claims: Iterable[Row], verdict: str) -> list[Row]:
    """The claims with one verdict; of those not run, those with an indication first."""
    return sorted((claim for claim in claims if claim["verdict"] == verdict), key=lambda claim: not claim["indication"])


def source(claim: Row) -> str:
    return ", ".join(filter(None, (claim["source"].get("paper"), claim["source"].get("section"))))


def number(test: Row, value: float | None) -> str:
    """A value of a test in its metric's unit: points of accuracy, a ratio, or three digits."""
    if value is None:
        return NONE
    if math.isinf(value):
        return INFINITE
    metric = test["metric"]
    if metric in ("accuracy", "test_accuracy", "worst class"):
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
        low, high = (math.inf if end is None else end for end in (test["low"], test["high"]))
        parts.append(level + interval(low, high, lambda end: number(test, end)))
    if test["n"]:
        parts.append(f"n{NARROW}={NARROW}{test['n']}")
    return f"{shown} ({', '.join(parts)})" if parts else shown


def hints(claims: Iterable[Row]) -> str:
    """What smaller runs hint at: ``of 3 smaller runs give an indication: 2 contradicted, 1 inconclusive``."""
    found = [claim["indication"] for claim in claims if claim["indication"]]
    return f"; runs here give an indication on {len(found)}: {counted(found)}" if found else ""


def leading(claim: Row) -> Sequence[Row]:
    """The tests that the short table shows: those that have an estimate, two at most."""
    return [test for test in claim["tests"] if test["estimate"] is not None][:2]


def touched(claims: Iterable[Row]) -> list[Row]:
    """The claims on which the runs at hand say anything: a verdict, or an indication."""
    return [claim for claim in claims if claim["verdict"] not in VERDICTS[3:] or claim["indication"]]


def section(claims: Sequence[Row]) -> Part:
    """The claims that the runs touch; of the others, how many there are and which command lists them."""
    counts = [Cell(f"{number} {verdict}", tone=tone(verdict)) for verdict, number in tally(claims)]
    told, claims = counted(claims), touched(every := claims)
    blocks: list[Block] = [
        Fold("", [Items(counts, "counts")], brief=[Prose(f"{told}.")]),
        Prose(
            "Statements are in our words. A claim is tested only by runs at the conditions that it was made under; "
            "smaller runs give an indication and no verdict.",
            "sub",
        ),
    ]
    if found := judged(claims):
        heads = columns("verdict verdict; words claim; words source; words measured here")
        blocks.append(Grid("Table of claims", heads, [_judged(claim) for claim in found], style="claims"))
    else:
        blocks.append(Prose("None of them was run at its own conditions here."))
    if rest := of_verdict(claims, "not run"):
        listed = [part for claim in rest for part in _unheard(claim)]
        title = f"{plural(len(rest), 'claim')} not run at the conditions of the claim{hints(rest)}"
        blocks.append(Fold(title, listed, "rest"))
    hinted = [
        f"not run, indication {claim['indication']['verdict']}: {claim['title']}. {claim['indication']['text']}"
        for claim in of_verdict(claims, "not run")
        if claim["indication"]
    ]
    blocks.append(Fold("", (), brief=[Items(hinted)] if hinted else []))
    if others := len(every) - len(claims):
        blocks.append(
            Prose(f"These runs say nothing of {plural(others, 'other claim')}: selbench claim lists all.", "sub")
        )
    return Part("What papers claim, held against these runs", blocks, key="claims", name="Claims", style="brief")


def _judged(claim: Row) -> Line:
    takes = (f"to decide: {claim['to_decide']}",) if claim["to_decide"] else ()
    measures = [measured(test) for test in leading(claim)] or [NONE]
    cells = [
        Cell(claim["verdict"], tone=tone(claim["verdict"]), strong=True, notes=takes),
        Cell(claim["title"], under=claim["statement"], strong=True),
        source(claim),
        Cell(measures[0], notes=tuple(measures[1:])),
    ]
    run = f"selbench run {claim['matrix']}" if claim["matrix"] else ""
    said = {"Said": claim["said"], "Found": claim["reason"], "Run by": run}
    blocks: list[Block] = [Items([item for item in said.items() if item[1]]), *_conditions(claim)]
    if claim["tests"]:
        rule = "all must hold" if claim["kind"] == "all" else "one case must hold"
        heads = f"words test{f' / {rule}' if len(claim['tests']) > 1 else ''}; words measured; verdict verdict"
        rows = [
            (
                Cell(test["text"], under=f"({test['case']})" if test.get("case") else ""),
                Cell(measured(test), notes=tuple(filter(None, [test.get("note")]))),
                Cell(test["verdict"], tone=tone(test["verdict"])),
            )
            for test in claim["tests"]
        ]
        blocks.append(Grid(f"Tests of the claim: {claim['title']}", columns(heads), rows, style="dense"))
    return Line(cells, more=Fold("How it was judged", blocks))


def _conditions(claim: Row) -> list[Block]:
    lines = [
        f"{'met' if item['met'] else 'not met'}: {item['name']}: {item['wanted']}"
        + ("" if item["met"] else f" (here {item['found']})")
        for item in claim["conditions"]
    ]
    unknown = claim.get("unknown")
    return [
        *([Items(lines, "conditions")] if lines else []),
        *([Prose("; ".join(unknown), "why", "Not stated there:")] if unknown else []),
    ]


def _unheard(claim: Row) -> list[Block]:
    """A claim not run at its conditions: what it says, what smaller runs hint at, and what is lacking."""
    blocks: list[Block] = [Prose(f"({source(claim)}) {claim['statement']}", "claim", claim["title"])]
    if claim["said"]:
        blocks.append(Prose(claim["said"], "why", "Said:"))
    if hint := claim["indication"]:
        blocks.append(Prose(hint["text"], tone(hint["verdict"]), f"indication: {hint['verdict']}"))
    if all(item["met"] for item in claim["conditions"]) or claim.get("needs"):  # else unmet conditions say it already
        blocks += [Prose(claim["reason"], "why")] if claim["reason"] else []
    blocks += _conditions(claim)
    if claim["to_decide"] and claim["to_decide"] not in claim["reason"]:
        blocks.append(Prose(claim["to_decide"], "why", "To decide it:"))
    return blocks
