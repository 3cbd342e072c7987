"""A selection rule in the user's own PyTorch loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...strategies import UsageError, load
from ...strategies.interface import (
    HELD_OUT_SIGNALS,
    REFERENCE_SIGNALS,
    Pool,
    keep_count,
)
from ..steps.learned import LearnedSchedule
from ..steps.pacer import Pacer, Step
from ..streams import generator, permutation
from ..training.candidates import ChosenSamples
from ..training.held_out import HeldOut
from ..training.ledger import Clock, Ledger
from ..training.pick_counts import PickCounts
from ..training.selector import Selector as Caller
from ..training.strategy_state import StrategyState
from .given import PlainPool, proxy_signals, schedule_of
from .pool_data import PassSampler, WithIds, collated, labels_of, sized
from .signals import Signals, net_of
from .trace import Trace
from .watched_net import WatchedNet

COSTS = ("score", "reference", "select", "probe")
"""Phases of the ledger that selection spends; ``train`` is the user's own, of which images and FLOPs are known."""


class Picks(NamedTuple):
    """What one step trains on.

    Attributes
    ----------
    indices : Tensor ``[k]`` int64
        Positions in the batch.
    weights : Tensor ``[k]`` float32
        Of each pick's loss: ``(weights * losses).mean()``. 1 where the rule has none.
    """

    indices: Tensor
    weights: Tensor


