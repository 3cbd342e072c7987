"""How many kernels a ``select`` launches: no more than stated, and the page says it."""

from __future__ import annotations

import pytest

from selbench.benchmarks import launches
from selbench.benchmarks.pages import block

MOST = {
    "full": 1, "loss": 9, "proxy-replay": 10, "rho": 10, "uniform": 10, "uncertainty": 11, "gradnorm": 22,
    "reversed": 20, "marginal": 25, "shuffled": 28, "degree": 28, "spectral-oracle": 34, "hybrid": 33, "outlier": 40,
    "selective-backprop": 62, "reducr": 67, "jest": 53, "fiedler": 58, "gstds": 80, "greats": 1061, "divbs": 3858,
}  # fmt: skip
"""Kernels a rule may launch for 256 picks of 512 candidates; the greedy ones take a few for each pick."""


@pytest.fixture(scope="module")
def counts() -> dict[str, int]:
    return {name: launches.launches(name) for name in launches.batch_rules()}


def test_no_rule_launches_more_than_it_may(counts):
    assert set(counts) == set(MOST)
    assert {name: count for name, count in counts.items() if count > MOST[name]} == {}


def test_the_page_holds_what_the_command_draws(counts):
    for page, (name, _) in launches.PAGES.items():
        drawn = block(page.read_text(encoding="utf-8"), name)
        assert drawn == launches.table(counts), "run python -m selbench.benchmarks.launches --write"


@pytest.mark.parametrize("name", sorted(set(MOST) - {"greats", "divbs"}))
def test_a_call_launches_what_the_call_before_did(name):
    """The same kernels of the same shapes, and no host read (fake tensors hold no data): a CUDA graph can hold it."""
    _, second, third = launches.calls(name, 8, 8, 8)
    assert second == third
