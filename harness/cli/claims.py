"""``selbench claim``: where a published claim stands, from its file, its matrix and the results at hand.

:func:`facts` is what the command prints and what the pages in ``docs/claims/`` say.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.registry import registry

if TYPE_CHECKING:
    from ...reports.effects.estimand import Test
    from ...reports.questions.claims.schema import Claim
    from ...strategies.interface import Traits
    from ..steps.schedules import Schedule

UNTESTED = ("not run", "out of scope")
PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "published"
Row = Mapping[str, str]
Found = Mapping[str, Mapping[str, Row]]
"""By claim and results folder, the row of the folder's ``claims.csv``."""


class Fact(NamedTuple):
    """A line, and the results folder that it is from, if it is from one."""

    text: str
    folder: str = ""


def published_sets(root: Path = PUBLISHED) -> dict[str, Path]:
    """What is published, by name: packs ``NAME/NAME.zip`` and results folders. A wheel has none."""
    from ...reports.records.pack import SUFFIX

    packs = {file.stem: file for file in root.glob(f"*/*{SUFFIX}") if file.stem == file.parent.name}
    return dict(sorted((packs | {file.parent.name: file.parent for file in root.glob("*/matrix.toml")}).items()))


def judged(sets: Mapping[str, Path]) -> Found:
    """What the reports of results folders and packs say of each claim; a folder without a report says nothing."""
    from ...reports.records.pack import opened

    found: dict[str, dict[str, Row]] = {}
    for name, path in sets.items():
        file = opened(path) / "report" / "claims.csv"
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else ():
            found.setdefault(row["id"], {}).setdefault(name, row)
    return found


def standing(claim: Claim, rows: Mapping[str, Row]) -> list[Fact]:
    """The verdicts of the folders that tested a claim at its conditions, or that none did."""
    tested = [Fact(row["verdict"], folder) for folder, row in rows.items() if row["verdict"] not in UNTESTED]
    return tested or [Fact("out of scope" if claim.scope == "out" else "not run")]


def reasons(claim: Claim, rows: Mapping[str, Row]) -> list[str]:
    """Why it stands there: what the tests found, or what is lacking."""
    if claim.scope == "out":
        return [claim.reason]
    lacking = (
        f"this suite lacks: {claim.needs}" if claim.needs else f"no runs at its conditions: selbench run {claim.matrix}"
    )
    return [row["reason"] for row in rows.values() if row["verdict"] not in UNTESTED] or [lacking]


def facts(claim: Claim, rows: Mapping[str, Row], tflops: float | None = None) -> dict[str, list[Fact]]:
    """All that is known of a claim, under headings; ``rows`` has what results folders found, by name, and ``tflops``
    what a GPU sustains, where that is known."""
    made = ", ".join(filter(None, (claim.source.paper, claim.source.section)))
    said = [
        claim.statement,
        f"Published: {claim.said}",
        f"Where: {made}",
        claim.source.note and f"Note: {claim.source.note}",
    ]
    found = {"What is claimed": [Fact(line) for line in said if line]}
    verdicts = [
        Fact(f"{of.text}: {why}", of.folder)
        for of, why in zip(standing(claim, rows), reasons(claim, rows), strict=True)
    ]
    found["Verdict"] = verdicts
    if claim.scope == "out":
        return found
    found["What must hold"] = [Fact(line) for line in _wanted(claim)]
    small = {name: row for name, row in rows.items() if row["verdict"] in UNTESTED and row["indication_verdict"]}
    hints = [Fact(f"{row['indication_verdict']}. {row['indication_text']}", name) for name, row in small.items()]
    found["What smaller runs found, which is an indication and no verdict"] = hints or [
        Fact("nothing that bears on it")
    ]
    if lines := list(ceilings(claim)):
        found["The most that arithmetic allows"] = [Fact(line) for line in lines]
    found["What would settle it"] = [Fact(line) for line in _settling(claim, tflops)]
    return found


def _wanted(claim: Claim) -> Iterator[str]:
    from ...reports.effects.verdicts import Threshold
    from ...reports.questions.claims import wording

    several = len(claim.cases) > 1
    if several:
        yield f"One of {len(claim.cases)} cases is enough, its tests together, after Holm:"
    for case in claim.cases:
        tests = [claim.tests[at] for at in case]
        text = "; and ".join(wording.sentence(test, Threshold.of(test, math.nan)) for test in tests)
        yield f"{tests[0].case}: {text}" if tests[0].case else text
    conditions = claim.conditions
    learner = conditions.learner.model_dump(exclude_defaults=True)
    words = {"pretrained": {False: "random weights", True: "pre-trained"}}
    of_learner = [words.get(key, {}).get(value, f"{key} {value}") for key, value in learner.items()]
    asked = [f"learner: {', '.join(of_learner)}"] if of_learner else []
    asked += [f"reference: {' or '.join(conditions.references)}"] if conditions.references else []
    asked += [f"at least {value:g} {key}" for key, value in conditions.budget.model_dump(exclude_defaults=True).items()]
    for name, of in conditions.datasets.items():
        parts = of.model_dump(exclude_defaults=True).items()
        asked.append(f"{name}: {', '.join(f'{key} {value}' for key, value in parts)}")
    if asked:
        yield f"Conditions: {'; '.join(asked)}"
    if claim.unknown:
        yield f"Not stated there: {'; '.join(claim.unknown)}"


