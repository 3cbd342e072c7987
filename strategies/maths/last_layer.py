"""Gradients of the last layer, kept as their two factors. Nothing here waits for the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .geometry import points
from .sampling import error


@dataclass(frozen=True)
class LastLayer:
    """Gradients g_i = (p_i - onehot(y_i)) ⊗ (h_i, 1) of n cross-entropies, for logits W h + b.

    ``wrong`` ``[n, C]`` holds the first factors and ``hidden`` ``[n, w]`` the second, so that ⟨g_i, g_j⟩ is the product
    of two inner products, and the C·w numbers of a gradient are never written out.
    """

    wrong: Tensor
    hidden: Tensor

    @classmethod
    def of(cls, probs: Tensor, features: Tensor, labels: Tensor) -> LastLayer:
        """From probabilities ``[n, C]``, penultimate features ``[n, h]`` and classes ``[n]``; w = h + 1.

        Features that are not finite, or longer than 1e16, count as 0, such probabilities as no gradient at all.
        """
        wrong = error(probs, labels)
        wrong = torch.where(wrong.isfinite().all(1, keepdim=True), wrong, 0.0)
        rows = points(features, "euclidean")
        return cls(wrong, torch.cat([rows, torch.ones_like(rows[:, :1])], 1))

    def __len__(self) -> int:
        return len(self.wrong)

    @property
    def width(self) -> int:
        """Numbers that stand for one gradient, C + w."""
        return self.wrong.shape[1] + self.hidden.shape[1]

    def take(self, at: Tensor) -> LastLayer:
        return LastLayer(self.wrong.index_select(0, at), self.hidden.index_select(0, at))

    def unit(self) -> LastLayer:
        """Scaled to length one; a gradient of 0 stays 0."""
        parts = (self.wrong, self.hidden)
        lengths = [torch.linalg.vector_norm(part, dim=1, keepdim=True) for part in parts]
        return LastLayer(*(part / torch.where(n > 0, n, 1.0) for part, n in zip(parts, lengths, strict=True)))

    def products(self, other: LastLayer | None = None) -> Tensor:
        """⟨g_i, g'_j⟩ ``[n, m]`` with the gradients of ``other``, its own by default: 2·(C + w) operations each."""
        other = other or self
        return (self.wrong @ other.wrong.t()) * (self.hidden @ other.hidden.t())

    def squares(self) -> Tensor:
        """Squared lengths ``[n]``."""
        return self.wrong.square().sum(1) * self.hidden.square().sum(1)

    def along(self, gradient: Tensor) -> Tensor:
        """⟨g_i, G⟩ ``[n]`` with one ``gradient`` ``[C, w]``: 2·C·w + 2·w operations each."""
        return ((self.wrong @ gradient) * self.hidden).sum(1)

    def total(self, weights: Tensor | None = None) -> Tensor:
        """Σ_i w_i g_i ``[C, w]``; all w_i are 1 by default."""
        return self.wrong.t() @ (self.hidden if weights is None else self.hidden * weights[:, None])

    def mean(self) -> Tensor:
        """The mean gradient ``[C, w]``."""
        return self.total() / len(self)

    def mean_flops(self) -> float:
        """Cost of :meth:`mean`."""
        return 2.0 * len(self) * self.wrong.shape[1] * self.hidden.shape[1]
