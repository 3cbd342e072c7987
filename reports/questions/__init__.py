"""Studies: questions that a matrix declares before the run, each answered in one sentence with one estimate.

A matrix asks them in ``[[studies]]`` tables; each file here answers one kind. Its class derives from
:class:`~.answer.Study`: the fields are the options, ``answer`` makes estimates, and sentence, tables and charts are
views of these. What they need of statistics is in ``reports/statistics/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..document.blocks import Chart, Series, Table
from ..effects.estimate import Quantity
from ..records.folder import Results
from .answer import Analysis, Answer, Names, Summary, meant
from .crossover import Crossover
from .factorial import Factorial
from .ranking import Ranking
from .references import References
from .residuals import Residuals
from .savings import Savings
from .schedules import Steadiness
from .spectrum import Spectrum
from .sweep import Sweep
from .transfer import Transfer
from .uniformity import Uniformity
from .worth import Worth

__all__ = [
    "ANALYSES", "Analysis", "Answer", "Chart", "Names", "Quantity", "Series", "Summary", "Table", "answers", "check",
]  # fmt: skip

_ALL = (
    Crossover, Factorial, Ranking, References, Residuals, Savings, Spectrum, Steadiness, Sweep, Transfer, Uniformity,
    Worth,
)  # fmt: skip
ANALYSES: dict[str, type] = {study.__name__.lower(): study for study in _ALL}
"""What a study's ``analysis`` may say -> the class that reads it."""

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What options that no ``check`` has seen may set off: a stranger's matrix.toml may hold anything."""


def check(studies: Sequence[Mapping[str, Any]], names: Names) -> None:
    """Check the studies of a matrix (``analysis``, ``question``, ``options``) before anything is trained.

    Raises
    ------
    ValueError
        In one line: which study, what is wrong with it, and how to mend it.
    """
    for number, study in enumerate(studies, 1):
        try:
            _reader(study, names)
        except ValueError as error:
            raise ValueError(f"study {number} ({study['analysis']}): {error}") from None


def answers(results: Results, summary: Summary) -> list[dict[str, Any]]:
    """The ``studies`` of the summary, in the matrix's order: each ``analysis`` and ``question`` with its answer.

    ``summary`` is without studies and claims, which are read from it. A study that cannot be read has the reason as
    its sentence.
    """
    arms = results.matrix.arms.values()
    declared = (label for request in results.matrix.requests for label in request.declared_strategies)
    labels = (arm.label for arm in arms if arm.role in ("strategy", "rung"))
    names = Names(
        datasets=tuple(results.matrix.datasets),
        references=tuple(dict.fromkeys(arm.reference for arm in arms if arm.reference)),
        strategies=tuple(dict.fromkeys((*labels, *declared))),
    )
    found = []
    for study in results.matrix.studies:
        try:
            answer = _reader(study, names).answer(results, summary)
        except _DAMAGE as error:
            answer = Answer(f"This study cannot be read ({' '.join(str(error).split())}).", enough=False)
        found.append({"analysis": study["analysis"], "question": study["question"], **asdict(answer)})
    return found


def _reader(study: Mapping[str, Any], names: Names) -> Analysis:
    kind = study["analysis"]
    if kind not in ANALYSES:
        raise ValueError(f"analysis: {kind!r} is unknown{meant(kind, ANALYSES)}")
    reader: Analysis = ANALYSES[kind](study["options"], names)
    return reader
