"""What the rules share that keep a running mean of each sample's training losses."""

import torch
from torch import Tensor

from ..base import Strategy
from ..interface import BatchLosses, Cadence, Pool, State


class RunningLosses(Strategy):
    """A subset for each pass, or for several, by running means of the losses that training gave.

    On each visit with loss u: v ← (1 - rate)·v + rate·(u - m)², then m ← (1 - rate)·m + rate·u; the first visit sets
    m = u and v = 0. Subclasses write :meth:`chosen`.

    Parameters
    ----------
    rate : float
        Weight of the newest loss, in (0, 1].
    every : int
        Passes for which a subset is kept before the next is chosen.
    """

    cadence: Cadence = "epoch"
    needs = frozenset({"learner"})
    rate: float
    every: int
    _mean: Tensor | None = None
    _variance: Tensor | None = None
    _kept: Tensor | None = None
    _turn: int = -1

    def begin(self, pool: Pool) -> None:
        """Forget: no sample has been visited, its mean is ``+inf``."""
        super().begin(pool)
        self._mean = torch.full((pool.size,), torch.inf, device=pool.device)
        self._variance = torch.zeros(pool.size, device=pool.device)
        self._kept, self._turn = None, -1

    def observe(self, index: Tensor, losses: Tensor) -> None:
        """Take the losses ``[k]`` of one training step on pool ids ``[k]``."""
        if self._mean is None or self._variance is None:
            return
        known, fresh = self._mean.index_select(0, index), losses.detach().float()
        first = known.isinf()
        spread = (1 - self.rate) * self._variance.index_select(0, index) + self.rate * (fresh - known).square()
        self._variance.index_copy_(0, index, torch.where(first, 0.0, spread))
        self._mean.index_copy_(0, index, torch.where(first, fresh, known + self.rate * (fresh - known)))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        turn, size = losses.epoch // self.every, losses.size
        whole = self.every > 1 and self._mean is not None and size == len(self._mean)
        if whole and self._kept is not None and self._turn == turn and len(self._kept) == k:
            return self._kept.clone()
        picks = self.chosen(*self._known(losses), k)
        if whole:
            self._kept, self._turn = picks, turn
        return picks

    def _known(self, losses: BatchLosses) -> tuple[Tensor, Tensor]:
        """Running means and variances ``[B]``; the loss last seen, ``+inf`` if none was, where there is no mean."""
        last = losses.learner.float()
        if self._mean is None or self._variance is None:
            return last, torch.zeros_like(last)
        inside = losses.index < len(self._mean)  # candidates from elsewhere, as in a notebook, have no mean
        at = torch.where(inside, losses.index, 0)
        mean, spread = self._mean.index_select(0, at), self._variance.index_select(0, at)
        visited = inside & mean.isfinite()
        return torch.where(visited, mean, last), torch.where(visited, spread, 0.0)

    def chosen(self, mean: Tensor, variance: Tensor, k: int) -> Tensor:
        """``k`` unique positions, by running means and variances ``[B]``."""
        raise NotImplementedError(f"{type(self).__name__} has no chosen(mean, variance, k)")

    def state_dict(self) -> State:
        stream = super().state_dict()
        if self._mean is None or self._variance is None:
            return stream
        kept = {} if self._kept is None else {"kept": self._kept}
        return {**stream, "mean": self._mean.clone(), "variance": self._variance.clone(), "turn": self._turn, **kept}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        if "mean" in state:
            self._mean, self._variance = (state[name].to(self._device).clone() for name in ("mean", "variance"))
            self._turn = int(state["turn"])
            self._kept = state["kept"].to(self._device) if "kept" in state else None
