"""Tasks whose dependencies are done, and that no other run has locked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from ...plan.tasks import Task
from .outcome import Outcome


class Turn(Enum):
    """Who runs a task that is ready."""

    OURS = "ours"
    HELD = "held"
    """Another run is doing it."""
    DONE = "done"
    """Another run has done it."""


def _ours(task: Task) -> Turn:
    return Turn.OURS


class Queue:
    """Tasks in order, each held back until what it depends on is done.

    Parameters
    ----------
    tasks : iterable of Task, or Queue
        In an order in which they can be run. A queue is shared: each task is handed out once.
    admit : callable, optional
        Decides who runs a task that is ready; by default this run does.
    """

    def __init__(self, tasks: Iterable[Task], admit: Callable[[Task], Turn] = _ours) -> None:
        shared = tasks if isinstance(tasks, Queue) else None
        self.waiting: dict[str, Task] = shared.waiting if shared is not None else {task.id: task for task in tasks}
        self.open: set[str] = shared.open if shared is not None else set(self.waiting)
        self.admit: Callable[[Task], Turn] = shared.admit if shared is not None else admit

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self.waiting.values()))

    def __len__(self) -> int:
        return len(self.waiting)

    def take(self) -> Task | None:
        """The first task that can start now, or None."""
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
        lost: list[Task] = []
        gone = {task.id}
        for id, other in list(self.waiting.items()):  # tasks stand in an order in which they can be run
            if gone.intersection(other.after):
                gone.add(id)
                lost.append(self.waiting.pop(id))
        return lost


def report_end(queue: Queue, task: Task, outcome: Outcome, report: Callable[[Task, Outcome], None]) -> None:
    """Report the end of ``task``; where it failed, its dependents fail with it."""
    report(task, outcome)
    for lost in queue.done(task, failed=bool(outcome.error)):
        report(lost, Outcome(f"not run: it needs {task.name}, which failed: {outcome.error}"))
