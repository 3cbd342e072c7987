"""``selbench claim``: where a claim stands, from its file, its matrix and the reports at hand."""

from __future__ import annotations

import csv
import sys

import pytest

from selbench.harness.cli import claims, commands
from selbench.reports.questions.claims.reading import shipped

CLAIMS = {claim.id: claim for claim in shipped()}


def of(name, rows=None):
    return {head: [fact.text for fact in lines] for head, lines in claims.facts(CLAIMS[name], rows or {}).items()}


def test_the_most_that_arithmetic_allows_is_one_over_what_is_kept_and_what_scoring_costs():
    (gstds,) = claims.ceilings(CLAIMS["gstds-4x"])
    assert "gstds keeps 0.53" in gstds and "1.89 times less compute" in gstds  # 1 / .53: it scores by features alone
    assert "at 0.45 of the budget, 4.19; at 0.25 of the budget, 7.55" in gstds
    (jest,) = claims.ceilings(CLAIMS["jest-13x-10x"])
    assert "keeps 0.20" in jest and "1.88 times less compute" in jest  # 3 / (3 * .2 + 1): the learner scores all
    assert not list(claims.ceilings(CLAIMS["saln-5-points"])), "no test of it is of a cost"


def test_a_verdict_stands_before_indications_and_both_name_their_folder():
    rows = {
        "large": {
            "verdict": "contradicted",
            "reason": "the whole interval",
            "indication_verdict": "",
            "indication_text": "",
        },
        "small": {
            "verdict": "not run",
            "reason": "",
            "indication_verdict": "supported",
            "indication_text": "on digits",
        },
    }
    found = claims.facts(CLAIMS["gstds-4x"], rows)
    assert found["Verdict"] == [("contradicted: the whole interval", "large")]
    assert [("supported. on digits", "small")] in found.values()
    assert of("gstds-4x")["Verdict"] == ["not run: no runs at its conditions: selbench run savings"]
    assert of("infobatch-llama").keys() == {"What is claimed", "Verdict"}, "out of scope: nothing to settle"
    run, hours = of("gstds-4x")["What would settle it"]
    assert run.startswith("`selbench run savings`: ")
    assert " FLOPs as planned: " in hours and " GPU-hours at 100 TFLOP/s sustained (assumed, not measured" in hours
    (given,) = [line for line in claims._settling(CLAIMS["gstds-4x"], 50.0) if "TFLOP/s" in line]
    assert " GPU-hours at 50 TFLOP/s sustained (as given)" in given


@pytest.fixture
def claim(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["selbench", "claim", *map(str, arguments)])
        try:
            commands.main()
        except SystemExit as leaving:
            if leaving.code:
                return capsys.readouterr().err.strip()
        return " ".join(capsys.readouterr().out.split())

    return call


def test_the_command_reads_the_reports_that_it_is_given(claim, tmp_path):
    assert "no report/claims.csv there; selbench report" in claim("gstds-4x", "--results", tmp_path)
    (tmp_path / "report").mkdir()
    with (tmp_path / "report" / "claims.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, ["id", "verdict", "reason", "indication_verdict", "indication_text"])
        rows.writeheader()
        rows.writerow({"id": "gstds-4x", "verdict": "supported", "reason": "its test passed"})
    assert f"{tmp_path.name}: supported: its test passed" in claim("gstds-4x", "--results", tmp_path)
    listed = claim("--results", tmp_path)
    assert "gstds-4x supported: GSTDS: four times less compute" in listed and all(name in listed for name in CLAIMS)
    assert "no claim is called 'gstds-4'; did you mean" in claim("gstds-4")
