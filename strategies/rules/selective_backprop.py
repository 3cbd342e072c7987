import math

import torch
from torch import Tensor

from ..base import Strategy, choice, hidden, rule, within
from ..interface import BatchLosses, Pool, State
from ..maths.sampling import proportional, sort_flops, systematic, systematic_flops, top, top_flops


@rule
class SelectiveBackprop(Strategy):
    """Candidates drawn by the percentile of their loss among the losses of the steps before.

    Formula: P_i = F(l_i)^beta, F(l) the share of the last ``history`` losses, this batch's included, that are at most
    l. "systematic": candidate i is in with probability min(1, τ·P_i), τ such that these sum to k. "queue": coins of
    chance P_i in random order, again and again for those that are left, until k have been accepted.
    Source: selective backprop (Jiang et al., arXiv 1910.00762), with the history and the powers of No Train No Gain
    (arXiv 2307.06440): 5,000 losses; beta 1 accepts one half, beta 2 one third of what it sees.
    Cost: the learner's scoring pass, an ordering of the history and three of the candidates (one for "queue").
    Not held: in the source a step waits in a queue until so many candidates are accepted as make a batch, and those
    accepted beyond it are trained at the next step. Here each step takes exactly k of its own B candidates. Where
    Σ P_i = k (``batching = "fixed-trained"`` and ratio 1/(1 + beta), in the mean) "systematic" has the source's
    chances; "queue" has its coins, and asks the same candidates again where the source would fetch others.
    Ours: this batch's losses enter the history first, so that no chance is nil; none is below 1e-6 of the mean. NaN is
    kept last and counts as the largest loss of the history.

    Parameters
    ----------
    beta : float
        Power of the percentile; 0 is random.
    history : int
        How many past losses are remembered.
    draw : {"systematic", "queue"}
        How the count is held: by exact chances in proportion to P_i, or by coins until k are accepted.
    """

    group = "losses"
    revision = 1  # of revision 0 the draw was in proportion one after the other, which flattens the chances
    needs = frozenset({"learner"})
    beta: float = within("[0, inf)", 1.0)
    history: int = within("[1, inf)", 5000)
    draw: str = choice("systematic", "queue")
    _past: Tensor | None = hidden(None)
    _filled: int = hidden(0)
    _next: int = hidden(0)

    def begin(self, pool: Pool) -> None:
        super().begin(pool)
        self._forget()

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        share = self.percentiles(losses.learner.float())
        stream, chances = self.generator(share.device), share.double().pow(self.beta)
        if self.draw == "systematic":
            return systematic(proportional(torch.where(torch.isnan(share), 0.0, chances), k), k, stream)
        # The round in which a candidate is accepted is geometric, its place in the round uniform.
        chance, place = torch.rand((2, len(share)), generator=stream, device=share.device, dtype=torch.float64)
        rounds = (torch.log1p(-chance) / torch.log1p(-chances)).floor()
        return top(-(rounds + place), k, stream)

    def percentiles(self, learner: Tensor) -> Tensor:
        """Share ``[B]`` of the losses remembered, these ``[B]`` included, that are at most each; NaN where it is."""
        known = torch.where(torch.isnan(learner), torch.inf, learner)
        ordered = torch.sort(self._remember(known)).values
        # Places not filled yet hold +inf: only an infinite loss reaches them.
        below = torch.searchsorted(ordered, known, right=True).clamp_max(self._filled)
        return torch.where(torch.isnan(learner), torch.nan, below / self._filled)

    def flops(self, n: int, d: int, k: int) -> float:
        drawn = 7.0 * n + top_flops(n) if self.draw == "queue" else 9.0 * n + sort_flops(n) + systematic_flops(n)
        return self.history * (1 + math.log2(max(2, self.history))) + 6.0 * n + drawn

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
