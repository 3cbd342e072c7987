"""Iterates over the steps of a run; each is computed when needed, since it may depend on earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from typing import Any

from ...strategies.errors import StrategyFault
from .pacer import MIN_IMAGES, Pacer, Recorded, Step

Look = Callable[[], tuple[float, float]]
"""The learner's loss on held-out images, and the run's FLOPs so far."""

_STATE = ("epoch", "start", "steps", "candidates", "looked", "held", "deals", "dealt", "before")


class StepIterator:
    """The steps of a :class:`selbench.harness.steps.pacer.Pacer`, one after another.

    ``spent`` is asked where the budget is a cost, and ``look`` at the end of each interval of a learned schedule.
    """

    def __init__(self, pacer: Pacer, spent: Callable[[], float], look: Look | None = None) -> None:
        self.pacer, self.spent, self.look = pacer, spent, look
        self.looked = 0  # intervals of a schedule that learns
        # Before the current step: passes begun, candidates of this one, steps and candidates of the run.
        self.epoch = self.start = self.steps = self.candidates = 0
        self.current: Step | None = None
        self.held: Sequence[int] = (0, 0)
        self.dealt: list[Sequence[int]] = []
        self.deals = False
        self.before = 0.0  # cost
        self.prices: dict[tuple[int, int], float] = {}

    def __iter__(self) -> Iterator[Step]:
        return iter(self.next, None)

    def next(self) -> Step | None:
        """The next step, or None where the budget is spent."""
        if (step := self.current) is not None:
            self.current = None
            self.start += step.size
            self.candidates += step.size
            self.steps += 1
            if self.pacer.cost is not None:
                key, price = self._key(step.size, step.keep), self.spent() - self.before
                # An epoch's first step may have paid for a selection of the whole pool: the least is its own price.
                self.prices[key] = min(price, self.prices.get(key, price))
        progress = self._progress()
        if progress < 1 and self._is_due(progress):
            assert self.pacer.learned is not None and self.look is not None
            self.pacer.learned.feedback(progress, *self.look())
            progress = self._progress()  # which the look has moved on where the budget is a cost
        if progress >= 1:
            return None
        size, keep = self._sizes(progress)
        if not self._overruns(size, keep):
            self.current = Step(self.epoch, self.start, size, keep, progress)
        return self.current

    def deal(self, kept: int) -> Step:
        """The current step, which begins a pass, as the first of as many whole batches as ``kept`` images make.

        The pass still stands for all its candidates, which its steps share out evenly. Images that make no whole
        batch are left out, as those are that make no whole candidate batch: others at each pass, by its order.
        Fewer images than one batch make a step of their own; fewer than 2 are a fault of the strategy.
        """
        step, pacer = self.current, self.pacer
        assert step is not None and not step.start
        if kept < MIN_IMAGES:
            raise StrategyFault(
                "count",
                f"select kept {kept} of {pacer.pool} images, where batch normalisation needs at least {MIN_IMAGES}",
            )
        whole = pacer.pool // pacer.batch * pacer.batch
        candidates = whole if pacer.candidates is None else int(min(whole, pacer.candidates - self.candidates))
        part = max(MIN_IMAGES, kept * candidates // whole)
        steps = max(1, part // pacer.batch)
        each, more = divmod(candidates, steps)
        keep = min(pacer.batch, part)
        sizes = [(each + 1, keep)] * more + [(each, keep)] * (steps - more)
        (size, _), *rest = sizes
        self.dealt = [*rest]
        self.deals = True
        self.current = Step(step.epoch, 0, size, keep, step.progress)
        return self.current

    def state_dict(self) -> dict[str, Any]:
        """The position in the run, JSON-able; a learned schedule has its own state."""
        return {
            **{name: getattr(self, name) for name in _STATE},
            "current": None if self.current is None else astuple(self.current),
            "prices": [[*sizes, price] for sizes, price in self.prices.items()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore: :meth:`next` then gives the step after ``current``."""
        vars(self).update({name: state[name] for name in _STATE})
        self.current = None if state["current"] is None else Step(*state["current"])
        self.prices = {(size, keep): price for size, keep, price in state["prices"]}

    def _progress(self) -> float:
        pacer = self.pacer
        if pacer.steps is not None:
            return self.steps / pacer.steps
        if pacer.cost is not None:
            self.before = self.spent()
            return self.before / pacer.cost
        assert pacer.candidates is not None
        return self.candidates / pacer.candidates

    def _is_due(self, progress: float) -> bool:
        """Whether an interval has ended, and with it the pass where its ratio is held."""
        learning = self.pacer.learned
        ends_pass = not self.dealt if self.deals else self.start + self.held[0] > self.pacer.pool
        if learning is None or (self.pacer.hold and not ends_pass):
            return False
        before, self.looked = self.looked, int(progress / learning.interval + 1e-9)
        return self.looked > before

    def _sizes(self, progress: float) -> Sequence[int]:
        """Of the next step, for which a new pass is begun where the old one has no room."""
        if self.dealt:
            return self.dealt.pop(0)
        if self.deals:
            self.epoch, self.start = self.epoch + 1, 0
        if not self.pacer.hold or self.start == 0:
            self.held = self.pacer.sizes(progress)
        if self.start + self.held[0] > self.pacer.pool:
            self.epoch, self.start = self.epoch + 1, 0
            self.held = self.pacer.sizes(progress)
        return self.held

    def _overruns(self, size: int, keep: int) -> bool:
        """Whether a step would end beyond the budget; the first never does."""
        pacer = self.pacer
        if pacer.candidates is not None:
            return self.candidates > 0 and self.candidates + size > pacer.candidates
        if pacer.cost is not None:
            # A size not seen yet is cheaper than nothing known: it may overrun by one step.
            return bool(self.prices) and self.before + self.prices.get(self._key(size, keep), 0.0) > pacer.cost
        return False

    def _key(self, size: int, keep: int) -> tuple[int, int]:
        """The key of a step's price; dealt steps share one, since each trains on at most one batch."""
        return (self.pacer.batch, self.pacer.batch) if self.deals else (size, keep)


class ReplayedSteps:
    """The steps of another run, as :class:`selbench.harness.steps.pacer.Recorded` gives them."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps, self._given = steps, 0
        self.current: Step | None = None

    def __iter__(self) -> Iterator[Step]:
        return iter(self.next, None)

    def next(self) -> Step | None:
        self.current = next(self._steps, None)
        self._given += 1
        return self.current

    def state_dict(self) -> dict[str, Any]:
        return {"given": self._given}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        while self._given < state["given"]:
            self.next()

    def deal(self, kept: int) -> Step:
        """The current step: what was recorded stays, whatever is ``kept`` here."""
        assert self.current is not None
        return self.current


def steps_of(
    pacer: Pacer | Recorded, spent: Callable[[], float] | None = None, look: Look | None = None
) -> StepIterator | ReplayedSteps:
    """The steps of a run; recorded ones are repeated whatever they cost here."""
    if isinstance(pacer, Recorded):
        return ReplayedSteps(iter(pacer))
    assert spent is not None or (pacer.cost is None and pacer.learned is None), "these steps depend on the run"
    return StepIterator(pacer, spent or float, look)
