"""What every rule made of rules hands through."""

from __future__ import annotations

import pytest
import torch

from selbench.strategies import BatchLosses, UsageError, load
from selbench.strategies.interface import Traits

from .._doubles import register
from .._inputs import begun, make, pool

NAMES = ["shuffled", "reversed", "marginal", "hybrid", "at"]

each_wrapper = pytest.mark.parametrize("name", NAMES)


@each_wrapper
def test_repr_shows_the_inner_rule(name):
    assert "of='gstds'" in repr(load(name, of="gstds", options={"share": 0.25}, **_same_cadence(name)))
    assert "options={'share': 0.25}" in repr(load(name, of="gstds", options={"share": 0.25}, **_same_cadence(name)))


def _same_cadence(name):
    return {"cadence": "batch"} if name == "at" else {}


@each_wrapper
def test_misspelt_inner_names_get_the_nearest(name):
    with pytest.raises(UsageError, match="no strategy named 'gstd'; did you mean 'gstds'"):
        load(name, of="gstd")
    with pytest.raises(UsageError, match="'gstds' has no parameter 'shar'; did you mean 'share'"):
        load(name, of="gstds", options={"shar": 0.3})
    with pytest.raises(UsageError, match="share is 7"):
        load(name, of="gstds", options={"share": 7})


@each_wrapper
def test_traits_are_the_inner_rules(name, monkeypatch):
    register(monkeypatch)
    asked = load(name, of="weighing-raw")
    assert asked.needs == {"learner"} and Traits.of(asked).weights_mode == "raw"
    other = {"other": "uniform", "other_options": {"cadence": "epoch"}} if name == "hybrid" else {}
    decided = Traits.of(load(name, of="deciding", **other))
    assert decided.cadence == "epoch" and decided.exact_count == (name == "reversed")
    assert load(name).exact_count and Traits.of(load(name)).weights_mode == "relative"


@pytest.mark.parametrize("name", ["shuffled", "marginal", "at"])
def test_a_ratio_of_its_own_is_handed_on(name):
    assert load(name, of="full").ratio == 1.0
    assert begun(name, {"of": "full"}).select(*make(9), 0.3).sort().values.tolist() == list(range(9))


@pytest.mark.parametrize("options", [{"of": "full"}, {"of": "shuffled", "options": {"of": "full"}}])
@pytest.mark.parametrize("name", ["reversed", "hybrid"])
def test_a_rule_that_keeps_everything_is_refused(name, options):
    with pytest.raises(UsageError, match="keeps a share of its own"):
        load(name, **options)


@each_wrapper
def test_begin_observe_diagnostics_and_state_reach_the_inner_rule(name, monkeypatch):
    register(monkeypatch)
    first, second = load(name, of="listening"), load(name, of="listening")
    told = pool()
    for wrapper in (first, second):
        wrapper.begin(told)
    assert first._rules[0].pool is told
    first.observe(torch.tensor([3, 5]), torch.rand(2))
    second.load_state_dict(first.state_dict())
    assert second._rules[0].told == [3, 5]
    assert [float(x) for x in second.diagnostics().values()] == [2.0]
    assert first.flops is None  # the harness counts what nobody states


@each_wrapper
def test_nothing_is_watched_for_rules_that_do_not_listen(name):
    assert load(name).observe is None and load(name).diagnostics is None


def test_diagnostics_of_two_rules_are_told_apart():
    both = load("hybrid", of="fiedler", other="fiedler", other_options={"end": "low"})
    both.select(*make(20), 0.5)
    assert {"gap (1)", "gap (2)"} <= set(both.diagnostics())


@each_wrapper
def test_one_stream_serves_inner_and_outer_without_begin(name):
    asked = load(name, of="uniform", options={"cadence": "batch"} if name != "at" else {})
    asked.select(*make(20), 0.5)
    assert all(rule.generator(torch.device("cpu")) is asked.generator(torch.device("cpu")) for rule in asked._rules)


@each_wrapper
def test_host_numbers_reach_the_inner_rule(name, monkeypatch):
    register(monkeypatch)
    feats, signals = make(10)
    losses = BatchLosses(**signals.signals(), k=4, epoch=3, progress=0.5)
    asked = begun(name, {"of": "listening"})
    asked.select(feats, losses, 0.4)
    _, seen, ratio = asked._rules[0].shown[0]
    share = {"reversed": 6, "hybrid": 2}.get(name, 4)
    assert (seen.k, seen.epoch, seen.progress, ratio) == (share, 3, 0.5, share / 10)
