"""Candidate batches and pools that the laws hand to a strategy: every signal there is, no two candidates alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..interface import BatchLosses, Cadence, Pool

CLASSES = 4
EPOCHS = 6
POOL = 512
"""Samples of the pool that candidate batches are taken from; at the other cadences the batch is the pool."""


@dataclass(frozen=True)
class Scene:
    """One call of ``select``: the candidates, their signals, and the pool that they come from.

    Attributes
    ----------
    cadence : {"batch", "epoch", "run"}
    features : Tensor ``[B, d]``
        Not negative, as after a ReLU.
    signals : dict of Tensor ``[B, ...]``
        Every signal of :class:`BatchLosses` by name, labels and ids included.
    pool_features, pool_reference, pool_labels : Tensor ``[n, d]``, ``[n]``, ``[n]``
    about : str
        What is special about it, for messages.
    """

    cadence: Cadence
    features: Tensor
    signals: dict[str, Tensor]
    pool_features: Tensor
    pool_reference: Tensor
    pool_labels: Tensor
    about: str

    @property
    def size(self) -> int:
        """Number of candidates B."""
        return int(self.features.shape[0])

    def pool(self, stream: int = 0) -> Pool:
        """The pool, with a random stream of its own."""
        return Pool(
            len(self.pool_labels),
            CLASSES,
            self.pool_labels,
            self.pool_labels.device,
            torch.Generator().manual_seed(stream),
            self.pool_features,
            self.pool_reference,
        )

    def losses(self, kind: type[BatchLosses] = BatchLosses, *, k: int | None = None, epoch: int = 1) -> BatchLosses:
        """The signals as a strategy gets them."""
        return kind(**self.signals, k=k, epoch=epoch, progress=epoch / 10)

    def with_signals(self, about: str, **signals: Tensor) -> Scene:
        """The same with some signals exchanged."""
        return replace(self, signals={**self.signals, **signals}, about=f"{about} ({self.about})")

    def without(self, *names: str) -> Scene:
        """The same without some signals."""
        return replace(self, signals={name: s for name, s in self.signals.items() if name not in names})

    def with_features(self, about: str, features: Tensor) -> Scene:
        """The same with other features, the learner's included."""
        odd = replace(self, features=features, about=f"{about} ({self.about})")
        if self.cadence != "batch":
            odd = replace(odd, pool_features=features)
        return odd.with_signals(about, learner_features=features.float())

    def permuted(self, order: Tensor) -> Scene:
        """The same candidates in another order; where they are the whole pool, its ids change with them."""
        moved = {name: signal[order] for name, signal in self.signals.items()}
        if self.cadence == "batch":
            return replace(self, features=self.features[order], signals=moved)
        return replace(
            self,
            features=self.features[order],
            signals={**moved, "index": self.signals["index"]},
            pool_features=self.pool_features[order],
            pool_reference=self.pool_reference[order],
            pool_labels=self.pool_labels[order],
        )


def scene(size: int, cadence: Cadence = "batch", *, width: int = 8, seed: int = 0) -> Scene:
    """``size`` candidates of the one pool there is for this cadence, size and width.

    Parameters
    ----------
    size : int
        Candidates B.
    cadence : {"batch", "epoch", "run"}
        Where it is not ``batch``, the candidates are the whole pool in order.
    width : int
        Features d.
    seed : int
        Which candidates they are, and the learner's signals.
    """
    total = max(POOL, size) if cadence == "batch" else size
    fixed = torch.Generator().manual_seed(2_025)
    pool_features = torch.rand(total, width, generator=fixed)
    pool_reference = torch.rand(total, generator=fixed) * 2 + 0.01
    pool_labels = torch.randint(CLASSES, (total,), generator=fixed)
    pool_trace = (torch.rand(total, EPOCHS, CLASSES, generator=fixed) * 3).softmax(2)
    stream = torch.Generator().manual_seed(seed)
    ids = torch.randperm(total, generator=stream)[:size] if cadence == "batch" else torch.arange(size)
    signals = {
        "learner": torch.rand(size, generator=stream) * 4,
        "reference": pool_reference[ids],
        "labels": pool_labels[ids],
        "index": ids,
        "learner_probs": (torch.rand(size, CLASSES, generator=stream) * 3).softmax(1),
        "learner_features": torch.rand(size, 5, generator=stream) - 0.3,
        "trace": pool_trace[ids],
        "age": torch.randint(0, 9, (size,), generator=stream),
        "picks": torch.rand(size, generator=stream) < 0.5,
    }
    about = f"B = {size}" + ("" if width == 8 else f", d = {width}")
    return Scene(cadence, pool_features[ids], signals, pool_features, pool_reference, pool_labels, about)


