"""Verdicts on synthetic results of known truth, and what is said beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from synthetic import write_results
from timed import write_timing

from selbench.reports.effects.pairing import Pairs
from selbench.reports.questions.claims import judge_claims, unreadable_claims
from selbench.reports.questions.claims.reading import parse, shipped
from selbench.reports.records.folder import Results
from selbench.reports.summary import summarise

ACCURATE = {
    "dataset": "digits",
    "strategy": {"name": "gstds"},
    "baseline": "full",
    "metric": "accuracy",
    "hypothesis": "non-inferior",
}
CHEAP = ACCURATE | {
    "metric": "cost ratio",
    "account": "marginal",
    "cost": "total_flops",
    "hypothesis": "at least",
    "bound": 4.0,
}


def judged(path: Path, *tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The verdict on one claim, put into the folder as a user would."""
    plain = {"id": "mine", "title": "Mine", "statement": "Mine.", "matrix": "quick", "source": {"paper": "mine"}}
    (path / "claims").mkdir(exist_ok=True)
    claim = plain | more | {"tests": list(tests)}
    (path / "claims" / "mine.toml").write_text(tomli_w.dumps(claim))
    results = Results.read(path)
    rows = judge_claims(Pairs(results))
    (row,) = [row for row in rows if row["id"] == "mine"]
    assert not unreadable_claims(results) and json.dumps(row)
    return row


def test_the_margin_of_a_data_set_that_is_not_at_hand_is_no_number(tmp_path: Path) -> None:
    write_results(tmp_path)
    bounds = {}
    for hypothesis in ("non-inferior", "no gain"):
        judged(tmp_path, ACCURATE | {"dataset": "pets", "hypothesis": hypothesis})
        (test,) = next(row for row in summarise(Results.read(tmp_path))["claims"] if row["id"] == "mine")["tests"]
        bounds[hypothesis] = (test["text"].split("accuracy ")[1], test["bound"])
    assert bounds == {"non-inferior": ("above minus the margin", None), "no gain": ("below the margin", None)}


@pytest.mark.parametrize(
    ("effect", "ratio", "verdict"),
    [
        (0.0, 0.2, "supported"),
        (0.0, 0.5, "contradicted"),  # as accurate, and only twice as cheap
        (-4.0, 0.2, "contradicted"),  # as cheap, and worse
        (-0.95, 0.2, "inconclusive"),  # on the margin
    ],
)
def test_four_times_less_at_equal_accuracy_needs_both_halves(
    tmp_path: Path, effect: float, ratio: float, verdict: str
) -> None:
    write_results(tmp_path, effects={"gstds": effect}, ratios={"gstds": ratio})
    row = judged(tmp_path, ACCURATE, CHEAP)
    assert row["verdict"] == verdict
    assert row["reason"] and bool(row["to_decide"]) == (verdict == "inconclusive") and row["indication"] is None
    accuracy, cost = row["tests"]
    assert (accuracy["bound"], cost["bound"], accuracy["n"]) == (-1.0, 4.0, 8)
    assert accuracy["low"] < accuracy["estimate"] < accuracy["high"] and cost["low"] == cost["high"]
    if verdict == "inconclusive":
        assert "seeds, if estimate and spread stay as they are" in row["to_decide"]


def test_up_to_takes_one_case_and_falls_with_all(tmp_path: Path) -> None:
    write_results(
        tmp_path, datasets=["digits", "flowers"], effects={"gstds": 0.0}, effects_on={"flowers": {"gstds": -4.0}}
    )
    on = [ACCURATE | {"dataset": name, "case": name} for name in ("digits", "flowers")]
    twice = [CHEAP | {"dataset": name, "case": name, "bound": 1.9} for name in ("digits", "flowers")]
    row = judged(tmp_path, *on, *twice, kind="any")
    assert row["verdict"] == "supported" and "1 of 2 cases passed, after Holm: digits" in row["reason"]
    assert [test["verdict"] for test in row["tests"]] == ["supported", "contradicted", "supported", "supported"]
    better = [test | {"hypothesis": "at least", "bound": 3.0} for test in on]
    assert judged(tmp_path, *better, kind="any")["verdict"] == "contradicted"
    assert judged(tmp_path, on[0], better[1] | {"dataset": "digits", "case": ""}, kind="any")["verdict"] == "supported"


def test_collapsed_runs_withhold_support(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"gstds": 5.0}, collapse=[("gstds", 3)])
    row = judged(tmp_path, ACCURATE)
    assert row["verdict"] == "inconclusive" and row["tests"][0]["collapsed"] == 1
    assert row["tests"][0]["verdict"] == "withheld: collapsed runs"
    assert row["to_decide"] == "gstds against full: runs that do not collapse"


