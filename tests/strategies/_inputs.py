"""Candidate batches for the tests, and the strategies that they are handed to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from selbench.strategies import BatchLosses, Pool, Strategy, load
from selbench.strategies.registry import registry
from selbench.strategies.testing.subject import held_out

CLASSES = 4
EPOCHS = 6

BUILTIN = [name for name, claims in registry("strategies").found().items() if any(entry.builtin for entry in claims)]

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "uniform": [{"cadence": "epoch"}, {"cadence": "run"}],
    "loss": [{"end": "smallest"}],
    "degree": [{"end": "high"}],
    "fiedler": [
        {"score": "signed"},
        {"end": "low"},
        {"normalized": True},
        {"negative": "refuse"},
        {"steps": 8},
        {"cadence": "run"},
    ],
    "gstds": [
        {"share": 0.0},
        {"share": 1.0, "score": "signed", "end": "low"},
        {"share": 0.3, "normalized": True, "steps": 8},
        {"negative": "refuse"},
        {"weighting": "direct"},
        {"weighting": "uniform"},
        {"weighting": "uniform", "share": 0.0},
        {"eps": 0.1},
        {"cadence": "epoch"},
    ],
    "jest": [
        {"score": "hard-learner"},
        {"score": "easy-reference", "chunks": 3},
        {"first": "uniform", "normalize": True},
        {"first": "shifted"},
        {"form": "joint-sigmoid", "scale": 5.0, "bias": -2.0},
        {"form": "joint-softmax"},
        {"form": "joint-sigmoid", "score": "hard-learner"},
        {"form": "joint-softmax", "score": "easy-reference"},
        {"temperature": 2.0},
    ],
    "spectral-oracle": [
        {"score": "learner"},
        {"score": "reference"},
        {"draw": "proportional", "floor": 1.0},
        {"draw": "unbiased"},
        {"power": 0.0},
        {"power": 2.0, "momentum": 0.0},
        {"rank": 3},
        {"centred": False},
    ],
    "bounded": [
        {"score": "features"},
        {"mode": "hard"},
        {"lower": 0.1, "upper": 8.0},
        {"rank": 3},
        {"centred": False},
    ],
    "k-center": [{"start": "central"}, {"start": "outlier", "cadence": "batch"}, {"metric": "cosine"}],
    "less-uniform": [{"share": 0.0}, {"share": 1.0}, {"metric": "cosine", "cadence": "batch"}],
    "herding": [{"metric": "euclidean"}, {"cadence": "batch"}],
    "facility-location": [{"cadence": "batch"}],
    "greats": [{"eta": 0.0}, {"val_images": 8, "val_interval": 3}],
    "glister": [
        {"cadence": "batch", "rounds": 3, "step": "mean"},
        {"eta": 1.0, "select_every": 2, "val_images": 8},
    ],
    "graph-cut": [
        {"of": "features", "lam": 2.0},
        {"class_balanced": False, "cadence": "epoch", "select_every": 2},
    ],
    "craig": [
        {"gradient": "logits", "similarity": "squared", "cadence": "epoch", "select_every": 2},
        {"similarity": "cosine", "weighted": False, "class_balanced": False},
    ],
    "orderdp": [{"share": 0.3, "start": 1.0, "cadence": "batch"}],
    "seta": [{"groups": 3, "alpha": 0.6}, {"anneal": 0.5}],
    "kakurenbo": [{"tau": 0.3, "rescale": "realised"}, {"rescale": "none"}],
    "repb": [{"window": 3, "weighted": False}],
    "tdds": [{"views": "trained"}, {"keep": "easy"}, {"window": 4}, {"alpha": 0.5}, {"class_balanced": True}],
    "moso": [{"keep": "easy"}, {"gradient": "bias"}, {"class_balanced": False}],
    "cal": [{"keep": "easy", "neighbours": 3}, {"class_balanced": True}],
    "ssp": [{"keep": "easy", "metric": "euclidean"}, {"clusters": 3}],
    "d2": [
        {"score": "aum", "neighbours": 2, "gamma": 1.0},
        {"score": "el2n", "beta": 0.0, "metric": "cosine"},
    ],
    "gradmatch": [
        {"target": "val", "cadence": "epoch", "select_every": 2},
        {"lam": 0.0, "class_balanced": False},
    ],
    "moderate": [{"centre": "mean"}, {"window": "value"}, {"centre": "mean", "window": "value", "cadence": "batch"}],
    "uncertainty": [{"score": "least-confidence"}, {"score": "entropy"}],
    "gradnorm": [{"bound": "last-layer"}],
    "selective-backprop": [{"beta": 2.0}, {"history": 32}, {"draw": "queue"}],
    "divbs": [{"draw": "proportional"}, {"rounds": 3}],
    "proxy-replay": [{"of": "uncertainty", "options": {"score": "entropy"}}, {"width": 4}],
    "epsilon-greedy": [{"epsilon": 0.0}, {"epsilon": 1.0}, {"rate": 1.0}, {"every": 3}],
    "ucb": [{"confidence": 0.0}, {"spread": "deviation"}, {"rate": 0.1}, {"every": 3}],
    "scores": [{"keep": "easy"}, {"class_balanced": True}],
    "dyn-unc": [{"keep": "easy"}, {"window": 3}, {"class_balanced": True}],
    "dual": [{"draw": "top"}, {"c": 11.0}, {"epochs": 4}, {"window": 3}],
    "infobatch": [{"prune": "random"}, {"anneal": 0.5}],
    "shuffled": [{"of": "gstds", "options": {"share": 0.25}}],
    "reversed": [{"of": "fiedler", "options": {"steps": 8}}],
    "marginal": [{"of": "rho"}, {"options": {"end": "smallest"}}],
    "per-class": [
        {"quota": "balanced"},
        {"quota": "loss"},
        {"of": "moderate", "options": {"centre": "mean"}},
        {"of": "at", "options": {"of": "gradnorm"}, "quota": "balanced"},
        {"of": "uniform", "options": {"cadence": "epoch"}, "quota": "recall"},
    ],
    "rcap": [{"beta": 3.0}, {"class_loss": "sum"}],
    "reducr": [{"gamma": 0.0}, {"eta": 0.0}, {"eta": 10.0}, {"val_images": 16, "val_interval": 3}],
    "hybrid": [
        {"of": "degree", "share": 0.25, "options": {"end": "high"}},
        {"other": "loss", "other_options": {"end": "smallest"}},
    ],
    "at": [{"of": "fiedler", "cadence": "run", "options": {"steps": 8}}],
    "forgetting": [{"views": "trained"}, {"keep": "easy"}, {"never": "zero"}, {"class_balanced": True}],
    "aum": [{"views": "trained"}, {"keep": "easy"}, {"margin": "probabilities"}, {"class_balanced": True}],
    "calibrated": [
        {"score": "forgetting"},
        {"score": "grand"},
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"keep": "easy"},
        {"weighted": False},
        {"class_balanced": True},
    ],
    "ccs": [
        {"score": "el2n"},
        {"score": "el2n", "drop": "score"},
        {"strata": 5},
        {"beta": 0.0},
        {"beta": 0.9},
        {"class_balanced": True},
    ],
    "entropy": [{"keep": "easy"}, {"class_balanced": True}],
    "grand": [{"nets": 3}, {"keep": "easy"}, {"class_balanced": True}],
    "el2n": [{"nets": 3}, {"keep": "easy"}, {"first": 1}, {"last": 2}, {"class_balanced": True}],
    "static": [{"keep": "easy"}, {"keep": "random"}, {"first": 1}, {"last": 2}],
}
"""Every option of every built-in away from its default, at least once."""

VARIANTS = [(name, options) for name in BUILTIN for options in ({}, *OPTIONS.get(name, []))]


def label(variant: tuple[str, dict[str, Any]]) -> str:
    """A readable test id."""
    name, options = variant
    return name + "".join(f"-{key}={value}" for key, value in options.items())


def make(size: int, *, width: int = 8, seed: int = 0, device: str = "cpu") -> tuple[Tensor, BatchLosses]:
    """Features and every signal there is, with no two candidates alike."""
    stream = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=stream, device=device)

    return rand(size, width), BatchLosses(
        rand(size) * 4,
        rand(size) * 2 + 0.01,
        labels=torch.randint(CLASSES, (size,), generator=stream, device=device),
        index=torch.arange(size, device=device) + 100,
        learner_probs=rand(size, CLASSES).softmax(1),
        learner_features=rand(size, 5) - 0.3,
        trace=(rand(size, EPOCHS, CLASSES) * 3).softmax(2),
        age=torch.arange(size, device=device),
        picks=rand(size) < 0.5,
        trained_trace=(rand(size, EPOCHS, CLASSES) * 3).softmax(2),
        **{name: value.to(device) for name, value in held_out(5, seed).items()},
        epoch=1,
        progress=0.1,
    )


def replaced(losses: BatchLosses, **signals: Tensor | None) -> BatchLosses:
    """``losses`` with some signals exchanged, or removed where None."""
    known = losses.signals() | losses.held_out()
    return BatchLosses(**{**known, **signals}, epoch=losses.epoch, progress=losses.progress)


def begun(name: str, options: dict[str, Any], seed: int = 0, size: int = 64) -> Strategy:
    """A strategy that has been told its pool."""
    strategy: Strategy = load(name, **options)
    strategy.begin(pool(size, seed))
    return strategy


def pool(size: int = 64, seed: int = 0) -> Pool:
    """A pool whose features are ReLU-like, with a stream of its own."""
    feats, losses = make(size, seed=99)
    stream = torch.Generator().manual_seed(seed)
    return Pool(size, CLASSES, losses.labels, torch.device("cpu"), stream, feats, losses.reference)
