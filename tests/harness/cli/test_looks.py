"""Runs that add seeds at declared looks until what was declared is decided."""

from __future__ import annotations

import pytest

from selbench.harness.cli import looks
from selbench.harness.cli.looks import run_until_decided
from selbench.harness.execution import run as running
from selbench.harness.execution.prepared import RunRequest
from selbench.harness.execution.run import RunResult
from selbench.harness.plan.matrix import parse, refuse_undeclared
from selbench.harness.store.folder import Store
from selbench.strategies import UsageError


@pytest.fixture
def go(tiny, cache_dir, tmp_path):
    """Run until decided, at an ``alpha``; the margin is so wide that three pairs show it where their test may."""

    def call(alpha):
        data = {"name": "digits", "options": {"limit": 100, "test_limit": 50}, "margin": 99.0, "collapse": 0.0}
        analysis = {"alpha": alpha, "looks": [3, 4], "primary": ["loss:accuracy"]}
        changes = {"datasets": [data], "references": [], "strategies": [{"name": "loss"}]}
        table = tiny | changes | {"ladder": [1.0], "budget": {"passes": 1}, "analysis": analysis}
        del table["seeds"]
        request = RunRequest(tmp_path / "out", cache_dir=cache_dir, device="cpu", workers=1, executor="inline")
        matrix = parse(table)
        request.declared = matrix
        return run_until_decided(matrix, request, [])

    call.store = Store(tmp_path / "out")
    return call


def test_a_run_stops_at_the_look_that_decides(go, capsys):
    done = go(0.4)
    (look,) = go.store.resolved()["looks"]
    assert (look["seeds"], look["decided"]) == (3, True) and look["level"] == pytest.approx(0.4 / 2)
    verdict = {"dataset": "digits", "reference": "", "strategy": "loss", "question": "accuracy"}
    found = look["verdicts"][0]["verdict"]
    assert look["verdicts"] == [{**verdict, "verdict": found}] and found.endswith(("non-inferior", "within the margin"))
    assert done.trained == done.planned and go.store.resolved()["seeds"] == [0, 1, 2]
    assert f"look 1 of 2, 3 seeds: loss:accuracy {found}. Decided." in " ".join(capsys.readouterr().err.split())
    again = go(0.4)
    assert (again.trained, again.planned) == (0, done.planned) and go.store.resolved()["looks"] == [look]


def test_a_killed_run_goes_on_at_its_look_and_ends_at_the_last(go, monkeypatch, capsys):
    """At this level four pairs cannot decide, which is refused before a run; let through, it leaves all looks open."""
    monkeypatch.setattr(running, "check_families", lambda *_: None)
    real, judged = looks.run, []

    def killed(matrix, request):
        done = real(matrix, request)
        if len(matrix.seed_list()) == 3:
            raise KeyboardInterrupt  # after the last run of the first look, before it is judged
        return done

    monkeypatch.setattr(looks, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        go(0.01)
    monkeypatch.setattr(
        looks, "run", lambda matrix, request: judged.append(len(matrix.seed_list())) or real(matrix, request)
    )
    done = go(0.01)
    assert judged == [3, 4] and done.trained == done.planned // 4
    taken = [(row["seeds"], row["decided"]) for row in go.store.resolved()["looks"]]
    assert taken == [(3, False), (4, False)]
    assert "4 seeds: loss:accuracy no verdict: 4 more seeds needed. This was the last look" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_folder_whose_declared_contrasts_are_exploratory_has_no_looks(go, monkeypatch):
    monkeypatch.setattr(looks, "run", lambda matrix, request: RunResult(request.out))
    monkeypatch.setattr(looks.Results, "read", lambda folder: folder)
    monkeypatch.setattr(looks, "summarise", lambda results: {"looks": {"now": None}})
    with pytest.raises(UsageError, match=r"no declared contrast can be judged here"):
        go(0.4)


def test_a_look_with_failed_runs_is_not_taken(go, monkeypatch):
    monkeypatch.setattr("selbench.harness.tasks.do.train_cell", lambda worker, task: 1 / 0)
    assert go(0.4).failed and "looks" not in go.store.resolved()


@pytest.mark.parametrize(
    ("analysis", "asked", "says"),
    [
        ({}, {}, "declares no looks: set analysis.looks"),
        ({"looks": [2, 4]}, {}, "declares no contrast of gstds: set analysis.primary"),
        ({"looks": [2, 4], "primary": ["gstds:accuracy"]}, {"seeds": 2}, "leave out --seeds and --plan"),
        ({"looks": [2, 4], "primary": ["gstds:accuracy"]}, {"plan": True}, "leave out --seeds and --plan"),
    ],
)
def test_without_looks_or_a_declared_contrast_it_is_refused(tiny, analysis, asked, says):
    matrix = parse({**tiny, "seeds": 4, "analysis": analysis})
    with pytest.raises(UsageError, match=says):
        refuse_undeclared(matrix, asked.get("seeds"), asked.get("plan", False))
