"""``selbench show``: all that is known of one registered name, shipped matrix or claim."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ...strategies import UsageError
from ...strategies.errors import did_you_mean
from ...strategies.registry import registry

if TYPE_CHECKING:
    from ...reports.questions.claims.schema import Claim
    from ..plan.matrix import Matrix

REGISTERED = ("schedules", "datasets", "references", "learners", "executors", "trackers")
Lines = Iterator[tuple[str, str]]
"""A label and its text; an empty label continues, or heads what is listed below it."""


def show(
    name: Annotated[str, typer.Argument(help="A strategy, or another registered name, a shipped matrix or a claim.")],
) -> None:
    """Show one strategy (paper, formula, options, cost, claims, matrices), matrix, claim or other registered name."""
    found = _holders(name)
    if not found:
        near = did_you_mean(name, _names())
        mend = near if near.startswith("; did you mean") else "; selbench list shows every name"
        raise UsageError(f"nothing is called {name!r}{mend}")
    console = Console(emoji=False)
    for kind, lines in found.items():
        console.print(Text.assemble((name, "bold"), f"  {kind}"))
        for label, text in lines(name):
            body = Text.assemble((f"{label}: ", "italic"), text) if label else Text(text)
            console.print(Padding(body, (0, 0, 0, 2)))
        console.print()


def _holders(name: str) -> dict[str, Callable[[str], Lines]]:
    """What the name stands for, a kind each: a reference may be called as a strategy is."""
    found: dict[str, Callable[[str], Lines]] = {}
    if name in registry("strategies").found():
        found["strategy"] = _strategy
    for kind in REGISTERED:
        if name in registry(kind).found():
            found[registry(kind).singular] = _other(kind)
    if name in _matrix_names():
        found["matrix"] = _matrix
    if name in _claims():
        found["claim"] = _claim
    return found


def _names() -> list[str]:
    kinds = ("strategies", *REGISTERED)
    return sorted({*_matrix_names(), *_claims(), *(name for kind in kinds for name in registry(kind).found())})


def _strategy(name: str) -> Lines:
    from ...strategies.descriptions import described
    from .costs import BESIDES, LEGEND, cost

    it = described(name)
    yield "", it.summary
    yield "Group", f"{it.group}; from {it.origin}"
    if it.error:
        yield "Error", it.error
    if it.traits:
        every = f", every {it.traits.select_every} epochs" if it.traits.select_every > 1 else ""
        fresh = ", on fresh scores" if it.traits.pool_scores == "fresh" else ""
        yield "Asked", f"at cadence {it.cadence}{every + fresh if it.cadence == 'epoch' else ''}"
        yield "Reads", ", ".join(sorted(it.traits.needs)) or "nothing of the candidates"
    if it.papers:
        yield "Papers", ", ".join(it.papers)
    yield from it.sections.items()
    if it.traits:
        try:
            counted = cost(registry("strategies").load(name), it.traits)
        except Exception as broken:  # a stranger's select may raise anything
            yield "Error", f"select: {type(broken).__name__}: {broken}"
        else:
            besides = "".join(f"; {word}: {BESIDES[word]}" for word in counted.split(" + ")[:-1])
            yield "Counted", f"{counted} FLOPs; {LEGEND}{besides}"
    for at, option in enumerate(it.options):
        text = f"{option.name} = {option.default}" if option.default else option.name
        allowed = f" ({option.allowed})" if option.allowed else ""
        yield "" if at else "Options", f"{text}{allowed}: {option.about}" if option.about else text + allowed
    matrices = _matrices()
    claims = {claim.id: claim for claim in _claims().values() if name in _tested(claim, matrices)}
    yield "Claims", "" if claims else "none"
    yield from (("", f"{key}: {claim.title} ({_run_by(claim)})") for key, claim in claims.items())
    run_by = {key: labels for key, matrix in matrices.items() if (labels := _labels(matrix, name))}
    shown = (key if name in labels else f"{key} (as {', '.join(labels)})" for key, labels in run_by.items())
    yield "Matrices", ", ".join(shown) or "none"


def _other(kind: str) -> Callable[[str], Lines]:
    def lines(name: str) -> Lines:
        entry = registry(kind).entry(name)
        for line in (inspect.getdoc(registry(kind).target(name)) or "no description").splitlines():
            yield "", line
        yield "From", f"{entry.distribution} {entry.version}"

    return lines


def _matrix(name: str) -> Lines:
    matrix = _matrices()[name]
    yield "", matrix.title
    yield "Seeds", str(len(matrix.seed_list()))
    given = matrix.budget.model_dump(exclude_defaults=True).items()
    yield "Budget", ", ".join(f"{key} = {value}" for key, value in given)
    yield "Data sets", ", ".join(entry.name for entry in matrix.datasets)
    yield "References", ", ".join(entry.name for entry in matrix.references) or "none"
    yield "Schedule", matrix.schedule.name
    yield "Strategies", ", ".join(dict.fromkeys(entry.label or entry.name for entry in matrix.strategies))
    for study in matrix.studies:
        yield "Study", study.question
    yield "Claims", ", ".join(claim.id for claim in _claims().values() if claim.matrix == name) or "none"
    yield "Run", f"selbench run {name} --plan"


def _claim(name: str) -> Lines:
    claim = _claims()[name]
    yield "", claim.title
    yield "Statement", claim.statement
    if claim.said:
        yield "Published", claim.said
    yield "Source", ", ".join(filter(None, (claim.source.paper, claim.source.section)))
    for test in claim.tests:
        bound = "" if test.bound is None else f" {test.bound:g}"
        rival = str(test.rival) if test.rival else test.baseline
        case = f" ({test.case})" if test.case else ""
        yield "Test", f"{test.dataset}: {test.metric} of {test.strategy} {test.hypothesis}{bound} against {rival}{case}"
    if claim.unknown:
        yield "Unknown", "; ".join(claim.unknown)
    yield "Run by", _run_by(claim)


def _run_by(claim: Claim) -> str:
    if claim.scope == "out":
        return f"out of scope: {claim.reason}"
    return f"not yet: {claim.needs}" if claim.needs else claim.matrix


def _tested(claim: Claim, matrices: Mapping[str, Matrix]) -> set[str]:
    """Registered names of the rules that its tests speak of; a label is looked up in its matrix."""
    entries = matrices[claim.matrix].strategies if claim.matrix in matrices else []
    rules = [rule for test in claim.tests for rule in (test.strategy, test.rival) if rule is not None]
    labelled = {label for rule in rules if (label := rule.label)}
    found = {name for rule in rules for name in (rule.name, *_inside(rule.options))}
    return found | {name for entry in entries if entry.label in labelled for name in _used(entry.name, entry.options)}


def _labels(matrix: Matrix, name: str) -> list[str]:
    """The labels under which a matrix runs a rule, alone or inside another."""
    found = (entry.label or entry.name for entry in matrix.strategies if name in _used(entry.name, entry.options))
    return list(dict.fromkeys(found))


def _used(name: str, options: Mapping[str, Any]) -> set[str]:
    return {name, *_inside(options)}


def _inside(options: Mapping[str, Any]) -> Iterator[str]:
    """The rules that the options of a wrapper name, however deep."""
    for key, value in options.items():
        if key in ("of", "other") and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _inside(value)


def _matrix_names() -> list[str]:
    from ..plan.matrix import shipped

    return sorted(shipped())


def _matrices() -> dict[str, Matrix]:
    from ..plan.matrix import read

    return {name: read(name) for name in _matrix_names()}


def _claims() -> dict[str, Claim]:
    from ...reports.questions.claims.reading import shipped

    return {claim.id: claim for claim in shipped()}
