"""Tasks whose dependencies are done and that no other run has locked, and how each ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

import torch

from ....strategies.errors import StrategyFault
from ...plan.tasks import Task
from ...store.folder import MEND, explained


@dataclass(frozen=True)
class Outcome:
    error: str = ""  # one line that says what to do; empty where all went well
    law: str | None = None  # the one broken
    traceback: str = ""


def outcome_of(work: Callable[[], None]) -> Outcome:
    try:
        work()
    except (Exception, SystemExit) as error:  # a plugin may raise anything: only its cell fails
        law = error.law if isinstance(error, StrategyFault) else None
        return Outcome(error_line(error), law, traceback.format_exc())
    return Outcome()


def error_line(error: BaseException) -> str:
    """``error`` as one line; out of memory or disk, it says what to change."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory: lower --workers, the matrix's batch, or the learner's width ({line})"
    if isinstance(error, MemoryError):
        return f"out of memory: lower --workers or the matrix's batch ({line})"
    return explained(error) if isinstance(error, OSError) and error.errno in MEND else line


class Turn(Enum):
    OURS = "ours"
    HELD = "held"  # another run is doing it
    DONE = "done"  # another run has done it


class Queue:
    """Tasks in order, each held back until what it depends on is done.

    Parameters
    ----------
    tasks : iterable of Task, or Queue
        In an order in which they can be run. A queue is shared: each task is handed out once.
    admit : callable, optional
        Decides who runs a task that is ready; by default this run does.
    """

    def __init__(self, tasks: Iterable[Task], admit: Callable[[Task], Turn] = lambda _: Turn.OURS) -> None:
        self.waiting: dict[str, Task] = tasks.waiting if isinstance(tasks, Queue) else {task.id: task for task in tasks}
        self.open: set[str] = tasks.open if isinstance(tasks, Queue) else set(self.waiting)
        self.admit: Callable[[Task], Turn] = tasks.admit if isinstance(tasks, Queue) else admit

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self.waiting.values()))

    def __len__(self) -> int:
        return len(self.waiting)

    def take(self) -> Task | None:
        for task in self:
            if self.open.intersection(task.after):
                continue
            turn = self.admit(task)
            if turn is not Turn.HELD:
                del self.waiting[task.id]
            if turn is Turn.OURS:
                return task
            if turn is Turn.DONE:
                self.open.discard(task.id)
        return None

    def startable(self) -> list[Task]:
        """The tasks that wait only for another run."""
        return [task for task in self if not self.open.intersection(task.after)]

    def done(self, task: Task, *, failed: bool) -> list[Task]:
        """Mark a task as ended; returns the waiting dependents of a failed one."""
        if not failed:
            self.open.discard(task.id)
            return []
        lost = {task.id: task}
        for id, other in list(self.waiting.items()):  # tasks stand in an order in which they can be run
            if not lost.keys().isdisjoint(other.after):
                lost[id] = self.waiting.pop(id)
        return list(lost.values())[1:]


def report_end(queue: Queue, task: Task, outcome: Outcome, report: Callable[[Task, Outcome], None]) -> None:
    """Report the end of ``task``; where it failed, its dependents fail with it."""
    report(task, outcome)
    for lost in queue.done(task, failed=bool(outcome.error)):
        report(lost, Outcome(f"not run: it needs {task.name}, which failed: {outcome.error}"))
