"""Any rule at any cadence."""

from __future__ import annotations

import pytest
import torch

from selbench.strategies import UsageError, load
from selbench.strategies.interface import Traits

from .._doubles import register
from .._inputs import begun, make


@pytest.mark.parametrize("cadence", ["batch", "epoch", "run"])
@pytest.mark.parametrize("of", ["loss", "rho", "degree", "jest", "static", "uniform"])
def test_the_rules_picks_on_the_whole_pool(of, cadence):
    batch = make(64)
    strategy = begun("at", {"of": of, "cadence": cadence})
    assert strategy.cadence == cadence and strategy.needs == load(of).needs
    assert torch.equal(strategy.select(*batch, 0.3), begun(of, {}).select(*batch, 0.3))


@pytest.mark.parametrize("of", ["fiedler", "gstds"])
def test_a_rule_with_a_cadence_of_its_own_is_told(of):
    batch = make(900)
    strategy, own = begun("at", {"of": of, "cadence": "run"}), begun(of, {"cadence": "run"})
    assert torch.equal(strategy.select(*batch, 0.1), own.select(*batch, 0.1))
    assert strategy.flops(900, 8, 90) == own.flops(900, 8, 90) != load(of).flops(900, 8, 90)


def test_whether_it_can_follow_learning_depends_on_the_cadence():
    assert load("at", of="loss", cadence="epoch").signal == "learner"
    assert load("at", of="loss", cadence="run").signal == "frozen"


def test_wrong_requests_say_how_to_mend_them(monkeypatch):
    register(monkeypatch)
    with pytest.raises(UsageError, match="cadence cannot be 'epok'; did you mean 'epoch'"):
        load("at", cadence="epok")
    with pytest.raises(UsageError, match="cadence is given twice: leave it out of the options of 'gstds'"):
        load("at", of="gstds", options={"cadence": "run"})
    with pytest.raises(UsageError, match="'deciding' decides its count itself"):
        load("at", of="deciding", cadence="batch")
    assert not Traits.of(load("at", of="deciding", cadence="run")).exact_count
