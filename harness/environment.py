"""Where a result was measured."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import resource
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..strategies import UsageError


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def processor() -> str:
    """The CPU's own name, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def _torchvision() -> str:
    """Its version with the build (``0.29.2+cu132``), read from its file: importing it takes longer than torch."""
    spec = find_spec("torchvision")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else Path()
    found = re.search(r"__version__ = ['\"]([^'\"]+)", file.read_text(encoding="utf-8")) if file.is_file() else None
    return found[1] if found else version("torchvision")


def describe(device: torch.device, precision: str) -> dict[str, Any]:
    """Versions, device and threads; ``machine`` is a digest of the type of machine, never its name."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    machine = f"{platform.system()}/{platform.machine()}/{name}/{os.cpu_count()}"
    return {
        "selbench": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _torchvision(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": processor(),
        "cores": os.cpu_count(),
        "device": name if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": precision,
        "machine": hashlib.blake2b(machine.encode(), digest_size=6).hexdigest(),
    }


def peak_memory(device: torch.device) -> int:
    """Peak bytes: of the device's allocator on a GPU, else of this process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


def pick_device(name: str | None) -> torch.device:
    """The device asked for, else the first GPU, else the CPU."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name!r} is no device; try 'cpu' or 'cuda'") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA GPU here; use --device cpu")
    return device
