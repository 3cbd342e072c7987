"""How the command leaves: one line for what a user can mend, an exit code for each signal, no traceback for either."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import typer

from ...reports.records.sealing import explained
from ...strategies import UsageError
from ...strategies.errors import one_line
from ..tasks.stop_signals import SIGNALS
from ..toml import expanded

_HOME = re.compile(r"(--[\w-]+=)?(~.*)", re.DOTALL)


class Stopped(BaseException):
    """A signal asks the process to leave; no KeyboardInterrupt, which typer would turn into exit code 1."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def guarded(app: Callable[..., object]) -> None:
    """Call ``app`` on the command line; ``~`` stands for the home folder in every argument."""
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP; SIGINT is Python's own
            signal.signal(number, _stop)
    try:
        try:
            app(args=[_at_home(argument) for argument in sys.argv[1:]])
        finally:
            _flush()
    except UsageError as error:
        _fail(str(error))
    except Stopped as stopped:
        sys.exit(stopped.code)
    except OSError as error:  # a full disk, a folder of somebody else: of any command
        _fail(explained(error))


def again() -> str:
    """The command as it was given."""
    return shlex.join(["selbench", *sys.argv[1:]])


@contextmanager
def resumable() -> Iterator[None]:
    """What is done here may be stopped: the line says how to resume, and the exit code is the signal's."""
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stopped:
        say(f"selbench: stopped; finished tasks are kept, and the same command resumes: {again()}")
        raise typer.Exit(stopped.code if isinstance(stopped, Stopped) else 130) from None


def _stop(number: int, _: object) -> None:
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:  # a lost terminal: what is still printed goes nowhere, or its error would hide the signal
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    raise Stopped(number)


def _at_home(argument: str) -> str:
    found = _HOME.fullmatch(argument)
    return f"{found[1] or ''}{expanded(found[2])}" if found else argument


def _flush() -> None:
    """Write what was printed while an error can still be told: at exit Python only complains."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if not isinstance(error, BrokenPipeError):  # as into `head`
            raise


def _fail(line: str) -> None:
    say(f"selbench: {one_line(line)}")
    sys.exit(2)


def say(line: str) -> None:
    """Print on standard error, where there still is one: a lost terminal takes nothing."""
    with suppress(OSError):
        print(line, file=sys.stderr)
