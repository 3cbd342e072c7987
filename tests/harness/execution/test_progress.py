from __future__ import annotations

from types import SimpleNamespace

import pytest

from selbench.harness.execution import progress
from selbench.harness.execution.executors.outcome import Outcome
from selbench.harness.execution.progress import Progress
from selbench.harness.plan.tasks import Task


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when told."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def tasks(n):
    return [Task(str(i), "reference", "digits", 0, "holdout") for i in range(n)]


def test_plain_lines_say_how_far_it_is_and_what_is_left(clock, capsys):
    todo = tasks(12)
    with Progress(todo, 40, "results/x") as shown:
        for task in todo[:6]:
            clock[0] += 10
            shown.report(task, Outcome())
    err = capsys.readouterr().err
    assert "40 cells: 40 done already, 0 to train, 12 artefacts" in err and "results/x" in err.replace("\n", "")
    assert "2/12 done, 20 s spent\n" in err  # too early to guess
    assert "6/12 done, 60 s spent, about 60 s left" in err


def test_tuning_says_so(clock, capsys):
    todo = [Task(str(i), "tuning", "digits", 0, arm=SimpleNamespace(rung=1.0)) for i in range(2)]
    with Progress(todo, 6, "x", "tuning") as shown:
        for task in todo:
            clock[0] += 10
            shown.report(task, Outcome())
    err = " ".join(capsys.readouterr().err.split())
    assert "tuning: each arm's learning rate by its accuracy on val; 6 runs: 4 done already, 2 to train" in err
    assert "tuning: 2/2 done" in err


def test_a_failure_is_said_at_once_and_its_words_are_not_markup(clock, capsys):
    with Progress(tasks(3), 3, "x") as shown:
        shown.report(tasks(1)[0], Outcome("ValueError: [red]boom[/red]"))
    err = " ".join(capsys.readouterr().err.split())
    assert "failed: reference holdout on digits, seed 0: ValueError: [red]boom[/red]" in err


def test_what_another_run_did_is_counted_apart_and_waiting_is_said(clock, capsys):
    with Progress(tasks(3), 3, "x") as shown:
        shown.report(tasks(1)[0], Outcome())
        shown.wait(2)
        for task in tasks(2):
            shown.elsewhere(task)
    err = " ".join(capsys.readouterr().err.split())
    assert "waiting for 2 tasks that another run on this folder is doing" in err
    assert "3/3 done, 2 by another run" in err


def test_a_failure_names_the_plugin_that_the_strategy_comes_from(clock, capsys):
    for origin, named in (("acme-rules 2.0", True), ("selbench 0.1.0", False)):
        arm = SimpleNamespace(rung=1.0, label="mine", name="acme", origin=origin)
        with Progress([], 1, "x") as shown:
            shown.report(Task("1", "cell", "digits", 0, arm=arm), Outcome("law broken: count: too few"))
        err = " ".join(capsys.readouterr().err.split())
        assert ("failed: mine on digits, seed 0 (acme of acme-rules 2.0): law broken: count" in err) is named
