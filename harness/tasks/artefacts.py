"""Artefacts: what cells need from other computations, made once, with its own ledger, and shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...reports.records.fields import record_of
from ...reports.records.models import Artefact
from ...strategies import UsageError
from ...strategies.interface import Pool
from ...strategies.registry import registry
from ...strategies.rules.proxy_replay import ProxyReplay
from ..datasets.augment import Augment, channel_statistics
from ..datasets.loaded import LoadedData
from ..datasets.samples import Samples
from ..datasets.splits import spread
from ..identity import TRAINED
from ..plan.arms import pacer_of
from ..plan.tasks import Task
from ..references.base import checked
from ..references.cross_holdout import CrossHoldout
from ..references.foreign import Foreign
from ..references.leak import Leak
from ..references.probe import crossfit
from ..references.spec import training_of
from ..steps.pacer import Pacer
from ..steps.schedules import Fixed
from ..steps.step_iterator import steps_of
from ..store.feature_file import Rows
from ..store.folder import VERSION, Store
from ..streams import derive, generator
from ..training.ledger import Clock, Ledger
from ..training.loss_memory import LossMemory
from ..training.picks_recorder import PicksRecorder
from ..training.trainer import Trainer
from .resume import ResumableRun
from .worker import Worker

Made = tuple[dict[str, Tensor], Ledger, dict[str, Any]]
"""An artefact's tensors, what they cost, and what else its description holds."""


def make(worker: Worker, task: Task, started: str, code: dict[str, str]) -> None:
    tensors, ledger, more = made(worker, task)
    meta = {
        "version": VERSION,
        "id": task.id,
        "kind": task.kind,
        "name": task.reference or (f"net {task.net}" if task.net else task.kind),
        "dataset": task.dataset,
        "seed": task.seed,
        "ledger": ledger.to_json(),
        "external": "",
        "quality": {},
        "needs": [],
        "code": code,
        "environment": worker.environment(started),
        **more,
    }
    if task.kind == "features":
        worker.store.adopt_tensors(task.id, _feature_cache(worker))
    worker.store.write_artefact(task.id, tensors, record_of(Artefact, meta))


def made(worker: Worker, task: Task) -> Made:
    maker = _Maker(worker, task)
    kinds = {"features": maker.features, "reference": maker.reference, "proxy": maker.proxy, "picks": maker.picks}
    return kinds[task.kind]()


def _feature_cache(worker: Worker) -> Store:
    return Store(worker.context.cache_dir / "features")


def _timed(chunks: Iterable[Tensor], clock: Clock) -> Iterator[Tensor]:
    """The chunks; only making them is timed."""
    source = iter(chunks)
    while True:
        with clock.phase("reference"):
            chunk = next(source, None)
        if chunk is None:
            return
        yield chunk


