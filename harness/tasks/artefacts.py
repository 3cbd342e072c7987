"""Artefacts: what cells need from other computations, made once, with its own ledger, and shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
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
from ..datasets.samples import Samples
from ..datasets.splits import spread
from ..plan.arms import pacer_of
from ..plan.tasks import Task
from ..references.base import checked
from ..references.cross_holdout import CrossHoldout
from ..references.foreign import Foreign
from ..references.holdout import Holdout
from ..references.leak import Leak
from ..references.probe import crossfit
from ..references.spec import training_of
from ..steps.pacer import Pacer
from ..steps.schedules import Fixed
from ..steps.step_iterator import steps_of
from ..store.feature_file import Rows
from ..store.folder import VERSION, Store
from ..streams import derive, generator
from ..training.evaluate import CHUNK
from ..training.ledger import Clock, Ledger
from ..training.picks_recorder import PicksRecorder
from ..training.trainer import Trainer
from .resume import ResumableRun
from .worker import Worker


def make(worker: Worker, task: Task, started: str) -> None:
    """Make the artefact of ``task`` and write it."""
    tensors, ledger, more = made(worker, task)
    meta = {
        "version": VERSION,
        "id": task.id,
        "kind": task.kind,
        "name": task.reference or task.kind,
        "dataset": task.dataset,
        "seed": task.seed,
        "ledger": ledger.to_json(),
        "external": "",
        "quality": {},
        "needs": [],
        "environment": worker.environment(started),
        **more,
    }
    if task.kind == "features":
        worker.store.adopt_tensors(task.id, _feature_cache(worker))
    worker.store.write_artefact(task.id, tensors, record_of(Artefact, meta))


def made(worker: Worker, task: Task) -> Made:
    """The artefact's tensors, what they cost, and what else its description holds."""
    maker = {"features": _features, "reference": _reference, "proxy": _proxy, "picks": _picks}[task.kind]
    return maker(worker, task)


Made = tuple[dict[str, Tensor], Ledger, dict[str, Any]]


def _feature_cache(worker: Worker) -> Store:
    return Store(worker.context.cache_dir / "features")


def _features(worker: Worker, task: Task) -> Made:
    """Features of every training image by a frozen reference: one pass for all cells, and for other matrices."""
    cache = _feature_cache(worker)
    if not cache.has_artefact(task.id):
        _extract(worker, task, cache)
    meta = cache.artefact_meta(task.id)  # of the matrix that first extracted them
    return {}, Ledger.of(meta["ledger"]), {"external": meta["external"]}


def _extract(worker: Worker, task: Task, cache: Store) -> None:
    reference, images = worker.reference(task), worker.loaded(task).images
    count, ledger = len(images.train), Ledger()
    clock = Clock(ledger, worker.device)
    with clock.phase("reference"):
        extraction = reference.extract(
            images.train, images.train_labels, data_dir=worker.context.data_dir, device=worker.device
        )
    timed = replace(extraction, features=_timed(extraction.features, clock))
    chunks = checked(timed, count, f"reference {task.reference!r}")
    beside = {} if extraction.losses is None else {"losses": extraction.losses.float()}
    cache.write_features(task.id, chunks, count, beside)
    clock.settle()
    ledger.add("reference", flops=extraction.flops, samples=count)
    cache.write_artefact(task.id, {}, {"ledger": ledger.to_json(), "external": reference.external})


def _timed(chunks: Iterable[Tensor], clock: Clock) -> Iterator[Tensor]:
    """The chunks; only making them is timed."""
    source = iter(chunks)
    while True:
        with clock.phase("reference"):
            chunk = next(source, None)
        if chunk is None:
            return
        yield chunk


def _reference(worker: Worker, task: Task) -> Made:
    """A reference's losses on the pool of a seed (and its features, where it is trained here)."""
    reference = worker.reference(task)
    makers: dict[str, Callable[[Worker, Task, Any], Made]] = {
        "": _probed,
        "holdout": _holdout,
        CrossHoldout.training: _cross_holdout,
        Foreign.training: _foreign,
    }
    return makers[training_of(reference)](worker, task, reference)


def _probed(worker: Worker, task: Task, _: Any) -> Made:
    """Losses by a cross-fitted linear probe on frozen features, unless the reference brought its own."""
    assert task.seed is not None
    loaded, shared = worker.loaded(task), task.uses["features"]
    (ids, labels), ledger = loaded.labelled(task.seed, "pool"), Ledger()
    more: dict[str, Any] = {"needs": [shared]}
    given = worker.store.artefact_tensors(shared, "losses")
    if given:
        if not torch.equal(labels, loaded.images.train_labels[ids]):
            raise UsageError(
                f"reference {task.reference!r} brings losses of the true labels, and {task.dataset!r} has label_noise: "
                "give features alone, and a probe finds the losses of the labels as they are"
            )
        return {"reference": given["losses"][ids]}, ledger, more
    features = worker.store.artefact_rows(shared).subset(ids)
    losses, accuracy = _probe(worker, task, features, labels, ledger)
    return {"reference": losses}, ledger, {**more, "quality": {"accuracy": accuracy}}


