"""The cost of a run so far, for budgets in cost: its own ledger, and its share of the artefacts it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...strategies import UsageError
from ..plan.matrix import Matrix
from ..plan.tasks import Task
from ..store.folder import Store
from ..training.ledger import Ledger
from ..training.trainer import Trainer
from .worker import Worker


def artefact_closure(store: Store, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The descriptions, by id, of artefacts and of all artefacts that they were made from."""
    found: dict[str, dict[str, Any]] = {}
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found[id] = store.artefact_meta(id)
            waiting.extend(found[id].get("needs", []))
    return found


def artefacts(store: Store, ids: Iterable[str]) -> list[Ledger]:
    """The ledgers of all that ``ids`` rest on, each once."""
    return [Ledger.of(meta["ledger"]) for meta in artefact_closure(store, ids).values()]


def share(matrix: Matrix) -> float:
    """The part of each artefact's cost that a run is charged in the budget's account."""
    return {
        "marginal": 0.0,
        "amortised": 1.0 / matrix.analysis.amortise_over,
        "standalone": 1.0,
    }[matrix.budget.account or "marginal"]


def meter_of(worker: Worker, task: Task) -> Callable[[Trainer], float] | None:
    """A function giving the cost of a run of ``task`` so far, in the budget's unit; None for passes and steps.

    Raises
    ------
    UsageError
        Where the artefacts alone use up the budget.
    """
    matrix, arm = worker.matrix, task.arm
    assert arm is not None
    total = matrix.budget.cost
    if total is None or arm.replay:
        return None
    if matrix.budget.flops is not None:
        ledgers = artefacts(worker.store, [id for name, id in task.uses.items() if name != "replay"])
        charged = share(matrix) * sum(ledger.total("flops") for ledger in ledgers)
        _affordable(charged, total * arm.rung, "FLOPs", matrix)
        return lambda trainer: charged + trainer.ledger.total("flops")
    rate = worker.context.rates.of(arm)
    charged = share(matrix) * rate.artefacts
    _affordable(charged, total * arm.rung, "seconds", matrix)
    return lambda trainer: charged + rate.seconds(trainer.done, trainer.selections)


def _affordable(charged: float, total: float, unit: str, matrix: Matrix) -> None:
    if charged >= total:
        raise UsageError(
            f"budget: the artefacts alone cost {charged:.3g} of {total:.3g} {unit} (account "
            f'"{matrix.budget.account}"): raise the budget, or use the account "marginal"'
        )
