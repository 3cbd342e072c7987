"""What rules made of other rules share: how the inner ones are loaded, asked, told and stored."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from ..base import Strategy, rule
from ..errors import UsageError
from ..interface import BatchLosses, Pool, PoolScores, Selection, State, Traits
from ..maths.sampling import extent
from ..registry import registry


class Wrapper(Strategy):
    """A rule that asks other rules; subclasses load them in their constructor and call :meth:`wrap`.

    Traits are those of the inner rules; all draw from one stream. ``observe``, ``diagnostics`` and ``flops`` are
    there only where the inner rules have them, since the harness looks for them.
    """

    _rules: tuple[Any, ...] = ()

    def wrap(self, *rules: Any) -> None:
        """Take on the traits of ``rules``, which all have one cadence."""
        traits = [Traits.of(rule) for rule in rules]
        self._rules = rules
        self.cadence = traits[0].cadence
        self.needs = frozenset().union(*(each.needs for each in traits))
        # Constants of a class everywhere else; here they are the inner rules'.
        vars(self).update(
            weights_mode="raw" if any(each.weights_mode == "raw" for each in traits) else "relative",
            exact_count=all(each.exact_count for each in traits),
            ratio=traits[0].ratio,
            revision=sum(each.revision for each in traits),
        )
        vars(self).update(  # what serves the most demanding of them
            pool_scores=max((each.pool_scores for each in traits), key=get_args(PoolScores).index),
            select_every=min(each.select_every for each in traits),
            val_images=max(each.val_images for each in traits),
            val_interval=min(each.val_interval for each in traits),
        )
        nets = {each.nets for each in traits if each.reads_proxy}
        if len(nets) > 1:
            raise UsageError(
                f"its rules read {' and '.join(map(str, sorted(nets)))} proxies: give them one number of nets"
            )
        vars(self)["nets"] = max(nets, default=1)
        if not all(callable(getattr(rule, "flops", None)) for rule in rules):
            vars(self)["flops"] = None  # not stated: the harness counts

    def begin(self, pool: Pool) -> None:
        super().begin(pool)
        for inner in self._rules:
            if callable(begin := getattr(inner, "begin", None)):
                begin(pool)

    def ask(self, rule: Any, feats: Tensor | None, losses: BatchLosses, k: int) -> Selection:
        """What ``rule`` picks of these candidates when asked for ``k``."""
        size, device = extent(feats, losses)
        if isinstance(rule, Strategy) and rule._generator is None:
            # Without begin, streams of one seed would give inner and outer rule the same numbers.
            rule._generator = self.generator(device)
        asked = rows(losses, None, k) if losses.k is not None and losses.k != k else losses
        result = rule.select(feats, asked, k / size)
        return Selection(result) if isinstance(result, Tensor) else result

    @property
    def observe(self) -> Callable[[Tensor, Tensor], None] | None:
        """Tells the inner rules of a training step; None where none of them listens."""
        listening = [rule.observe for rule in self._rules if callable(getattr(rule, "observe", None))]

        def tell(index: Tensor, losses: Tensor) -> None:
            for observe in listening:
                observe(index, losses)

        return tell if listening else None

    @property
    def diagnostics(self) -> Callable[[], dict[str, Tensor]] | None:
        """Gives the inner rules' diagnostics (of several rules, each name with its rule's place); None without any."""
        offered = [
            (i, r.diagnostics) for i, r in enumerate(self._rules, 1) if callable(getattr(r, "diagnostics", None))
        ]
        several = len(self._rules) > 1

        def gather() -> dict[str, Tensor]:
            return {f"{name} ({i})" if several else name: x for i, call in offered for name, x in call().items()}

        return gather if offered else None

    def state_dict(self) -> State:
        inner: list[State] = [getattr(rule, "state_dict", dict)() for rule in self._rules]
        return {**super().state_dict(), "rules": inner}

    def load_state_dict(self, state: State) -> None:
        super().load_state_dict(state)
        for inner, known in zip(self._rules, state["rules"], strict=True):
            if known:
                inner.load_state_dict(known)


@rule
class OfOne(Wrapper):
    """A wrapper of one rule X, which must heed how many picks it is asked for where the wrapper is ``selecting``.

    Parameters
    ----------
    of : str
        Registered name of X.
    options : dict, optional
        X's hyper-parameters.
    """

    of: str = "loss"
    options: Mapping[str, Any] | None = None

    selecting: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.options = dict(self.options or {})
        self._rule = inner_rule(self.of, self.options, self.selecting)
        self.wrap(self._rule)


def inner_rule(name: str, options: Mapping[str, Any], selecting: bool = False) -> Any:
    """The registered strategy ``name``; if it must be ``selecting``, none that keeps a share of its own."""
    loaded = registry("strategies").load(name, **options)
    if selecting and Traits.of(loaded).ratio is not None:
        raise UsageError(f"{name!r} keeps a share of its own, whatever it is asked for: name a rule that selects")
    return loaded


def plain(chosen: Selection) -> Tensor | Selection:
    """The picks alone where they have no weights."""
    return chosen.indices if chosen.weights is None else chosen


def rows(losses: BatchLosses, at: Tensor | None, k: int | None) -> BatchLosses:
    """The signals of the candidates ``at`` ``[m]`` (all where None), of which ``k`` are asked for."""
    signals = losses.signals()
    if at is not None:
        signals = {name: signal.index_select(0, at) for name, signal in signals.items()}
    return BatchLosses(**signals, **losses.held_out(), k=k, epoch=losses.epoch, progress=losses.progress)


def others(picks: Tensor, size: int) -> Tensor:
    """The positions ``[size - m]`` int64 in ``[0, size)`` that are not among the ``m`` picks, ascending."""
    taken = torch.zeros(size, dtype=torch.int64, device=picks.device).index_fill(0, picks, 1)
    return torch.sort(taken, stable=True).indices[: size - picks.shape[0]]
