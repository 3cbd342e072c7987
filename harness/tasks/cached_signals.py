"""Cached signals of a cell's pool: on the device where they fit, else in their file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...strategies import UsageError
from ...strategies.interface import REFERENCE_SIGNALS, Pool
from ..datasets.loaded import LoadedData
from ..datasets.samples import ProxyPicks
from ..plan.arms import Arm, pacer_of
from ..plan.tasks import Task
from ..steps.step_iterator import steps_of
from ..store.feature_file import Rows
from ..store.feature_memory import SHARE, VARIABLE, allowance, fits
from .worker import Worker

Signals = dict[str, Tensor | Rows | ProxyPicks]


def cached_signals(worker: Worker, task: Task, loaded: LoadedData, *, tried: bool = False) -> Signals:
    """The signals ``[n, ...]`` that the arm reads from artefacts, by name.

    All are tensors on the device but ``features`` that do not fit there, which stay in their file, and a proxy's
    ``picks``, which have their steps. Where steps are only ``tried`` out, in another order, none is marked as picked.
    """
    arm, store = task.arm, worker.store
    assert arm is not None and task.seed is not None
    signals: Signals = {}
    if "reference" in task.uses:
        id = task.uses["reference"]
        if "reference" in arm.needs:
            signals |= store.artefact_tensors(id, "reference")
        if "features" in arm.needs:
            signals["features"] = _features(worker, task, loaded, id)
    if proxies := [store.artefact_tensors(id, *arm.needs) for id in task.proxies]:
        several = {name: torch.stack([proxy[name] for proxy in proxies], 1) for name in proxies[0]}
        signals |= several if len(proxies) > 1 else proxies[0]
    if "picks" in task.uses:
        count = loaded.size(task.seed, arm.pool)
        steps = steps_of(pacer_of(worker.matrix, arm, count))
        recorded = store.artefact_tensors(task.uses["picks"])
        signals["picks"] = torch.zeros(count, dtype=torch.bool) if tried else ProxyPicks(recorded, steps, count)
    return {name: value.to(worker.device) if isinstance(value, Tensor) else value for name, value in signals.items()}


def _features(worker: Worker, task: Task, loaded: LoadedData, id: str) -> Tensor | Rows:
    """The pool's features: of its own artefact where the reference is trained here, else out of all images' ones."""
    arm, store = task.arm, worker.store
    assert arm is not None and task.seed is not None
    needs = store.artefact_meta(id)["needs"]
    found = store.artefact_rows(needs[0]).subset(loaded.ids(task.seed, "pool")) if needs else store.artefact_rows(id)
    if fits(found.nbytes, worker.device):
        return found.load(worker.device)
    if arm.cadence != "batch":
        raise UsageError(refusal(arm, found, worker.device))
    return found


def refusal(arm: Arm, rows: Rows, device: torch.device) -> str:
    """Why a rule cannot have all features in memory, and what to do."""
    when = "" if arm.cadence == "batch" else f" (cadence {arm.cadence!r})"
    room = allowance(device) / 1e9
    return (
        f"strategy {arm.label!r} reads the features of the whole pool at once{when}: {rows.nbytes / 1e9:.3g} GB, where "
        f"{room:.3g} GB of {device.type} memory may be taken ({SHARE:.0%} of what is free, or {VARIABLE}); set "
        f"{VARIABLE} to more if the memory is there, or use a reference with fewer features"
    )


@dataclass(frozen=True, repr=False, eq=False)
class StoredPool(Pool):
    """A pool whose features stay in their file: reading them whole raises."""

    refusal: str = ""

    def __getattribute__(self, name: str) -> Any:
        if name == "features":
            raise UsageError(self.refusal)
        return super().__getattribute__(name)


def pool_with_signals(pool: Pool, arm: Arm, signals: Mapping[str, Tensor | Rows | ProxyPicks]) -> Pool:
    """``pool``, with those of the cached signals that its rule may read whole."""
    held: dict[str, Any] = {name: value for name in REFERENCE_SIGNALS if isinstance(value := signals.get(name), Tensor)}
    features = signals.get("features")
    if isinstance(features, Rows):
        return StoredPool(**vars(pool) | held, refusal=refusal(arm, features, pool.device))
    return replace(pool, **held)
