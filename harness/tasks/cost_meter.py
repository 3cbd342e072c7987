"""The cost of a run so far, for budgets in cost: its own ledger, and its share of the artefacts it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...strategies import UsageError
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


def share_of(account: str | None, amortise_over: int) -> float:
    """The part of each artefact's cost that one run is charged."""
    return {None: 0.0, "marginal": 0.0, "amortised": 1.0 / amortise_over, "standalone": 1.0}[account]


def meter_of(worker: Worker, task: Task) -> Callable[[Trainer], float] | None:
    """A function giving the cost of a run of ``task`` so far, in the budget's unit; None for passes and steps."""
    matrix, arm = worker.matrix, task.arm
    assert arm is not None
    total = matrix.budget.cost
    if total is None or arm.replay or arm.cost_of:
        return None
    part = share_of(matrix.budget.account, matrix.analysis.amortise_over)
    if matrix.budget.flops is not None:
        ledgers = artefacts(worker.store, task.artefacts.values())
        charged = part * sum(ledger.total("flops") for ledger in ledgers)
    else:
        rate = worker.context.rates.of(arm)
        charged = part * rate.artefacts
    if charged >= total * arm.rung:
        unit = "seconds" if matrix.budget.flops is None else "FLOPs"
        raise UsageError(
            f"budget: the artefacts alone cost {charged:.3g} of {total * arm.rung:.3g} {unit} (account "
            f'"{matrix.budget.account}"): raise the budget, or use the account "marginal"'
        )
    if matrix.budget.flops is not None:
        return lambda trainer: charged + trainer.ledger.total("flops")
    return lambda trainer: charged + rate.seconds(trainer.done, trainer.selections)
