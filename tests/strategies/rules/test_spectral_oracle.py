"""The spectral oracle against a second implementation, and on a linear problem whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from selbench.harness.training.flops import count_selection
from selbench.strategies import BatchLosses, Pool, load
from selbench.strategies.interface import Traits
from selbench.strategies.maths.eigenbasis import Eigenbasis, eigenbasis_flops
from selbench.strategies.testing.subject import scene

from .._inputs import begun, make

OTHER = [
    {"score": "learner"},
    {"score": "reference"},
    {"draw": "proportional", "floor": 1.0},
    {"draw": "unbiased"},
    {"power": 0.0},
    {"power": 2.0, "momentum": 0.0},
    {"rank": 3},
    {"centred": False},
]


def slow_basis(feats: np.ndarray, rank: int, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scaled axes by singular values of the data, not eigenvalues of the covariance."""
    mean = feats.mean(0) if centred else np.zeros(feats.shape[1])
    _, values, axes = np.linalg.svd(feats - mean, full_matrices=False)
    return mean, axes[:rank].T / (values[:rank] / np.sqrt(len(feats)))


class Slow:
    """The definition, sample by sample in float64."""

    def __init__(self, feats, score="residual", power=1.0, momentum=0.9, rank=64, centred=True):
        self.mean, self.axes = slow_basis(feats, rank, centred)
        self.score, self.power, self.momentum = score, power, momentum
        self.running = 0.0

    def scores(self, feats, losses):
        white = (feats.double().numpy() - self.mean) @ self.axes
        onehot = np.eye(4)[losses.labels.numpy()]
        if self.score == "residual":
            wrong = onehot - losses.learner_probs.double().numpy()
        else:
            wrong = onehot * losses.signals()[self.score].double().numpy()[:, None]
        batch = np.mean([np.outer(x, r) for x, r in zip(white, wrong, strict=True)], axis=0)
        self.running = self.momentum * self.running + (1 - self.momentum) * batch
        energy = (self.running**2).sum(1)
        target = self.running * ((energy / energy.max()) ** ((self.power - 1) / 2))[:, None]
        scores = np.array([np.sum(np.outer(x, r) * target) for x, r in zip(white, wrong, strict=True)])
        return scores / np.abs(self.running).max()


@pytest.mark.parametrize(
    "options", [{}, {"score": "learner"}, {"score": "reference"}, {"power": 0.0}, {"power": 2.0}, {"rank": 3},
                {"centred": False}, {"momentum": 0.0}], ids=str
)  # fmt: skip
def test_scores_and_picks_against_the_definition(options):
    at = scene(40)
    rule = load("spectral-oracle", **options)
    rule.begin(at.pool())
    slow = Slow(at.pool_features.double().numpy(), **options)
    twin = load("spectral-oracle", **options)
    twin.begin(at.pool())
    for seed in range(4):  # the running residual goes on from batch to batch
        at = scene(40, seed=seed)
        expected = slow.scores(at.features, at.losses())
        assert np.allclose(twin.scores(at.features, at.losses()), expected, rtol=2e-3, atol=2e-3)
        assert rule.select(at.features, at.losses(), 0.25).tolist() == np.argsort(-expected)[:10].tolist()


def test_unbiased_picks_and_weights_by_definition():
    at = scene(30)
    rule, plain = (load("spectral-oracle", draw=draw) for draw in ("unbiased", "proportional"))
    rule.begin(at.pool(7))
    plain.begin(at.pool(7))
    scores = np.maximum(Slow(at.pool_features.double().numpy()).scores(at.features, at.losses()), 0)
    chances = scores / scores.mean() + 0.1
    priorities = chances / (1 - torch.rand(30, generator=torch.Generator().manual_seed(7)).numpy())
    order = np.argsort(-priorities)
    seen = rule.select(at.features, at.losses(), 0.2)
    assert seen.indices.tolist() == order[:6].tolist()
    inclusion = np.minimum(1, chances[order[:6]] / priorities[order[6]])
    assert np.allclose(seen.weights, 0.2 / inclusion, rtol=1e-2)
    assert plain.select(at.features, at.losses(), 0.2).tolist() == seen.indices.tolist()


