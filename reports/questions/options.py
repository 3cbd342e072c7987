"""What the options of any study are checked for, each failure a line that says how to mend it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from .answer import meant


def only(options: Mapping[str, Any], keys: Collection[str], needed: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuse options that there are none of, and the lack of those that are needed: what each should hold, by key."""
    for key in options:
        if key not in keys:
            raise ValueError(f"option {key!r} is unknown{meant(key, keys)}")
    for key, hint in needed.items():
        if key not in options:
            raise ValueError(f"option {key!r} is missing: {hint}")


def among(what: str, given: Any, known: Collection[str]) -> str:
    """``given``, which must be one of ``known``; ``what`` is the option, or what it names."""
    if isinstance(given, str) and given in known:
        return given
    raise ValueError(f"{what}: {given!r} is unknown{meant(given, known)}")


def texts(key: str, given: Any) -> tuple[str, ...]:
    """A list of names, each once."""
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise ValueError(f"{key} must be a list of names, not {given!r}")
    if len(set(given)) < len(given):
        raise ValueError(f"{key} holds a name twice: {', '.join(given)}")
    return tuple(given)


def several(
    options: Mapping[str, Any], key: str, known: Collection[str], usual: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """An option that lists names, each of ``known``; ``usual`` where it is left out."""
    return tuple(among(key, name, known) for name in texts(key, options.get(key, usual)))


def fraction(options: Mapping[str, Any], key: str, usual: float, hint: str = "") -> float:
    """An option that is a share strictly between 0 and 1; ``hint`` says what the usual one means."""
    given = options.get(key, usual)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1:
        raise ValueError(f"{key} = {given!r} is no share between 0 and 1: take {usual:g}{hint}")
    return float(given)
