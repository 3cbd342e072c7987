"""The training loop: draw candidates, let a strategy select, take an optimizer step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...strategies import UsageError
from ...strategies.interface import HELD_OUT_SIGNALS, Pool, keep_count
from ...strategies.rules.wrapper import others
from ..datasets.augment import Augment
from ..datasets.samples import ProxyPicks, Samples
from ..steps.pacer import Pacer, Recorded, Step
from ..steps.step_iterator import ReplayedSteps, StepIterator, steps_of
from ..streams import derive, permutation
from .candidates import Candidates, ChosenSamples
from .evaluate import learner_signals, mean_loss, plain_outputs
from .flops import learner_flops
from .held_out import HeldOut
from .learner import Learner, LearnerNet
from .ledger import Clock, Ledger
from .loss_memory import LossMemory
from .numerics import Numerics
from .optimizer import SGD, one_cycle
from .pick_counts import PickCounts
from .selector import Selector
from .strategy_state import StrategyState

FLOAT32 = Numerics()


@dataclass(frozen=True)
class Recipe:
    """How the learner is optimised; the same for every arm of a matrix."""

    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    warmup: float = 0.2
    score_mode: str = "eval"


class Trainer:
    """One training run on ``samples``, whose steps are the pacer's and whose streams are those of ``seed``.

    Without a strategy it trains on every candidate; ``pool`` is what the strategy's ``begin`` is given, on the clock.
    The ``meter`` gives the cost so far in the unit of the budget, FLOPs of the ledger by default. A schedule that
    learns looks at ``held_out``, images of ``val``, on the clock; ``val`` are those that a strategy's held-out signals
    are taken on. FLOP counts are kept in ``cache_dir``.
    """

    def __init__(
        self,
        samples: Samples,
        learner: Learner,
        augment: Augment,
        pacer: Pacer | Recorded,
        recipe: Recipe,
        seed: int,
        model: LearnerNet,
        strategy: Any = None,
        numerics: Numerics = FLOAT32,
        pool: Pool | None = None,
        meter: Callable[[Trainer], float] | None = None,
        held_out: Samples | None = None,
        val: Samples | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        self.samples, self.augment, self.pacer, self.recipe, self.seed = samples, augment, pacer, recipe, seed
        self.device = samples.labels.device
        self.model, self.numerics = model, numerics
        numerics.net(model, self.device)
        self.meter = meter
        if pacer.learned is not None and not held_out:
            raise UsageError(
                f"schedule {pacer.learned} learns from images of val, but val is empty: raise val, such as val = 0.1"
            )
        self.held_out = held_out
        self.optimizer = SGD(self.model, recipe.lr, recipe.momentum, recipe.weight_decay)
        self.ledger = Ledger()
        self.clock = Clock(self.ledger, self.device)
        self.pick_counts = PickCounts(len(samples), self.device)
        self.selector = Selector(strategy, self.device, self.ledger, self.clock, self.pick_counts)
        needs = self.selector.traits.needs
        width, watches = self.model.head.in_features, self.selector.watches
        self.memory = LossMemory(len(samples), needs, samples.classes, width, self.device) if watches else None
        self.cached = [name for name in samples.signals if name in needs]
        if self.selector.looks_at_val and not val:
            wanted = " and ".join(sorted(needs & HELD_OUT_SIGNALS))
            raise UsageError(
                f"strategy {type(strategy).__name__} needs {wanted}, but val is empty: raise val, such as val = 0.1"
            )
        self.val = HeldOut(val, self.selector.traits) if val and self.selector.looks_at_val else None
        price = learner_flops(learner, samples.images.shape[1], augment.resolution, samples.classes, cache_dir)
        self.unit_forward, self.unit_train = price
        self.selections = 0  # of the whole pool
        self.pool_scored = 0  # images that the learner was run over for these
        self.done: Counter[tuple[int, int]] = Counter()  # steps by what they are priced as
        self.count = 0  # steps done
        self.on_trained: Callable[[Trainer, Step, Tensor, Tensor | None, Tensor], None] | None = None
        self.subset: Tensor | None = None
        self._weights: Tensor | None = None
        self._drawn: tuple[int, Tensor] | None = None
        self._walk: StepIterator | ReplayedSteps | None = None
        self._source: Candidates | ChosenSamples | None = None
        self._dealt = 0  # of the subset, before the run was resumed
        if pool is not None:
            self.selector.begin(pool)
        self.rule = StrategyState(strategy, pool)

    def spent(self) -> float:
        """What the run has cost so far, in the unit of its budget; host numbers only."""
        return self.ledger.total("flops") if self.meter is None else self.meter(self)

    @property
    def progress(self) -> float:
        """Share of the budget spent before the step that stands next; 0 before the first and 1 after the last."""
        if self._walk is None:
            return 0.0
        return 1.0 if self._walk.current is None else self._walk.current.progress

    def run(
        self,
        on_epoch: Callable[[Trainer, Step, bool], None] | None = None,
        on_step: Callable[[Trainer], None] | None = None,
    ) -> None:
        """Train to the budget's end, from the restored state or from the pacer's first step.

        After each epoch, ``on_epoch`` gets its last step and whether training has ended. Before each step, ``on_step``
        may ask for :meth:`state_dict`.
        """
        self.model.train()
        walk = self._walk
        again = walk is not None and walk.current is not None
        if walk is None or walk.current is None:  # a finished trainer may run again
            self.count = 0
            if self.pacer.learned is not None:
                self.pacer.learned.begin(self.seed)
            walk = self._walk = steps_of(self.pacer, self.spent, self._look)
            walk.next()
        step = walk.current
        assert step is not None
        if self.selector.at("run") and not again:
            self.subset = self.select_pool(step)
        while step is not None:
            epoch = step.epoch
            order = permutation(len(self.samples), self.seed, "order", epoch)
            due = self.subset is None or epoch % self.selector.traits.select_every == 0
            if self.selector.at("epoch") and not again and due:
                self.subset = self.select_pool(step)
            if self.subset is not None and self.selector.decides_count and not again:
                step = walk.deal(len(self.subset))
            source: Candidates | ChosenSamples = Candidates(order, self.device)
            if self.subset is not None:
                source, self._dealt = ChosenSamples(order, self.subset, self._dealt), 0
            self._source, again = source, False
            while step is not None and step.epoch == epoch:
                if on_step is not None:
                    on_step(self)
                self.step(step, source)
                self.count += 1
                last, step = step, walk.next()
            self.clock.settle()
            self.selector.guard.judge()
            if on_epoch is not None:
                on_epoch(self, last, step is None)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, between two steps (waits for the device)."""
        self.clock.settle()
        source = self._source
        return {
            "model": self.model.state_dict(),
            "momentum": self.optimizer.state_dict(),
            "count": self.count,
            "subset": self.subset,
            "weights": self._weights,
            "dealt": source.taken if isinstance(source, ChosenSamples) else 0,
            "selections": self.selections,
            "pool_scored": self.pool_scored,
            "done": [[*sizes, steps] for sizes, steps in self.done.items()],
            "ledger": self.ledger.to_json(),
            **{name: None if part is None else part.state_dict() for name, part in self._parts().items()},
        }

    def _parts(self) -> dict[str, Any]:
        own = {"walk": self._walk, "schedule": self.pacer.learned, "tally": self.pick_counts, "memory": self.memory}
        return {**own, "selector": self.selector, "strategy": self.rule, "val": self.val}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore, before :meth:`run` was called."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["momentum"])
        self._walk = steps_of(self.pacer, self.spent, self._look)
        for name, part in self._parts().items():
            if part is not None:
                part.load_state_dict(state[name])
        self.count, self.selections, self.pool_scored = state["count"], state["selections"], state["pool_scored"]
        self.subset, self._weights, self._dealt = state["subset"], state["weights"], state["dealt"]
        self.done = Counter({(size, keep): steps for size, keep, steps in state["done"]})
        self.clock.settle()  # start-up time is not part of the run
        self.ledger.phases = Ledger.of(state["ledger"]).phases
        for signal in self.samples.signals.values():
            if isinstance(signal, ProxyPicks):
                signal.skip(self.count)

    def step(self, step: Step, source: Candidates | ChosenSamples) -> None:
        ids, host, keep = source.take(step)
        candidates, weights, views = ids, None, None
        if self.selector.at("batch"):
            if self.selector.scores_learner:
                views = self._views(ids, step.epoch)
            picks, weights = self._select_batch(step, ids, host, keep, views)
            ids = ids[picks]
            views = None if views is None else views[picks]
        elif self._weights is not None:
            weights = self._weights[ids]
        if views is None:
            views = self._views(ids, step.epoch)
        self._learn(step, ids, views, weights)
        self.pick_counts.note(ids, step)
        if self.on_trained is not None:
            self.on_trained(self, step, ids, weights, candidates)
        self.done[self.priced_as(step)] += 1

    def priced_as(self, step: Step) -> tuple[int, int]:
        """The (B, k) that stands for the cost of ``step``: where whole batches are dealt, one that trains on all."""
        if self.selector.decides_count and isinstance(self.pacer, Pacer):
            return self.pacer.batch, self.pacer.batch
        return step.size, step.keep

    def _look(self) -> tuple[float, float]:
        """The learner's mean loss on the held-out images, and the run's FLOPs so far; waits for the device."""
        seen = self.held_out
        assert seen is not None
        with self.clock.phase("probe"), self.numerics.autocast(self.device):
            loss = mean_loss(self.model, seen.images, seen.labels, self.augment)
        self.ledger.add("probe", flops=len(seen) * self.unit_forward, samples=len(seen))
        return loss, self.ledger.total("flops")

    def _views(self, ids: Tensor, epoch: int) -> Tensor:
        with self.clock.phase("data"):
            views = self.augment.drawn_view(self.samples.images[ids], self._draws_of(epoch)[ids])
            views = self.numerics.images(views)
        self.ledger.add("data", samples=len(ids))
        return views

    def _draws_of(self, epoch: int) -> Tensor:
        """The draws ``[n, 5]`` of the augmentation in an epoch, taken for the whole pool at its first step."""
        if self._drawn is None or self._drawn[0] != epoch:
            ids = torch.arange(len(self.samples), device=self.device)
            self._drawn = epoch, self.augment.draws(ids, derive(self.seed, "augment", epoch))
        return self._drawn[1]

    def _forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Features and float32 logits."""
        with self.numerics.autocast(self.device):
            features = self.model.forward_features(views)
            return features, self.model.head(features).float()

    def _held_out(self) -> dict[str, Tensor]:
        """The held-out signals for the selection that stands next, by name; does not wait for the device."""
        if (val := self.val) is None:
            return {}
        if val.due():
            self.look_at_val(val)
        return val.known

    def look_at_val(self, val: HeldOut) -> None:
        """Take the held-out signals anew, on the clock; does not wait for the device."""
        with self.clock.phase("probe"):
            more = val.take(*self.outputs(val.samples))
        self.ledger.add("probe", flops=len(val.samples) * self.unit_forward, samples=len(val.samples))
        self.ledger.add("select", flops=more)

    def _score_pool(self) -> dict[str, Tensor]:
        """The learner's signals ``[n, ...]`` of the whole pool: as it stands, or as remembered where it was trained on.

        May wait for the device.
        """
        samples, memory = self.samples, self.memory
        if memory is not None:  # it remembers, and what the last selection left out is scored anew
            if self.subset is None:
                return memory.signals(self.count)
            hidden = others(self.subset, len(samples))
            samples = Samples(samples.images[hidden], samples.labels[hidden], samples.classes)
            if not len(hidden):
                return memory.signals(self.count)
        with self.clock.phase("score"):
            features, logits = self.outputs(samples)
            if memory is not None:
                memory.note(hidden, self.count, logits, features, samples.labels)
                signals = memory.signals(self.count)
            else:
                signals = learner_signals(self.selector.traits.needs, features, logits, samples.labels)
                signals["age"] = torch.zeros_like(samples.labels)
        self.pool_scored += len(samples)
        self.ledger.add("score", flops=len(samples) * self.unit_forward, samples=len(samples))
        return signals

    @torch.no_grad()
    def outputs(self, samples: Samples) -> tuple[Tensor, Tensor]:
        """Features and logits of the plain views of ``samples``, in evaluation mode, both float32."""
        with self.numerics.autocast(self.device):
            features, logits = zip(*plain_outputs(self.model, samples.images, self.augment), strict=True)
        return torch.cat(features), torch.cat(logits)

    @torch.no_grad()
    def _score(self, views: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The learner's signals ``[B, ...]`` of the candidates, without touching running statistics."""
        with self.clock.phase("score"):
            self.model.train(self.recipe.score_mode == "train")
            features, logits = self._forward(views)
            self.model.train()
            signals = learner_signals(self.selector.traits.needs, features, logits, labels)
        self.ledger.add("score", flops=len(labels) * self.unit_forward, samples=len(labels))
        return signals

    def _select_batch(
        self, step: Step, ids: Tensor, host: Tensor | None, keep: int, views: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        labels = self.samples.labels[ids]
        signals = self._held_out() | (self._score(views, labels) if views is not None else {})
        with self.clock.phase("reference"):
            for name in self.cached:
                values = self.samples.signals[name]
                if isinstance(values, Tensor):
                    signals[name] = values[ids]
                else:  # rows of a file
                    assert host is not None
                    rows = values.take(host, pin=self.device.type == "cuda")
                    signals[name] = rows.to(self.device, non_blocking=True)
        picks, weights = self.selector.call(step, signals, ids, labels, keep)
        if "learner" in signals:
            self.pick_counts.note_picked_loss(signals["learner"][picks])
        return picks, weights

    def select_pool(self, step: Step) -> Tensor:
        """One selection of the whole pool: the ids kept, with their weights remembered."""
        self.selections += 1
        size = len(self.samples)
        signals = {name: value for name in self.cached if isinstance(value := self.samples.signals[name], Tensor)}
        if self.selector.scores_pool:
            signals |= self._score_pool()
        elif self.memory is not None:
            signals |= self.memory.signals(self.count)
        signals |= self._held_out()
        ids = torch.arange(size, device=self.device)
        # k/B of a step, so that the subset is large enough for the steps of the pass.
        keep = keep_count(step.keep / step.size, size)
        picks, weights = self.selector.call(step, signals, ids, self.samples.labels, keep)
        ones = torch.ones(size, device=self.device)
        self._weights = None if weights is None else ones.index_copy_(0, picks, weights.float())
        return picks

    def _learn(self, step: Step, ids: Tensor, views: Tensor, weights: Tensor | None) -> None:
        recipe, labels = self.recipe, self.samples.labels[ids]
        with self.clock.phase("train"):
            self.optimizer.lr = one_cycle(step.progress, recipe.lr, recipe.warmup)
            features, logits = self._forward(views)
            losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=recipe.label_smoothing)
            loss = losses.mean() if weights is None else (weights * losses).mean()
            loss.backward()
            self.optimizer.step()
        self.ledger.add("train", flops=len(ids) * self.unit_train, samples=len(ids))
        self.pick_counts.note_loss(loss.detach())
        if (memory := self.memory) is not None:
            logits, features = logits.detach(), features.detach()
            self.selector.watch(lambda: memory.note(ids, self.count, logits, features, labels), ids)