@pytest.mark.parametrize("k", [1, 6, 29])
def test_unbiased_means_are(k):
    at = scene(30)
    rule, values = load("spectral-oracle", draw="unbiased", momentum=0.0), torch.linspace(-1, 3, 30)
    rule.begin(at.pool())
    estimates = []
    for _ in range(600):
        seen = rule.select(at.features, at.losses(), k / 30)
        estimates.append(float((seen.weights * values[seen.indices]).mean()))
    error = np.std(estimates) / len(estimates) ** 0.5
    assert abs(np.mean(estimates) - 1.0) < 4.5 * error + 1e-6
    assert error < 0.2


CLASSES, WIDTH, EXPONENT = 4, 24, 1.5


class Linear:
    """Softmax regression on features of a power-law spectrum in turned directions; ψ are the true coordinates."""

    def __init__(self, seed: int, size: int = 2048) -> None:
        self.stream = torch.Generator().manual_seed(seed)
        self.white = torch.randn(size, WIDTH, generator=self.stream)
        turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=self.stream))[0]
        self.feats = self.white * torch.arange(1, WIDTH + 1).pow(-EXPONENT / 2) @ turn.t()
        self.truth = 2 * torch.randn(WIDTH, CLASSES, generator=self.stream)
        self.labels = (self.white @ self.truth).argmax(1)

    def begun(self, **options):
        rule = load("spectral-oracle", **options)
        device, stream = torch.device("cpu"), torch.Generator().manual_seed(1)
        rule.begin(Pool(len(self.labels), CLASSES, self.labels, device, stream, self.feats))
        return rule

    def wrong(self, probs):
        return functional.one_hot(self.labels, CLASSES) - probs

    def along(self, probs, at=slice(None)):
        """Coefficients of the residual along each true direction ``[r, C]``, from the samples ``at``."""
        wrong = self.wrong(probs)[at]
        return self.white[at].t() @ wrong / len(wrong)

    def energies(self, probs):
        """What is left along each true direction ``[r]``."""
        return self.along(probs).square().sum(1)

    def trained(self, rule, steps=250, size=256, ratio=0.25):
        """What is left of each direction's residual after some steps on the picks, random ones without a rule."""
        weight = torch.zeros(WIDTH, CLASSES)
        start = self.energies((self.feats @ weight).softmax(1))
        for _ in range(steps):
            ids = torch.randperm(len(self.labels), generator=self.stream)[:size]
            probs = (self.feats[ids] @ weight).softmax(1)
            picks = torch.arange(int(ratio * size))
            if rule is not None:
                losses = BatchLosses(labels=self.labels[ids], learner_probs=probs)
                picks = rule.select(self.feats[ids], losses, ratio)
            wrong = functional.one_hot(self.labels[ids], CLASSES) - probs
            weight = weight + 0.5 * self.feats[ids[picks]].t() @ wrong[picks] / len(picks)
        return self.energies((self.feats @ weight).softmax(1)) / start


@pytest.mark.parametrize("options", [{}, {"draw": "proportional"}, {"power": 0.0}], ids=str)
def test_picks_lie_along_what_is_not_learned(options):
    """A learner that knows the head: a step on the picks takes more of the tail's residual than one on random ones."""
    problem, half = Linear(0), WIDTH // 2
    known = problem.truth.clone()
    known[half:] = 0
    probs = (problem.white @ known).softmax(1)
    whole = problem.along(probs)
    assert whole[half:].square().sum() > 5 * whole[:half].square().sum()
    rule, ours, even = problem.begun(**options), [], []
    for _ in range(10):
        ids = torch.randperm(len(probs), generator=problem.stream)[:256]
        picks = rule.select(problem.feats[ids], BatchLosses(labels=problem.labels[ids], learner_probs=probs[ids]), 0.25)
        ours.append(problem.along(probs, ids[picks]))
        even.append(problem.along(probs, ids[:64]))
    picked, random = (torch.stack(seen).mean(0).mul(whole).sum(1) for seen in (ours, even))
    assert picked[half:].sum() > 2.5 * random[half:].sum() > 0
    assert (picked[half:] > random[half:]).all()
    assert picked[half:].sum() > 4 * picked[:half].sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_tail_is_learned_sooner_and_more_evenly_than_under_uniform(seed):
    ours, uniform = Linear(seed).trained(Linear(seed).begun()), Linear(seed).trained(None)
    head, tail = slice(0, 6), slice(16, None)
    assert ours[tail].mean() < 0.75 * uniform[tail].mean()
    assert ours.log().std() < 0.5 * uniform.log().std()
    assert ours[tail].mean() / ours[head].mean() < 0.5 * uniform[tail].mean() / uniform[head].mean()


