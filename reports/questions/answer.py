"""What a study is made of: its options as declared in the matrix, and its answer in a report."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from ..document.blocks import Chart, Table
from ..effects.estimate import Estimates, Quantity
from ..records.folder import Results

Summary = Mapping[str, Any]
"""The contents of summary.json, studies and claims left out."""


@dataclass(frozen=True)
class Names:
    """What a study's options may refer to: the names in its matrix, as declared."""

    datasets: tuple[str, ...]
    references: tuple[str, ...]
    strategies: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What the records say to a study's question.

    ``sentence`` answers it with an interval, or says in plain words what is lacking for an answer; ``enough`` is
    False in the latter case. ``notes`` are what a reader of the answer must know.
    """

    sentence: str
    enough: bool
    quantities: tuple[Quantity, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[str, ...] = ()


def about(
    title: str,
    sentence: str | None,
    lacking: str,
    found: Estimates,
    tables: Iterable[Table | None],
    charts: Iterable[Chart | None],
    notes: Iterable[str],
    known: bool = True,
) -> Answer:
    """The answer for one data set; without a ``sentence``, what is lacking for one.

    Claims read what was ``found``: only what has a value where it is ``known``. Tables and charts may be None.
    """
    said = f"{title}: {sentence or f'no answer yet, since {lacking}'}."
    blocks = tuple(filter(None, tables)), tuple(filter(None, charts))
    return Answer(said, bool(sentence), found.quantities(known), *blocks, tuple(notes))


def joined(parts: Sequence[Answer], lacking: str) -> Answer:
    """One answer of those of each data set or rule, with the first one's sentence; without any, what is lacking."""
    if not parts:
        return Answer(f"No answer yet: {lacking}.", enough=False)
    first = next((part for part in parts if part.enough), parts[0])
    others = "; the tables have the others" if len(parts) > 1 else ""
    return Answer(
        sentence=f"{first.sentence.removesuffix('.')}{others}.",
        enough=first.enough,
        quantities=tuple(quantity for part in parts for quantity in part.quantities),
        tables=tuple(table for part in parts for table in part.tables),
        charts=tuple(chart for part in parts for chart in part.charts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def remarks(title: str, said: Iterable[str]) -> tuple[str, ...]:
    """One note of all that is out of the ordinary; none where all is well."""
    text = "; ".join(filter(None, said))
    return (f"{title}: {text}.",) if text else ()


class Analysis(Protocol):
    """How one kind of study is answered: ``Kind(options, names)`` checks, ``answer`` reads.

    The constructor raises ``ValueError`` with one line (what is wrong and how to mend it) for options that are
    unknown, missing, or refer to a name that is not in the matrix. It is called before anything is trained.
    """

    def answer(self, results: Results, summary: Summary) -> Answer:
        """The answer from the records at hand, however few: never an exception, never a number nobody measured."""
        ...


class Study(BaseModel):
    """A study whose fields are its options.

    The ``description`` of a field says what to give, for the message where it is missing or of another form:
    ``option 'margin' = 2 is wrong: give a share between 0 and 1``. The context of validators is a :class:`Names`.

    Parameters
    ----------
    options : mapping
        As declared in the matrix.
    names : Names

    Raises
    ------
    ValueError
        One line: which option is wrong and how to mend it.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, options: Mapping[str, Any], names: Names) -> None:
        try:
            self.__pydantic_validator__.validate_python(dict(options), context=names, self_instance=self)
        except ValidationError as error:
            raise ValueError(_complaint(error, options, type(self))) from None


def _complaint(error: ValidationError, options: Mapping[str, Any], study: type[Study]) -> str:
    """The first thing wrong in one line; unknown options come first, since one may be a missing option misspelt."""
    order = ("extra_forbidden", "missing")
    found = min(error.errors(), key=lambda one: order.index(one["type"]) if one["type"] in order else len(order))
    key, *inner = (str(part) for part in found["loc"] or ("",))
    if found["type"] == "extra_forbidden" and not inner:
        return f"option {key!r} is unknown{meant(key, study.model_fields)}"
    if found["type"] == "value_error":
        return ": ".join(filter(None, (key, str(found["ctx"]["error"]))))
    field = study.model_fields.get(key)
    hint = f"give {field.description}" if field and field.description else found["msg"]
    if found["type"] == "missing" and not inner:
        return f"option {key!r} is missing: {hint}"
    return f"option {key!r} = {options.get(key)!r} is wrong: {hint}"


def known(given: str, names: Collection[str]) -> str:
    """``given``, which must be one of ``names``; a ``ValueError`` with the nearest one otherwise."""
    if given in names:
        return given
    raise ValueError(f"{given!r} is unknown{meant(given, names)}")


def meant(wrong: object, names: Collection[str]) -> str:
    """The nearest of the names, or all of them, for the end of a complaint."""
    near = difflib.get_close_matches(str(wrong), names, n=1)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": take one of {', '.join(names)}" if names else ": there is none"


def _of_the_matrix(kind: str) -> AfterValidator:
    def check(given: str, info: ValidationInfo) -> str:
        return known(given, getattr(info.context, kind))

    return AfterValidator(check)


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"holds a name twice: {', '.join(names)}")
    return names


DatasetName = Annotated[str, _of_the_matrix("datasets")]
ReferenceName = Annotated[str, _of_the_matrix("references")]
StrategyName = Annotated[str, _of_the_matrix("strategies")]

T = TypeVar("T")
Several = Annotated[tuple[T, ...], Field(strict=False, description="a list of names, each once"), AfterValidator(_once)]
"""A list of names, such as ``Several[StrategyName]``; TOML has lists, and a study keeps them as tuples."""

Fraction = Annotated[float, Field(gt=0, lt=1, description="a share between 0 and 1")]