def _probe(worker: Worker, task: Task, features: Tensor | Rows, labels: Tensor, ledger: Ledger) -> tuple[Tensor, float]:
    """Losses ``[n]`` of the pool by a probe on its features, and its accuracy; the cost is booked."""
    assert task.seed is not None
    classes, clock = len(worker.loaded(task).images.classes), Clock(ledger, worker.device)
    with clock.phase("reference"):
        probe = crossfit(features, labels, classes, seed=task.seed, device=worker.device)
    clock.settle()
    ledger.add("reference", flops=probe.flops, samples=len(labels))
    return probe.losses, probe.accuracy


def _holdout(worker: Worker, task: Task, reference: Holdout | Leak) -> Made:
    """Train on the holdout split, then take features and losses of the pool's clean view."""
    assert task.seed is not None
    if isinstance(reference, Leak) and "leak" not in task.reference.lower():
        raise UsageError(
            f"reference {task.reference!r} is trained on the test images, and its name does not say so: call it "
            'name = "leak", so that every arm that uses it is marked'
        )
    loaded, stream = worker.loaded(task), worker.stream(task)
    pool = loaded.samples(task.seed, "pool", worker.device)
    images, labels = reference.training_images(loaded, task.seed, stream, worker.context.data_dir)
    seen = Samples(images.to(worker.device), labels.to(worker.device), pool.classes)
    begin = partial(_run, worker, task, seen, stream, reference.passes, reference.width)
    trainer, more = _trained(ResumableRun(worker, task, begin))
    probs, features, losses = _observe(trainer, pool, "reference")
    trainer.clock.settle()
    more |= {"quality": {"accuracy": _accuracy(probs, pool)}, "external": reference.external}
    return {"reference": losses, "features": features}, trainer.ledger, more


def _accuracy(probs: Tensor, samples: Samples) -> float:
    return float((probs.argmax(1) == samples.labels).double().mean())


def _foreign(worker: Worker, task: Task, reference: Foreign) -> Made:
    """Train on another data set, take the pool's features by that net, and losses by a probe on them."""
    assert task.seed is not None
    loaded, device = worker.loaded(task), worker.device
    if reference.dataset == (loaded.entry.spec or loaded.entry.name):
        raise UsageError(
            f"reference {task.reference!r} must be of another domain, and {reference.dataset!r} is the set that it "
            "scores: name another data set, or use the reference holdout"
        )
    own = reference.load(worker.context.data_dir, worker.context.cache_dir)
    images = reference.training_images(own, loaded.images.train)
    seen = Samples(images.to(device), own.train_labels.to(device), len(own.classes))
    mean, std = channel_statistics(images)
    view = Augment(loaded.augmentation, loaded.resolution, mean.to(device), std.to(device))
    begin = partial(_run, worker, task, seen, worker.stream(task), reference.passes, reference.width, view)
    trainer, more = _trained(ResumableRun(worker, task, begin))
    pool = loaded.samples(task.seed, "pool", device)
    nobodys = replace(pool, labels=torch.zeros_like(pool.labels))  # its head knows other classes
    _, features, _ = _observe(trainer, nobodys, "reference")
    trainer.clock.settle()
    losses, accuracy = _probe(worker, task, features, pool.labels, trainer.ledger)
    more |= {"quality": {"accuracy": accuracy}}
    return {"reference": losses, "features": features}, trainer.ledger, more


def _cross_holdout(worker: Worker, task: Task, reference: CrossHoldout) -> Made:
    """Train on each half of the pool, and take the other half's losses."""
    assert task.seed is not None
    pool = worker.loaded(task).samples(task.seed, "pool", worker.device)
    counts = torch.bincount(pool.labels, minlength=pool.classes).tolist()
    if 1 in counts:
        raise UsageError(
            f"reference {task.reference!r}: class {counts.index(1)} of {task.dataset!r} has one image in the pool, but "
            "each of its two nets needs one of every class: leave that class out with the option classes"
        )
    half = spread(pool.labels, 2, task.seed, "halves").to(worker.device)
    losses, right = torch.empty(len(pool), device=worker.device), torch.zeros((), device=worker.device)
    ledger = Ledger()
    for side in (0, 1):
        seen, unseen = torch.nonzero(half == side).flatten(), torch.nonzero(half != side).flatten()
        stream = derive(worker.stream(task), "half", side)
        trainer = _run(worker, task, _part(pool, seen), stream, reference.passes, reference.width)
        trainer.run()
        probs, _, losses[unseen] = _observe(trainer, _part(pool, unseen), "reference")
        right += (probs.argmax(1) == pool.labels[unseen]).sum()
        trainer.clock.settle()
        for phase, account in trainer.ledger.phases.items():
            ledger.add(phase, **asdict(account))
    return {"reference": losses}, ledger, {"quality": {"accuracy": float(right / len(pool))}}