class _Maker:
    """Makes one artefact; its streams are the task's own, since it would leak where it shared the cells' weights."""

    def __init__(self, worker: Worker, task: Task) -> None:
        self.worker, self.task, self.device = worker, task, worker.device

    @cached_property
    def seed(self) -> int:
        assert self.task.seed is not None
        return self.task.seed

    @cached_property
    def loaded(self) -> LoadedData:
        return self.worker.loaded(self.task)

    @cached_property
    def pool(self) -> Samples:
        return self.loaded.samples(self.seed, "pool", self.device)

    def features(self) -> Made:
        """Features of every training image by a frozen reference: one pass for all cells, and for other matrices."""
        cache = _feature_cache(self.worker)
        if not cache.has_artefact(self.task.id):
            self._extract(cache)
        meta = cache.artefact_meta(self.task.id)  # of the matrix that first extracted them
        return {}, Ledger.of(meta["ledger"]), {"external": meta["external"]}

    def _extract(self, cache: Store) -> None:
        task, reference, images = self.task, self.worker.reference(self.task), self.loaded.images
        count, ledger = len(images.train), Ledger()
        clock = Clock(ledger, self.device)
        with clock.phase("reference"):
            extraction = reference.extract(
                images.train, images.train_labels, data_dir=self.worker.context.data_dir, device=self.device
            )
        timed = replace(extraction, features=_timed(extraction.features, clock))
        chunks = checked(timed, count, f"reference {task.reference!r}")
        beside = {} if extraction.losses is None else {"losses": extraction.losses.float()}
        cache.write_features(task.id, chunks, count, beside)
        clock.settle()
        ledger.add("reference", flops=extraction.flops, samples=count)
        cache.write_artefact(task.id, {}, {"ledger": ledger.to_json(), "external": reference.external})

    def reference(self) -> Made:
        """A reference's losses on the pool of a seed (and its features, where it is trained here)."""
        reference = self.worker.reference(self.task)
        makers: dict[str, Callable[[Any], Made]] = {
            "": self._probed,
            "holdout": self._holdout,
            CrossHoldout.training: self._cross_holdout,
            Foreign.training: self._foreign,
        }
        return makers[training_of(reference)](reference)

    def _probed(self, _: Any) -> Made:
        """Losses by a cross-fitted linear probe on frozen features, unless the reference brought its own."""
        task, store, shared = self.task, self.worker.store, self.task.uses["features"]
        (ids, labels), ledger = self.loaded.labelled(self.seed, "pool"), Ledger()
        given = store.artefact_tensors(shared, "losses")
        if given:
            if not torch.equal(labels, self.loaded.images.train_labels[ids]):
                raise UsageError(
                    f"reference {task.reference!r} brings losses of the true labels, and {task.dataset!r} has "
                    "label_noise: give features alone, and a probe finds the losses of the labels as they are"
                )
            return {"reference": given["losses"][ids]}, ledger, {"needs": [shared]}
        losses, quality = self._probe(store.artefact_rows(shared).subset(ids), labels, ledger)
        return {"reference": losses}, ledger, {"needs": [shared], **quality}

    def _probe(self, features: Tensor | Rows, labels: Tensor, ledger: Ledger) -> tuple[Tensor, dict[str, Any]]:
        """Losses ``[n]`` of the pool by a probe on its features, and its quality; the cost is booked."""
        classes, clock = len(self.loaded.images.classes), Clock(ledger, self.device)
        with clock.phase("reference"):
            probe = crossfit(features, labels, classes, seed=self.seed, device=self.device)
        clock.settle()
        ledger.add("reference", flops=probe.flops, samples=len(labels))
        return probe.losses, {"quality": {"accuracy": probe.accuracy}}

    def _holdout(self, reference: Any) -> Made:
        """Train on the holdout split, then take features and losses of the pool's clean view."""
        task, stream = self.task, self.worker.stream(self.task)
        if isinstance(reference, Leak) and "leak" not in task.reference.lower():
            raise UsageError(
                f"reference {task.reference!r} is trained on the test images, and its name does not say so: call it "
                'name = "leak", so that every arm that uses it is marked'
            )
        images, labels = reference.training_images(self.loaded, self.seed, stream, self.worker.context.data_dir)
        seen = Samples(images.to(self.device), labels.to(self.device), self.pool.classes)
        trainer, more = self._trained(partial(self._plain, seen, stream, reference.passes, reference.width))
        probs, features, losses = _observe(trainer, self.pool, "reference")
        trainer.clock.settle()
        more |= {"quality": {"accuracy": _accuracy(probs, self.pool)}, "external": reference.external}
        return {"reference": losses, "features": features}, trainer.ledger, more

    def _foreign(self, reference: Foreign) -> Made:
        """Train on another data set, take the pool's features by that net, and losses by a probe on them."""
        loaded, device, context = self.loaded, self.device, self.worker.context
        if reference.dataset == (loaded.entry.spec or loaded.entry.name):
            raise UsageError(
                f"reference {self.task.reference!r} must be of another domain, and {reference.dataset!r} is the set "
                "that it scores: name another data set, or use the reference holdout"
            )
        own = reference.load(context.data_dir, context.cache_dir)
        images = reference.training_images(own, loaded.images.train)
        seen = Samples(images.to(device), own.train_labels.to(device), len(own.classes))
        mean, std = channel_statistics(images)
        view = Augment(loaded.augmentation, loaded.resolution, mean, std, device=device)
        stream = self.worker.stream(self.task)
        trainer, more = self._trained(partial(self._plain, seen, stream, reference.passes, reference.width, view))
        nobodys = replace(self.pool, labels=torch.zeros_like(self.pool.labels))  # its head knows other classes
        _, features, _ = _observe(trainer, nobodys, "reference")
        trainer.clock.settle()
        losses, quality = self._probe(features, self.pool.labels, trainer.ledger)
        return {"reference": losses, "features": features}, trainer.ledger, more | quality

    def _cross_holdout(self, reference: CrossHoldout) -> Made:
        """Train on each half of the pool, and take the other half's losses."""
        pool, task = self.pool, self.task
        counts = torch.bincount(pool.labels, minlength=pool.classes).tolist()
        if 1 in counts:
            raise UsageError(
                f"reference {task.reference!r}: class {counts.index(1)} of {task.dataset!r} has one image in the pool, "
                "but each of its two nets needs one of every class: leave that class out with the option classes"
            )
        half = spread(pool.labels, 2, self.seed, "halves").to(self.device)
        losses, right = torch.empty(len(pool), device=self.device), torch.zeros((), device=self.device)
        ledger = Ledger()
        for side in (0, 1):
            ids, others = torch.nonzero(half == side).flatten(), torch.nonzero(half != side).flatten()
            seen, unseen = (Samples(pool.images[i], pool.labels[i], pool.classes) for i in (ids, others))
            stream = derive(self.worker.stream(task), "half", side)
            trainer = self._plain(seen, stream, reference.passes, reference.width)
            trainer.run()
            probs, _, losses[others] = _observe(trainer, unseen, "reference")
            right += (probs.argmax(1) == unseen.labels).sum()
            trainer.clock.settle()
            for phase, account in trainer.ledger.phases.items():
                ledger.add(phase, **asdict(account))
        return {"reference": losses}, ledger, {"quality": {"accuracy": float(right / len(pool))}}

    def proxy(self) -> Made:
        """A short run on the pool; its probabilities after each epoch are the trace that static rules read."""
        stream, passes, trace = self.worker.stream(self.task), self.task.proxy.passes, Trace()

        def begin() -> Trainer:
            trainer = self._plain(self.pool, stream, passes, None)
            if self.task.views == TRAINED:
                width = trainer.model.head.in_features
                kept = frozenset({"learner_probs"})
                trainer.memory = LossMemory(len(self.pool), kept, self.pool.classes, width, self.device)
            return trainer

        trainer, more = self._trained(begin, trace)
        trainer.clock.settle()
        accuracy = _accuracy(trace.probs[-1], self.pool)
        tensors = {"trace": torch.stack(trace.probs, 1), **trace.last}
        if trace.trained:
            tensors[TRAINED] = torch.stack(trace.trained, 1)
        return tensors, trainer.ledger, {"quality": {"accuracy": accuracy}, **more}

    def picks(self) -> Made:
        """Another or a narrower net's run with the steps, candidates and views of the arm that its picks are for."""
        arm, worker, stream, own = self.task.serves, self.worker, self.worker.stream(self.task), self.task.proxy.net
        assert arm is not None
        replay: ProxyReplay = registry("strategies").load(arm.name, **arm.options)
        samples = self.loaded.samples(self.seed, arm.pool, self.device)
        pacer = pacer_of(worker.matrix, arm, len(samples))

        def begin() -> Trainer:
            drawn = generator(stream, "select", device=self.device)
            return worker.trainer(
                self.task,
                samples,
                pacer,
                self.seed,
                width=None if own else replay.width,
                init=stream,
                recipe=worker.recipe(self.task, arm.score_mode),
                strategy=PicksRecorder(replay.rule(), replay.of),
                pool=Pool(len(samples), samples.classes, samples.labels, self.device, drawn),
            )

        trainer, more = self._trained(begin)
        trainer.clock.settle()
        rule: PicksRecorder = trainer.selector.strategy
        name = {"name": f"{replay.of} on {own or f'width {replay.width}'}"}
        return rule.tensors(steps_of(pacer), len(samples), self.seed), trainer.ledger, {**name, **more}

    def _trained(self, begin: Callable[[], Trainer], curve: Any = None) -> tuple[Trainer, dict[str, Any]]:
        """The run at its end, and what its record says of its checkpoints."""
        run = ResumableRun(self.worker, self.task, begin, curve)
        run.run()
        return run.trainer, run.report()

    def _plain(
        self, samples: Samples, stream: int, passes: float, width: int | None, view: Augment | None = None
    ) -> Trainer:
        """A run without selection; views as the data set's own unless others are given."""
        batch = min(self.worker.matrix.at(self.task.dataset).batch, len(samples))
        pacer = Pacer(len(samples), batch, "fixed-candidates", Fixed(1.0), passes=passes)
        return self.worker.trainer(self.task, samples, pacer, stream, width=width, augment=view)


