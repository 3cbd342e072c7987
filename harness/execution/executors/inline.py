"""The interface of executors, and the simplest one: this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ...plan.tasks import Task
from ...tasks.worker import Context, Worker
from .outcome import Outcome
from .queue import Queue, report_end
from .worker_process import attempt


class Executor(Protocol):
    """Carries out a graph of tasks."""

    def run(self, context: Context, tasks: Iterable[Task], report: Callable[[Task, Outcome], None]) -> None:
        """Run every task after its dependencies; ``report`` is called as each ends.

        A failed task fails only its dependents. ``tasks`` may be a :class:`Queue` that holds back tasks that
        another run is doing: an executor that takes its tasks from ``Queue(tasks)`` shares the work with that run,
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
