from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..base import rule, within
from ..errors import UsageError
from ..interface import BatchLosses, Selection, Traits
from ..maths.sampling import extent, portion, sort_flops
from .wrapper import Wrapper, inner_rule, others, plain, rows


@rule
class Hybrid(Wrapper):
    """A share of the picks by rule X, then the others by rule Y among what X left.

    Formula: with t = ⌊share·k + 1/2⌋, X picks t of the B candidates; Y picks k - t of the other B - t, and sees those
    alone.
    Source: ours; GSTDS (arXiv 2507.04269) is such a pair, whose second rule draws by the reference's loss.
    Cost: X's for t picks, Y's for k - t of B - t, and one ordering.
    Ours: X goes first; one share over the whole run; weights of a relative rule are scaled to mean 1 over its own
    picks, so that neither part drowns the other, and picks without weights have 1; raw weights of either rule make the
    hybrid's raw. At share 0 or 1 the rule without picks is never asked: its signals are not computed.

    Parameters
    ----------
    of, other : str
        Registered names of X and Y, two rules of one cadence.
    share : float
        X's share of the picks, in [0, 1].
    options, other_options : dict, optional
        Their hyper-parameters.
    """

    group = "wrappers"
    of: str = "loss"
    other: str = "uniform"
    share: float = within("[0, 1]", 0.5)
    options: Mapping[str, Any] | None = None
    other_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.options, self.other_options = dict(self.options or {}), dict(self.other_options or {})
        self._first = inner_rule(self.of, self.options, selecting=True)
        self._second = inner_rule(self.other, self.other_options, selecting=True)
        first, second = Traits.of(self._first).cadence, Traits.of(self._second).cadence
        if first != second:
            raise UsageError(
                f"{self.of!r} picks at cadence {first!r} and {self.other!r} at {second!r}: give one of them the "
                "other's cadence, by its own option or through 'at'"
            )
        self.wrap(*([self._first] if self.share > 0.0 else []), *([self._second] if self.share < 1.0 else []))

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        first = portion(self.share, k)
        if first in (0, k):
            return plain(self._part(self._first if first else self._second, feats, losses, k))
        size, _ = extent(feats, losses)
        chosen = self._part(self._first, feats, losses, first)
        rest = others(chosen.indices, size)
        # A first rule that decides its count itself may leave fewer than the second was to pick.
        second = min(k - first, rest.shape[0])
        if second == 0:
            return plain(chosen)
        left = None if feats is None else feats.index_select(0, rest)
        added = self._part(self._second, left, rows(losses, rest, second), second)
        picks = torch.cat([chosen.indices, rest.index_select(0, added.indices)])
        if chosen.weights is None and added.weights is None:
            return picks
        return Selection(picks, torch.cat([_weights(chosen), _weights(added)]))

    def flops(self, n: int, d: int, k: int) -> float:
        first = portion(self.share, k)
        if first in (0, k):
            return float((self._first if first else self._second).flops(n, d, k))
        own = float(self._first.flops(n, d, first)) + float(self._second.flops(n - first, d, k - first))
        return own + sort_flops(n)

    def _part(self, rule: Any, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        """``k`` picks by ``rule``; relative weights scaled to mean 1."""
        chosen = self.ask(rule, feats, losses, k)
        if chosen.weights is None or Traits.of(rule).weights_mode == "raw":
            return chosen
        return Selection(chosen.indices, chosen.weights / chosen.weights.mean())


def _weights(chosen: Selection) -> Tensor:
    """The weights ``[k]`` of some picks, 1 where there are none."""
    if chosen.weights is not None:
        return chosen.weights.float()
    return torch.ones(chosen.indices.shape, device=chosen.indices.device)
