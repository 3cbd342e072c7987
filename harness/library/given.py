"""What a Selector reads beside its model: a reference, recorded proxies, held-out images, a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...strategies import UsageError
from ...strategies.interface import LEARNER_SIGNALS, PROXY_TRACES, REFERENCE_SIGNALS, Traits
from ..datasets.samples import Samples
from ..references.probe import crossfit
from ..steps.schedules import BudgetMatched, Fixed, Replay, Schedule, load_schedule
from ..streams import permutation
from ..training.ledger import Clock
from .pool_data import sized
from .trace import Trace
from .watched_net import WatchedNet

SHAPES = {"features": "features [n, d]", "reference": "losses [n]"}


def schedule_of(ratio: float | str | Mapping[str, Any]) -> Schedule:
    """A number, the name of a schedule, or a table of its name and parameters."""
    if isinstance(ratio, int | float):
        return Fixed(ratio)
    table = {"name": ratio} if isinstance(ratio, str) else dict(ratio)
    schedule = load_schedule(table.pop("name", ""), **table)
    if isinstance(schedule, BudgetMatched | Replay):
        raise UsageError(
            f"ratio: {schedule} is fitted to the steps of a whole run, as of `selbench run`: name its shape"
        )
    return schedule


@dataclass(frozen=True)
class PlainPool:
    """The pool's samples without augmentation, n of them, and how they are loaded."""

    data: Any
    labels: Tensor  # [n] int64, on the model's device
    classes: int
    seed: int
    loading: Mapping[str, Any]

    def some(self, val: Any, count: int) -> Samples:
        """At most ``count`` random samples of a held-out set, on the device."""
        device = self.labels.device
        items = [val[i][:2] for i in permutation(sized(val), self.seed, "probe")[:count].tolist()]
        images = torch.stack([torch.as_tensor(image) for image, _ in items]).to(device)
        return Samples(images, torch.tensor([int(label) for _, label in items], device=device), self.classes)

    @torch.no_grad()
    def reference(
        self, rule: str, needs: frozenset[str], model: nn.Module | None, given: dict[str, Tensor], clock: Clock
    ) -> dict[str, Tensor]:
        """The reference's signals of the pool that the rule reads: as ``given``, or by one pass of the ``model``."""
        size, device = len(self.labels), self.labels.device
        for name, values in given.items():
            if name not in REFERENCE_SIGNALS or len(values) != size:
                raise UsageError(
                    f"signals: {name!r} of shape {list(values.shape)} is none of features [n, d] and reference [n], "
                    f"for n = {size} samples"
                )
        wanted = sorted(needs & REFERENCE_SIGNALS)
        known = {name: given[name].to(device) for name in wanted if name in given}
        if not (missing := [name for name in wanted if name not in known]):
            return known
        if model is None:
            table = ", ".join(f"{name!r}: {SHAPES[name]}" for name in missing)
            raise UsageError(
                f"rule {rule!r} reads {' and '.join(missing)} of a reference model: pass reference=NET, a trained "
                f"classifier, or signals={{{table}}}"
            )
        net = WatchedNet(model, None, features=True, what="reference")
        flops = size * net.flops(tuple(self.data[0][0].shape))[0]  # off the clock: counting imports much
        with clock.phase("reference"):
            features, logits = net.over(self.data, None, **self.loading)
            assert features is not None
            features, logits = features.to(device), logits.to(device)
            if "features" in missing:
                known["features"] = features
            if "reference" in missing and logits.shape[1] == self.classes:
                known["reference"] = F.cross_entropy(logits, self.labels, reduction="none")
            elif "reference" in missing:
                probe = crossfit(features, self.labels, self.classes, seed=self.seed, device=device)
                known["reference"] = probe.losses.to(device)
                flops += probe.flops
        clock.ledger.add("reference", samples=size, flops=flops)
        return known


def proxy_signals(
    rule: str, traits: Traits, given: Trace | Sequence[Trace], size: int, device: torch.device
) -> dict[str, Tensor]:
    """What the rule reads of recorded training runs, several nets on an axis after the first."""
    if not traits.reads_proxy:
        return {}
    wanted = sorted(traits.needs & (LEARNER_SIGNALS | PROXY_TRACES))
    traces = [given] if isinstance(given, Trace) else list(given)
    if len(traces) != traits.nets:
        raise UsageError(
            f"rule {rule!r} reads {' and '.join(wanted)} of {traits.nets} recorded training run(s), and {len(traces)} "
            "are given: record them with selbench.Trace and pass proxy=TRACE, or a list of them"
        )
    found = [trace.signals(wanted, size) for trace in traces]
    if len(found) == 1:
        return {name: values.to(device) for name, values in found[0].items()}
    return {name: torch.stack([signals[name] for signals in found], 1).to(device) for name in wanted}
