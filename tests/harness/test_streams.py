from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selbench.harness.streams import derive, generator, keyed_uniform, permutation

seeds = st.integers(0, 2**31)


@given(seeds, st.lists(st.sampled_from(["init", "order", "augment", 0, 1]), min_size=1, max_size=3))
def test_a_stream_depends_on_seed_and_axis_alone(seed, axis):
    assert derive(seed, *axis) == derive(seed, *axis)
    assert derive(seed, *axis) != derive(seed + 1, *axis)
    assert derive(seed, *axis) != derive(seed, *axis, "more")


@given(seeds, st.lists(st.integers(0, 10**9), min_size=2, max_size=40, unique=True))
def test_a_sample_draws_the_same_whatever_batch_it_comes_in(key, ids):
    together = keyed_uniform(key, torch.tensor(ids), 5)
    alone = torch.cat([keyed_uniform(key, torch.tensor([i]), 5) for i in ids])
    assert torch.equal(together, alone)
    assert together.min() >= 0 and together.max() < 1


def test_keyed_draws_are_uniform_and_unrelated_between_ids_draws_and_keys():
    ids = torch.arange(20_000)
    u = keyed_uniform(derive(3, "augment", 0), ids, 4).double().numpy()
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    other = keyed_uniform(derive(3, "augment", 1), ids, 4).double().numpy()
    pairs = [(u[:-1, 0], u[1:, 0]), (u[:, 0], u[:, 1]), (u[:, 2], other[:, 2])]
    for a, b in pairs:
        assert abs(stats.pearsonr(a, b).statistic) < 0.03


def test_streams_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    permutation(100, 1, "order", 0)
    torch.rand(3, generator=generator(1, "init"))
    keyed_uniform(5, torch.arange(4), 2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_permutation_holds_every_sample_once():
    order = permutation(257, 4, "order", 2)
    assert torch.equal(order.sort().values, torch.arange(257))
    assert not torch.equal(order, permutation(257, 4, "order", 3))
