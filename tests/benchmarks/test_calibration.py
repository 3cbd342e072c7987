"""The calibration in small: deterministic, and a test that is not calibrated is found out."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from selbench.benchmarks.calibration import __main__ as command
from selbench.benchmarks.calibration import looks, pipeline
from selbench.benchmarks.calibration import simulate as simulation
from selbench.benchmarks.calibration.__main__ import write
from selbench.benchmarks.calibration.looks import DESIGNS, UNDECLARED, false_at_looks, power_of_looks, shown_at
from selbench.benchmarks.calibration.populations import COSTS, POPULATIONS
from selbench.benchmarks.calibration.procedures import ALPHA, FAMILY, TESTS, Procedure, Sample, false_verdict
from selbench.benchmarks.calibration.simulate import PAIRS, Row, images, most, powers, sizes
from selbench.reports import statistics as s

DRAWS = 400
PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "calibration" / "calibration.csv"
NORMAL, HEAVY = POPULATIONS[:2]
COLLAPSE = POPULATIONS[-1]


@pytest.fixture(scope="module")
def small() -> list[Row]:
    """Cells of two populations, and the images."""
    cells = [sizes(population, n, DRAWS) for population in (NORMAL, HEAVY) for n in (5, 8)]
    return [row for cell in cells for row in cell] + list(images(DRAWS))


def test_what_theory_promises_holds_in_small(small: list[Row]) -> None:
    bounded = [row for row in small if row.bounded]
    assert {row.procedure for row in bounded} == {
        "t, superiority",
        "t, non-inferiority at its margin",
        "sign flips",
        "Wilcoxon",
        "Holm, smallest of 3",
        "McNemar",
    }
    assert not [str(row) for row in bounded if row.missed]


def test_what_is_published_is_what_the_functions_still_do(small: list[Row]) -> None:
    lines = list(csv.DictReader(PUBLISHED.open()))
    parts = {line["part"]: int(line["draws"]) for line in lines}
    assert min(parts[part] for part in ("size", "coverage", "verdict", "power")) >= 50_000
    assert min(parts.values()) >= 1000
    assert not [line for line in lines if line["missed"] != "False"]
    rates = {(line["procedure"], line["population"], line["n"], line["nominal"]): float(line["rate"]) for line in lines}
    for row in small:
        rate = rates[row.procedure, row.population, str(row.n), str(row.nominal)]
        assert row.rate == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / DRAWS) + 1e-3), str(row)


def test_power_is_what_the_function_says() -> None:
    rows = list(powers(1500))
    assert len(rows) == 32 and not [str(row) for row in rows if row.missed]
    assert {row.n for row in rows} == set(PAIRS)


def test_a_test_that_rejects_too_often_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    normal_quantile = Procedure("z", lambda x: math.erfc(_t(x.first) / math.sqrt(2)) / 2, "normal")
    monkeypatch.setattr(simulation, "TESTS", (*TESTS, normal_quantile))
    missed = {row.procedure for row in sizes(NORMAL, 5, DRAWS) if row.missed}
    assert missed == {"z"}


def _t(d: np.ndarray) -> float:
    return float(d.mean() / (d.std(ddof=1) / math.sqrt(d.size)))


def test_a_wrong_power_function_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told = s.power_noninferior
    monkeypatch.setattr(s, "power_noninferior", lambda n, sd, margin, **rest: told(n - 1, sd, margin, **rest))
    assert any(row.missed for row in powers(1500))


def test_a_cell_is_the_same_whatever_else_is_run(small: list[Row]) -> None:
    again = list(sizes(HEAVY, 5, DRAWS))
    assert again == [row for row in small if (row.population, row.n) == (HEAVY.name, 5)]
    assert list(sizes(HEAVY, 5, 50)) != list(sizes(HEAVY, 5, 50, seed=1))


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
def test_every_null_is_true(population) -> None:
    x = population.draw(np.random.default_rng(0), (400_000,))
    assert x.mean() == pytest.approx(0.0, abs=5 * x.std() / math.sqrt(x.size))
    third = np.mean(np.clip(x / x.std(), -5, 5) ** 3)
    assert (abs(third) < 0.05) == population.symmetric
    collapsed = np.mean(x < population.collapse)
    assert collapsed == pytest.approx(0.03 if population is COLLAPSE else 0.0, abs=0.002)


@pytest.mark.parametrize("costs", COSTS, ids=lambda costs: costs.name)
def test_the_mean_cost_is_as_told(costs) -> None:
    x = costs.draw(np.random.default_rng(0), (400_000,))
    assert x.mean() == pytest.approx(costs.mean, abs=1e-3) and x.min() > 0


@pytest.mark.parametrize("n", [5, 8])
def test_coverage_counted_by_tests_is_that_of_the_interval(n: int) -> None:
    for i in range(100):
        d = np.random.default_rng([n, i]).standard_t(3, n)
        interval = s.sign_flip_interval(d, 1 - 2 * ALPHA)
        assert (interval.low <= 0 <= interval.high) == simulation.INTERVALS["sign flips, inverted"](d)


def test_verdicts_wait_for_the_floor_and_for_runs_that_did_not_collapse() -> None:
    far = np.linspace(3.0, 3.5, 8) * np.ones((FAMILY, 1))
    assert false_verdict(Sample(far, (0,) * FAMILY))
    assert not false_verdict(Sample(far, (1,) * FAMILY))
    assert not false_verdict(Sample(far[:, :5], (0,) * FAMILY))


def test_looks_err_no_more_than_alpha_and_seeds_added_at_will_do() -> None:
    rows = {row.procedure: row for row in false_at_looks(0, 1, 1500)}
    assert set(rows) == set(DESIGNS) and not [str(row) for row in rows.values() if row.missed]
    assert rows[UNDECLARED].rate > 1.6 * ALPHA and not rows[UNDECLARED].bounded
    found = {(row.part, row.procedure): row for row in power_of_looks(200)}
    fixed, power = found["looks: power", "8 seeds, fixed"].rate, found["looks: power", "looks, equal"].rate
    assert abs(fixed - 0.69) < 0.1 and power > 0.9
    assert 8 / 24 < found["looks: seeds taken", "looks, equal"].rate < 0.65


def test_a_design_that_spends_too_much_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    at, levels = DESIGNS["looks, equal"]
    monkeypatch.setattr(looks, "DESIGNS", {"looks, equal": (at, tuple(3 * level for level in levels))})
    assert [row.missed for row in false_at_looks(0, 1, 500)] == [True]


def test_what_a_design_shows_is_what_reports_decide() -> None:
    far = np.linspace(3.0, 3.5, 24) * np.ones((1, 1))
    early = {"early": ((4, 8), (0.05, 0.05))}
    assert shown_at(far, 0.0, early) == {"early": 8}, "four pairs are below the floor of the exact test"
    assert shown_at(-far, 0.0, early) == {"early": None}
    late = shown_at(np.concatenate([np.resize([-2.0, 2.0], 8), far[0, 8:]])[None], 0.0, DESIGNS)
    assert (late["looks, equal"], late["8 seeds, fixed"]) == (16, None)


def test_rates_have_the_bound_that_is_told() -> None:
    assert most(0.05, 50_000) == pytest.approx(0.05 + 2 * 0.000975, abs=1e-5)
    row = Row("size", "t", "normal", 8, 0.05, 50_000, 0.0521, high=most(0.05, 50_000))
    assert row.missed and not replace(row, rate=0.0519).missed
    assert str(row) == "t, normal, n = 8, nominal 0.05: 0.0521 (bound 0.0519)"
    assert not replace(row, high=math.inf, rate=1.0).missed


def test_files_say_what_was_found(tmp_path) -> None:
    dear = [*(partial(cell, 6) for cell in (pipeline.families, pipeline.ties, pipeline.skew, pipeline.images))]
    dear += [partial(pipeline.equal_cost, "above", 6), partial(pipeline.equal_seconds, 3, 0.07, 6)]
    jobs = [*simulation.jobs(), *looks.jobs(), power_of_looks, *dear]
    rows = [row for job in jobs for row in job(2)]
    rows[0] = replace(rows[0], rate=0.9, high=0.1)
    files = {path.name: path for path in write(rows, tmp_path, 5)}
    drawn = {f"{name}.{ending}" for name in ("size", "coverage") for ending in ("svg", "png")}
    assert set(files) == {"calibration.md", "calibration.csv"} | drawn
    lines = list(csv.DictReader(io.StringIO(files["calibration.csv"].read_text())))
    assert len(lines) == len(rows)
    assert [float(line["rate"]) for line in lines] == [row.rate for row in rows]
    assert [line["high"] for line in lines] == ["" if math.isinf(row.high) else str(row.high) for row in rows]
    assert [line["missed"] == "True" for line in lines] == [row.missed for row in rows]
    page = files["calibration.md"].read_text()
    assert str(rows[0]) in page and "no verdict: 1 more seed needed" in page
    assert all(f"| {row.procedure} | {row.population}" in page for row in rows if row.part != "power")
    text = "".join(ElementTree.parse(files["size.svg"]).getroot().itertext())
    assert all(population.name in text for population in POPULATIONS)


def _cell(rate: float, draws: int) -> list[Row]:
    return [Row("power", "t", f"{draws}", 8, 0.8, draws, rate, low=0.75, high=0.85)]


@pytest.mark.parametrize("missed", [False, True])
def test_the_exit_status_tells_whether_a_bound_was_left(missed: bool, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(simulation, "jobs", lambda: [partial(_cell, 0.8 + missed)])
    for module in (looks, pipeline):
        monkeypatch.setattr(module, "jobs", list)
    monkeypatch.setattr(looks, "power_of_looks", partial(_cell, 0.8))
    found: list[Row] = []
    monkeypatch.setattr(command, "write", lambda rows, folder, draws: found.extend(rows) or [folder])
    assert command.main(["--draws", "100", "--out", str(tmp_path)]) == int(missed)
    assert [row.draws for row in found] == [400 if missed else 100, 2], "what leaves its bound takes more draws"
    assert ("out of bounds: t, 400, n = 8" in capsys.readouterr().err) == missed


def test_the_pipeline_keeps_its_bounds_in_small() -> None:
    """Whole folders, read as reports do."""
    rows = [*pipeline.equal_cost("inside", 8, 25), *pipeline.equal_seconds(3, 0.15, 8, 25)]
    held = [row for row in rows if row.procedure.startswith("false")]
    assert len(held) == 3 * 3 + 2 * 2 and not [str(row) for row in held if row.missed]
    told = {(row.part, row.procedure, row.population): row.rate for row in rows}
    assert all(told["pays", pipeline.SHARP, f"{name}, inside the ladder"] > 0.5 for name in pipeline.CURVES)
    assert all(told["ladder", "no verdict", f"{name}, inside the ladder"] > 0.7 for name in pipeline.CURVES)
    short = "no verdict: time more blocks"
    assert (
        told["seconds", short, "concave, 3 blocks, CV 0.15"]
        > 0.5
        > told["seconds", short, "plateau, 3 blocks, CV 0.15"]
    )


def test_seconds_taken_as_exact_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = staticmethod(lambda shift, error, df: s.Correction(shift, 0.0, df))
    monkeypatch.setattr("selbench.reports.effects.pairing.Correction", exact)
    rows = list(pipeline.equal_seconds(3, 0.07, 8, 40))
    assert {row.procedure for row in rows if row.missed and "concave" in row.population} >= {
        "false superior",
        "coverage",
    }


def test_a_collapsed_run_and_new_test_images_withhold() -> None:
    skewed = {(row.procedure, row.population): row for row in pipeline.skew(8, 40)}
    assert not skewed[pipeline.MISLED, "rare collapse"].missed and skewed[pipeline.MISLED, "rare collapse"].bounded
    assert skewed["withheld: collapsed runs", "rare collapse"].rate > 0.1
    of = {row.procedure: row for row in pipeline.images(8, 40)}
    assert not of["false non-inferior"].missed and of["the seeds' interval alone holds it"].rate < 0.75


def test_wrong_draws_are_refused(capsys) -> None:
    with pytest.raises(SystemExit) as leaving:
        command.main(["--draws", "0"])
    assert leaving.value.code == 2 and "--draws" in capsys.readouterr().err.splitlines()[-1]
