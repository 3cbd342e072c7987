"""The package's own claims: each is complete, and each that a matrix runs names what that matrix holds."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from selbench.harness.plan.matrix import margin_of, read
from selbench.harness.plan.matrix import shipped as matrices
from selbench.harness.plan.tables import DatasetEntry
from selbench.harness.plan.tasks import Planner
from selbench.harness.steps.schedules import load_schedule
from selbench.reports.effects.estimand import Estimand, Test, estimand
from selbench.reports.questions.claims.reading import shipped
from selbench.reports.questions.claims.schema import Claim
from selbench.reports.questions.claims.verdict import conditions
from selbench.reports.records.folder import Arm, Dataset, Results
from selbench.reports.statistics import fewest_pairs

CLAIMS = {claim.id: claim for claim in shipped()}
INSIDE = {name: claim for name, claim in CLAIMS.items() if claim.scope == "in"}
RUN = {name: claim for name, claim in INSIDE.items() if not claim.needs}
FILES = Path(__file__).parents[4] / "benchmarks" / "claims"

PUBLISHED = {"cifar10": (50_000, 10_000, 10, 32), "pets": (3_680, 3_669, 37, 128), "flowers": (2_040, 6_149, 102, 128)}
"""Training and test images, classes, and the resolution that the standard matrices ask for."""
UNKNOWN = (1_297, 500, 10, 8)

WANTED = {
    "gstds-4x",
    "gstds-4x-learner-flops",
    "gstds-better-than-jest-on-pets",
    "gstds-flowers-limited-budget",
    "gstds-sigmoid-steadier",
    "saln-8x",
    "jest-13x-10x",
    "jest-vanishes-at-equal-time",
    "rho-18x",
    "rho-vanishes-at-equal-time",
    "pruning-random-wins",
    "pruning-calibrated",
    "spectral-tail-static",
    "uniform-data-trains-faster",
    "proxy-ranking-images",
    "rs2-time-to-accuracy",
    "infobatch-lossless",
    "airbench-proxy-replay",
    "random-redrawn-30",
    "ucb-epsilon-greedy-30",
    "dual-ninety-percent",
    "dyn-unc-two-sided",
    "orderdp-70",
    "repb-over-infobatch",
    "kakurenbo-22",
    "drop-worst-class",
}


@cache
def results(name: str) -> Results:
    """What a results folder of a matrix would hold before its first run, on complete data."""
    matrix = read(name)
    loaded = {}
    for entry in matrix.datasets:
        images = PUBLISHED.get(entry.spec or entry.name, UNKNOWN)[0]
        holdout = entry.holdout or 0
        pool = int(images * (1 - holdout - entry.val))
        loaded[entry.name] = SimpleNamespace(
            fingerprint="", holdout=holdout, augmentation="none", resolution=32, size=lambda seed, part, n=pool: n
        )
    references = {
        entry.name: (SimpleNamespace(needs_holdout=entry.name == "holdout"), "") for entry in matrix.references
    }
    arms = Planner(matrix, loaded, references, "float32").plan().arms  # type: ignore[arg-type]
    names = set(Arm.model_fields)
    rows = [
        Arm(
            **{name: value for name, value in vars(arm).items() if name in names - {"schedule", "key"}},
            key=arm.key,
            strategy=arm.text,
            schedule=str(load_schedule(**arm.schedule)),
            settings="",
        )
        for arm in arms
    ]
    table = SimpleNamespace(
        arms={arm.key: arm for arm in rows},
        datasets={entry.name: dataset(entry) for entry in matrix.datasets},
        learner=matrix.learner.model_dump(),
        budget=matrix.budget.model_dump() | {"batching": matrix.batching},
        alpha=matrix.analysis.alpha,
    )
    return Results(Path(), table, ())  # type: ignore[arg-type]


def dataset(entry: DatasetEntry) -> Dataset:
    name = entry.name
    train, test, classes, resolution = PUBLISHED.get(entry.spec or name, UNKNOWN)
    shown, margin = tuple(map(str, range(classes))), margin_of(entry)
    assert margin is not None
    return Dataset(
        name=name,
        spec=name,
        title=name,
        note="",
        resolution=resolution,
        augmentation="none",
        classes=shown,
        pool=train,
        holdout=0,
        val=0,
        test=test,
        margin=margin,
        collapse=0.1,
        fingerprint="",
    )


def sides(claim: Claim) -> list[Estimand | str]:
    """Of each test that compares runs; what a study measures is that study's to show."""
    at_hand = results(claim.matrix)
    return [estimand(at_hand, test, claim.conditions.references) for test in compared(claim)]


