"""The rows as CSV and as a page of Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import fields

from .populations import COSTS, POPULATIONS
from .procedures import ALPHA, FAMILY
from .simulate import PAIRS, POWER_ERROR, Row

INTRODUCTION = """\
# Are the tests calibrated?

How often each test rejects where its null holds, how often each interval holds the truth, and how often
non-inferiority is shown where the power function gives the chance: made samples, judged by the very functions
that reports call.

{facts} A rate of .05 has a Monte-Carlo standard error (SE) of {error:.4f}.

**Held to a bound** (bold in the tables; a run that leaves one ends with exit status 1): size at most its level plus
2 SE, for t and Holm under normal nulls, for sign flips and Wilcoxon under symmetric ones, for McNemar always;
power within {points:.0f} points of the power function. {verdict}

Each rate is looked at by itself, and a test of exactly its level exceeds 2 SE with one seed in 44. So the seed
was fixed before the first full run and belongs to the result; a rate that leaves its bound takes more draws,
never another seed or a wider bound.

**Published, not bounded**: everything else. No test of means knows what it has not seen: where runs collapse
rarely, most samples hold no collapse and look better than they are. A verdict is withheld wherever a run
collapsed; where none did, nothing in the sample can warn, and the rate of wrong verdicts grows with n until there
are seeds enough to meet a collapse (100 meet one of 3 % with chance .95). Bootstrap intervals of few pairs are too
short everywhere: BCa is secondary, and shown from 20 pairs on.
"""

FLOOR = f"""
With 5 pairs the exact test's smallest p is 1/32: below {ALPHA:g} / {FAMILY} it rejects nothing, and a family of \
{FAMILY} gets "no verdict: 1 more seed needed".
"""

VERDICTS = """\
Families of 3 primary contrasts, each truly worse by just its margin on average: how often some verdict says
non-inferior or better, as reports decide it (Holm, the floor of the exact test, collapsed runs withhold)."""


def comma_separated(rows: Iterable[Row]) -> str:
    """One line a row, numbers at full precision, infinite bounds empty."""
    out = io.StringIO()
    names = [field.name for field in fields(Row)]
    write = csv.writer(out, lineterminator="\n")
    write.writerow([*names, "error", "bounded", "missed"])
    for row in rows:
        values = (getattr(row, name) for name in names)
        shown = ["" if isinstance(x, float) and not math.isfinite(x) else x for x in values]
        write.writerow([*shown, row.error, row.bounded, row.missed])
    return out.getvalue()


def markdown(rows: list[Row], facts: str, pictures: Iterable[str]) -> str:
    """The page: what is bounded and whether it held, figures, tables."""
    draws = min(row.draws for row in rows)
    missed = [row for row in rows if row.missed]
    bounded = sum(row.bounded for row in rows)
    verdict = f"**{bounded - len(missed)} of {bounded} bounded rates lie within.**"
    if missed:
        verdict += "\n\nOutside:\n\n" + "\n".join(f"- {row}" for row in missed)
    error = math.sqrt(ALPHA * (1 - ALPHA) / draws)
    parts = [INTRODUCTION.format(facts=facts, error=error, points=100 * POWER_ERROR, verdict=verdict)]
    parts += [f"![{name.split('.')[0]}]({name})\n" for name in pictures]
    parts.append("Populations of differences, all of mean 0:\n")
    parts += [f"- {population.name}: {population.text}" for population in POPULATIONS]
    parts += [f"- {cost.name} (costs): {cost.text}" for cost in COSTS]
    for level in (ALPHA, ALPHA / FAMILY):
        sizes = [row for row in rows if row.part == "size" and row.nominal == level]
        parts.append(f"\n## Size at {level:.4g}\n\n{_grid(sizes)}")
    parts.append(FLOOR)
    verdicts = [row for row in rows if row.part == "verdict"]
    parts.append(f"\n## Wrong verdicts\n\n{VERDICTS}\n\n{_grid(verdicts)}")
    parts.append(f"\n## Coverage\n\n{_coverage(rows)}")
    parts.append(f"\n## Power\n\n{_powers(rows)}")
    return "\n".join(parts)


def _grid(rows: list[Row]) -> str:
    """A line for each procedure and population, a column for each n; bounded rates are bold."""
    columns = sorted({row.n for row in rows if row.n in PAIRS})
    lines = [f"| | population | {' | '.join(f'n = {n}' for n in columns)} |", "|---|---|" + "---:|" * len(columns)]
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        shown = f"**{row.rate:.4f}**" if row.bounded else f"{row.rate:.4f}"
        cells.setdefault((row.procedure, row.population), {})[row.n] = shown
    for (procedure, population), found in cells.items():
        other = next((f" ({n} images: {value})" for n, value in found.items() if n not in PAIRS), "")
        values = " | ".join(found.get(n, "") for n in columns)
        lines.append(f"| {procedure} | {population}{other} | {values} |")
    return "\n".join(lines)


def _coverage(rows: list[Row]) -> str:
    parts = []
    for nominal in sorted({row.nominal for row in rows if row.part == "coverage"}):
        chosen = [row for row in rows if row.part == "coverage" and row.nominal == nominal]
        parts.append(f"Nominal {nominal:.0%}:\n\n{_grid(chosen)}\n")
    return "\n".join(parts)


def _powers(rows: list[Row]) -> str:
    lines = ["| | n | told | found |", "|---|---:|---:|---:|"]
    for row in (row for row in rows if row.part == "power"):
        lines.append(f"| {row.procedure}, {row.population} | {row.n} | {row.nominal:.4f} | **{row.rate:.4f}** |")
    return "\n".join(lines) + "\n"
