"""Exponents of known ratio: found, judged by the margin, and hard and soft kept apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from asked import plain
from measuredcells import folder, measured, names

from selbench.reports.questions.spectrum import LEVEL_QUANTITY, QUANTITY, Spectrum
from selbench.reports.records.measured import Measures, Tail
from selbench.reports.records.measured import Spectrum as Taken

LABELS = ("el2n", "k-center", "loss")
STATIC = ("el2n", "k-center")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("spectrum"), LABELS, STATIC)


def tail(ratio: float, level: float = 0.0, lacking: str = "") -> Tail:
    """A selection whose exponent is ``ratio`` times the mean of its random ones."""
    if lacking:
        return Tail(size=500, effective=500.0, lacking=lacking)
    drawn = {"random_exponents": [0.9, 1.0, 1.1], "random_levels": [-2.0] * 3}
    return Tail(size=500, effective=500.0, exponent=ratio, level=level - 2.0, **drawn)


def taken(hard: Tail, soft: Tail | None = None) -> Measures:
    return Measures(
        spectrum=Taken(
            reference="squeezenet1_1", features=512, components=256, first=5, last=50, pool=1.0, hard=hard, soft=soft
        )
    )


def simulated(results, ratios, noise=0.02, seed=0, soft=None, level=0.0):
    draw = np.random.default_rng(seed)

    def make(arm, cell):
        if arm.role != "strategy" or arm.label not in ratios:
            return None
        ours = tail(ratios[arm.label] * math.exp(noise * draw.normal()), level)
        return taken(ours, tail(soft) if soft else None)

    return measured(results, make)


def read(results, **options):
    answer = plain(Spectrum(options, names(LABELS)).answer(results, {}))
    return answer, {(each.name, each.strategy): each for each in answer.quantities}


def verdicts(answer):
    return {(row[0], row[2]): row[-1] for row in answer.tables[0].rows}


def test_ratios_without_noise_are_what_was_put_in(results):
    answer, found = read(simulated(results, {"el2n": 1.02, "k-center": 1.3, "loss": 0.5}, noise=0.0, level=math.log(2)))
    assert found[QUANTITY, "k-center"].estimate == pytest.approx(1.3) == pytest.approx(found[QUANTITY, "k-center"].low)
    assert found[LEVEL_QUANTITY, "el2n"].estimate == pytest.approx(2.0)
    assert {each.rival for each in answer.quantities} == {"twin"} and {each.n for each in answer.quantities} == {6}
    assert verdicts(answer) == {
        ("el2n", "picks"): "shifted, within the margin",
        ("k-center", "picks"): "outside the margin",
        ("loss", "picks"): "outside the margin",
    }
    assert answer.sentence == (
        "Digits: of 2 rules that pick one subset, k-center changes the tail exponent of the features most, to 1.30 "
        "[1.30, 1.30] times random subsets' (6 seeds); 1 stay within 0.9 to 1.1."
    )


def test_noise_settles_nothing(results):
    answer, _ = read(simulated(results, {"el2n": 1.0}, noise=0.5))
    assert verdicts(answer) == {("el2n", "picks"): "not settled"} and "0 stay within 0.9 to 1.1" in answer.sentence


def test_intervals_cover_and_equivalence_keeps_its_level(results):
    """At a ratio on the margin's edge, one in twenty is declared equivalent; the 95 % interval covers as it says."""
    edge, covered, equal = 1.1, 0, 0
    for seed in range(200):
        answer, found = read(simulated(results, {"el2n": edge}, seed=seed))
        one = found[QUANTITY, "el2n"]
        covered += one.low <= edge <= one.high
        equal += verdicts(answer)["el2n", "picks"] in ("equivalent", "shifted, within the margin")
    assert 180 <= covered <= 199 and 2 <= equal <= 21


def test_a_wider_margin_takes_more_for_equal(results):
    folder = simulated(results, {"el2n": 1.15})
    assert verdicts(read(folder)[0])["el2n", "picks"] in ("not settled", "outside the margin")
    assert verdicts(read(folder, margin=0.3)[0])["el2n", "picks"] == "shifted, within the margin"


def test_hard_and_soft_are_apart(results):
    answer, found = read(simulated(results, {"el2n": 1.2}, noise=0.0, soft=0.95))
    assert found[QUANTITY, "el2n"].estimate == pytest.approx(1.2)
    assert found[f"{QUANTITY}, weights counted", "el2n"].estimate == pytest.approx(0.95)
    assert verdicts(answer) == {
        ("el2n", "picks"): "outside the margin",
        ("el2n", "weights"): "shifted, within the margin",
    }
    assert "to 1.20 [1.20, 1.20] times random subsets' (6 seeds); 0 stay" in answer.sentence
    assert [series.y[0] for series in answer.charts[0].series] == pytest.approx([1.2, 0.95])


def test_what_is_lacking_is_said(results):
    assert read(results)[0].sentence == "No answer yet: no run says the spectrum of what it selected."
    one = measured(results, lambda arm, cell: taken(tail(1.0)) if (arm.label, cell.seed) == ("el2n", 0) else None)
    answer, found = read(one)
    assert not answer.enough and "it takes 2 seeds" in answer.sentence and not found
    dynamic, _ = read(simulated(results, {"loss": 1.0}))
    assert not dynamic.enough and "no rule picks once" in dynamic.sentence
    short = measured(results, lambda arm, cell: taken(tail(math.nan, lacking="too few images")))
    answer, _ = read(short)
    assert not answer.enough and ": too few images; " in answer.tables[0].note.partition("Left out: ")[2]


@pytest.mark.parametrize(
    "options", [{"margin": 0}, {"margin": 1.0}, {"margin": "0.1"}, {"margins": 0.1}, {"margin": True}]
)
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError, match="margin") as raised:
        Spectrum(options, names(LABELS))
    assert "\n" not in str(raised.value)