def compared(claim: Claim) -> list[Test]:
    return [test for test in claim.tests if test.metric != "study"]


def test_the_claims_that_were_asked_for_are_here() -> None:
    assert set(CLAIMS) >= WANTED
    assert {file.stem for file in FILES.glob("*.toml")} == set(CLAIMS), "a file is called after its claim"
    assert {name for name in CLAIMS if CLAIMS[name].scope == "out"} == {
        "cal-over-uncertainty",
        "greats-perplexity",
        "infobatch-llama",
        "proxy-ranking-language",
        "uniform-data-llama",
    }


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_claim_says_who_said_what(claim: Claim) -> None:
    assert claim.said and re.search(r"arXiv \d{4}\.\d{5}|OpenReview \w+|airbench", claim.source.paper)
    assert claim.source.section or claim.source.note, "where it was said, or that this is not known"
    assert not claim.matrix or claim.matrix in matrices()


@pytest.mark.parametrize("claim", RUN.values(), ids=RUN)
def test_its_matrix_holds_every_strategy_and_baseline(claim: Claim) -> None:
    for test, found in zip(compared(claim), sides(claim), strict=True):
        assert isinstance(found, Estimand), f"{test.strategy}: {found}"
        assert found.arm.key != found.rival.key


@pytest.mark.parametrize("claim", RUN.values(), ids=RUN)
def test_its_matrix_asks_the_studies_that_it_reads(claim: Claim) -> None:
    asked = [test for test in claim.tests if test.metric == "study"]
    matrix = read(claim.matrix)
    assert not asked or matrix.studies
    assert {test.dataset for test in asked} <= {entry.name for entry in matrix.datasets}


@pytest.mark.parametrize("claim", RUN.values(), ids=RUN)
def test_its_matrix_meets_every_condition(claim: Claim) -> None:
    """On complete data; the accuracy reached is the run's to show."""
    found = sides(claim)
    read = {(of.arm.dataset, of.arm.reference) for of in found if isinstance(of, Estimand) and of.arm.reference}
    reached = {name: 100.0 for name in PUBLISHED}
    unmet = [item for item in conditions(claim, results(claim.matrix), read, reached) if not item.met]
    assert not unmet


@pytest.mark.parametrize("claim", RUN.values(), ids=RUN)
def test_its_matrix_can_decide_it(claim: Claim) -> None:
    """Enough seeds, and enough timed ones, for the exact test's floor in its family of cases."""
    matrix = read(claim.matrix)
    least = fewest_pairs(matrix.analysis.alpha, len(claim.cases))
    assert len(matrix.seed_list()) >= least
    if any(test.cost == "wall_clock" for test in claim.tests):
        assert matrix.timing.seeds >= least


def test_four_times_less_compute_can_be_reached_on_the_rungs_that_claim_it() -> None:
    """Else the claim were contradicted by arithmetic: the sigmoid's mean times the rung is below a quarter."""
    rungs = {test.strategy.rung for test in CLAIMS["gstds-4x"].tests}
    assert rungs and all(load_schedule("sigmoid").mean() * rung < 0.25 for rung in rungs)
    schedules = {arm.schedule for arm in results("savings").matrix.arms.values() if arm.name == "gstds"}
    assert schedules == {str(load_schedule("sigmoid"))}


@pytest.mark.parametrize(
    "name",
    [
        "savings",
        "flowers-limited",
        "study-3-gpu",
        "study-5-gpu",
        "cifar10-online",
        "cifar10-replay",
        "cifar10-new-static-gpu",
        "cifar10-new-online-gpu",
    ],
)
def test_matrices_made_for_claims_can_be_planned(name: str) -> None:
    matrix = read(name)
    assert len(matrix.seed_list()) >= 12 and results(name).arms(role="strategy")
    assert any(claim.matrix == name for claim in RUN.values())
