"""Accounts, ceilings and break-even points against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
from editing import replace
from hypothesis import given
from hypothesis import strategies as st
from synthetic import write_results

from selbench.reports.effects.costs import Accounts, break_even, ceiling, spent
from selbench.reports.records.folder import Artefact, Phase, Results, Tuning
from selbench.reports.records.models import closure


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results.read(write_results(tmp_path_factory.mktemp("results"), seeds=2, test_n=100), strict=True)


def cell_of(results: Results, label: str):
    return next(cell for cell in results.cells if cell.arm_label == label)


def test_the_three_accounts(results: Results) -> None:
    accounts, cell = Accounts(results), cell_of(results, "gstds")
    unit = 3e6 * 1000 * 20
    own = 0.5 * unit + 1e3 * 20_000
    artefacts = 0.5 * unit + 1e6 * 1000  # a reference, and the features that were made with it
    assert accounts.cost(cell, "marginal", "total_flops") == pytest.approx(own)
    assert accounts.cost(cell, "amortised", "total_flops") == pytest.approx(own + artefacts / 20)
    assert accounts.cost(cell, "standalone", "total_flops") == pytest.approx(own + artefacts)
    for account in ("marginal", "amortised", "standalone"):
        assert accounts.cost(cell, account, "learner_flops") == 0.5 * unit
    seconds = sum(line.seconds for name, line in cell.ledger.items() if name != "eval")
    assert accounts.cost(cell, "marginal", "wall_clock") == pytest.approx(seconds)
    assert accounts.cost(cell, "standalone", "wall_clock") == pytest.approx(seconds + artefacts / 1e10)


def test_evaluation_is_in_no_total(results: Results) -> None:
    cell = cell_of(results, "full")
    assert cell.ledger["eval"].flops > 0
    assert spent(cell.ledger)[0] == cell.ledger["train"].flops


def artefact(id: str, *needs: str) -> Artefact:
    ledger = {"train": Phase(flops=1.0, seconds=1.0, samples=1)}
    return Artefact.model_construct(id=id, kind="log", name=id, dataset="digits", ledger=ledger, needs=needs)


def test_an_artefact_counts_once_however_many_need_it() -> None:
    known = {item.id: item for item in (artefact("a", "c"), artefact("b", "c", "a"), artefact("c"))}
    assert closure(["a", "b"], known) == {"a", "b", "c"}
    assert closure([], known) == frozenset()


def test_a_missing_artefact_makes_its_costs_unknown_not_free(results: Results) -> None:
    assert closure(["a"], {"a": artefact("a", "gone")}) is None
    cell = cell_of(results, "gstds")
    accounts = Accounts(replace(results, artefacts={}))
    assert math.isnan(accounts.cost(cell, "amortised", "total_flops"))
    assert accounts.cost(cell, "marginal", "total_flops") > 0


def test_a_tuning_run_costs_as_a_cell_does(results: Results) -> None:
    cell, accounts = cell_of(results, "gstds"), Accounts(results)
    run = Tuning.model_construct(id="t", base=cell.arm, mean_ratio=0.5, ledger=cell.ledger, artefacts=cell.artefacts)
    for account in ("marginal", "amortised", "standalone"):
        for cost in ("learner_flops", "total_flops", "wall_clock"):
            assert accounts.cost(run, account, cost) == accounts.cost(cell, account, cost)


def test_an_artefact_alone_is_without_what_it_was_made_from(results: Results) -> None:
    accounts, cell = Accounts(results), cell_of(results, "gstds")
    (features,) = cell.artefacts
    (trained,) = results.artefacts[features].needs
    each = [accounts.alone(id) for id in (features, trained)]
    assert each[0][0] == 1e6 * 1000
    assert accounts.artefacts(cell) == pytest.approx(tuple(map(sum, zip(*each, strict=True))))
    assert all(math.isnan(cost) for cost in accounts.alone("gone"))


@pytest.mark.parametrize(("ratio", "scores", "expected"), [(0.25, True, 1.714), (0.25, False, 4.0), (1.0, False, 1.0)])
def test_the_ceiling(results: Results, ratio: float, scores: bool, expected: float) -> None:
    cell = cell_of(results, "gstds")
    cell = replace(cell, scores_learner=scores, picks=replace(cell.picks, mean_ratio=ratio))
    assert ceiling(cell) == pytest.approx(expected, abs=5e-4)


@given(st.floats(0.01, 1.0))
def test_the_ceiling_is_three_over_one_plus_three_r(results: Results, ratio: float) -> None:
    cell = cell_of(results, "rho")
    assert ceiling(replace(cell, picks=replace(cell.picks, mean_ratio=ratio))) == pytest.approx(3 / (1 + 3 * ratio))


@pytest.mark.parametrize(
    ("artefact", "strategy", "baseline", "runs"),
    [
        (10.0, 5.0, 10.0, 2),
        (11.0, 5.0, 10.0, 3),
        (0.0, 5.0, 10.0, 0),
        (10.0, 10.0, 10.0, None),
        (10.0, 12.0, 10.0, None),
    ],
)
def test_break_even(artefact: float, strategy: float, baseline: float, runs: int | None) -> None:
    assert break_even(artefact, strategy, baseline) == runs
    assert break_even(math.nan, strategy, baseline) is None
