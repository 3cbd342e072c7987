import math

import torch
from torch import Tensor

from ..base import Strategy, hidden, rule, within
from ..interface import BatchLosses, Pool, State
from ..maths.sampling import weighted, weighted_flops


@rule
class SelectiveBackprop(Strategy):
    """Candidates drawn by the percentile of their loss among the losses of the steps before.

    Formula: chances in proportion to P_i = F(l_i)^beta, F(l) the share of the last ``history`` losses, this batch's
    included, that are at most l.
    Source: selective backprop (Jiang et al., arXiv 1910.00762), with the history and the powers of No Train No Gain
    (arXiv 2307.06440): 5,000 losses; beta 1 accepts one half, beta 2 one third of what it sees.
    Cost: the learner's scoring pass, an ordering of the history and one of the candidates.
    Ours: exactly k are drawn without replacement with these chances (Gumbel-top-k), where the source accepts each
    candidate by a coin of chance P_i and a step waits until its batch is full; ``batching = "fixed-trained"`` and ratio
    1/(1 + beta) is nearest to it. This batch's losses enter the history first, so that no chance is nil. NaN is kept
    last and counts as the largest loss of the history.

    Parameters
    ----------
    beta : float
        Power of the percentile; 0 is random.
    history : int
        How many past losses are remembered.
    """

    needs = frozenset({"learner"})
    beta: float = within("[0, inf)", 1.0)
    history: int = within("[1, inf)", 5000)
    _past: Tensor | None = hidden(None)
    _filled: int = hidden(0)
    _next: int = hidden(0)

    def begin(self, pool: Pool) -> None:
        super().begin(pool)
        self._forget()

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        share = self.percentiles(losses.learner.float())
        return weighted(self.beta * share.log(), k, self.generator(share.device))

    def percentiles(self, learner: Tensor) -> Tensor:
        """Share ``[B]`` of the losses remembered, these ``[B]`` included, that are at most each; NaN where it is."""
        known = torch.where(torch.isnan(learner), torch.inf, learner)
        ordered = torch.sort(self._remember(known)).values
        # Places not filled yet hold +inf: only an infinite loss reaches them.
        below = torch.searchsorted(ordered, known, right=True).clamp_max(self._filled)
        return torch.where(torch.isnan(learner), torch.nan, below / self._filled)

    def flops(self, n: int, d: int, k: int) -> float:
        return self.history * (1 + math.log2(max(2, self.history))) + 6.0 * n + weighted_flops(n)

    def state_dict(self) -> State:
        stream = super().state_dict()
        if self._past is None:
            return stream
        return {**stream, "past": self._past, "filled": self._filled, "next": self._next}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._forget()
        if "past" in state:
            self._past = state["past"].to(self._device)
            self._filled, self._next = int(state["filled"]), int(state["next"])

    def _forget(self) -> None:
        self._past = None
        self._filled = self._next = 0

    def _remember(self, learner: Tensor) -> Tensor:
        """Write the batch over the oldest losses of the history ``[history]``, and return it."""
        past = learner.new_full((self.history,), torch.inf) if self._past is None else self._past
        fresh = learner[-self.history :]
        count = len(fresh)
        at = (torch.arange(count, device=learner.device) + self._next) % self.history
        # Out of place: what state_dict handed out stays as it was.
        self._past = past.index_copy(0, at, fresh)
        self._filled = min(self.history, self._filled + count)
        self._next = (self._next + count) % self.history
        return self._past