def _part(samples: Samples, ids: Tensor) -> Samples:
    return Samples(samples.images[ids], samples.labels[ids], samples.classes)


def _proxy(worker: Worker, task: Task) -> Made:
    """A short run on the pool; its probabilities after each epoch are the trace that static rules read."""
    assert task.seed is not None
    pool = worker.loaded(task).samples(task.seed, "pool", worker.device)
    begin = partial(_run, worker, task, pool, worker.stream(task), worker.matrix.proxy.passes, None)
    trace = Trace()
    trainer, more = _trained(ResumableRun(worker, task, begin, trace))
    trainer.clock.settle()
    accuracy = _accuracy(trace.probs[-1], trainer.samples)
    tensors = {"trace": torch.stack(trace.probs, 1), **trace.last}
    return tensors, trainer.ledger, {"quality": {"accuracy": accuracy}, **more}


class Trace:
    """A net's outputs on its pool after each epoch: all probabilities ``[n, C]``, and the last signals."""

    def __init__(self) -> None:
        self.probs: list[Tensor] = []
        self.last: dict[str, Tensor] = {}

    def __call__(self, trainer: Trainer, *_: Any) -> None:
        probs, features, losses = _observe(trainer, trainer.samples, "score")
        self.probs.append(probs)
        self.last = {"learner_features": features, "learner": losses, "learner_probs": probs}

    def state_dict(self) -> dict[str, Any]:
        return {"probs": self.probs, "last": self.last}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.probs, self.last = state["probs"], state["last"]


def _picks(worker: Worker, task: Task) -> Made:
    """A narrower learner's run with the steps, candidates and views of the arm that its picks are for."""
    arm, seed = task.serves, task.seed
    assert arm is not None and seed is not None
    replay: ProxyReplay = registry("strategies").load(arm.name, **arm.options)
    loaded, learner, stream = worker.loaded(task), worker.learner(task, replay.width), worker.stream(task)
    samples = loaded.samples(seed, arm.pool, worker.device)
    pacer = pacer_of(worker.matrix, arm, len(samples))

    def begin() -> Trainer:
        drawn = generator(stream, "select", device=worker.device)
        return Trainer(
            samples,
            learner,
            loaded.augment(seed, worker.device),
            pacer,
            worker.recipe(task, arm.score_mode),
            seed,
            worker.build(learner, samples, loaded.resolution, stream),
            PicksRecorder(replay.rule(), replay.of),
            worker.bf16,
            Pool(len(samples), samples.classes, samples.labels, worker.device, drawn),
        )

    trainer, more = _trained(ResumableRun(worker, task, begin))
    trainer.clock.settle()
    rule: PicksRecorder = trainer.selector.strategy
    name = {"name": f"{replay.of} on width {replay.width}"}
    return rule.tensors(steps_of(pacer), len(samples), seed), trainer.ledger, {**name, **more}


def _trained(run: ResumableRun) -> tuple[Trainer, dict[str, Any]]:
    """The run at its end, and what its record says of its checkpoints."""
    run.run()
    return run.trainer, run.report()


def _run(
    worker: Worker,
    task: Task,
    samples: Samples,
    seed: int,
    passes: float,
    width: int | None,
    view: Augment | None = None,
) -> Trainer:
    """A plain run on ``samples``, from the streams of ``seed``; views as the data set's own unless others are given.

    They are the task's own (:meth:`selbench.harness.tasks.worker.Worker.stream`): a reference or proxy that shared the
    learner's first weights would be a leak.
    """
    assert task.seed is not None
    loaded, learner = worker.loaded(task), worker.learner(task, width)
    batch = min(worker.matrix.at(task.dataset).batch, len(samples))
    pacer = Pacer(len(samples), batch, "fixed-candidates", Fixed(1.0), passes=passes)
    model = worker.build(learner, samples, loaded.resolution, seed)
    return Trainer(
        samples,
        learner,
        view or loaded.augment(task.seed, worker.device),
        pacer,
        worker.recipe(task),
        seed,
        model,
        None,
        worker.bf16,
    )


@torch.no_grad()
def _observe(trainer: Trainer, samples: Samples, phase: str) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities ``[n, C]``, features ``[n, h]`` and losses ``[n]`` on the clean view, on the clock."""
    model = trainer.model
    model.eval()
    probs, features, losses = [], [], []
    with trainer.clock.phase(phase):
        for at in range(0, len(samples), CHUNK):
            hidden = model.forward_features(trainer.augment.plain_view(samples.images[at : at + CHUNK]))
            logits = model.head(hidden)
            probs.append(logits.softmax(1))
            features.append(hidden)
            losses.append(F.cross_entropy(logits, samples.labels[at : at + CHUNK], reduction="none"))
    trainer.ledger.add(phase, flops=len(samples) * trainer.unit_forward, samples=len(samples))
    model.train()
    return torch.cat(probs), torch.cat(features), torch.cat(losses)
