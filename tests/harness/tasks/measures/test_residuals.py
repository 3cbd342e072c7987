"""What is left to be learned, along directions that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from selbench.harness.plan.measures import ResidualsOptions
from selbench.harness.tasks.measures.residuals import Residuals, directions, energies
from selbench.harness.training.ledger import Clock, Ledger

OPTIONS = ResidualsOptions(reference="any", directions=6, images=24)


def made(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(40, 8, generator=stream), torch.randint(0, 3, (40,), generator=stream)


def look(residuals: Residuals, logits: torch.Tensor) -> list:
    """A point with a learner that answers ``logits``, whatever it is shown."""
    ledger = Ledger()
    ledger.add("train", flops=7.0)
    ledger.add("eval", flops=5.0)
    model = torch.nn.Identity()
    model.forward = lambda views: logits[views.long()]
    trainer = SimpleNamespace(
        model=model,
        ledger=ledger,
        clock=Clock(ledger, torch.device("cpu")),
        augment=SimpleNamespace(plain_view=lambda x: x),
    )
    residuals.look(trainer, 0.5)
    return residuals.points[-1]


def test_directions_are_the_left_singular_vectors():
    features, _ = made()
    centred = features.double().numpy() - features.double().numpy().mean(0)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :6]
    ours = directions(features, 6).numpy()
    assert np.allclose(np.abs((ours * left).sum(0)), 1)
    assert np.allclose(ours.T @ ours, np.eye(6), atol=1e-10) and np.allclose(ours.sum(0), 0, atol=1e-10)


def test_directions_of_no_variance_are_left_out():
    features, _ = made()
    assert directions(torch.cat([features[:, :3], features[:, :3]], 1), 6).shape == (40, 3)


def test_energy_is_parseval():
    basis = directions(made()[0], 8)
    coefficients = torch.arange(24, dtype=torch.float64).reshape(8, 3)
    assert torch.allclose(energies(basis, basis @ coefficients + 5), coefficients.square().sum(1))


def test_predicting_every_class_alike_is_the_start_and_the_labels_are_the_end():
    features, labels = made()
    residuals = Residuals(OPTIONS, features, torch.arange(40), labels, 3)
    progress, flops, shares = look(residuals, torch.zeros(40, 3))
    assert (progress, flops) == (0.5, 7.0) and shares == pytest.approx([1.0] * 6)
    *_, shares = look(residuals, 60.0 * torch.nn.functional.one_hot(labels, 3))
    assert shares == pytest.approx([0.0] * 6, abs=1e-12)


def test_a_learner_that_diverged_has_no_energies():
    features, labels = made()
    assert look(Residuals(OPTIONS, features, torch.arange(40), labels, 3), torch.full((40, 3), torch.nan))[2] is None