def ceilings(claim: Claim) -> Iterator[str]:
    """The most that each strategy of a test of cost can save against full training, by its mean keep ratio alone.

    ``3 / (3 r + s)``: r is the share of the candidates that is trained on, s is 1 where the learner itself scores all
    of them and 0 elsewhere; a backward pass costs two forward ones. A rung q of the budget divides the cost by q.
    """
    from .costs import cost

    found: dict[tuple[str, str], tuple[float, str, set[float]]] = {}  # by rule and schedule
    for test in claim.tests:
        arm = _arm(claim, test) if test.cost else None
        if arm is None:
            continue
        name, schedule, traits = arm
        ratio = traits.ratio or schedule.mean()
        counted = cost(registry("strategies").load(name, **test.strategy.options), traits)
        scored = counted.startswith("scoring")
        most = 3 / (3 * ratio + scored)
        also = " and scores all of them with the learner" if scored else ""
        text = (
            f"{test.strategy.label or name} keeps {ratio:.2f} of the candidates on average ({schedule}){also}: at equal"
            f" passes, {most:.2f} times less compute is the most{{}}. One selection of 128 of 256 adds {counted} FLOPs."
        )
        found.setdefault((name, str(schedule)), (most, text, set()))[2].add(test.strategy.rung)
    for most, text, rungs in found.values():
        shorter = (
            f"; at {rung:g} of the budget, {most / rung:.2f}" for rung in sorted(rungs, reverse=True) if rung < 1
        )
        yield text.format("".join(shorter))


def _arm(claim: Claim, test: Test) -> tuple[str, Schedule, Traits] | None:
    """Rule, schedule and traits of the strategy of a test, as the claim's matrix has it; None where it has none, or
    where what the rule keeps is known only as it runs."""
    from ...strategies.descriptions import described
    from ..plan.matrix import read
    from ..steps.schedules import load_schedule

    if not claim.matrix:
        return None
    rule, matrix = test.strategy, read(claim.matrix)
    for entry in matrix.strategies:
        if rule.name not in ("", entry.name) or rule.label not in ("", entry.label or entry.name):
            continue
        named = entry.schedule or matrix.schedule
        schedule = load_schedule(**named.model_dump())
        traits = described(entry.name).traits
        if traits is None or traits.exact_count is False or not f"{schedule} ".startswith(f"{rule.schedule} ".lstrip()):
            continue
        try:
            schedule.mean()
        except UsageError:  # one that learns as it goes
            continue
        return entry.name, schedule, traits
    return None


def _settling(claim: Claim, tflops: float | None) -> Iterator[str]:
    from ...reports.questions.claims import wording
    from ..plan.matrix import read
    from ..plan.operations import ASSUMED_TFLOPS, operations

    if claim.needs:
        yield f"This suite lacks: {claim.needs}"
    if not claim.matrix:
        return
    matrix = read(claim.matrix)
    names = ", ".join(entry.name for entry in matrix.datasets)
    run = wording.run(claim.model_copy(update={"needs": ""}), matrix.analysis.alpha)
    yield f"`{run}`: {matrix.title}; {len(matrix.seed_list())} seeds on {names}"
    planned, pace = operations(claim.matrix), tflops or ASSUMED_TFLOPS
    hours = planned.gpu_hours(pace)
    took = f"{hours:,.0f} GPU-hours" if hours >= 1 else "less than a GPU-hour"
    basis = "as given" if tflops else "assumed, not measured: `--tflops` sets it"
    bounded = f"; {planned.bounded:,} runs with steps known only as they run count as full training"
    yield (
        f"{planned.flops:.2g} FLOPs as planned: {took} at {pace:g} TFLOP/s sustained "
        f"({basis}). Counted: training and the learner's scoring in {planned.runs:,} runs, those for tuning and timing "
        f"among them{bounded if planned.bounded else ''}. Not counted: picking, references, evaluation"
    )


def _readable(path: Path) -> None:
    from ...reports.records.folder import ResultsError
    from ...reports.records.pack import opened

    try:
        there = (opened(path) / "report" / "claims.csv").is_file()
    except ResultsError as error:
        raise UsageError(str(error)) from None
    if not there:
        raise UsageError(f"--results {path}: no report/claims.csv there; selbench report {path} writes it")


def claim(
    name: Annotated[str, typer.Argument(help="A claim's id; without one, all are listed.")] = "",
    results: Annotated[
        list[Path] | None, typer.Option(help="Results folders or packs; the published ones by default.")
    ] = None,
    tflops: Annotated[
        float | None, typer.Option(min=1e-3, help="What your GPU sustains in training, in 10^12 FLOPs a second.")
    ] = None,
) -> None:
    """Say where a published claim stands: what must hold, what was found, what is possible, what would settle it."""
    from ...reports.questions.claims.reading import shipped

    claims = {claim.id: claim for claim in shipped()}
    if name and name not in claims:
        raise UsageError(f"no claim is called {name!r}{did_you_mean(name, sorted(claims))}")
    for path in results or ():
        _readable(path)
    found = judged({path.stem: path for path in results} if results else published_sets())
    console = Console(emoji=False)
    if not name:
        for id_, each in claims.items():
            shown = "; ".join(dict.fromkeys(fact.text for fact in standing(each, found.get(id_, {}))))
            console.print(Text.assemble((id_, "bold"), f"  {shown}: {each.title}"))
        console.print("\nselbench claim NAME says all of one.", highlight=False)
        return
    console.print(Text(claims[name].title, "bold"))
    for heading, lines in facts(claims[name], found.get(name, {}), tflops).items():
        console.print(Text(f"\n{heading}", "italic"))
        for fact in lines:
            console.print(Padding(Text((f"{fact.folder}: " if fact.folder else "") + fact.text), (0, 0, 0, 2)))
