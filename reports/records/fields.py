"""What the models of the on-disk format share: their base, the types of their fields, and how a misfit is reported."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from .sealing import VERSION, ResultsError, checksum, open_record, sound

# Of tables whose other keys are kept: later versions may say more.
OPEN = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Part(BaseModel):
    """A table of the format: numbers are finite, no type stands for another, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Cost = Annotated[float, Field(ge=0)]
Number = float | int
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]

AsTuple = Field(strict=False)  # a JSON or TOML list, kept as a tuple
Names = Annotated[tuple[str, ...], AsTuple]
Ids = Annotated[tuple[Id, ...], AsTuple]
Counts = Annotated[tuple[Count, ...], AsTuple]

Role = Literal["strategy", "rung", "full", "uniform", "twin", "full-all", "cost-twin"]

# The phases whose costs count. ``probe`` is what a schedule that learns looks at; older versions lack it.
PHASES = ("data", "score", "reference", "select", "train", "probe")
LEDGER_PHASES = (*PHASES, "eval")  # ``eval`` is on the ledger, off the clock and in no total


class Phase(Part):
    flops: Cost
    seconds: Cost
    samples: Count


_ALWAYS = frozenset(LEDGER_PHASES) - {"probe"}


def _phases(ledger: dict[str, Phase]) -> dict[str, Phase]:
    if not _ALWAYS <= ledger.keys() <= set(LEDGER_PHASES):
        raise ValueError(f"its phases must be {', '.join(LEDGER_PHASES)}, and are {list(ledger)}")
    return ledger


Ledger = Annotated[dict[str, Phase], AfterValidator(_phases)]


if TYPE_CHECKING:
    Environment = Mapping[str, Any]
else:

    class Environment(TypedDict):
        __pydantic_config__ = OPEN
        selbench: str
        python: str
        torch: str
        torchvision: str
        platform: str
        cpu: str
        cores: int | None
        device: str
        threads: Positive
        precision: str
        machine: str
        started: Time
        finished: Time


def unpacked(text: str, what: str) -> bytes:
    """The bytes in base64 ``text``; ValueError where it is not base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{what} are not base64 ({error})") from None


P = TypeVar("P", bound=Part)


def read_as(kind: type[P], table: Mapping[str, Any]) -> P:
    """``table`` as a ``kind``; fields that this version does not know are kept, the first misfit is a ResultsError."""
    with suppress(ValidationError):  # most records have no field more, and this is faster
        return kind.model_validate(table)
    try:
        return kind.model_validate(table, extra="allow")
    except ValidationError as error:
        raise ResultsError(next(_lines(error))[0]) from None


def read_record(kind: type[P], content: bytes) -> P:
    """The record of a ``kind`` in the bytes of its file; a ResultsError where it is not what was written."""
    if sound(content):
        with suppress(ValidationError):  # which the slower way explains, or allows
            item = kind.model_validate_json(content)
            if getattr(item, "version", None) == VERSION:
                return item
    return read_as(kind, open_record(content, sealed=kind.model_fields["checksum"].is_required()))


def record_of(kind: type[Part], table: Mapping[str, Any]) -> dict[str, Any]:
    """``table`` as a record of ``kind`` is written, but for its checksum; any misfit is a ResultsError."""
    sealed = {**table, "checksum": checksum(dict(table))}
    for what, _ in misfits(kind, sealed):
        raise ResultsError(f"no record of this form can be written: {what}")
    return kind.model_validate(sealed).model_dump(by_alias=True, exclude_unset=True, exclude={"checksum"})


def misfits(kind: type[Part], table: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """One line for each field that does not fit ``kind``, and whether it is only unknown to this version."""
    try:
        kind.model_validate(table)
    except ValidationError as error:
        yield from _lines(error)


def _lines(error: ValidationError) -> Iterator[tuple[str, bool]]:
    for row in error.errors(include_url=False, include_context=False):
        kind, message = row["type"], row["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
        at = ".".join(map(str, row["loc"]))
        if kind == "extra_forbidden":
            yield f"field {at!r} is unknown to this version", True
        elif kind == "missing":
            yield f"field {at!r} is missing", False
        elif kind == "value_error":
            yield (f"field {at!r}: {message}" if at else message), False
        else:
            yield f"field {at!r}: {message}, and it is {_shown(row['input'])}", False


def _shown(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value)}"
    return f"{value!r:.60}" if not isinstance(value, int) or value.bit_length() < 64 else "a huge number"
