"""The sentences at the top: one for each verdict and question, true to the row they are made from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from selbench.reports.document.sections import answer as answers
from selbench.reports.effects.verdicts import (
    INCONCLUSIVE,
    INFERIOR,
    NON_INFERIOR,
    ONLY_HERE,
    SUPERIOR,
    WITHHELD,
    WORSE,
    WORSE_WITHIN,
)

VERDICTS = [SUPERIOR, NON_INFERIOR, WORSE_WITHIN, INFERIOR, WORSE, INCONCLUSIVE, WITHHELD]
VERDICTS += [ONLY_HERE, "no verdict: 2 more seeds needed"]


def row(question: str, verdict: str = NON_INFERIOR, **more: Any) -> dict[str, Any]:
    pays = question == "pays"
    return {
        "strategy": "gstds",
        "reference": "holdout",
        "question": question,
        "verdict": verdict,
        "mean_difference": -0.4,
        "ci_low": -0.9,
        "ci_high": 0.1,
        "confidence": 0.9,
        "margin": 1.0,
        "n_pairs": 8,
        "seeds_needed": 14,
        "seeds_needed_measured": 60,
        "smallest_margin": 1.318,
        "collapsed": 2,
        "above_ladder": 0,
        "account": "amortised" if pays else None,
        "cost": "total_flops" if pays else None,
        "ladder": "full" if pays else None,
        "ceiling": 1.71,
        "timing": {"source": "timing pass", "blocks": 3},
        "costs": {
            "amortised": {
                "total_flops": {"ratio": 0.53, "ci_low": 0.53, "ci_high": 0.53},
                "wall_clock": {"ratio": 0.8, "ci_low": 0.7, "ci_high": 0.9},
            }
        },
        **more,
    }


@pytest.mark.parametrize("question", ["accuracy", "picking", "pays"])
def test_every_verdict_has_words_of_its_own(question: str) -> None:
    said = [answers.clause(row(question, verdict)) for verdict in VERDICTS]
    assert len(set(said)) == len(VERDICTS)
    assert all("-0.40 points (90 % CI -0.90 to 0.10)" in text and "{" not in text for text in said)


def test_seconds_say_where_they_are_from() -> None:
    timed = answers.savings(row("accuracy"), "amortised")
    assert "0.80 times the seconds (timing pass, 3 blocks)" in timed
    ordinary = row("accuracy", timing={"source": "ordinary cells", "blocks": 0})
    assert "0.80 times the seconds (indication: ordinary cells)" in answers.savings(ordinary, "amortised")


def test_only_superiority_is_called_better() -> None:
    for question in ("accuracy", "picking", "pays"):
        for verdict in VERDICTS:
            text = answers.clause(row(question, verdict)).replace("not shown to be better", "")
            assert ("better" in text) == (verdict == SUPERIOR)
            assert "equal" not in text.replace("at equal", "")


def test_beside_an_inconclusive_verdict_stands_what_it_would_take() -> None:
    for question in ("accuracy", "picking", "pays"):
        text = answers.clause(row(question, INCONCLUSIVE))
        takes = "it would take 14 seeds if there is no true difference, {} seeds if it is this one"
        assert f"{takes.format(60)}; 8 can show a margin of 1.32 points" in text
        near = answers.clause(row(question, INCONCLUSIVE, seeds_needed_measured=None))
        assert takes.format("no number of") in near
        assert "60 seeds would tell" in answers.clause(row(question, WORSE))
        assert "seeds" not in answers.clause(row(question, INCONCLUSIVE, seeds_needed=None))
        assert not any("seeds" in answers.clause(row(question, other)) for other in VERDICTS[:4])


def test_one_sentence_for_a_data_set() -> None:
    rows = [row("pays", SUPERIOR), row("accuracy"), row("picking")]
    found = "-0.40 points (90 % CI -0.90 to 0.10)"
    assert answers.answer("Digits", rows, "amortised") == (
        f"On Digits, with gstds (reference holdout), accuracy changed by {found} against full training: "
        "non-inferior at a margin of 1 point; "
        "it spent 0.53 times the total FLOPs (amortised) and 0.80 times the seconds "
        "(timing pass, 3 blocks) of full training, "
        "where this scheme could save 1.71-fold at most; "
        "its picks were not shown to be better than as many random ones, "
        f"but no worse than the margin of 1 point allows, {found}; "
        f"it was better than full training of the same total FLOPs (amortised), {found}."
    )


def test_the_data_set_is_named_once() -> None:
    rows = [row("picking"), {**row("picking"), "strategy": "loss"}]
    text = answers.answer("Digits (a note)", rows, "amortised")
    assert text.count("Digits (a note)") == 1 and "With loss" in text


def test_the_level_shown_is_the_level_of_the_verdict() -> None:
    assert "96.7 % CI" in answers.clause(row("accuracy", confidence=1 - 0.1 / 3))


def test_without_pairs_there_is_no_number() -> None:
    none = {"ci_low": None, "ci_high": None, "mean_difference": None, "n_pairs": 0, "costs": {}}
    text = answers.answer("Digits", [row("accuracy", "no verdict: 5 more seeds needed", **none)], "amortised")
    assert text.endswith("the comparison with full training: no verdict: 5 more seeds needed.")


def test_nothing_declared_is_said() -> None:
    assert "no primary contrast was declared" in answers.answer("Digits", [], "amortised")


def test_where_nobody_asks_whether_it_pays_the_first_declared_difference_leads() -> None:
    panel: Any = SimpleNamespace(scope="Digits")
    asked = [row("picking", INCONCLUSIVE), row("accuracy")]
    found = "0.40 points worse (90\u202f% interval \u22120.90 to +0.10)"
    assert answers.lead(panel, asked) == f"On Digits, gstds is {found} than as many random picks: inconclusive."
    assert answers.lead(panel, asked[1:]) == f"On Digits, gstds is {found} than full training: non-inferior."
    few = row("accuracy", "no verdict: 5 more seeds needed", mean_difference=None)
    assert answers.lead(panel, [few]) == "On Digits, gstds against full training: no verdict: 5 more seeds needed."


@pytest.mark.parametrize(("value", "text"), [(-0.004, "0.00"), (0.004, "0.00"), (0.5, "+0.50"), (-1.0, "-1.00")])
def test_numbers_have_no_negative_zero(value: float, text: str) -> None:
    assert answers.number(value, sign=True) == text


def test_the_headline_tallies_several_data_sets_and_says_what_is_missing() -> None:
    rows = [row("accuracy", SUPERIOR), row("accuracy"), row("picking")]
    text = answers.headline({"a": "A.", "b": "B."}, rows, {"planned": 10, "done": 9})
    assert text == (
        "Of 3 primary contrasts on 2 data sets: 2 non-inferior, 1 superior. "
        "1 of 10 planned runs is missing: preliminary."
    )
    assert answers.headline({"a": "A."}, rows, {"planned": 9, "done": 9}) == "A."
