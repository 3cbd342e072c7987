"""The check of a matrix's studies, torch-free so that a wrong request is refused at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...strategies import UsageError

if TYPE_CHECKING:
    from ..plan.matrix import Matrix


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
