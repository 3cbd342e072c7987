"""What a factorial study declares: factors, the arms that cross them, controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..statistics.factorial import Term, terms
from .answer import Names
from .options import among, only, texts

TWIN = "twin of "
"""Before a strategy's label: its uniform twin, random picks under the same schedule."""


@dataclass(frozen=True)
class Design:
    """A two-level design over strategies, checked.

    Parameters
    ----------
    centre : str
        Label of the strategy whose parts the factors are.
    factors : mapping of name to (low, high)
    levels : mapping of label to tuple of level
        Of each arm, in the order of the factors. A label may stand behind :data:`TWIN`.
    controls, diagnostics : tuple of str
        Labels shown against the centre; names of what strategies record about their picks.
    terms : tuple of Term
        The effects that can be told apart; signs in the order of ``levels``.
    """

    centre: str
    factors: Mapping[str, tuple[str, str]]
    levels: Mapping[str, tuple[str, ...]]
    controls: tuple[str, ...]
    diagnostics: tuple[str, ...]
    terms: tuple[Term, ...]

    @classmethod
    def read(cls, options: Mapping[str, Any], names: Names) -> Design:
        """The design that a study's options declare.

        Raises
        ------
        ValueError
            One line: what is wrong, and how to mend it.
        """
        known = ("centre", "factors", "levels", "controls", "diagnostics")
        needed = {
            "centre": "name the strategy that is taken apart",
            "factors": "give each factor its two levels",
            "levels": "give each arm's label the levels of its factors",
        }
        only(options, known, needed)
        factors = _factors(options["factors"])
        levels = _levels(options["levels"], factors)
        controls, diagnostics = (texts(key, options.get(key, ())) for key in ("controls", "diagnostics"))
        for label in texts("centre", [options["centre"]]) + controls:
            among("strategy", label, names.strategies)
        for label in levels:
            among("strategy", label.removeprefix(TWIN), names.strategies)
        signs = [
            [1 if own == factors[f][1] else -1 for own, f in zip(row, factors, strict=True)] for row in levels.values()
        ]
        return cls(options["centre"], factors, levels, controls, diagnostics, terms(signs, tuple(factors)))


def _factors(given: Any) -> dict[str, tuple[str, str]]:
    if not isinstance(given, Mapping) or len(given) < 2:
        raise ValueError("factors must name two factors or more, each with its low and its high level")
    factors = {}
    for name, pair in given.items():
        words = texts(f"factors.{name}", pair)
        if len(words) != 2:
            raise ValueError(f"factors.{name} must be two unlike levels, low and high, not {pair!r}")
        factors[name] = (words[0], words[1])
    return factors


def _levels(given: Any, factors: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError("levels must give each arm's label the levels of its factors")
    taken: dict[tuple[str, ...], str] = {}
    for label, row in given.items():
        if not isinstance(row, list | tuple) or len(row) != len(factors):
            raise ValueError(f"levels of {label!r} must be one for each of {', '.join(factors)}, not {row!r}")
        for level, (name, pair) in zip(row, factors.items(), strict=True):
            among(f"levels of {label!r}, {name}", level, pair)
        first = taken.setdefault(tuple(row), label)
        if first != label:
            raise ValueError(f"{first!r} and {label!r} have the same levels: each combination is one arm")
    return {label: row for row, label in taken.items()}
