"""The learner's residual energy by eigen-direction of a frozen reference's features."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...plan.measures import ResidualsOptions
from ...training.evaluate import plain_logits
from ...training.trainer import Trainer


def directions(features: Tensor, count: int) -> Tensor:
    """The leading left singular vectors ``[n, count]`` of centred ``features`` ``[n, d]``, float64.

    Fewer columns come back where the features have no more directions.
    """
    rows = features.double()
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(rows.T @ rows)
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    full = values > values[0] * 1e-12
    return (rows @ vectors[:, full]) / values[full].sqrt()


def energies(basis: Tensor, residual: Tensor) -> Tensor:
    """Energy ``[m]`` of a residual ``[n, C]`` along each column of ``basis`` ``[n, m]``."""
    return (basis.T @ residual.double()).square().sum(1)


class Residuals:
    """Energies at the points of a curve, as shares of what predicting every class alike leaves.

    Parameters
    ----------
    options : ResidualsOptions
    features : Tensor ``[n, d]``
        Of the images asked about.
    images : Tensor ``[n, C, H, W]`` uint8
    labels : Tensor ``[n]`` int64
        As they are trained on.
    classes : int

    Attributes
    ----------
    points : list of [float, float, list of float or None]
        Progress, total FLOPs, and the share of each direction; None where the learner has diverged.
    """

    def __init__(
        self, options: ResidualsOptions, features: Tensor, images: Tensor, labels: Tensor, classes: int
    ) -> None:
        self.options, self.images = options, images
        self.basis = directions(features, options.directions)
        self.given = F.one_hot(labels, classes).double()
        # The basis is centred, so that a prediction that is the same for all adds nothing.
        self.start = energies(self.basis, self.given)
        self.points: list[list[Any]] = []

    @torch.no_grad()
    def look(self, trainer: Trainer, progress: float) -> None:
        """Add a point, off the clock."""
        with trainer.clock.phase("eval"):
            logits = torch.cat(list(plain_logits(trainer.model, self.images, trainer.augment)))
            shares = energies(self.basis, logits.float().softmax(1).double() - self.given) / self.start
        known = shares.tolist() if bool(torch.isfinite(shares).all()) else None
        self.points.append([progress, trainer.ledger.total("flops"), known])

    def report(self) -> dict[str, Any]:
        return {
            "reference": self.options.reference,
            "images": len(self.images),
            "directions": self.basis.shape[1],
            "points": self.points,
        }
