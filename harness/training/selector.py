"""Calls a strategy: gives it the signals it declared, books its cost, checks what it returns."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...strategies.interface import (
    FLOPS_TOLERANCE,
    HELD_OUT_SIGNALS,
    LEARNER_SIGNALS,
    BatchLosses,
    Pool,
    Traits,
)
from ..steps.pacer import Step
from .flops import SelectionCounter
from .guard import Guard, at_fault
from .ledger import Clock, Ledger
from .pick_counts import PickCounts

HELD = 4096
"""Candidates of a call up to which a declared cost is held against a count."""

WITHOUT = Traits(cadence="batch", needs=frozenset(), weights_mode="relative", exact_count=True, ratio=1.0)
"""Traits of training without selection."""


class Selector:
    """One strategy in one run; None trains on every candidate. Its cost goes into the ledger."""

    def __init__(self, strategy: Any, device: torch.device, ledger: Ledger, clock: Clock, counts: PickCounts) -> None:
        self.strategy, self.ledger, self.clock, self.pick_counts = strategy, ledger, clock, counts
        self.traits = WITHOUT if strategy is None else Traits.of(strategy)
        # A rule that keeps everything by declaration is never called.
        self.active = strategy is not None and self.traits.ratio != 1.0
        self.guard = Guard(device)
        self.uncounted: set[str] = set()  # operators that no formula counts went into the ledger as zero
        self.understated: tuple[float, float] | None = None  # a declared cost and the count that it fell short of
        self._flops: dict[tuple[Any, ...], float] = {}
        self._flops_held = False
        self._pool: list[Tensor] = []  # what a copy of the strategy shares with it

    def at(self, cadence: str) -> bool:
        return self.active and self.traits.cadence == cadence

    @property
    def selects_from_pool(self) -> bool:
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
    def scores_pool(self) -> bool:
        """Whether selections of the pool cost passes of the learner over it, or a part of it."""
        return self.active and self.traits.scores_pool

    @property
    def looks_at_val(self) -> bool:
        """Whether selections cost looks of the learner at ``val``."""
        return self.active and bool(self.traits.needs & HELD_OUT_SIGNALS)

    @property
    def watches(self) -> bool:
        """Whether the values of each training step are kept for the strategy, or handed to it."""
        remembers = self.at("epoch") and not (self.scores_pool and self.traits.pool_scores == "fresh")
        return self.active and (remembers or callable(getattr(self.strategy, "observe", None)))

    def begin(self, pool: Pool) -> None:
        begin = getattr(self.strategy, "begin", None)
        if callable(begin):
            # Labels of its own: those that are trained on are out of its reach.
            told = type(pool)(**vars(pool) | {"labels": pool.labels.clone()})
            inputs = {f"pool.{name}": value for name, value in vars(told).items() if isinstance(value, Tensor)}
            self._pool = [*inputs.values()]
            with self.clock.phase("select"), torch.no_grad(), at_fault("begin", inputs):
                _, flops = self.priced(("begin",), lambda: begin(told))
            self.ledger.add("select", flops=flops)

    def call(
        self, step: Step, signals: dict[str, Tensor], ids: Tensor, labels: Tensor, keep: int
    ) -> tuple[Tensor, Tensor | None]:
        """One selection: the picks ``[k]`` among the candidates ``ids`` ``[B]``, and their weights.

        Of the ``signals`` ``[B, ...]`` by name, the strategy sees those that it declared, and the labels of ``val``
        that come with them.
        """
        size = len(ids)
        features = signals.get("features")
        losses = BatchLosses(
            **{n: signals[n] for n in self.traits.needs | {"val_labels"} if n in signals and n != "features"},
            labels=labels.clone() if self.selects_from_pool else labels,  # training reads the pool's own
            index=ids,
            k=keep,
            epoch=step.epoch,
            progress=step.progress,
        )
        declared = getattr(self.strategy, "flops", None)
        width = 0 if features is None else features.shape[1]
        inputs = losses.signals() | losses.held_out() | ({} if features is None else {"batch_feats": features})

        def select() -> Any:
            with self.clock.phase("select"), torch.no_grad(), at_fault("select", inputs):
                return self.strategy.select(features, losses, keep / size)

        stated = (lambda: float(declared(size, width, keep))) if callable(declared) else None
        key = (size, keep)
        twin = None if stated is None or key in self._flops else self._twin(size)
        returned, flops = self.priced(key, select, stated)
        if twin is not None:
            flops = self._flops[key] = self._counted(lambda: twin.select(features, losses, keep / size), flops)
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
            "understated": self.understated,
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._flops = {tuple(key): flops for key, flops in state["prices"]}
        self._flops_held = bool(self._flops)
        self.uncounted = set(state["uncounted"])
        if short := state.get("understated"):
            self.understated = (short[0], short[1])
        self.guard.load_state_dict(state["guard"])

    def priced(
        self, key: tuple[Any, ...], run: Callable[[], Any], stated: Callable[[], float] | None = None
    ) -> tuple[Any, float]:
        """``run()``, and its FLOPs: as ``stated``, else counted the first time that ``key`` comes."""
        if key in self._flops:
            return run(), self._flops[key]
        if stated is not None:
            returned, self._flops[key] = run(), stated()
        else:
            with SelectionCounter() as counter:
                returned = run()
            self.uncounted |= counter.unknown
            self._flops[key] = counter.flops
        return returned, self._flops[key]

    def _twin(self, size: int) -> Any:
        """A copy of the strategy to count a call with, off the clock: a call that is counted has other rounding.

        None where what it declares is not to be held against a count: after the first call of a run, unless that fell
        short, and for large pools, where a call takes long. A strategy that cannot be copied is held by the check.
        """
        if (self._flops_held and self.understated is None) or size > HELD:
            return None
        self._flops_held = True
        shared: dict[int, Any] = {id(tensor): tensor for tensor in self._pool}
        with suppress(Exception):
            return copy.deepcopy(self.strategy, shared)
        return None

    def _counted(self, call: Callable[[], Any], declared: float) -> float:
        """What is booked for a call: as declared, or the count where that is more than the check allows above it."""
        with suppress(Exception), torch.no_grad(), SelectionCounter() as counter:  # the run's own call is judged
            call()
        if counter.flops <= FLOPS_TOLERANCE * declared:
            return declared
        if self.understated is None or counter.flops > self.understated[1]:
            self.understated = (declared, counter.flops)
        return counter.flops
