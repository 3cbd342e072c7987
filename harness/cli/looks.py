"""``selbench run --until-decided``: seeds are added at the declared looks alone, until what was declared is decided.

What a look found is kept in ``matrix.toml`` and never judged again, so that a run that was killed goes on where it
was: it trains what the look lacks, judges it once, and stops or goes on as an undisturbed run would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from ...reports.records.folder import Results
from ...reports.summary import summarise
from ...strategies import UsageError
from ..execution.prepared import RunRequest
from ..execution.run import RunResult, run
from ..plan.matrix import Matrix, narrowed
from ..store.folder import Store


def run_until_decided(
    matrix: Matrix,
    request: RunRequest,
    strategies: list[str],
    goes_on: Callable[[int, int], bool] = lambda seeds, following: True,
) -> RunResult:
    """Run ``matrix`` with the seeds of one look after another; returns the last run.

    ``goes_on`` says after an open look of so many ``seeds`` whether the ``following`` one is begun. A look some of
    whose runs failed is not taken: the same command tries them again.
    """
    store, looks = Store(request.folder(matrix)), matrix.analysis.looks
    before = store.resolved()
    there, taken = (
        len(before.get("requested", {}).get("seeds", [])),
        {row["seeds"]: row for row in before.get("looks", [])},
    )
    if there > looks[-1]:
        raise UsageError(f"{store.root} has {there} seeds, more than the last look's {looks[-1]}: choose another --out")
    # A look at fewer seeds than there are is over: it would be judged by seeds that it did not have.
    open_looks = [n for n in looks if n >= there and (n == looks[-1] or n not in taken or taken[n]["decided"])]
    for seeds, following in zip(open_looks, [*open_looks[1:], 0], strict=True):
        done = run(narrowed(matrix, strategies, seeds), request)
        if done.failed:
            return done
        if seeds not in taken:
            taken[seeds] = _judged(store)
            store.write_look(taken[seeds])
        ends = taken[seeds]["decided"] or seeds == looks[-1]
        on = not ends and goes_on(seeds, following)
        _say(f"look {looks.index(seeds) + 1} of {len(looks)}, {seeds} seeds", taken[seeds], ends, on)
        if not on:
            return done
    raise AssertionError("the last look is always open, and ends")


def _judged(store: Store) -> dict[str, Any]:
    looks = summarise(Results.read(store.root))["looks"]
    if looks["now"] is None:
        raise UsageError(
            f"{store.root}: no declared contrast can be judged here: `selbench report` says why; choose another --out"
        )
    found: dict[str, Any] = looks["now"]
    return found


def _say(which: str, look: Mapping[str, Any], ends: bool, on: bool) -> None:
    several = len({row["dataset"] for row in look["verdicts"]}) > 1
    verdicts = "; ".join(
        f"{row['strategy']}:{row['question']}{' on ' + row['dataset'] if several else ''} {row['verdict']}"
        for row in look["verdicts"]
    )
    more = ". More seeds are added" if on else ""
    after = more if not ends else ". Decided" if look["decided"] else ". This was the last look"
    Console(stderr=True, emoji=False).print(escape(f"{which}: {verdicts}{after}."), highlight=False)
