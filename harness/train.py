"""The training loop: candidates come, a strategy keeps some, the learner takes a step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..strategies.interface import LEARNER_SIGNALS, BatchLosses, Traits, keep_count
from .augment import Augment
from .flops import count_selection, forward_flops, train_flops
from .guard import Guard
from .learners import ResNet18, ResNet18Net
from .ledger import Clock, Ledger
from .memory import Memory
from .optim import one_cycle, sgd
from .pacing import Pacer, Step
from .streams import derive, permutation
from .tally import Tally


@dataclass(frozen=True)
class Recipe:
    """How the learner is optimised; the same for every arm of a matrix."""

    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    warmup: float = 0.2
    score_mode: str = "eval"


@dataclass
class Samples:
    """Training images on the run's device, with what is cached of each.

    Parameters
    ----------
    images : Tensor ``[n, C, H, W]`` uint8
    labels : Tensor ``[n]`` int64
    classes : int
    signals : dict of Tensor ``[n, ...]``
        Cached signals by name: ``features``, ``reference``, ``trace``, and at cadence ``run`` the proxy's.
    """

    images: Tensor
    labels: Tensor
    classes: int
    signals: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


class Trainer:
    """One training run.

    Parameters
    ----------
    samples : Samples
        The pool.
    learner : ResNet18
        What is trained.
    augment : Augment
        Gives the training views.
    pacer : Pacer
        The steps.
    recipe : Recipe
        The optimizer's settings.
    seed : int
        Seed of every stream.
    strategy : object, optional
        The selection rule, already begun; None trains on every candidate.
    bf16 : bool
        Autocast to bfloat16 and use channels-last memory (GPUs).
    """

    def __init__(
        self,
        samples: Samples,
        learner: ResNet18,
        augment: Augment,
        pacer: Pacer,
        recipe: Recipe,
        seed: int,
        model: ResNet18Net,
        strategy: Any = None,
        bf16: bool = False,
    ) -> None:
        self.samples, self.augment, self.pacer, self.recipe, self.seed = samples, augment, pacer, recipe, seed
        self.device = samples.labels.device
        self.model = model.to(memory_format=torch.channels_last) if bf16 else model
        self.bf16 = bf16
        self.optimizer = sgd(self.model, recipe.lr, recipe.momentum, recipe.weight_decay)
        self.strategy = strategy
        self.traits = Traits(cadence="batch", needs=frozenset(), weights_mode="relative", exact_count=True, ratio=1.0)
        if strategy is not None:
            self.traits = Traits.of(strategy)
        # A rule that keeps everything by declaration needs no call.
        self.selects = strategy is not None and self.traits.ratio != 1.0
        self.ledger = Ledger()
        self.clock = Clock(self.ledger, self.device)
        self.guard = Guard(self.device)
        self.tally = Tally(len(samples), self.device)
        watched = self.selects and (self.traits.cadence == "epoch" or callable(getattr(strategy, "observe", None)))
        self.memory = Memory(len(samples), self.traits.needs, self.device) if watched else None
        shape = (samples.images.shape[1], augment.resolution, augment.resolution)
        counting = learner.build(shape[0], augment.resolution, samples.classes, None)
        self.unit_forward, self.unit_train = forward_flops(counting, shape), train_flops(counting, shape)
        self._select_flops: dict[tuple[int, int], float] = {}
        self._weights: Tensor | None = None

    @property
    def scores_learner(self) -> bool:
        """Whether each candidate batch costs a forward pass of the learner."""
        return self.selects and self.traits.cadence == "batch" and bool(self.traits.needs & LEARNER_SIGNALS)

    def run(self, on_epoch: Callable[[Trainer, Step], None] | None = None) -> None:
        """Train to the budget's end; ``on_epoch`` is called after each epoch with its last step."""
        self.model.train()
        subset = self._select_pool(next(iter(self.pacer)), 0) if self.selects and self.traits.cadence == "run" else None
        count = 0
        for epoch, group in itertools.groupby(self.pacer, key=lambda step: step.epoch):
            steps = list(group)
            order = permutation(len(self.samples), self.seed, "order", epoch).to(self.device)
            if self.selects and self.traits.cadence == "epoch":
                subset = self._select_pool(steps[0], count)
            for step, ids, keep in self._candidates(steps, order, subset):
                self._step(step, ids, keep, count)
                count += 1
            self.clock.settle()
            self.guard.judge()
            if on_epoch is not None:
                on_epoch(self, steps[-1])

    def _candidates(
        self, steps: list[Step], order: Tensor, subset: Tensor | None
    ) -> Iterator[tuple[Step, Tensor, int]]:
        """The ids that come to each step: candidates at cadence ``batch``, else already chosen ones."""
        if subset is None:
            for step in steps:
                yield step, order[step.start : step.start + step.size], step.keep
            return
        chosen = torch.zeros(len(self.samples), dtype=torch.bool, device=self.device).index_fill_(0, subset, True)
        order = order[chosen[order]]  # waits for the device, which is allowed between epochs
        taken, per_pass = 0, max(1, len(self.samples) // steps[0].size)
        for step in steps:
            # Where the count depends on the data, a pass still has its number of steps.
            keep = step.keep if self.traits.exact_count else max(1, len(order) // per_pass)
            if taken + keep > len(order):  # cadence run, where rounding leaves the subset a step short
                taken = 0
            yield step, order[taken : taken + keep], keep
            taken += keep

    def _step(self, step: Step, ids: Tensor, keep: int, count: int) -> None:
        weights = None
        views = None
        if self.selects and self.traits.cadence == "batch":
            if self.scores_learner:
                views = self._views(ids, step.epoch)
            picks, weights = self._select_batch(step, ids, views)
            ids = ids[picks]
            views = None if views is None else views[picks]
        elif self._weights is not None:
            weights = self._weights[ids]
        if views is None:
            views = self._views(ids, step.epoch)
        self._learn(step, ids, views, weights, count)
        self.tally.note(ids, step.size)

    def _views(self, ids: Tensor, epoch: int) -> Tensor:
        with self.clock.phase("data"):
            views = self.augment.train_view(self.samples.images[ids], ids, derive(self.seed, "augment", epoch))
            views = views.contiguous(memory_format=torch.channels_last) if self.bf16 else views
        self.ledger.add("data", samples=len(ids))
        return views

    def _autocast(self) -> Any:
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    @torch.no_grad()
    def _score(self, views: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The learner's signals ``[B, ...]`` of the candidates, without touching running statistics."""
        with self.clock.phase("score"):
            self.model.train(self.recipe.score_mode == "train")
            with self._autocast():
                features = self.model.forward_features(views)
                logits = self.model.head(features)
            self.model.train()
            logits = logits.float()
            signals = {"learner": F.cross_entropy(logits, labels, reduction="none")}
            if "learner_probs" in self.traits.needs:
                signals["learner_probs"] = logits.softmax(1)
            if "learner_features" in self.traits.needs:
                signals["learner_features"] = features.float()
        self.ledger.add("score", flops=len(labels) * self.unit_forward, samples=len(labels))
        return signals

    def _select_batch(self, step: Step, ids: Tensor, views: Tensor | None) -> tuple[Tensor, Tensor | None]:
        labels = self.samples.labels[ids]
        signals = self._score(views, labels) if views is not None else {}
        with self.clock.phase("reference"):
            cached = {name: self.samples.signals[name][ids] for name in self._cached()}
        picks, weights = self._call(step, cached, signals, ids, labels, step.keep)
        if "learner" in signals:
            self.tally.note_picked_loss(signals["learner"][picks])
        return picks, weights

    def _select_pool(self, step: Step, count: int) -> Tensor:
        """One call on the whole pool: the ids kept, with their weights remembered."""
        size = len(self.samples)
        signals = self.memory.signals(count) if self.memory is not None else {}
        cached = {name: self.samples.signals[name] for name in self._cached()}
        ids = torch.arange(size, device=self.device)
        # k/B of a step, so that the pass's steps find what they take.
        keep = keep_count(step.keep / step.size, size)
        picks, weights = self._call(step, cached, signals, ids, self.samples.labels, keep)
        ones = torch.ones(size, device=self.device)
        self._weights = None if weights is None else ones.index_copy_(0, picks, weights.float())
        return picks

    def _cached(self) -> list[str]:
        return [name for name in self.samples.signals if name in self.traits.needs]

    def _call(
        self, step: Step, cached: dict[str, Tensor], signals: dict[str, Tensor], ids: Tensor, labels: Tensor, keep: int
    ) -> tuple[Tensor, Tensor | None]:
        features = cached.pop("features", None)
        offered = {**cached, **signals}
        losses = BatchLosses(
            **{name: value for name, value in offered.items() if name in self.traits.needs},
            labels=labels,
            index=ids,
            k=keep,
            epoch=step.epoch,
            progress=step.progress,
        )
        size = len(ids)

        def select() -> Any:
            with self.clock.phase("select"), torch.no_grad():
                return self.strategy.select(features, losses, keep / size)

        width = 0 if features is None else features.shape[1]
        returned, flops = self._counted(select, size, width, keep)
        self.ledger.add("select", flops=flops, samples=size)
        picks, weights = self.guard.check(returned, size, keep if self.traits.exact_count else None)
        if weights is not None and self.traits.weights_mode == "relative":
            weights = weights * (weights.shape[0] / weights.sum())
        self.tally.note_diagnostics(self.strategy, step)
        return picks, weights

    def _counted(self, select: Callable[[], Any], size: int, width: int, keep: int) -> tuple[Any, float]:
        """Call ``select``; its cost is declared by the strategy, or counted on the first call of a shape."""
        shape = (size, keep)
        if shape in self._select_flops:
            return select(), self._select_flops[shape]
        declared = getattr(self.strategy, "flops", None)
        if callable(declared):
            returned, flops = select(), float(declared(size, width, keep))
        else:
            box: list[Any] = []
            flops = count_selection(lambda: box.append(select())).flops
            returned = box[0]
        self._select_flops[shape] = flops
        return returned, flops

    def _learn(self, step: Step, ids: Tensor, views: Tensor, weights: Tensor | None, count: int) -> None:
        recipe, labels = self.recipe, self.samples.labels[ids]
        with self.clock.phase("train"):
            for group in self.optimizer.param_groups:
                group["lr"] = one_cycle(step.progress, recipe.lr, recipe.warmup)
            with self._autocast():
                features = self.model.forward_features(views)
                logits = self.model.head(features)
            logits = logits.float()
            losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=recipe.label_smoothing)
            loss = losses.mean() if weights is None else (weights * losses).mean()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        self.ledger.add("train", flops=len(ids) * self.unit_train, samples=len(ids))
        self.tally.note_loss(loss.detach())
        if self.memory is not None:
            self._remember(ids, logits.detach(), features.detach(), labels, count)

    def _remember(self, ids: Tensor, logits: Tensor, features: Tensor, labels: Tensor, count: int) -> None:
        """Hand the step's plain losses to the memory and to ``observe``: selection's cost, on its clock."""
        assert self.memory is not None
        with self.clock.phase("select"):
            plain = F.cross_entropy(logits, labels, reduction="none")
            self.memory.note(ids, count, plain, logits.softmax(1), features.float())
            observe = getattr(self.strategy, "observe", None)
            if callable(observe):
                observe(ids, plain)
