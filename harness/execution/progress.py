"""How far a run has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ..plan.tasks import Task
from .executors.local import by_plugin
from .executors.queue import Outcome

Stage = Literal["training", "tuning", "timing"]
EVERY = 20.0  # seconds between plain lines; failures are printed at once
WARM = 4  # tasks before the time left is estimated: the first ones include start-up


class Progress:
    """Counts tasks and estimates the time left; ``planned`` counts all cells of the request, done ones included."""

    def __init__(self, todo: list[Task], planned: int, where: str, stage: Stage = "training") -> None:
        self.console = Console(stderr=True, emoji=False)
        cells = sum(task.arm is not None for task in todo)
        self.todo, self.done_work, self.done, self.failed, self.others = todo, 0.0, 0, 0, 0
        self.work = sum(_weight(task) for task in todo)
        self.begun = self.said = time.monotonic()
        runs = "tuning: each arm's learning rate by its accuracy on val; {} runs" if stage == "tuning" else "{} cells"
        said = (
            f"{runs.format(planned)}: {planned - cells} done already, {cells} to train, "
            f"{len(todo) - cells} artefacts to make first; results in {escape(where)}"
        )
        if stage == "timing":
            said = f"timing pass: {cells} cells and {len(todo) - cells} artefacts, one at a time"
        self.console.print(said, highlight=False)
        self.stage = stage
        self.bar: Bar | None = None
        if self.console.is_terminal and todo:
            self.bar = Bar(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"), console=self.console,
            )  # fmt: skip
            self.row = self.bar.add_task(stage, total=len(todo), left="")

    def __enter__(self) -> Progress:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def left(self) -> str:
        if self.done < WARM:
            return ""
        seconds = (time.monotonic() - self.begun) * (self.work - self.done_work) / self.done_work
        return f"about {duration(seconds)} left"

    def report(self, task: Task, outcome: Outcome) -> None:
        if outcome.error:
            self.failed += 1
            plugin = f" ({task.arm.name} of {task.arm.origin})" if task.arm and by_plugin(task) else ""
            said = f"failed: {task.name}{plugin}: {outcome.error}"
            self.console.print(escape(said), style="red", highlight=False)
        self._count(task)

    def elsewhere(self, task: Task) -> None:
        self.others += 1
        self._count(task)

    def wait(self, tasks: int) -> None:
        self.console.print(f"waiting for {tasks} tasks that another run on this folder is doing", highlight=False)

    def _count(self, task: Task) -> None:
        self.done += 1
        self.done_work += _weight(task)
        if self.bar:
            self.bar.update(self.row, completed=self.done, left=self.left())
        elif time.monotonic() - self.said >= EVERY or self.done == len(self.todo):
            self.said = time.monotonic()
            failed = f"{self.failed} failed" if self.failed else ""
            others = f"{self.others} by another run" if self.others else ""
            spent = f"{duration(self.said - self.begun)} spent"
            name = "tuning: " if self.stage == "tuning" else ""
            words = [f"{name}{self.done}/{len(self.todo)} done", failed, others, spent, self.left()]
            self.console.print(", ".join(filter(None, words)), highlight=False)


def _weight(task: Task) -> float:
    """Work in units of a full run: a rung of the ladder is its share of one."""
    return task.arm.rung if task.arm else 0.5


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
