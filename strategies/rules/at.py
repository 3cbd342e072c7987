import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..base import choice, rule
from ..errors import UsageError
from ..interface import BatchLosses, Cadence, Selection, Traits
from ..registry import registry
from .wrapper import Wrapper, inner_rule, plain


@rule
class At(Wrapper):
    """Rule X, asked at another time: on candidate batches, before each epoch, or once before training.

    Formula: X's picks, of other candidates: at cadence ``epoch`` and ``run`` the whole pool.
    Source: ours; cadence says when a rule is asked, not what it does, so any rule may be crossed with any.
    Cost: X's on as many candidates as it gets. Learner signals are those last seen in training at ``epoch`` (no scoring
    pass; a loss never seen is ``+inf``) and a proxy's at ``run`` (an artefact).
    Ours: an X with a ``cadence`` of its own is told, since its defaults may depend on it (``fiedler`` takes more steps
    on a pool).

    Parameters
    ----------
    of : str
        Registered name of X.
    cadence : {"batch", "epoch", "run"}
        When X is asked.
    options : dict, optional
        X's hyper-parameters, without ``cadence``.
    """

    group = "wrappers"
    of: str = "loss"
    cadence: Cadence = choice("epoch", "batch", "run")
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.options = dict(self.options or {})
        if "cadence" in self.options:
            raise UsageError(f"cadence is given twice: leave it out of the options of {self.of!r}, 'at' passes it on")
        cadence = self.cadence
        takes_it = "cadence" in inspect.signature(registry("strategies").target(self.of)).parameters
        self._rule = inner_rule(self.of, {**self.options, **({"cadence": cadence} if takes_it else {})})
        if cadence == "batch" and not Traits.of(self._rule).exact_count:
            raise UsageError(f"{self.of!r} decides its count itself, which is for the cadences 'epoch' and 'run'")
        self.wrap(self._rule)
        self.cadence = cadence

    def pick(self, feats: Tensor | None, losses: BatchLosses, k: int) -> Tensor | Selection:
        return plain(self.ask(self._rule, feats, losses, k))

    def flops(self, n: int, d: int, k: int) -> float:
        return float(self._rule.flops(n, d, k))
