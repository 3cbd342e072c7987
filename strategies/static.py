"""Static pruning by the EL2N score."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Strategy
from .errors import UsageError, one_of
from .interface import BatchLosses, Cadence
from .sampling import draw, extent, oriented, top, top_flops


class Static(Strategy):
    """One subset for the whole run, by how wrong a proxy was early in its training.

    Formula: EL2N_i = mean over epochs t of ‖p_t(x_i) - onehot(y_i)‖₂; the k highest (or lowest).
    Source: Data Diet (Paul et al., arXiv 2107.07075), which averages ten runs at one early epoch.
    Cost: the proxy's run (an artefact with its own ledger), 3·T·C operations a sample and n log2 n.
    Ours: one proxy run and the mean over a span of its epochs (all of them by default); ties at random.
    Coverage-centric selection sums epochs 0 to 9 of one run instead, the same ranking as ``last=10``.
    Not class-balanced.

    Parameters
    ----------
    keep : {"hard", "easy", "random"}
        The high scores, the low ones, or (control; needs no proxy) any.
    first, last : int
        The epochs averaged are first, ..., last - 1; ``last=None`` goes to the end of the trace.
    """

    cadence: Cadence = "run"

    def __init__(self, keep: str = "hard", first: int = 0, last: int | None = None) -> None:
        one_of("keep", keep, ("hard", "easy", "random"))
        if first < 0 or (last is not None and last <= first):
            raise UsageError(f"epochs {first} to {last} are none: first must be at least 0 and last more than first")
        self.keep = keep
        self.first = first
        self.last = last
        self.needs = frozenset() if keep == "random" else frozenset({"trace"})
        self._entries = 0

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """``k`` positions of the pool."""
        if self.keep == "random":
            size, device = extent(feats, losses)
            return draw(size, k, self.generator(device), device)
        scores = oriented(self.el2n(losses.trace, losses.labels), self.keep, "hard")
        return top(scores, k, self.generator(scores.device))

    def el2n(self, trace: Tensor, labels: Tensor) -> Tensor:
        """EL2N ``[B]`` from probabilities ``[B, T, C]`` and classes ``[B]``.

        Raises
        ------
        UsageError
            If the trace has fewer epochs than are averaged.
        """
        if max(self.first + 1, self.last or 0) > trace.shape[1]:
            raise UsageError(
                f"the trace has {trace.shape[1]} epochs, too few for first={self.first}, last={self.last}: "
                "train the proxy longer or average fewer"
            )
        error = trace[:, self.first : self.last].to(torch.float32)
        self._entries = error[0].numel()
        at = labels[:, None, None].expand(-1, error.shape[1], 1)
        error = error.scatter_add(2, at, torch.full_like(error[:, :, :1], -1.0))
        return torch.linalg.vector_norm(error, dim=2).mean(1)

    def flops(self, n: int, d: int, k: int) -> float:
        """One ordering, and 3·T·C operations a sample for the trace last seen (none before the first pick)."""
        return top_flops(n) + 3.0 * n * self._entries
