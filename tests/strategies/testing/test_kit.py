"""The conformance kit: what it takes, what it says, and that plugins' tests can use it without anything else."""

from __future__ import annotations

import sys

import pytest
import torch

from selbench.strategies import UsageError, load
from selbench.strategies.interface import NEEDS, BatchLosses
from selbench.strategies.testing import LAWS, Subject, check, parametrize_with_checks
from selbench.strategies.testing.subject import odd_features, odd_losses, scene


def test_a_name_a_path_a_class_and_an_instance_are_one():
    kind = type(load("loss"))
    asked = ("loss", "selbench.strategies.rules.loss:Loss", kind)
    outcomes = [[(r.law, r.verdict) for r in check(one, end="smallest")] for one in asked]
    outcomes.append([(r.law, r.verdict) for r in check(kind(end="smallest"))])
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_an_instance_is_left_as_it_was():
    strategy = load("loss")
    before = dict(vars(strategy))
    check(strategy)
    assert vars(strategy) == before


@pytest.mark.parametrize(
    ("strategy", "parameters", "says"),
    [
        ("gtsds", {}, "did you mean 'gstds'"),
        ("gstds", {"shares": 1}, "did you mean 'share'"),
        ("nowhere:Rule", {}, "cannot be imported"),
        ("selbench.strategies.rules.gstds:GSTD", {}, "has no class 'GSTD'"),
        ("selbench.strategies.rules.gstds:GSTDS", {"share": 3.0}, "must lie in"),
        (load("loss"), {"end": "smallest"}, "is an instance"),
    ],
    ids=str,
)
def test_a_wrong_request_is_an_error_of_use(strategy, parameters, says):
    with pytest.raises(UsageError, match=says):
        check(strategy, **parameters)


def test_without_a_counter_the_law_of_flops_says_why_it_is_skipped():
    (result,) = [result for result in check("loss") if result.law == "flops"]
    assert result.verdict == "skip" and "selbench check" in result.message


def test_what_builds_on_a_broken_law_is_not_judged():
    class Nothing:
        def select(self, batch_feats, losses, ratio):
            return None

    verdicts = {result.law: result for result in check(Nothing)}
    assert verdicts["runs"].verdict == "fail"
    assert verdicts["count"].message == verdicts["needs"].message == "not judged until 'runs' holds"


def test_every_law_says_what_it_asks_for():
    assert len({law.name for law in LAWS}) == len(LAWS)
    assert all(law.summary.endswith(".") for law in LAWS)


@pytest.mark.parametrize("cadence", ["batch", "epoch", "run"])
def test_scenes_hold_every_signal_and_belong_to_their_pool(cadence):
    at = scene(40, cadence)
    assert set(at.signals) == set(BatchLosses._SIGNALS) and set(at.signals) >= NEEDS - {"features"}
    pool = at.pool()
    assert torch.equal(pool.features[at.signals["index"]], at.features)
    assert torch.equal(pool.labels[at.signals["index"]], at.signals["labels"])
    assert (pool.size == 40) == (cadence != "batch")
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    moved = at.permuted(order)
    assert torch.equal(moved.features, at.features[order])
    assert torch.equal(moved.pool().features[moved.signals["index"]], moved.features)
    for odd in (*odd_losses(cadence), *odd_features(cadence)):
        assert len(odd.features) == odd.size == len(odd.signals["learner"]) == len(odd.signals["index"])


def test_the_kit_judges_by_the_cadence_declared():
    assert Subject.of("static").scene(33).pool().size == 33
    assert Subject.of("loss").scene(33).pool().size > 33


PLUGIN_TESTS = """
from selbench.strategies.testing import parametrize_with_checks

class First:
    def __init__(self, dtype="int64"):
        self.dtype = dtype
    def __repr__(self):
        return f"First(dtype={self.dtype!r})"
    def select(self, batch_feats, losses, ratio):
        import torch
        order = torch.arange(len(losses.index), device=losses.index.device, dtype=getattr(torch, self.dtype))
        return order[: max(1, round(ratio * len(order)))]

@parametrize_with_checks([First(), First(dtype="int32")])
def test_law(check):
    check()
"""


def test_a_plugin_runs_the_laws_in_its_own_tests(tmp_path, capsys):
    (tmp_path / "test_first.py").write_text(PLUGIN_TESTS)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "-rfs", f"--rootdir={tmp_path}", str(tmp_path)])
    said = capsys.readouterr().out
    failed = [line for line in said.splitlines() if line.startswith("FAILED")]
    assert code == 1 and len(failed) == 1 and "dtype" in failed[0]
    assert "breaks the law 'dtype'" in said and "picks.long()" in said
    assert "not judged until 'dtype' holds" in said


def test_pytest_is_asked_for_only_where_it_runs(monkeypatch):
    monkeypatch.delitem(sys.modules, "pytest")
    assert not [result for result in check("loss") if result.verdict == "fail"] and "pytest" not in sys.modules
    with pytest.raises(UsageError, match="for tests that pytest runs"):
        parametrize_with_checks(["loss"])
