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
        **({"deterministic": True} if torch.are_deterministic_algorithms_enabled() else {}),
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


def forget_peak(device: torch.device) -> None:
    """Let :func:`peak_memory` begin anew; a CPU's goes on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Peak bytes: of the device's allocator since :func:`forget_peak` on a GPU, else of this process so far."""
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
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: runs are timed and checked on cpu and cuda alone; use --device cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA GPU here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= (count := torch.cuda.device_count()):
        raise UsageError(f"--device {name}: torch sees {count} GPUs here, cuda:0 to cuda:{count - 1}; name one of them")
    return device


def enter(device: torch.device, deterministic: bool = False) -> torch.device:
    """Make ``device`` the one that this process works on; returns it with its index.

    Events and ``synchronize`` are of the selected GPU, whatever the tensors lie on. ``deterministic`` refuses operators
    whose results differ from call to call, and lasts as long as the process.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if device.type != "cuda":
        return device
    torch.cuda.set_device(device)
    return torch.device("cuda", torch.cuda.current_device())