def test_undoing_the_reweighting_undoes_the_gain():
    """Horvitz-Thompson weights leave the mean gradient, and with it what each direction loses in the mean, alone."""
    problem = Linear(3)
    probs = torch.full((256, CLASSES), 1 / CLASSES)
    ids = torch.arange(256)
    losses = BatchLosses(labels=problem.labels[ids], learner_probs=probs)
    per_sample = torch.einsum(
        "nk,nc->nkc", problem.white[ids], functional.one_hot(problem.labels[ids], CLASSES) - probs
    )
    mean = per_sample.mean(0)
    gain = {}
    for draw in ("unbiased", "proportional"):
        rule, gradients = problem.begun(draw=draw, momentum=0.0), []
        for _ in range(300):
            seen = rule.select(problem.feats[ids], losses, 0.25)
            picks = seen.indices if draw == "unbiased" else seen
            weights = seen.weights if draw == "unbiased" else torch.ones(64)
            gradients.append((weights[:, None, None] * per_sample[picks]).mean(0))
        gain[draw] = float((torch.stack(gradients).mean(0) * mean).sum() / mean.square().sum())
    assert abs(gain["unbiased"] - 1) < 0.05
    assert gain["proportional"] > 1.2


def test_the_basis_is_that_of_the_whole_rows():
    feats = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    spoiled = torch.cat([feats, torch.tensor([[float("nan")] * 6, [float("inf")] * 6, [1e20] * 6])])
    clean, ours = Eigenbasis.of(feats, 4, True), Eigenbasis.of(spoiled, 4, True)
    assert torch.allclose(clean.axes, ours.axes, rtol=1e-3, atol=1e-5)
    assert not ours.coordinates(spoiled)[50:].any()
    square = clean.coordinates(feats).square().mean(0)
    assert torch.allclose(square, torch.ones(4), rtol=1e-3)


def test_directions_without_variance_count_for_nothing():
    feats = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    flat = torch.cat([feats, feats[:, :2]], dim=1)
    basis = Eigenbasis.of(flat, 8, True)
    assert not basis.axes[:, 6:].any() and basis.axes[:, :6].abs().amax(0).min() > 0
    assert not Eigenbasis.of(torch.zeros(5, 3), 2, True).axes.any()


def test_directions_are_told():
    at = scene(40)
    rule = load("spectral-oracle")
    assert rule.diagnostics() == {}
    rule.begin(at.pool())
    rule.select(at.features, at.losses(), 0.5)
    assert 1 <= float(rule.diagnostics()["directions"]) <= 8


def test_without_a_pool_the_first_batch_is_the_pool():
    feats, losses = make(40)
    rule = load("spectral-oracle")
    first = rule.select(feats, losses, 0.3)
    told = load("spectral-oracle")
    told.begin(Pool(40, 4, losses.labels, torch.device("cpu"), torch.Generator().manual_seed(0), feats))
    assert torch.equal(first, told.select(feats, losses, 0.3))
    assert rule.flops(40, 8, 12) == told.flops(40, 8, 12) + eigenbasis_flops(40, 8)
    rule.select(feats, losses, 0.3)
    assert rule.flops(40, 8, 12) == told.flops(40, 8, 12)


def test_features_of_another_width_begin_anew_at_their_cost():
    rule = begun("spectral-oracle", {})
    wide, losses = torch.rand(60, 30, generator=torch.Generator().manual_seed(0)), make(60)[1]
    counted = count_selection(lambda: rule.select(wide, losses, 0.3))
    assert not counted.unknown
    assert 0.8 < rule.flops(60, 30, 18) / counted.flops < 1.25


def test_a_basis_by_blocks_is_that_of_all_rows():
    feats = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 2.0, 1.0]) + 5
    mean, axes = slow_basis(feats.double().numpy(), 3, True)
    basis = Eigenbasis.of(feats, 3, True)
    assert np.allclose(basis.mean.numpy(), mean, rtol=1e-4)
    assert np.allclose(np.abs(basis.axes.numpy()), np.abs(axes), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("score", "signal", "needed"),
    [("residual", "learner", "learner_probs"), ("learner", "learner", "learner"), ("reference", "frozen", "reference")],
)
def test_traits(score, signal, needed):
    rule = load("spectral-oracle", score=score)
    assert rule.needs == {"features", needed}
    assert Traits.of(rule).signal == signal and rule.cadence == "batch"
