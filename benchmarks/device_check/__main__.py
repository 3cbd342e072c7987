"""What only a GPU can show, in ten minutes: ``python -m selbench.benchmarks.device_check --minutes 9 --out DIR``.

Every stage runs in a process of its own with a limit of its own; one that fails or runs out of time is named in the
table, with the rows that it had noted, and the next one starts. ``--rehearse`` runs all at a tiny size on a CPU.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...harness.environment import describe, enter, now, pick_device
from . import stages
from .stages import Check, Row, noted

LEAST = 5.0  # seconds: with less left, a stage is not begun


@dataclass(frozen=True)
class Stage:
    """Its limit is seconds out of nine minutes."""

    run: Callable[[Check], str]
    limit: float

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def about(self) -> str:
        return (self.run.__doc__ or "").split("\n")[0]


STAGES = (
    Stage(stages.waits, 60),
    Stage(stages.steps, 110),
    Stage(stages.graph, 30),
    Stage(stages.epoch, 30),
    Stage(stages.ceiling, 50),
    Stage(stages.tests, 50),
    Stage(stages.quick, 110),
    Stage(stages.twice, 50),
    Stage(stages.deterministic, 50),
    Stage(stages.scale, 110),
)


def _facts(rehearse: bool) -> Row:
    device = enter(pick_device("cpu" if rehearse else "cuda"))
    return {**describe(device, "float32" if rehearse else "bf16"), "cuda": torch.version.cuda}


def _child(run: Callable[[], Row], log: Path, answer: Any) -> None:
    """In a process of its own: ``run``, its output in a file, its answer or its error through the pipe."""
    os.setpgrp()  # what it starts ends with it
    with log.open("w", encoding="utf-8") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            answer.send(run())
        except BaseException as error:
            traceback.print_exc()
            answer.send({"outcome": "failed", "said": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"})


def apart(run: Callable[[], Row], log: Path, limit: float) -> Row:
    """``run()`` in a fork, which no CUDA context was made before; killed with all that it started at its limit."""
    start = multiprocessing.get_context("fork")
    ours, theirs = start.Pipe(duplex=False)
    process = start.Process(target=_child, args=(run, log, theirs))
    process.start()
    theirs.close()
    found: Row = {"outcome": "out of time", "said": f"ended at its limit of {limit:.0f} s"}
    if ours.poll(limit):
        try:
            found = ours.recv()
        except EOFError:
            found = {"outcome": "failed", "said": "its process died"}
    process.join(1)
    if process.is_alive() and process.pid:
        with suppress(OSError):  # it has no group yet, or is gone
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
    return found


def carried_out(stage: Stage, out: Path, rehearse: bool, limit: float) -> Row:
    rows = out / "stages" / f"{stage.name}.jsonl"
    rows.unlink(missing_ok=True)

    def note(row: Row) -> None:
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    begun = time.monotonic()
    run = lambda: {"outcome": "done", "said": stage.run(Check(out, rehearse, note))}  # noqa: E731
    found = apart(run, out / "stages" / f"{stage.name}.log", limit)
    return {**found, "seconds": time.monotonic() - begun, "rows": noted(out, stage.name)}


def checked(out: Path, minutes: float, rehearse: bool, chosen: list[str]) -> Row:
    """Every stage in turn; the table is written again after each."""
    (out / "stages").mkdir(parents=True, exist_ok=True)
    if rehearse:  # where no fork can meet a CUDA context: what each stage would load, since it counts operations
        importlib.import_module("torch._dynamo")
    begun, table = time.monotonic(), dict[str, Any](when=now(), selbench=__version__, rehearsal=rehearse, stages=[])
    table["environment"] = apart(lambda: _facts(rehearse), out / "stages" / "facts.log", 60.0)
    for stage in STAGES:
        if chosen and stage.name not in chosen:
            continue
        left = 60 * minutes - (time.monotonic() - begun)
        limit = min(left, stage.limit * max(1.0, minutes / 9))
        row: Row = {"stage": stage.name, "about": stage.about, "limit": limit, "seconds": 0.0, "rows": []}
        if limit < LEAST:
            row |= {"outcome": "not run", "said": "no time was left"}
        else:
            row |= carried_out(stage, out, rehearse, limit)
        table["stages"].append(row)
        print(f"{stage.name:14s} {row['outcome']:12s} {row['seconds']:6.1f} s  {row['said']}", flush=True)
        (out / "device-check.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
        (out / "device-check.md").write_text(page(table), encoding="utf-8")
    return table


def page(table: Row) -> str:
    """The table as Markdown: the stages, then what each of them noted."""
    env = table["environment"]
    about = ", ".join(f"{key} {env[key]}" for key in ("device", "torch", "cuda", "precision", "python") if key in env)
    title = "Device check (rehearsal)" if table["rehearsal"] else "Device check"
    lines = [f"# {title}", "", f"{table['when']}: {about or env.get('said', '')}; {platform.system()}.", ""]
    rows = [{key: stage[key] for key in ("stage", "outcome", "seconds", "about", "said")} for stage in table["stages"]]
    lines += _grid(rows)
    for stage in table["stages"]:
        if stage["rows"]:
            lines += ["", f"## {stage['stage']}", "", *_grid(stage["rows"])]
    return "\n".join(lines) + "\n"


def _grid(rows: list[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")

    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return lines + [f"| {' | '.join(cell(row.get(name, '')) for name in names)} |" for row in rows]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m selbench.benchmarks.device_check", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all stages together")
    parser.add_argument("--out", type=Path, required=True, help="folder of the table, the profile and the logs")
    parser.add_argument("--rehearse", action="store_true", help="every stage at a tiny size, on a CPU")
    parser.add_argument("--stage", action="append", default=[], choices=[stage.name for stage in STAGES])
    asked = parser.parse_args(arguments)
    table = checked(asked.out.resolve(), asked.minutes, asked.rehearse, asked.stage)
    return int(any(stage["outcome"] != "done" for stage in table["stages"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
