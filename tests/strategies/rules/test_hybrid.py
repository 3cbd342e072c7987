"""Two rules that share the picks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selbench.strategies import BatchLosses, Selection, UsageError, load

from .._doubles import register
from .._inputs import begun, make

SMALLEST = {"end": "smallest"}


def test_half_from_either_end():
    picks = load("hybrid", of="loss", other="loss", other_options=SMALLEST).select(None, torch.arange(10.0), 0.4)
    assert picks.tolist() == [9, 8, 0, 1]


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.1, 1), (0.25, 1), (0.3, 2), (0.5, 3), (0.9, 5), (1.0, 5)])
def test_the_share_is_rounded_half_up(share, kept):
    strategy = load("hybrid", of="loss", other="loss", share=share, other_options=SMALLEST)
    picks = strategy.select(None, torch.arange(20.0), 0.25)
    assert picks.tolist() == [19, 18, 17, 16, 15][:kept] + [0, 1, 2, 3, 4][: 5 - kept]


@pytest.mark.parametrize(("share", "one"), [(0.0, "gstds"), (1.0, "jest")])
def test_share_0_and_1_are_the_rules_themselves(share, one):
    strategy = begun("hybrid", {"of": "jest", "other": "gstds", "share": share})
    alone = begun(one, {})
    assert strategy.needs == alone.needs
    for seed in range(3):
        assert torch.equal(strategy.select(*make(50, seed=seed), 0.3), alone.select(*make(50, seed=seed), 0.3))
    assert strategy.flops(50, 8, 15) == alone.flops(50, 8, 15)


@settings(max_examples=20)
@given(size=st.integers(1, 60), ratio=st.floats(0.01, 1.0), share=st.floats(0.0, 1.0))
def test_a_rule_shared_with_itself_is_itself(size, ratio, share):
    """The second rule sees what the first left, and nothing that it took."""
    feats, losses = make(size)
    picks = load("hybrid", of="loss", other="loss", share=share).select(feats, losses, ratio)
    assert picks.tolist() == load("loss").select(feats, losses, ratio).tolist()


def test_rows_and_positions_go_together():
    """The second rule's signals are those of the candidates that its picks stand for."""
    feats, losses = make(40)
    picks = load("hybrid", of="loss", other="rho", share=0.4).select(feats, losses, 0.25)
    taken = losses.learner.topk(4).indices
    reducible = (losses.learner - losses.reference).index_fill(0, taken, -torch.inf)
    assert picks.tolist() == taken.tolist() + reducible.topk(6).indices.tolist()


def weights(of, other, **options):
    losses = BatchLosses(torch.tensor([4.0, 1.0, 6.0, 2.0]))
    result = load("hybrid", of=of, other=other, **options).select(None, losses, 1.0)
    return result if isinstance(result, Selection) else Selection(result)


def test_relative_weights_are_scaled_part_by_part(monkeypatch):
    register(monkeypatch)
    assert weights("weighing", "loss").weights.tolist() == pytest.approx([1.2, 0.8, 1.0, 1.0])
    assert weights("loss", "weighing").weights.tolist() == pytest.approx([1.0, 1.0, 4 / 3, 2 / 3])
    assert weights("weighing", "weighing").weights.tolist() == pytest.approx([1.2, 0.8, 4 / 3, 2 / 3])
    assert weights("loss", "loss").weights is None


def test_raw_weights_are_left_alone(monkeypatch):
    register(monkeypatch)
    assert weights("weighing-raw", "loss").weights.tolist() == [6.0, 4.0, 1.0, 1.0]
    assert weights("weighing-raw", "weighing").weights.tolist() == pytest.approx([6.0, 4.0, 4 / 3, 2 / 3])
    assert weights("weighing-raw", "loss", share=1.0).weights.tolist() == [6.0, 4.0, 2.0, 1.0]


def test_a_first_rule_that_decides_its_count(monkeypatch):
    register(monkeypatch)
    strategy = load("hybrid", of="deciding", other="at", other_options={"of": "loss", "options": SMALLEST})
    assert strategy.select(None, torch.tensor([2.0, 0.5, 3.0, 0.1, 0.2, 4.0]), 0.6).tolist() == [0, 2, 5, 3, 4]
    assert strategy.select(None, torch.full((5,), 2.0), 0.6).tolist() == [0, 1, 2, 3, 4]


def test_wrong_requests_say_how_to_mend_them():
    with pytest.raises(UsageError, match=r"'loss' picks at cadence 'batch' and 'static' at 'run'.*'at'"):
        load("hybrid", of="loss", other="static")
    with pytest.raises(UsageError, match=r"share is 1\.5: it must lie in"):
        load("hybrid", share=1.5)
    with pytest.raises(UsageError, match="no strategy named 'unifrm'; did you mean 'uniform'"):
        load("hybrid", other="unifrm", share=1.0)
    assert load("hybrid", of="at", other="static", options={"of": "loss", "cadence": "run"}).cadence == "run"
