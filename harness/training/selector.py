"""Calls a strategy: gives it the signals it declared, books its cost, checks what it returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...strategies.interface import LEARNER_SIGNALS, BatchLosses, Pool, Traits
from ..steps.pacer import Step
from .flops import count_selection
from .guard import Guard, at_fault
from .ledger import Clock, Ledger
from .pick_counts import PickCounts

WITHOUT = Traits(cadence="batch", needs=frozenset(), weights_mode="relative", exact_count=True, ratio=1.0)
"""Traits of training without selection."""


class Selector:
    """One strategy in one run.

    Parameters
    ----------
    strategy : object or None
        The selection rule; None trains on every candidate.
    device : torch.device
        The run's device.
    ledger, clock : Ledger, Clock
        Where its cost goes.
    counts : PickCounts
        Keeps its diagnostics.

    Attributes
    ----------
    active : bool
        Whether ``select`` is called at all: a rule that keeps everything by declaration needs no call.
    uncounted : set of str
        Operators of a rule without ``flops`` that no formula counts: they went into the ledger as zero.
    """

    def __init__(self, strategy: Any, device: torch.device, ledger: Ledger, clock: Clock, counts: PickCounts) -> None:
        self.strategy, self.ledger, self.clock, self.pick_counts = strategy, ledger, clock, counts
        self.traits = WITHOUT if strategy is None else Traits.of(strategy)
        self.active = strategy is not None and self.traits.ratio != 1.0
        self.guard = Guard(device)
        self.uncounted: set[str] = set()
        self._flops: dict[tuple[Any, ...], float] = {}

    def at(self, cadence: str) -> bool:
        return self.active and self.traits.cadence == cadence

    @property
    def selects_from_pool(self) -> bool:
        """Whether selections are made from the whole pool."""
        return self.active and self.traits.cadence != "batch"

    @property
    def decides_count(self) -> bool:
        """Whether the rule decides how many images of the pool it keeps, which are dealt out in whole batches."""
        return self.selects_from_pool and not self.traits.exact_count

    @property
    def scores_learner(self) -> bool:
        """Whether each candidate batch costs a forward pass of the learner."""
        return self.at("batch") and bool(self.traits.needs & LEARNER_SIGNALS)

    @property
    def watches(self) -> bool:
        """Whether the values of each training step are kept for the strategy, or handed to it."""
        return self.active and (self.traits.cadence == "epoch" or callable(getattr(self.strategy, "observe", None)))

    def begin(self, pool: Pool) -> None:
        """Call the strategy's ``begin``, on the clock."""
        begin = getattr(self.strategy, "begin", None)
        if callable(begin):
            # Labels of its own: those that are trained on are out of its reach.
            told = type(pool)(**vars(pool) | {"labels": pool.labels.clone()})
            inputs = {f"pool.{name}": value for name, value in vars(told).items() if isinstance(value, Tensor)}
            with self.clock.phase("select"), torch.no_grad(), at_fault("begin", inputs):
                _, flops = self.priced(("begin",), lambda: begin(told))
            self.ledger.add("select", flops=flops)

    def call(
        self, step: Step, signals: dict[str, Tensor], ids: Tensor, labels: Tensor, keep: int
    ) -> tuple[Tensor, Tensor | None]:
        """One selection: the picks ``[k]`` among the candidates ``ids`` ``[B]``, and their weights.

        Parameters
        ----------
        step : Step
            Where training stands.
        signals : dict of Tensor ``[B, ...]``
            By name, ``features`` among them; the strategy sees those that it declared.
        ids, labels : Tensor ``[B]`` int64
        keep : int
            Picks asked for.
        """
        size = len(ids)
        features = signals.get("features")
        losses = BatchLosses(
            **{name: signals[name] for name in self.traits.needs if name in signals and name != "features"},
            labels=labels.clone() if self.selects_from_pool else labels,  # training reads the pool's own
            index=ids,
            k=keep,
            epoch=step.epoch,
            progress=step.progress,
        )
        declared = getattr(self.strategy, "flops", None)
        width = 0 if features is None else features.shape[1]

        inputs = losses.signals() if features is None else {**losses.signals(), "batch_feats": features}

        def select() -> Any:
            with self.clock.phase("select"), torch.no_grad(), at_fault("select", inputs):
                return self.strategy.select(features, losses, keep / size)

        stated = (lambda: float(declared(size, width, keep))) if callable(declared) else None
        returned, flops = self.priced((size, keep), select, stated)
        self.ledger.add("select", flops=flops, samples=size)
        picks, weights = self.guard.check(returned, size, keep if self.traits.exact_count else None)
        if weights is not None and self.traits.weights_mode == "relative":
            weights = weights * (weights.shape[0] / weights.sum())
        self.pick_counts.note_diagnostics(self.strategy, step)
        return picks, weights

    def watch(self, note: Callable[[], Tensor], ids: Tensor) -> None:
        """After a training step on ``ids`` ``[k]``: ``note`` gives its losses ``[k]``, which ``observe`` receives."""
        observe = getattr(self.strategy, "observe", None)

        def hand_over() -> None:
            losses = note()
            if callable(observe):
                with at_fault("observe", {"index": ids, "losses": losses}):
                    observe(ids, losses)

        with self.clock.phase("select"):
            _, flops = self.priced(("watch", len(ids)), hand_over)
        self.ledger.add("select", flops=flops)

    def state_dict(self) -> dict[str, Any]:
        """Prices measured so far and the guard's state, without the strategy's own."""
        return {
            "prices": [[list(key), flops] for key, flops in self._flops.items()],
            "uncounted": sorted(self.uncounted),
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._flops = {tuple(key): flops for key, flops in state["prices"]}
        self.uncounted = set(state["uncounted"])
        self.guard.load_state_dict(state["guard"])

    def priced(
        self, key: tuple[Any, ...], run: Callable[[], Any], stated: Callable[[], float] | None = None
    ) -> tuple[Any, float]:
        """``run()``, and its FLOPs: as ``stated``, else counted the first time that ``key`` comes."""
        if key in self._flops:
            return run(), self._flops[key]
        if stated is not None:
            returned, flops = run(), stated()
        else:
            box: list[Any] = []
            counter = count_selection(lambda: box.append(run()))
            self.uncounted |= counter.unknown
            returned, flops = box[0], counter.flops
        self._flops[key] = flops
        return returned, flops
