"""Results of code that has changed since: never used silently, and never lost."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ..plan.matrix import Matrix
from ..plan.tasks import Plan, Task
from ..plan.used_code import used_code
from ..store.checkpoint_file import Checkpoint
from ..store.folder import Store
from .timing_pass import timing_id

logger = logging.getLogger("selbench")

SUPERSEDED = "superseded"


def changed(plan: Plan, matrix: Matrix, store: Store) -> dict[str, list[Task]]:
    """Finished tasks by the part of their code that is another one now, such as ``strategy gstds``."""
    found: dict[str, list[Task]] = {}
    for task in plan.tasks.values():
        before = _code_on_record(store, task)
        now = used_code(matrix, task) if before else {}
        for part in sorted(now.keys() & before.keys()):
            if now[part] != before[part]:
                found.setdefault(part, []).append(task)
    return found


def describe(found: dict[str, list[Task]]) -> str:
    """One clause about what has changed, and how many results are of the earlier code."""
    return "; ".join(
        f"the code of {part} has changed since "
        + (f"a result here was made ({tasks[0].name})" if len(tasks) == 1 else f"{len(tasks)} results here were made")
        for part, tasks in found.items()
    )


def settle(plan: Plan, matrix: Matrix, store: Store, retrain: Sequence[str], *, keep: bool) -> None:
    """Set aside what is to be trained again; raises where code has changed and nobody said what to do about it."""
    found = changed(plan, matrix, store)
    again = [task for part, tasks in found.items() if part.split()[-1] in retrain for task in tasks]
    left = {part: tasks for part, tasks in found.items() if part.split()[-1] not in retrain}
    known = {part.split()[-1] for task in plan.tasks.values() for part in used_code(matrix, task)} if retrain else set()
    for name in set(retrain) - known:
        raise UsageError(f"--retrain {name}: nothing here uses it{did_you_mean(name, known)}")
    if left and not keep:
        names = " ".join(f"--retrain {part.split()[-1]}" for part in left)
        raise UsageError(f"{describe(left)}: pass {names} to make them again, or --keep to keep them")
    if left:
        logger.warning("%s: they are kept", describe(left))
    if again:
        _set_aside(plan, store, again)


def _code_on_record(store: Store, task: Task) -> dict[str, str]:
    if task.kind == "cell":
        record = store.cell(task.id)
    elif task.kind == "tuning":
        record = store.tuning(task.id)
    else:
        record = store.artefact_meta(task.id) if store.has_artefact(task.id) else None
    return dict((record or {}).get("code", {}))


def _set_aside(plan: Plan, store: Store, tasks: Iterable[Task]) -> None:
    """Move the results of ``tasks``, and of all that rest on them, to a folder of their own."""
    gone = {task.id for task in tasks}
    for task in plan.tasks.values():  # dependencies come first
        if gone & set(task.after):
            gone.add(task.id)
    folder = store.root / SUPERSEDED / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
    seeds = {task.seed for task in plan.tasks.values() if task.seed is not None}
    for id in gone:
        task = plan.tasks[id]
        Checkpoint(store.root, id).drop()
        own = {"cell": store.cell_path, "tuning": store.tuning_path}.get(task.kind, store.artefact_path)(id)
        for path in (own, *(store.timing_path(timing_id(task, seed)) for seed in seeds)):
            if path.exists():
                _move(path, folder / path.relative_to(store.root))
    logger.warning("%d results are made again; the earlier ones are in %s", len(gone), folder)


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(path, target)
