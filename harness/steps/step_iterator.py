"""Iterates over the steps of a run; each is computed when needed, since it may depend on earlier ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple
from typing import Any

from ...strategies.errors import StrategyFault
from .pacer import Pacer, Recorded
from .step import MIN_IMAGES, Look, Step


class StepIterator:
    """The steps of a :class:`selbench.harness.steps.pacer.Pacer`, one after another.

    Parameters
    ----------
    pacer : Pacer
        Budget and ratios.
    spent : callable
        Returns the cost of the run so far; called where the budget is a cost.
    look : callable, optional
        Evaluates the learner for a learned schedule, at the end of each of its intervals: see :data:`Look`.

    Attributes
    ----------
    epoch, start, steps, candidates : int
        Passes begun before this one, candidates of this one, and steps and candidates of the run, all before the
        current step.
    current : Step or None
        The one to be run now.
    """

    def __init__(self, pacer: Pacer, spent: Callable[[], float], look: Look | None = None) -> None:
        self.pacer, self.spent, self.look = pacer, spent, look
        self._looked = 0  # intervals of a schedule that learns
        self.epoch = self.start = self.steps = self.candidates = 0
        self.current: Step | None = None
        self._held = (0, 0)
        self._dealt: list[tuple[int, int]] = []
        self._deals = False
        self._before = 0.0
        self._prices: dict[tuple[int, int], float] = {}

    def __iter__(self) -> Iterator[Step]:
        return iter(self.next, None)

    def next(self) -> Step | None:
        """The next step, or None where the budget is spent."""
        self._advance()
        progress = self._progress()
        if progress < 1 and self._is_due(progress):
            assert self.pacer.learned is not None and self.look is not None
            self.pacer.learned.feedback(progress, *self.look())
            progress = self._progress()  # which the look has moved on where the budget is a cost
        if progress >= 1:
            return None
        size, keep = self._sizes(progress)
        if self._overruns(size, keep):
            return None
        self.current = Step(self.epoch, self.start, size, keep, progress)
        return self.current

    def deal(self, kept: int) -> Step:
        """The current step, which begins a pass, as the first of as many whole batches as ``kept`` images make.

        The pass still stands for all its candidates, which its steps share out evenly. Images that make no whole
        batch are left out, as those are that make no whole candidate batch: others at each pass, by its order.
        Fewer images than one batch make a step of their own.

        Raises
        ------
        StrategyFault
            For fewer than 2 images.
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
        self._dealt = [(each + 1, keep)] * more + [(each, keep)] * (steps - more)
        self._deals = True
        self.current = Step(step.epoch, 0, *self._dealt.pop(0), step.progress)
        return self.current

    def state_dict(self) -> dict[str, Any]:
        """The position in the run, JSON-able; a learned schedule has its own state."""
        return {
            **{name: getattr(self, name) for name in ("epoch", "start", "steps", "candidates")},
            "current": None if self.current is None else astuple(self.current),
            "looked": self._looked,
            "held": list(self._held),
            "deals": self._deals,
            "dealt": [list(sizes) for sizes in self._dealt],
            "before": self._before,
            "prices": [[*sizes, price] for sizes, price in self._prices.items()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore: :meth:`next` then gives the step after ``current``."""
        for name in ("epoch", "start", "steps", "candidates"):
            setattr(self, name, state[name])
        self.current = None if state["current"] is None else Step(*state["current"])
        self._looked, self._before, self._deals = state["looked"], state["before"], state["deals"]
        self._held = (state["held"][0], state["held"][1])
        self._dealt = [(size, keep) for size, keep in state["dealt"]]
        self._prices = {(size, keep): price for size, keep, price in state["prices"]}

    def _advance(self) -> None:
        step = self.current
        if step is None:
            return
        self.current = None
        self.start += step.size
        self.candidates += step.size
        self.steps += 1
        if self.pacer.cost is not None:
            key, price = self._key(step.size, step.keep), self.spent() - self._before
            # A step that began an epoch may have paid for a selection of the whole pool: the least is its own price.
            self._prices[key] = min(price, self._prices.get(key, price))

    def _progress(self) -> float:
        pacer = self.pacer
        if pacer.steps is not None:
            return self.steps / pacer.steps
        if pacer.cost is not None:
            self._before = self.spent()
            return self._before / pacer.cost
        assert pacer.candidates is not None
        return self.candidates / pacer.candidates

    def _is_due(self, progress: float) -> bool:
        """Whether an interval has ended, and with it the pass where its ratio is held."""
        learning = self.pacer.learned
        if learning is None or (self.pacer.hold and not self._ends_pass()):
            return False
        before, self._looked = self._looked, int(progress / learning.interval + 1e-9)
        return self._looked > before

    def _ends_pass(self) -> bool:
        return not self._dealt if self._deals else self.start + self._held[0] > self.pacer.pool

    def _sizes(self, progress: float) -> tuple[int, int]:
        """Of the next step, for which a new pass is begun where the old one has no room."""
        if self._dealt:
            return self._dealt.pop(0)
        if self._deals:
            self._turn()
        if not self.pacer.hold or self.start == 0:
            self._held = self.pacer.sizes(progress)
        if self.start + self._held[0] > self.pacer.pool:
            self._turn()
            self._held = self.pacer.sizes(progress)
        return self._held

    def _turn(self) -> None:
        self.epoch, self.start = self.epoch + 1, 0

    def _overruns(self, size: int, keep: int) -> bool:
        """Whether a step would end beyond the budget; the first never does."""
        pacer = self.pacer
        if pacer.candidates is not None:
            return self.candidates > 0 and self.candidates + size > pacer.candidates
        if pacer.cost is not None:
            # A size not seen yet is cheaper than nothing known: it may overrun by one step.
            return bool(self._prices) and self._before + self._prices.get(self._key(size, keep), 0.0) > pacer.cost
        return False

    def _key(self, size: int, keep: int) -> tuple[int, int]:
        """The key of a step's price; dealt steps share one, since each trains on at most one batch."""
        return (self.pacer.batch, self.pacer.batch) if self._deals else (size, keep)


class ReplayedSteps:
    """The steps of another run, as :class:`selbench.harness.steps.pacer.Recorded` gives them.

    Parameters
    ----------
    steps : iterator of Step
    """

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
    """The steps of a run; recorded ones are repeated whatever they cost here.

    Parameters
    ----------
    pacer : Pacer or Recorded
    spent, look : callable, optional
        As of :class:`StepIterator`. Left out where the steps do not depend on the run.
    """
    if isinstance(pacer, Recorded):
        return ReplayedSteps(iter(pacer))
    assert spent is not None or (pacer.cost is None and pacer.learned is None), "these steps depend on the run"
    return StepIterator(pacer, spent or float, look)
