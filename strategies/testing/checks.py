"""The list of laws, and how one strategy is held against them."""

import inspect
import sys
import traceback
import unittest
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from ..errors import UsageError
from . import conduct, picks
from .subject import Broken, NotJudged, Subject

Count = Callable[[Callable[[], Any]], float]
"""Runs a call and returns its floating-point operations."""


@dataclass(frozen=True)
class Law:
    """One law: its name, the function that judges, and the laws without which it says nothing."""

    name: str
    judge: Callable[[Any], None]
    after: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.judge) or "").split("\n")[0].replace("``", "")


UNTIL = "not judged until"
RETURNS = ("count", "range", "unique", "dtype", "device")
FATAL = ("runs", *RETURNS, "weights")
"""Laws that the harness holds every selection to: whatever breaks one fails its cells."""
STEADY = (*RETURNS, "global-randomness", "reproducible")

LAWS: tuple[Law, ...] = (
    Law("declares", conduct.declares),
    Law("runs", picks.runs, ("declares",)),
    Law("count", picks.count, ("runs",)),
    Law("range", picks.in_range, ("runs", "count")),
    Law("unique", picks.unique, ("runs", "count")),
    Law("dtype", picks.dtype, ("runs",)),
    Law("device", conduct.device, ("runs",)),
    Law("weights", picks.weights, RETURNS),
    Law("ratio-one", picks.ratio_one, RETURNS),
    Law("losses", picks.losses, RETURNS),
    Law("features", picks.features, RETURNS),
    Law("first-epoch", picks.first_epoch, (*RETURNS, "weights")),
    Law("inputs", conduct.inputs, RETURNS),
    Law("graph", conduct.graph, RETURNS),
    Law("global-randomness", conduct.global_randomness, RETURNS),
    Law("reproducible", picks.reproducible, (*RETURNS, "global-randomness")),
    Law("equivariant", picks.equivariant, STEADY),
    Law("waiting", conduct.waiting, RETURNS),
    Law("needs", conduct.needs, STEADY),
    Law("needs-used", conduct.needs_used, STEADY),
    Law("repr", conduct.repr_rebuilds, ("declares",)),
    Law("state", conduct.state, STEADY),
    Law("flops", conduct.flops, RETURNS),
    Law("worker", conduct.worker, STEADY),
)
"""Every law, each behind those that it builds on: one fault is told once."""


@dataclass(frozen=True)
class Result:
    """The outcome of one law; the message says what to change or why it was not judged; empty where it passed."""

    law: str
    verdict: Literal["pass", "fail", "skip"]
    message: str = ""


class Checkup:
    """The laws for one subject, a strategy unless they are others; each is judged once."""

    def __init__(self, subject: Any, laws: tuple[Law, ...] = LAWS) -> None:
        self.subject = subject
        self._laws = {law.name: law for law in laws}
        self._results: dict[str, Result] = {}

    def result(self, name: str) -> Result:
        if name not in self._results:
            self._results[name] = self._judged(self._laws[name])
        return self._results[name]

    def results(self) -> list[Result]:
        return [self.result(name) for name in self._laws]

    def _judged(self, law: Law) -> Result:
        for earlier in law.after:
            result = self.result(earlier)
            if result.verdict == "fail":
                return Result(law.name, "skip", f"{UNTIL} {earlier!r} holds")
            if result.message.startswith(UNTIL):
                return Result(law.name, "skip", result.message)
        try:
            law.judge(self.subject)
        except NotJudged as reason:
            return Result(law.name, "skip", _line(reason))
        except Broken as error:
            return Result(law.name, "fail", _line(error) + place(error.__cause__))
        except Exception as error:
            raised = f"{law.summary} Judging it raised {type(error).__name__}: {_line(error)}"
            return Result(law.name, "fail", raised + place(error))
        return Result(law.name, "pass")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


_ROOT = Path(__file__).parents[2]
_OURS = (*(str(_ROOT / name) for name in ("strategies", "harness")), str(Path(torch.__file__).parent), "<")


def place(error: BaseException | None) -> str:
    """`` (FILE:LINE)`` of the code under examination that an error came from; empty where it is all ours or torch's."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    rules = [frame for frame in frames if frame.filename.startswith(str(_ROOT / "strategies" / "rules"))]
    found = [frame for frame in frames if not frame.filename.startswith(_OURS)] or rules
    if not found:
        return ""
    path, here = Path(found[-1].filename), Path.cwd()
    return f" ({path.relative_to(here) if path.is_relative_to(here) else path}:{found[-1].lineno})"


def check(strategy: Any, *, count: Count | None = None, **hyper_parameters: Any) -> list[Result]:
    """Hold a strategy against every law.

    Parameters
    ----------
    strategy : str, class or object
        A registered name, ``package.module:Class``, a class, or an instance that ``begin`` was not called on.
    count : callable, optional
        Runs a call and returns its floating-point operations; without it the law ``flops`` is skipped.
    **hyper_parameters
        For a name or a class.

    Returns
    -------
    list of Result
        One for each law, in the order of :data:`LAWS`.

    Raises
    ------
    UsageError
        If there is no such strategy.

    Examples
    --------
    >>> [result for result in check("uniform") if result.verdict == "fail"]
    []
    """
    return Checkup(Subject.of(strategy, hyper_parameters, count)).results()


def parametrize_with_checks(strategies: Iterable[Any], *, count: Count | None = None) -> Any:
    """A pytest decorator: the test gets ``check``, once for each strategy and law, and calls it.

    Parameters
    ----------
    strategies : iterable
        Names, classes or instances, as :func:`check` takes them.
    count : callable, optional
        As in :func:`check`.

    Raises
    ------
    UsageError
        If there is no such strategy, or pytest does not run.
    """
    pytest: Any = sys.modules.get("pytest")  # loaded wherever it runs tests; nobody else needs it
    if pytest is None:
        raise UsageError("parametrize_with_checks is for tests that pytest runs: elsewhere call check(strategy)")
    cases = []
    for strategy in strategies:
        checkup = Checkup(Subject.of(strategy, count=count))
        cases += [
            pytest.param(partial(_judge, checkup, law.name), id=f"{checkup.subject.name}-{law.name}") for law in LAWS
        ]
    return pytest.mark.parametrize("check", cases)


def _judge(checkup: Checkup, law: str) -> None:
    """One law for one strategy, as a test calls it."""
    result = checkup.result(law)
    if result.verdict == "skip":
        raise unittest.SkipTest(result.message)
    if result.verdict == "fail":
        raise Broken(f"{checkup.subject.name} breaks the law {law!r}: {result.message}")