def test_seconds_take_a_timing_pass(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"gstds": 0.0})
    fast = CHEAP | {"cost": "wall_clock", "bound": 1.5}
    row = judged(tmp_path, fast)
    assert row["verdict"] == "not run" and row["tests"][0]["note"] == "needs a timing pass"
    assert row["to_decide"] == "selbench run quick --timing 5"
    row = judged(tmp_path, ACCURATE, fast)
    assert row["verdict"] == "inconclusive" and "1 of 2 tests were not run" in row["reason"]
    write_timing(tmp_path, blocks=4, slowness={"gstds": 0.55})
    assert judged(tmp_path, fast)["tests"][0]["verdict"] == "no verdict: 1 more seed needed"
    write_timing(tmp_path, blocks=5, slowness={"gstds": 0.55})
    assert judged(tmp_path, fast)["verdict"] == "supported"
    assert judged(tmp_path, fast | {"bound": 2.5})["verdict"] == "contradicted"


def test_other_conditions_give_an_indication_and_no_verdict(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"gstds": -4.0})
    for of in ({"learner": {"width": 64}}, {"references": ["resnet50"]}, {"datasets": {"digits": {"accuracy": 99.0}}}):
        row = judged(tmp_path, ACCURATE, conditions=of)
        assert row["verdict"] == "not run" and row["tests"][0]["estimate"] is None
        assert row["indication"]["verdict"] == "contradicted"
        assert "ResNet-18, width 16" in row["indication"]["text"] and "Digits" in row["indication"]["text"]
        assert [item["met"] for item in row["conditions"]].count(False) == 1
        assert row["to_decide"] == "selbench run quick"


def test_runs_on_another_data_set_indicate_once(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"gstds": 0.0})
    elsewhere = [ACCURATE | {"dataset": name} for name in ("pets", "flowers")]
    row = judged(tmp_path, *elsewhere, kind="any")
    assert row["verdict"] == "not run" and row["indication"]["verdict"] == "supported"
    assert row["indication"]["text"].count("on Digits") == 1
    assert judged(tmp_path, ACCURATE | {"strategy": {"name": "jest"}})["indication"] is None


def test_runs_at_other_conditions_have_no_say_beside_those_at_the_right_ones(tmp_path: Path) -> None:
    """Two data sets, of which one is a lossy copy: its tests are not run, whatever they would have said."""
    write_results(
        tmp_path, datasets=["digits", "cifar10"], effects={"gstds": -4.0}, effects_on={"cifar10": {"gstds": 4.0}}
    )
    row = judged(tmp_path, ACCURATE, ACCURATE | {"dataset": "cifar10"}, kind="any")
    assert row["verdict"] == "inconclusive"
    assert [test["verdict"] for test in row["tests"]] == ["contradicted", "not run"]


def test_what_is_lacking_or_out_of_scope_is_said(tmp_path: Path) -> None:
    write_results(tmp_path, effects={"gstds": 0.0})
    row = judged(tmp_path, ACCURATE, needs="a rule that is not there")
    assert (row["verdict"], row["to_decide"]) == ("not run", "a rule that is not there")
    assert "a rule that is not there" in row["reason"] and row["indication"]["verdict"] == "supported"
    row = judged(tmp_path, scope="out", reason="language models", matrix="")
    assert (row["verdict"], row["reason"], row["tests"]) == ("out of scope", "language models", [])


def test_a_summary_holds_every_claim_and_survives_bad_files(tmp_path: Path) -> None:
    write_results(tmp_path)
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "bad.toml").write_text("id = 3")
    summary = summarise(Results.read(tmp_path))
    assert [row["id"] for row in summary["claims"]] == [claim.id for claim in shipped()]
    assert [item["file"] for item in summary["unreadable"]] == ["claims/bad.toml"]
    assert {row["verdict"] for row in summary["claims"]} == {"not run", "out of scope"}
    wanted = {"id", "title", "statement", "source", "said", "kind", "verdict", "reason", "conditions", "tests"}
    for row in summary["claims"]:
        assert set(row) >= wanted | {"indication", "matrix", "to_decide"}
        for test in row["tests"]:
            assert test["text"] and set(test) >= {"metric", "hypothesis", "bound", "estimate", "low", "high", "n"}
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize("known", shipped(), ids=lambda claim: claim.id)
def test_a_claim_of_the_package_could_be_supported(known: Any) -> None:
    """No claim is written so that no truth could bear it out: its tests do not contradict each other."""
    sides: dict[tuple[object, ...], list[tuple[str, float | None]]] = {}
    for case in known.cases if known.tests else ():
        for test in (known.tests[i] for i in case):
            key = (case, repr((test.dataset, test.strategy, test.rival, test.baseline, test.metric, test.cost)))
            sides.setdefault(key, []).append((test.hypothesis, test.bound))
    for found in sides.values():
        least = [bound for hypothesis, bound in found if hypothesis == "at least"]
        most = [bound for hypothesis, bound in found if hypothesis == "at most"]
        assert not least or not most or max(least) < min(most)
    assert parse(known.model_dump(exclude_none=True, exclude_defaults=True)) == known
