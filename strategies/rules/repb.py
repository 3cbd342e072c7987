from typing import Any

import torch
from torch import Tensor

from ..base import Strategy, hidden, rule, within
from ..interface import BatchLosses, Pool, Selection, State
from ..maths.sampling import sort_flops


@rule
class RePB(Strategy):
    """Samples that did worse than their batch stay for the next epoch, the others and those left out by a coin.

    Formula: with rho = 1 - ratio and μ the mean loss of the last ``window`` batches, a sample that is trained on at
    loss l stays in the next epoch's set if l >= μ, else with chance 1 - rho; one that is not in this epoch's set
    returns with chance 1 - rho. In epoch E (from 1) a sample's weight is E/N, N the epochs in whose set it was, E
    included; the mean of weighted losses is taken as it is (raw).
    Source: RePB (Zhou et al., ICLR 2026, OpenReview Zw1Uw7u6Su), from a note that gives its equations: window 1; no
    code was to be had, and rho for each of the published tables is not known.
    Cost: no scoring pass; three operations a sample trained on, and a few for each of the pool before each epoch.
    Steps: batches keep their size and a pass has fewer of them. The realised mean ratio is in the record.
    Ours: a sample of the set that the pass did not come to stays in it, and so does one whose last loss is not finite;
    a set that would be empty is the whole pool; plain losses, not label-smoothed ones. E/N is biased upwards early
    (E[1/x] is not 1/E[x]), and multiplies the step by 1/kept on average.

    Parameters
    ----------
    window : int
        Batches whose mean loss is compared with.
    weighted : bool
        Weigh samples by E/N; without, all weigh 1.
    """

    group = "losses"
    cadence = "epoch"
    needs = frozenset({"learner"})
    weights_mode = "raw"
    exact_count = False
    window: int = within("[1, inf)", 1)
    weighted: bool = True
    _epochs: int = hidden(0)
    _stays: float = hidden(1.0)
    _inside: Tensor | None = hidden(None)
    _next: Tensor | None = hidden(None)
    _counts: Tensor | None = hidden(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._means: list[Tensor] = []

    def begin(self, pool: Pool) -> None:
        super().begin(pool)
        self._epochs, self._inside, self._means = 0, None, []

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        """The epoch's set; waits for the device once."""
        known = losses.learner
        size, device = len(known), known.device
        self._stays = k / size
        coin = torch.rand(size, generator=self.generator(device), device=device) < self._stays
        if self._inside is None or self._next is None or self._counts is None or len(self._inside) != size:
            inside, self._counts = torch.ones_like(coin), torch.zeros(size, device=device)
        else:
            inside = torch.where(self._inside, self._next, coin) | ~known.isfinite()
        count = int(inside.sum())
        if not count:
            inside, count = torch.ones_like(coin), size
        picks = (~inside).sort(stable=True).indices[:count]
        self._epochs += 1
        self._counts = self._counts + inside
        self._inside, self._next = inside, inside.clone()
        weights = self._epochs / self._counts[picks] if self.weighted else torch.ones(len(picks), device=device)
        return Selection(picks, weights)

    def observe(self, index: Tensor, losses: Tensor) -> None:
        """Decide on the samples ``index`` ``[k]`` that were trained on at ``losses`` ``[k]``; does not wait."""
        if self._next is None:
            return
        self._means = [*self._means, losses.mean()][-self.window :]
        coin = torch.rand(len(losses), generator=self.generator(losses.device), device=losses.device) < self._stays
        low = losses < torch.stack(self._means).mean()
        self._next = self._next.index_copy(0, index, ~low | coin)

    def state_dict(self) -> State:
        own: dict[str, Any] = {"epochs": self._epochs, "stays": self._stays, "means": list(self._means)}
        if self._inside is not None:
            own |= {"inside": self._inside, "next": self._next, "counts": self._counts}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        self._epochs, self._stays, self._means = state["epochs"], state["stays"], list(state["means"])
        self._inside, self._next, self._counts = (state.get(name) for name in ("inside", "next", "counts"))

    def flops(self, n: int, d: int, k: int) -> float:
        return 8.0 * n + sort_flops(n)
