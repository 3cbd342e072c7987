"""Numbered random cases that can be repeated one by one, each within a time limit.

``SELBENCH_FUZZ_CASES`` says how many a fuzzer tries (15 in the ordinary suite, 10,000 in ``tox run -e torture``);
``SELBENCH_FUZZ_CASE`` repeats the one case that a failure named.
"""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from selbench.strategies.errors import one_line

CASES = int(os.environ.get("SELBENCH_FUZZ_CASES", "15"))
PATIENCE = 20.0
"""Seconds after which a case hangs; the slowest one takes a small part of them."""


class Hang(BaseException):
    """Not an ``Exception``: code that catches those must not hide that it hung."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise :class:`Hang` in what takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"still running after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(name: str, case: Callable[[random.Random], str], count: int = CASES, patience: float = PATIENCE) -> dict:
    """Run ``case`` with one generator for each number; what it returns is counted, and faults are told by number.

    Parameters
    ----------
    name : str
        Of the fuzzer: its cases depend on this and their number alone.
    case : callable
        Gets a generator, raises on a fault, and says in a word what came of it.
    count : int
    patience : float
        Seconds for a case.
    """
    only = os.environ.get("SELBENCH_FUZZ_CASE")
    tally: dict[str, int] = {}
    faults: dict[str, str] = {}
    for number in range(count) if only is None else [int(only)]:
        try:
            with within(patience):
                word = case(random.Random(f"{name} {number}"))
        except (Exception, Hang) as error:
            if only is not None:
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            said = f"case {number}: {type(error).__name__}: {str(error)[:300]}"
            faults.setdefault(f"{last.filename}:{last.lineno}", said)
            word = "FAULTS"
        tally[word] = tally.get(word, 0) + 1
    words = ", ".join(f"{n:,} {word}" for word, n in sorted(tally.items()))
    print(f"counted: {name}: {sum(tally.values()):,} cases: {words}")
    lines = [f"{place}: {said}" for place, said in faults.items()]
    assert not faults, "\n".join([f"{name}, each place once; SELBENCH_FUZZ_CASE=NUMBER repeats a case alone", *lines])
    return tally


def told(error: Exception) -> str:
    """The message as the user sees it: some words, not a screenful, and nothing that a terminal would act on."""
    text = one_line(str(error))
    assert 10 < len(text) < 1000, f"{len(text)} characters: {text[:200]!r}"
    assert text.isprintable() and "Traceback" not in text, f"not one printable line: {text!r}"
    return text


def damaged(numbers: random.Random, content: bytes) -> bytes:
    """``content`` with a few bytes changed, cut out, doubled, moved or put in."""
    data = bytearray(content)
    for _ in range(numbers.choice((1, 1, 1, 2, 3, 8))):
        size = len(data)
        at = numbers.randrange(size + 1)
        length = min(numbers.choice((1, 1, 2, 4, 16, 256)), size - at)
        match numbers.randrange(7):
            case 0 if size > at:
                data[at] ^= 1 << numbers.randrange(8)
            case 1:
                data[at : at + length] = numbers.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length]
            case 4:
                data[at:at] = numbers.choice(SPLICES)
            case 5:
                del data[at:]
            case _:
                other = numbers.randrange(size + 1)
                data[other : other + length] = data[at : at + length]
    return bytes(data)


SPLICES = (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"\n", b"[" * 3000, b"{" * 200, b"-1", b"1e999", b"9" * 5000)
"""Bytes that readers have stumbled over: NUL, what is no UTF-8, depth, numbers without end."""

TEXTS = (
    "",
    " ",
    "a",
    "../../up",
    "/absolute",
    "nul\x00inside",
    "line\nbreak",
    "\x1b[31mred",
    "\u202eright to left",
    "<script>alert(1)</script>",
    "a|b`c`",
    "$(x)\\input{y}%",
    "é" * 3,
    "long" * 500,
    "=1+1",
    "nan",
    "imagefolder:",
    ":",
)
VALUES: tuple[Any, ...] = (
    *TEXTS,
    0, 1, -1, 2, 3, 7, 128, 2**31, 2**63, -(2**63) - 1, 10**9, 10**400,
    0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 1e-300, 1e300, float("inf"), float("nan"),
    True, False, [], {}, [[]], [1, 2], ["a"], [1, "a", None, {}], {"name": "x"}, {"a": {"b": {}}},
)  # fmt: skip
"""What may stand where something else was meant."""


def mutated(numbers: random.Random, value: Any, values: tuple[Any, ...] = VALUES) -> Any:
    """A copy of nested tables and lists in which one place, picked evenly, was changed, dropped, added to or moved."""
    places = [()] if not _inside(value) else list(_places(value))
    path = numbers.choice(places)
    return _changed(numbers, value, path, values)


def _inside(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in _inside(value):
        yield (*path, key)
        yield from _places(inner, (*path, key))


def _changed(numbers: random.Random, value: Any, path: tuple[Any, ...], values: tuple[Any, ...]) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
    if not path:
        return numbers.choice(values)
    key, *rest = path
    if rest:
        copy[key] = _changed(numbers, copy[key], tuple(rest), values)
        return copy
    match numbers.randrange(8):
        case 0:
            del copy[key]
        case 1 if isinstance(copy, dict):
            name = numbers.choice((*TEXTS, "name", f"{key}s", str(key)[:-1], numbers.choice(list(copy))))
            copy[name] = copy.pop(key)
        case 1 | 2 if isinstance(copy, list):
            copy.insert(numbers.randrange(len(copy) + 1), copy[key])
        case 2:
            copy[key] = [copy[key]]
        case 3:
            copy[key] = {"name": copy[key]}
        case 4 if isinstance(copy[key], int | float):
            copy[key] = copy[key] * numbers.choice((-1, 0, 1.5, 2, 10, 1e9)) + numbers.choice((0, 1, -1))
        case 4 | 5 if copy:
            copy[key] = copy[numbers.choice(list(copy))] if isinstance(copy, dict) else numbers.choice(copy)
        case _:
            copy[key] = numbers.choice(values)
    return copy
