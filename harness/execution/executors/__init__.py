"""Where tasks are done: in this process, or in processes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ...plan.tasks import Task
from ...tasks.worker import Context, Worker
from .local import Local
from .outcome import Outcome, outcome_of
from .queue import Queue, report_end
from .worker_process import attempt

__all__ = ["Executor", "Inline", "Local", "Outcome", "Queue", "attempt", "outcome_of"]


class Executor(Protocol):
    """Carries out a graph of tasks."""

    def run(self, context: Context, tasks: Iterable[Task], report: Callable[[Task, Outcome], None]) -> None:
        """Do every task after those it depends on; ``report`` hears of each as it ends.

        A failed task fails what depends on it, and nothing else. ``tasks`` may be a :class:`Queue` that keeps back
        what another run is at: an executor that takes its tasks from ``Queue(tasks)`` shares the work with that run,
        and returns with the rest still waiting there.
        """
        ...


class Inline:
    """This process, one task after another: for a debugger, a notebook, or a test. A rule that hangs, hangs it.

    Parameters
    ----------
    workers : int
        As for :class:`Local`; there is one, whatever is asked for.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = 1

    def run(self, context: Context, tasks: Iterable[Task], report: Callable[[Task, Outcome], None]) -> None:
        queue, worker = Queue(tasks), Worker(context)
        while (task := queue.take()) is not None:
            report_end(queue, task, attempt(worker, task), report)
