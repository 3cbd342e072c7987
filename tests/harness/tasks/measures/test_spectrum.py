"""The tail of a known spectrum, and what selection does to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selbench.harness.plan.measures import SpectrumOptions
from selbench.harness.tasks.measures.spectrum import eigenvalues, principal_components, spectrum, tail

OPTIONS = SpectrumOptions(reference="any", draws=20, first=3, last=30, components=64)


def power_law(count: int, exponent: float, width: int = 40, seed: int = 0) -> torch.Tensor:
    """Features whose sample covariance has eigenvalues k^-exponent exactly."""
    made = np.random.default_rng(seed).normal(size=(count, width))
    made -= made.mean(0)
    left = np.linalg.svd(made, full_matrices=False)[0]
    return torch.from_numpy(left * np.arange(1, width + 1) ** (-exponent / 2) * np.sqrt(count))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_a_power_law_gives_its_exponent(exponent):
    rows = power_law(500, exponent)
    values = eigenvalues(rows, torch.ones(500, dtype=torch.float64))
    expected = np.linalg.eigvalsh(np.cov(rows.numpy(), rowvar=False, bias=True))[::-1]
    assert np.allclose(values, expected, rtol=1e-9)
    found = tail(values, 3, 30)
    assert found is not None
    line = np.polyfit(np.log(np.arange(3, 31)), np.log(expected[2:30]), 1)
    assert found[0] == pytest.approx(exponent, rel=1e-9) == pytest.approx(-line[0], rel=1e-9)
    assert found[1] == pytest.approx(np.log(expected[2:30]).mean())


def test_weights_are_copies():
    rows, counts = power_law(200, 1.0), torch.arange(200) % 3
    repeated = rows.repeat_interleave(counts, 0)
    assert torch.allclose(
        eigenvalues(rows, counts.double()), eigenvalues(repeated, torch.ones(len(repeated), dtype=torch.float64))
    )


def test_there_is_no_tail_where_there_is_no_rank():
    values = eigenvalues(power_law(200, 1.0), (torch.arange(200) < 20).double())
    assert tail(values, 3, 60) is None


def test_principal_directions_keep_the_leading_eigenvalues():
    rows = power_law(300, 1.5)
    told, ones = principal_components(rows, 32), torch.ones(300, dtype=torch.float64)
    assert told.shape == (300, 32)
    assert torch.allclose(eigenvalues(told, ones), eigenvalues(rows, ones)[:32])


def test_a_random_selection_is_one_of_its_draws():
    """Its rank among its draws is that of any of them: far inside them at each of several seeds."""
    rows, shifts = power_law(1000, 1.0), []
    for seed in range(8):
        hard = (torch.rand(1000, generator=torch.Generator().manual_seed(seed)) < 0.5).double()
        found = spectrum(OPTIONS, rows, hard, None, seed)["hard"]
        draws = np.array(found["random_exponents"])
        assert len(draws) == 20
        shifts.append((found["exponent"] - draws.mean()) / draws.std(ddof=1))
    assert abs(np.mean(shifts)) < 3 / np.sqrt(8) * 1.1 and np.max(np.abs(shifts)) < 4.5


def test_what_cuts_the_tail_is_seen():
    rows = power_law(1000, 1.0)
    hard = (rows[:, 12:].square().sum(1).argsort().argsort() < 500).double()
    found = spectrum(OPTIONS, rows, hard, None, 0)["hard"]
    assert found["exponent"] > max(found["random_exponents"])
    assert found["level"] < min(found["random_levels"])
    assert found["size"] == found["effective"] == 500


def test_hard_and_soft_stand_apart():
    rows = power_law(400, 1.0)
    soft = torch.where(torch.arange(400) < 200, 1.0, 3.0)
    found = spectrum(OPTIONS, rows, torch.ones(400), soft, 0)
    assert found["hard"]["effective"] == 400
    assert found["soft"]["effective"] == pytest.approx(800**2 / (200 + 9 * 200))
    assert len(set(found["soft"]["random_exponents"])) == 20
    assert max(found["hard"]["random_exponents"]) == pytest.approx(min(found["hard"]["random_exponents"]))


def test_a_window_that_the_subset_cannot_hold_is_said():
    found = spectrum(OPTIONS, power_law(400, 1.0), (torch.arange(400) < 119).double(), None, 0)["hard"]
    assert found["lacking"] == "a window to rank 30 needs 120 images" and "exponent" not in found
