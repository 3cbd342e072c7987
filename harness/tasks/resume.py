"""Checkpoints of a run: when they are written, what they hold, and when a run can resume from them."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable
from typing import Any

import torch

from .. import environment as here
from ..identity import digest
from ..plan.tasks import Task
from ..plan.used_code import used_code
from ..steps.pacer import Recorded
from ..store.checkpoint_file import Checkpoint, Unusable
from ..training.strategy_state import StateNotGiven
from ..training.trainer import Trainer
from .stop_signals import StopSignals
from .worker import Worker

logger = logging.getLogger("selbench")

SAME = {
    "selbench": "selbench",
    "torch": "torch",
    "machine": "a machine of type",
    "device": "device",
    "threads": "threads:",
    "precision": "precision",
}
"""Parts of the environment that must be equal for a resumed run to give the same result."""


class ResumableRun:
    """A training run that writes checkpoints and resumes from its last one."""

    def __init__(self, worker: Worker, task: Task, prepare: Callable[[], Trainer], curve: Any = None) -> None:
        self.name, self.curve = task.name, curve
        self.checkpoint = Checkpoint(worker.store.root, task.id)
        self.written, self.seconds, self.bytes = 0, 0.0, 0
        self.resumed: list[float] = []
        self.unused = ""
        self.trainer = prepare()
        self._made = checkpoint_conditions(worker, task, self.trainer)
        try:
            self._restore(worker.device)
        except Unusable as unusable:
            self._warn(f"its checkpoint is not used, and it starts anew: {unusable}")
            self.trainer = prepare()  # the first may have loaded a part of it
        self._told = StopSignals()
        self._every = 60.0 * worker.context.checkpoint
        self._next = time.monotonic() + self._every

    def run(self) -> None:
        """Train to the end. On SIGTERM or SIGINT, finish the step, write a checkpoint and stop."""
        if not self._every:
            self.trainer.run(self.curve)
            return
        with self._told.deferring():
            self.trainer.run(self.curve, self._look)

    def report(self) -> dict[str, Any]:
        """For the record: ``checkpoints``, where there is something to say of them.

        ``written`` counts them, ``seconds`` is what that took, off the clock, and ``bytes`` the last one's size;
        ``resumed`` holds the progress at which each later piece of the run began, and ``unused`` why one was not used.
        """
        if not (self.written or self.unused):
            return {}
        about = {"written": self.written, "seconds": self.seconds, "bytes": self.bytes, "resumed": self.resumed}
        return {"checkpoints": {**about, **({"unused": self.unused} if self.unused else {})}}

    def _look(self, trainer: Trainer) -> None:
        if self._told.number is None and time.monotonic() < self._next:
            return
        self._write(trainer)
        self._next = time.monotonic() + self._every
        self._told.raise_deferred()

    def _write(self, trainer: Trainer) -> None:
        began = time.perf_counter()
        kept = {name: getattr(self, name) for name in ("written", "seconds", "resumed", "unused")}
        try:
            curve = None if self.curve is None else self.curve.state_dict()
            state = {"run": trainer.state_dict(), "curve": curve, "progress": trainer.progress}
            self.bytes = self.checkpoint.write({**state, "kept": kept}, self._made)
            self.written += 1
        except (StateNotGiven, TypeError) as error:
            self._warn(f"it cannot resume from a checkpoint: {error}")
            self._every = float("inf")
            self.checkpoint.drop()  # an older one may lack later changes of state
        except (OSError, MemoryError) as error:
            logger.warning("%s: no checkpoint was written: %s", self.name, error)
        self.seconds += time.perf_counter() - began

    def _restore(self, device: torch.device) -> None:
        state = self.checkpoint.read(self._made, device)
        if state is None:
            return
        try:
            self.trainer.load_state_dict(state["run"])
        except Exception as error:  # a plugin may raise anything
            raise Unusable(f"load_state_dict raised {type(error).__name__}: {error}") from error
        if self.curve is not None:
            self.curve.load_state_dict(state["curve"])
        kept = state["kept"]
        self.written, self.seconds, self.unused = kept["written"] + 1, kept["seconds"], kept["unused"]
        self.resumed = [*kept["resumed"], state["progress"]]

    def _warn(self, why: str) -> None:
        self.unused = why
        logger.warning("%s: %s", self.name, why)


def checkpoint_conditions(worker: Worker, task: Task, trainer: Trainer) -> dict[str, str]:
    """The conditions that must be equal for a run to resume from a checkpoint, by name."""
    found = here.describe(worker.device, worker.context.precision)
    same = {words: str(found[name]) for name, words in SAME.items()}
    same["Python"] = ".".join(platform.python_version_tuple()[:2])  # sums of floats differ between some
    same["deterministic algorithms:"] = str(torch.are_deterministic_algorithms_enabled())
    same |= {f"the code of {part}:": code for part, code in used_code(worker.matrix, task).items()}
    if isinstance(trainer.pacer, Recorded):
        same["the recorded steps"] = digest([list(row) for row in trainer.pacer.pace])
    for name, id in task.artefacts.items():
        same[f"the {name}"] = str(worker.store.artefact_meta(id).get("tensors", ""))
    return same