def poisoned(signal: Tensor) -> Tensor:
    """A signal of the same shape and type that means nothing."""
    stream = torch.Generator().manual_seed(31_337)
    if signal.is_floating_point():
        return (torch.rand(signal.shape, generator=stream) * 1e3).to(signal.dtype)
    return torch.randint(0, 1_000, signal.shape, generator=stream).to(signal.dtype)


def odd_losses(cadence: Cadence) -> list[Scene]:
    """Losses that no rule hopes for: equal, tied, huge, NaN, infinite, half precision."""
    size = 24
    plain = scene(size, cadence)
    nan, inf = float("nan"), float("inf")
    half = torch.arange(size) < size // 2
    patterns: dict[str, Tensor] = {
        "all losses 0": torch.zeros(size),
        "all losses equal": torch.full((size,), 2.5),
        "tied losses": torch.arange(size) % 3.0,
        "losses of 1e30": torch.full((size,), 1e30),
        "losses of 3e38": torch.full((size,), 3e38),
        "all losses NaN": torch.full((size,), nan),
        "all losses +inf (none seen yet)": torch.full((size,), inf),
        "all losses -inf": torch.full((size,), -inf),
        "half of the losses NaN": torch.where(half, nan, 1.0),
        "half of the losses +inf": torch.where(half, inf, 1.0),
        "NaN, infinite and huge losses together": torch.tensor([nan, inf, -inf, 0.0, 1e30, 1.0] * 4),
        "losses in half precision": plain.signals["learner"].half(),
    }
    never = torch.full((size,), -1)
    odd: list[Scene] = []
    for about, pattern in patterns.items():
        odd.append(plain.with_signals(about, learner=pattern, reference=pattern))
        odd.append(plain.with_signals(f"the learner's: {about}", learner=pattern))
        odd.append(plain.with_signals(f"the reference's: {about}", reference=pattern))
    return [*odd, plain.with_signals("no loss seen yet", learner=torch.full((size,), inf), age=never)]


def odd_features(cadence: Cadence) -> list[Scene]:
    """Zero, duplicate, half-precision and broken features."""
    odd: list[Scene] = []
    for size in (2, 24, 150):
        plain = scene(size, cadence)
        feats, at = plain.features, torch.arange(size)
        table: dict[str, Any] = {
            "all features 0": torch.zeros_like(feats),
            "all features 1": torch.ones_like(feats),
            "all candidates alike": feats[:1].expand(size, -1),
            "every candidate twice": feats[at // 2],
            "half of the features 0": torch.where(at[:, None] < size // 2, feats, 0.0),
            "orthogonal features": torch.eye(size),
            "features in float16": feats.half(),
            "features in bfloat16": feats.bfloat16(),
            "features in float64": feats.double(),
            "features of 1e15": feats * 1e15,
            "features of 1e-6": feats * 1e-6,
            "a candidate of NaN features": torch.where(at[:, None] == 1, float("nan"), feats),
            "a candidate of infinite features": torch.where(at[:, None] == 1, float("inf"), feats),
        }
        odd += [plain.with_features(about, features) for about, features in table.items()]
    return odd
