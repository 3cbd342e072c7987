"""No built-in takes a Python step per sample picked: what ``select`` dispatches does not grow with k.

The greedy rules are declared exceptions: each of their picks depends on the one before.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from selbench.strategies import Strategy, load

from ._inputs import VARIANTS, begun, label, make

SIZE = 128
FEW, MANY = 0.125, 0.5
"""Keep ratios with k = 16 and 64: none below JEST's 16 chunks."""


GREEDY = {
    "divbs": 30,  # the next pick is the one that adds most to the gradients of those before
    "facility-location": 9,  # the next gain depends on whom the picks already serve
    "craig": 13,  # the same, and whom each pick serves
    "graph-cut": 14,  # the next gain depends on the similarity to those before
    "gradmatch": 34,  # the next pick mends what the weighted gradients of those before lack
    "d2": 14,  # the next pick is the highest once those before have lowered their neighbours
    "greats": 8,  # the next gain counts the steps of those before as taken
    "herding": 7,  # the next pick mends the mean of those before
    "k-center": 9,  # the next pick is the farthest from those before
    "less-uniform": 9,  # the next pick is the nearest to those before
}
"""Rules whose picks follow from each other, and the most operators, views included, that a pick may take."""


class Count(TorchDispatchMode):
    """Number of operators dispatched."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # as of PretendedCuda: PyTorch's compiler stays away

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def greedy(variant: tuple[str, dict[str, Any]]) -> bool:
    return variant[0] in GREEDY and "rounds" not in variant[1]  # a bound on what is picked one by one


def dispatched(strategy: Strategy, ratio: float) -> int:
    """Operators of one ``select``, after one that may set things up."""
    feats, losses = make(SIZE)
    strategy.select(feats, losses, ratio)
    with Count() as count:
        strategy.select(feats, losses, ratio)
    return count.calls


@pytest.mark.parametrize("variant", [v for v in VARIANTS if not greedy(v)], ids=label)
def test_four_times_the_picks_take_no_more_operators(variant):
    few, many = (dispatched(begun(*variant, size=SIZE), ratio) for ratio in (FEW, MANY))
    assert 0 < many <= few


@pytest.mark.parametrize("variant", [v for v in VARIANTS if greedy(v)], ids=label)
def test_greedy_rules_take_a_fixed_number_of_operators_a_pick(variant):
    counts = [dispatched(begun(*variant, size=SIZE), ratio) for ratio in (FEW, MANY / 2, MANY)]
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0])
    assert 0 < counts[2] - counts[1] <= GREEDY[variant[0]] * SIZE * MANY / 2


def test_jest_takes_a_step_a_chunk():
    counts = [dispatched(load("jest", chunks=chunks), MANY) for chunks in (4, 8, 16)]
    assert counts[2] - counts[1] == 2 * (counts[1] - counts[0]) > 0


class OneByOne(Strategy):
    """Greedy in a Python loop."""

    needs = frozenset({"learner"})

    def pick(self, feats, losses, k):
        left, picks = losses.learner.clone(), []
        for _ in range(k):
            picks.append(left.argmax())
            left = left.index_fill(0, picks[-1], -torch.inf)
        return torch.stack(picks)


def test_the_test_finds_a_loop():
    assert dispatched(OneByOne(), MANY) > dispatched(OneByOne(), FEW)
