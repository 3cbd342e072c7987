from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..base import Strategy, rule
from ..errors import UsageError
from ..interface import LEARNER_SIGNALS, BatchLosses, Traits
from ..maths.sampling import top, top_flops
from .wrapper import inner_rule


@rule
class ProxyReplay(Strategy):
    """What rule X picked at this very step for a smaller net, which was trained on its picks before.

    Formula: S_t = X's picks of candidate batch t, read from the proxy's signals; the learner trains on S_t and scores
    nothing. Both see the same candidates in the same views at the same keep ratios.
    Source: airbench96_faster (Jordan, cifar10-airbench): the half of each 1,024 images on which a proxy about a tenth
    of the net's size has the highest loss.
    Cost: for the learner one ordering a batch. The proxy's whole run (its scoring, picking and training) is an artefact
    with a ledger of its own, which the accounts standalone and amortised charge.
    Ours: the proxy is the learner's architecture with ``width`` channels, trained at each step, with separate passes
    for scoring and training (theirs trains at every fourth, and scores by the training pass, with label smoothing; the
    matrix's ``score_mode = "train"`` is nearest).

    Parameters
    ----------
    of : str
        Registered name of X: a rule at cadence ``batch`` that reads the learner alone, and gives no weights.
    options : dict, optional
        X's hyper-parameters.
    width : int
        Width of the proxy, in channels of its first stage.
    """

    group = "wrappers"
    needs = frozenset({"picks"})
    of: str = "loss"
    options: Mapping[str, Any] | None = None
    width: int = 16

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or self.width < 1:
            raise UsageError(f"proxy-replay: width = {self.width!r} must be a whole number of channels from 1 up")
        self.options = dict(self.options or {})
        traits = Traits.of(self.rule())
        vars(self)["revision"] = traits.revision
        if traits.cadence != "batch":
            raise UsageError(
                f"proxy-replay replays picks batch by batch, and {self.of!r} has the cadence {traits.cadence!r}"
            )
        if beyond := sorted(traits.needs - LEARNER_SIGNALS):
            raise UsageError(
                f"proxy-replay: {self.of!r} reads {' and '.join(beyond)}, and a proxy has nothing but its own signals: "
                "name a rule that reads the learner alone, such as loss"
            )

    def rule(self) -> Any:
        return inner_rule(self.of, self.options or {}, selecting=True)

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor:
        """The ``k`` positions that the proxy picked; where it picked more or fewer, random ones make it ``k``."""
        return top(losses.picks.float(), k, self.generator(losses.picks.device))

    def flops(self, n: int, d: int, k: int) -> float:
        return top_flops(n)
