"""``selbench try FOLDER``: does selecting pay for these images? A matrix is chosen, run at its looks, and read."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...strategies import UsageError
from .leaving import Stopped, again, resumable

if TYPE_CHECKING:
    from ..execution.prepared import RunRequest
    from ..execution.run import RunResult
    from ..plan.matrix import Matrix
    from ..plan.trial import Seen, Trial

REPORT = 10.0  # seconds that reading the records and drawing the page takes


def try_(
    folder: Annotated[Path, typer.Argument(help="Your images: one folder for each class, or train/ and test/.")],
    minutes: Annotated[float, typer.Option(help="Time for all of it.")] = 20.0,
    out: Annotated[Path | None, typer.Option(help="Results folder; results/try-<folder> by default.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a usable core on a CPU, one a GPU.")] = None,
    executor: Annotated[str, typer.Option(help="Where cells run: local, inline.")] = "local",
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; a GPU where there is one.")] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Where decoded images are kept ($SELBENCH_CACHE_DIR).")] = None,
) -> None:
    """Does selection pay for my images? Choose net, size and passes for the minutes, run, and say so in one line.

    The same command goes on with a plan that is in the results folder; --minutes is then the time for this call.
    """
    begun = time.monotonic()
    if not minutes > 0:
        raise UsageError(f"--minutes {minutes:g}: give the time for all of it, such as 20")
    folder = folder.resolve()
    name = "try-" + (re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("-.") or "images")
    out = out or Path("results") / name
    if executor == "local":
        from ..execution.executors.server import start

        start()  # it imports torch while this process does
    plan = out.with_name(f"{out.name}.toml")  # beside the results that it gives
    if plan.is_file():
        print(f"Goes on with the plan in {plan}.")
    else:
        _write_plan(folder, name, plan, minutes, workers, device)
    from ..execution.prepared import RunRequest
    from ..plan.matrix import read

    matrix = read(str(plan))
    request = RunRequest(out, None, cache_dir, device, workers, executor, declared=matrix, source=plan.name)
    with resumable():
        failed = _run(matrix, request, begun + 60 * minutes)
    _say_result(out, failed, time.monotonic() - begun)


def _write_plan(folder: Path, name: str, plan: Path, minutes: float, workers: int | None, device: str | None) -> None:
    """Look at the images, time a few steps, choose, print the plan, and write it as a matrix."""
    import tomli_w

    from .. import environment
    from ..execution.prepared import thread_count
    from ..execution.trial import image_seconds, look
    from ..plan.trial import choose, table_of
    from ..store.folder import write_bytes

    seen, at = look(folder), environment.pick_device(device)
    slots = workers or (1 if at.type == "cuda" else environment.usable_cores())
    threads = thread_count(environment.usable_cores(), slots)
    trial = choose(seen, minutes, slots, lambda size: image_seconds(size, seen.classes, at, threads))
    for line in plan_lines(folder.name, seen, trial, minutes):
        print(line)
    plan.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(plan, tomli_w.dumps(table_of(trial, seen, name, folder.name, str(folder))).encode())
    print(f"Written as {plan}, which `selbench run` takes too.\n")


def plan_lines(title: str, seen: Seen, trial: Trial, minutes: float) -> list[str]:
    """The plan in a few lines: what was seen, what is trained and why, and how long that takes."""
    drawn = "as the folder says" if seen.split is None else f"{100 * seen.split:g} % of each class, drawn by name"
    used = "" if trial.train == seen.train else f"{trial.train:,} of the training images are used: all take too long. "
    looks = trial.rules.looks
    return [
        f"{title}: {seen.train:,} training and {seen.test:,} test images ({drawn}) of {seen.classes} classes, "
        f"shorter side {seen.side} px.",
        f"{used}Net: {trial.size}, the largest that {trial.passes} passes should bring to its plateau in time; "
        "no augmentation.",
        f"Rules: {', '.join(trial.rules.names)}, each against full training cut to the same cost; full and random "
        f"picks as well, also half as long. Differences below {trial.margin:g} points count as none.",
        f"Judged after {looks[0]} seeds, about {trial.seconds / 60:.0f} of {minutes:g} minutes, and where that is open "
        f"and time is left after {' and '.join(map(str, looks[1:]))}.",
    ]


def _run(matrix: Matrix, request: RunRequest, deadline: float) -> list[str]:
    """Run look by look until decided or late; the ids of failed runs."""
    from ...reports.questions.worth import untrained
    from ...reports.records.folder import Results
    from ...reports.summary import summarise
    from .looks import run_until_decided

    out = request.folder(matrix)
    begun, cells = time.monotonic(), out / "cells"
    before_it = len(list(cells.glob("*.json")))

    def goes_on(seeds: int, following: int) -> bool:
        """Whether full is trained enough, and the next look should be over in time at the pace of this call."""
        now = len(list(cells.glob("*.json")))
        each = (time.monotonic() - begun) / max(1, now - before_it)
        ends = time.monotonic() + each * now * (following / seeds - 1)
        return ends < deadline - REPORT and not untrained(summarise(Results.read(out)))

    def late(number: int, _: Any) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(1.0, deadline - time.monotonic() - REPORT))
    try:
        done: RunResult = run_until_decided(matrix, request, [], goes_on)
        return done.failed
    except Stopped as stopped:
        if stopped.code != 128 + signal.SIGALRM:
            raise
        print("The time is over: what is done is read.")
        return []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _say_result(out: Path, failed: list[str], seconds: float) -> None:
    """Write the page, check the folder, and end in the study's one line."""
    from ...reports.build import build
    from ...reports.questions.worth import untrained
    from ..verify import verify

    if not (out / "matrix.toml").is_file():
        raise UsageError(f"the time was over before the first run began: the same command goes on: {again()}")
    page = build(out)
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    print(f"\n{summary['studies'][0]['sentence']}")
    for note in summary["studies"][0]["notes"]:
        print(note)
    if untrained(summary):
        print("To settle it, give more --minutes, and another --out for the longer plan.")
    print(f"{summary['cells']['done']} of {summary['cells']['planned']} runs, {seconds / 60:.1f} minutes. Page: {page}")
    if not (verdict := verify(out)).sound:
        print("\n".join(verdict.lines()))
    if failed:
        print(f"{len(failed)} runs failed: see {out / 'failed'}", file=sys.stderr)
        raise typer.Exit(1)
