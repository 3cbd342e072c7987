"""The commands that make a results folder again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ...records.folder import Dataset, Request, Results
from ..blocks import Block, Items, Part, Prose
from ..panels import Row
from .run import budget


def reproduce(results: Results) -> str:
    """One line for each command: what was run, and for a folder merged of several matrices how they were merged."""
    matrix = results.matrix
    runs = [(of, [matrix.datasets[name] for name in of.datasets]) for of in matrix.requests]
    if len(runs) == 1:
        return shlex.join(_run(*runs[0]))
    commands = dict[str, list[str]]()
    for request, datasets in runs:
        folder = f"results/{request.name}"
        if folder in commands:  # two settings of one matrix
            folder += f"-{len(commands) + 1}"
        commands[folder] = [*_run(request, datasets), "--out", folder]
    return "\n".join(map(shlex.join, [*commands.values(), ["selbench", "merge", "results/merged", *commands]]))


def _run(request: Request, datasets: Sequence[Dataset]) -> list[str]:
    words = ["selbench", "run", request.source]
    for setting in request.overrides:
        words += ["--set", setting]
    for dataset in datasets:
        if dataset.spec == "imagefolder":  # the record keeps no path of the machine it was made on
            words += ["--dataset", f"{dataset.name}=imagefolder:PATH"]
        elif dataset.spec != dataset.name:
            words += ["--dataset", f"{dataset.name}={dataset.spec}"]
    if set(request.declared_strategies) - set(request.strategies):
        for label in request.strategies or ("full",):
            words += ["--strategy", label]
    if set(request.declared_seeds) != set(request.seeds):
        words += ["--seeds", str(len(request.seeds))]
    if request.timing_seeds:
        words += ["--timing", str(request.timing_seeds)]
    return words


def section(summary: Row) -> Part:
    matrix = summary["matrix"]
    facts = {
        "matrix": f"{matrix['name']}, identity {matrix['identity']}",
        "learner": matrix["learner"]["text"],
        "budget": budget(matrix),
        "seeds": ", ".join(map(str, matrix["seeds"])),
        "selbench": summary["selbench"],
        **{
            key.replace("_", " "): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            for key, value in summary["environment"].items()
            if value != []  # no code that changed between runs
        },
    }
    blocks: list[Block] = [Prose(summary["reproduce"], "code"), Items(list(facts.items()))]
    return Part("How to reproduce this", blocks, key="reproduce", name="Reproduce", style="brief")
