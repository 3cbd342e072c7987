"""A run as the command and Python ask for it: which part of a matrix, checked before torch is loaded; then the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...strategies import UsageError

if TYPE_CHECKING:
    from ..execution.prepared import RunRequest
    from ..execution.run import RunResult
    from ..plan.matrix import Matrix


def asked_for(
    declared: Matrix,
    strategies: Sequence[str],
    seeds: int | None,
    executor: str,
    data_dir: Path | None,
    *,
    until_decided: bool = False,
    plan: bool = False,
) -> Matrix:
    """``declared`` with these strategies and seeds alone; a request that cannot work is refused, torch not loaded."""
    from ..plan.matrix import narrowed, refuse_undeclared, refuse_unknown_names

    asked = narrowed(declared, list(strategies), seeds)
    if until_decided:
        refuse_undeclared(asked, seeds, plan)
    refuse_unknown_names(asked, executor, data_dir)
    check_studies(declared)
    return asked


def carry_out(
    declared: Matrix, asked: Matrix, request: RunRequest, strategies: Sequence[str], *, until_decided: bool = False
) -> RunResult:
    """Run what is ``asked`` of a matrix, or look after look; a rule that would fail every run stops it before."""
    from ..execution.run import run
    from .checking import refuse_failing
    from .looks import run_until_decided

    if not request.keep_going:
        refuse_failing(asked)
    return run_until_decided(declared, request, list(strategies)) if until_decided else run(asked, request)


def check_studies(matrix: Matrix) -> None:
    """Refuse studies with unknown analyses or options before any training."""
    if not matrix.studies:
        return
    from ...reports.questions import Names, check

    names = Names(
        tuple(entry.name for entry in matrix.datasets),
        tuple(entry.name for entry in matrix.references),
        tuple(entry.label or entry.name for entry in matrix.strategies),
    )
    try:
        check([study.model_dump() for study in matrix.studies], names)
    except ValueError as error:
        raise UsageError(f"{matrix.name}: {error}") from None