class Selector:
    """A selection rule for a PyTorch loop of your own: any classifier, any map-style data set.

    Each step: ``picks, weights = selector.select(images, labels, ids)`` on a candidate batch, train on
    ``images[picks]``, then :meth:`step`. The same loop serves every cadence: a rule that picks from the whole pool
    does so in :attr:`sampler`, and ``select`` then gives all of the batch.

    Only the signals that the rule needs are computed, as in the suite's own runs: the learner is scored on the very
    images of the batch, in evaluation mode, without gradients. Call ``select`` inside ``torch.autocast`` where
    you train so.

    Under DistributedDataParallel each rank has a Selector of its own, on a part of the data of its own, such as
    ``Subset(train, range(rank, len(train) // world * world, world))``, and picks from its own batch: k of B on each
    rank. That is not the pick of k x world from B x world: a rank keeps its best even where another rank's are better.
    Weights average 1 on each rank, random picks differ by rank, and a cadence of ``epoch`` or ``run`` selects from the
    rank's part. Ids count within that part. Nothing is sent between ranks. Rules that decide how many samples they keep
    are refused there, since ranks would take unlike numbers of steps.

    Parameters
    ----------
    rule : str or strategy
        A registered name, or an instance such as ``selbench.load("gstds", share=0.3)``.
    ratio : float, str or mapping
        Fraction kept, in (0, 1]; or a schedule: its registered name, or ``{"name": "sigmoid", "start": 0.2}``. A moving
        ratio is rounded to eighths, so that few batch sizes occur; cadence ``run`` keeps its mean.
    model : nn.Module
        The classifier that is trained, on its device; it gives logits ``[B, C]``.
    data : map-style data set
        The training samples ``(image, label)``, n of them, as they are trained on.
    epochs : float
        Passes over ``data`` that the training makes: progress and schedule go by it.
    reference : nn.Module, optional
        A trained classifier whose penultimate features and losses rules such as ``gstds`` and ``rho`` read; evaluated
        once on ``plain``. Where it knows other classes, a cross-fitted linear probe gives the losses.
    signals : mapping, optional
        Cached ``features`` ``[n, d]`` or ``reference`` losses ``[n]`` in place of ``reference``.
    proxy : Trace or sequence of them, optional
        Recorded training runs, for rules at cadence ``run`` that read them; as many as the rule's ``nets``.
    val : map-style data set, optional
        Held-out samples, for rules and schedules that look at them.
    plain : map-style data set, optional
        ``data`` without augmentation, in the same order, for passes over the whole pool; ``data`` itself by default.
    labels : Tensor ``[n]`` int64, optional
        The labels of ``data``; by default its ``targets``, ``labels`` or tensors, else every sample is loaded once.
    head : nn.Module, optional
        The layer that gives the logits; by default the last linear layer.
    seed : int
        Of the rule's own random stream and of the order of each pass.
    score_mode : {"eval", "train"}
        The mode that candidates are scored in.
    batch_size, workers : int
        Of passes over the pool.
    flops : tuple of float, optional
        FLOPs of one image forward, and forward and backward; counted when :meth:`costs` asks by default.

    Raises
    ------
    UsageError
        Where the rule reads what was not given; the message names the argument that gives it.
    """

    def __init__(
        self,
        rule: Any,
        ratio: float | str | Mapping[str, Any] = 0.5,
        *,
        model: nn.Module,
        data: Any,
        epochs: float,
        reference: nn.Module | None = None,
        signals: Mapping[str, Tensor] | None = None,
        proxy: Trace | Sequence[Trace] = (),
        val: Any = None,
        plain: Any = None,
        labels: Tensor | None = None,
        head: nn.Module | None = None,
        seed: int = 0,
        score_mode: str = "eval",
        batch_size: int = 256,
        workers: int = 0,
        flops: tuple[float, float] | None = None,
    ) -> None:
        strategy = load(rule) if isinstance(rule, str) else rule
        self.name = rule if isinstance(rule, str) else type(rule).__name__
        if score_mode not in ("eval", "train"):
            raise UsageError(f"score_mode = {score_mode!r} is neither 'eval' nor 'train'")
        if not isinstance(epochs, int | float) or not epochs > 0:
            raise UsageError(f"epochs = {epochs!r} must be above 0: the passes over data that the training makes")
        self.size, self.epochs, self.seed = sized(data), float(epochs), seed
        self._plain = data if plain is None else plain
        if len(self._plain) != self.size:
            raise UsageError(f"plain has {len(self._plain)} samples and data {self.size}: they must be the same ones")
        self.schedule = schedule_of(ratio)
        if isinstance(self.schedule, LearnedSchedule):
            self.schedule.begin(seed)
        self._pacer = Pacer(self.size, self.size, "fixed-candidates", self.schedule, passes=epochs)
        self.ledger, self._flops, self._shape = Ledger(), flops, tuple[int, ...]()

        device = WatchedNet(model, None, features=False).device
        self.device = device
        self._caller = Caller(strategy, device, self.ledger, Clock(self.ledger, device), PickCounts(1, device))
        self.traits = self._caller.traits
        needs = self.traits.needs
        if self._caller.decides_count and _ranks() > 1:
            raise UsageError(
                f"rule {self.name!r} decides how many samples it keeps, so ranks would take unlike numbers of steps: "
                "use one process, or a rule that keeps the ratio asked for"
            )
        if "picks" in needs:
            raise UsageError(
                f"rule {self.name!r} reads a proxy's picks step by step, which only `selbench run` can replay: name "
                "its rule itself, or run it there"
            )
        own = labels_of(data) if labels is None else torch.as_tensor(labels).cpu().long()
        if len(own) != self.size:
            raise UsageError(f"labels has {len(own)} entries and data {self.size} samples: give one for each")
        self.labels, self._net = own.to(device), net_of(model, head, self._caller)
        first = torch.as_tensor(self._plain[0][0])[None].to(device)
        self.classes = self._net.outputs(first)[1].shape[1]  # labels of a part need not hold every class
        if int(own.max()) >= self.classes:
            raise UsageError(f"labels: the largest is {int(own.max())}, and the model gives {self.classes} logits")
        plain = PlainPool(
            self._plain, self.labels, self.classes, seed, {"batch_size": batch_size, "num_workers": workers}
        )
        self._cached = plain.reference(self.name, needs, reference, dict(signals or {}), self._caller.clock)
        self._cached |= proxy_signals(self.name, self.traits, proxy, self.size, device)
        learned = self.schedule if isinstance(self.schedule, LearnedSchedule) else None
        if val is None and (self._caller.looks_at_val or learned):
            wanted = " and ".join(sorted(needs & HELD_OUT_SIGNALS))
            what = f"rule {self.name!r} reads {wanted}" if wanted else f"schedule {learned} looks"
            raise UsageError(f"{what} of held-out images: pass val=DATASET, map-style, of (image, label)")
        held = HeldOut(plain.some(val, self.traits.val_images), self.traits) if self._caller.looks_at_val else None
        self._probed = plain.some(val, learned.images) if learned else None
        self._signals = Signals(self._net, self._caller, plain, held, score_mode)

        self.epoch = self.taken = self.count = self.trained = 0  # passes begun before this; ids, steps, images
        self.dealt = self.size  # ids of this pass
        self.subset: Tensor | None = None
        self._weights: Tensor | None = None
        self._looked, self._tail = 0, 0
        self._begun = self._resumed = False
        self._open: tuple[Tensor, Tensor, Tensor] | None = None  # ids, labels and picks that step awaits
        self.data, self.sampler = WithIds(data), PassSampler(self.begin_pass, lambda: self.dealt)
        rank = (torch.distributed.get_rank(),) if _ranks() else ()
        pool = Pool(
            self.size, self.classes, self.labels, device, generator(seed, "select", *rank, device=device),
            **{name: self._cached.get(name) for name in REFERENCE_SIGNALS},
        )  # fmt: skip
        if self._caller.active:
            self._caller.begin(pool)
        self._state = StrategyState(strategy, pool)

    @property
    def progress(self) -> float:
        """Share of the training done, in [0, 1]."""
        return min(1.0, (self.epoch + min(1.0, self.taken / self.dealt)) / self.epochs)

    @property
    def passes(self) -> int:
        """Finished passes: a resumed run goes on with ``range(selector.passes, epochs)``."""
        return self.epoch + (self._begun and self.taken > self._end())

    def _end(self) -> int:
        return self.dealt - max(1, self._tail)

    def loader(self, batch_size: int, *, drop_last: bool = False, **options: Any) -> DataLoader[Any]:
        """A DataLoader of :attr:`data` in the order of :attr:`sampler`: batches of images, labels and ids."""
        self._tail = batch_size if drop_last else 0
        how = {"collate_fn": collated, **options}
        return DataLoader(self.data, batch_size, sampler=self.sampler, drop_last=drop_last, **how)

    def begin_pass(self) -> list[int]:
        """The ids of the next pass, for :attr:`sampler`; a resumed pass goes on where it was saved."""
        self._settle()
        again = self._resumed and self.taken <= self._end()
        if self._begun and not again:
            self.epoch, self.taken = self.epoch + 1, 0
        self._resumed, self._begun = False, True
        due = self.subset is None or (self._caller.at("epoch") and self.epoch % self.traits.select_every == 0)
        if self._caller.selects_from_pool and due and not again:
            self._select_pool()
        order = permutation(self.size, self.seed, "order", self.epoch)
        if self.subset is not None:
            order = ChosenSamples(order, self.subset).order.cpu()
        self.dealt = len(order)
        return order[self.taken :].tolist()

    def select(self, images: Any, labels: Tensor, ids: Tensor | Iterable[int]) -> Picks:
        """The picks of one candidate batch and their weights.

        Parameters
        ----------
        images : Tensor ``[B, ...]``
            As they would be trained on, on the model's device.
        labels : Tensor ``[B]`` int64
            On the model's device.
        ids : Tensor ``[B]`` int64
            Positions in ``data``.
        """
        if self._open is not None:
            raise UsageError("select was called twice: call selector.step() after each optimizer step")
        ids = torch.as_tensor(ids).to(self.device, non_blocking=True)
        size = len(ids)
        if not self._shape:
            self._shape = tuple(images.shape[1:])
        if not self._begun and self._caller.selects_from_pool:
            raise UsageError(
                f"rule {self.name!r} picks from the whole pool (cadence {self.traits.cadence!r}): load batches "
                "with selector.loader(batch_size), or give your DataLoader sampler=selector.sampler"
            )
        if not self._begun and self.taken + size > self.size:  # a loader of the user's own: passes by count
            self._settle()
            self.epoch, self.taken = self.epoch + 1, 0
        weights: Tensor | None
        if self._caller.at("batch"):
            keep = keep_count(self._ratio(), size)
            known = self._signals.held_out() | self._signals.of_batch(images, labels)
            known |= {name: values[ids] for name, values in self._cached.items()}
            picks, weights = self._caller.call(self._now(size, keep), known, ids, labels, keep)
        else:
            picks = torch.arange(size, device=self.device)
            weights = None if self._weights is None else self._weights[ids]
        if weights is None:
            weights = torch.ones(len(picks), device=self.device)
        self._open = ids, labels, picks
        self.taken += size
        return Picks(picks, weights.float())

    def step(self) -> None:
        """Say that the picks of the last :meth:`select` were trained on: after each ``optimizer.step()``.

        Raises
        ------
        UsageError
            Where the rule watches the training and the model was not trained on just these picks.
        """
        if self._open is None:
            raise UsageError("selector.step() without picks: call select first, once for each step")
        (ids, labels, picks), self._open = self._open, None
        if self._signals.memory is not None:
            self._signals.trained(ids[picks], labels[picks], self.count)
        self.count += 1
        self.trained += len(picks)

    def costs(self) -> dict[str, dict[str, float]]:
        """``flops``, ``seconds`` and ``samples`` by phase, waiting for the device.

        Selection spends ``score`` (the learner on candidates), ``reference``, ``select`` (the rule's arithmetic) and
        ``probe`` (looks at ``val``). ``train`` has no seconds, since the training is yours; a proxy's cost is its own.
        """
        self._settle()
        forward, training = self._unit()
        rows = {}
        for phase in COSTS:
            account = self.ledger.phases[phase]
            more = forward * account.samples if phase in ("score", "probe") else 0.0
            rows[phase] = {"flops": account.flops + more, "seconds": account.seconds, "samples": account.samples}
        return {**rows, "train": {"flops": training * self.trained, "samples": self.trained}}

    def state_dict(self) -> dict[str, Any]:
        """Where selection stands, between two steps: plain values and tensors, for a checkpoint of your own."""
        if self._open is not None:
            raise UsageError("selector.state_dict() between select and step: call it after step")
        self._settle()
        return {
            "rule": self.name,
            **{name: getattr(self, name) for name in _STATE},
            "ledger": self.ledger.to_json(),
            **{name: None if part is None else part.state_dict() for name, part in self._parts().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave, in a Selector made with the same arguments."""
        if state["rule"] != self.name or state["size"] != self.size:
            raise UsageError(
                f"this state is of rule {state['rule']!r} on {state['size']} samples, and the Selector of "
                f"{self.name!r} on {self.size}: make it with the same arguments"
            )
        for name in _STATE:
            setattr(self, name, state[name])
        for name, part in self._parts().items():
            if part is not None:
                part.load_state_dict(state[name])
        self._resumed = self._begun
        self._caller.clock.settle()
        self.ledger.phases = Ledger.of(state["ledger"]).phases

    def _parts(self) -> dict[str, Any]:
        learned = self.schedule if isinstance(self.schedule, LearnedSchedule) else None
        own = {"memory": self._signals.memory, "val": self._signals.val, "schedule": learned}
        return {**own, "caller": self._caller, "strategy": self._state}

    def _settle(self) -> None:
        self._caller.clock.settle()
        self._caller.guard.judge()

    def _unit(self) -> tuple[float, float]:
        if self._flops is None:
            self._flops = self._net.flops(self._shape or tuple(self._plain[0][0].shape))
        return self._flops

    def _now(self, size: int, keep: int) -> Step:
        return Step(self.epoch, self.taken, size, keep, self.progress)

    def _ratio(self) -> float:
        """The keep ratio now; a schedule that learns looks at ``val`` first, where an interval has ended."""
        learning, progress = self.schedule, self.progress
        if isinstance(learning, LearnedSchedule):
            before, self._looked = self._looked, int(progress / learning.interval + 1e-9)
            if before < self._looked and progress < 1:
                seen = self._probed
                assert seen is not None
                with self._caller.clock.phase("probe"):
                    loss = float(F.cross_entropy(self._net.outputs(seen.images)[1], seen.labels))
                self.ledger.add("probe", samples=len(seen))
                learning.feedback(progress, loss, sum(row["flops"] for row in self.costs().values()))
        return self._pacer.bucketed(learning.ratio(progress))

    def _select_pool(self) -> None:
        """Select from the whole pool, as the suite's own loop does."""
        known = self._cached | self._signals.of_pool(self.subset, self.count) | self._signals.held_out()
        keep = keep_count(self.schedule.mean() if self._caller.at("run") else self._ratio(), self.size)
        ids = torch.arange(self.size, device=self.device)
        picks, weights = self._caller.call(self._now(self.size, keep), known, ids, self.labels, keep)
        self.subset = picks
        ones = torch.ones(self.size, device=self.device)
        self._weights = None if weights is None else ones.index_copy_(0, picks, weights.float())


_STATE = ("size", "epoch", "taken", "count", "trained", "dealt", "subset", "_weights", "_looked", "_begun")


def _ranks() -> int:
    """Processes that train together; 0 where torch.distributed is not used."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if there else 0