class Trace:
    """A net's outputs on its pool after each epoch: all probabilities ``[n, C]``, and the last signals.

    Beside them those of the views that were trained on, where the trainer remembers them.
    """

    def __init__(self) -> None:
        self.probs: list[Tensor] = []
        self.trained: list[Tensor] = []  # where the trainer remembers them
        self.last: dict[str, Tensor] = {}

    def __call__(self, trainer: Trainer, *_: Any) -> None:
        probs, features, losses = _observe(trainer, trainer.samples, "score")
        self.probs.append(probs)
        if trainer.memory is not None:
            self.trained.append(trainer.memory.wide["learner_probs"].clone())
        self.last = {"learner_features": features, "learner": losses, "learner_probs": probs}

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def _accuracy(probs: Tensor, samples: Samples) -> float:
    return float((probs.argmax(1) == samples.labels).double().mean())


@torch.no_grad()
def _observe(trainer: Trainer, samples: Samples, phase: str) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities ``[n, C]``, features ``[n, h]`` and losses ``[n]`` on the clean view, on the clock.

    In the precision and memory format of training, and handed on in float32.
    """
    with trainer.clock.phase(phase):
        features, logits = trainer.outputs(samples)
        losses = F.cross_entropy(logits, samples.labels, reduction="none")
        probs = logits.softmax(1)
    trainer.ledger.add(phase, flops=len(samples) * trainer.unit_forward, samples=len(samples))
    return probs, features, losses
