"""How much memory features may take: whether a matrix is held in memory or read from its file."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ...strategies.errors import UsageError

SHARE = 0.25
"""Share of the device's free memory that the features of a pool may take."""

VARIABLE = "SELBENCH_FEATURES_GB"
"""Environment variable: gigabytes (1e9 bytes) that they may take instead; 0 reads them from their file always."""


def fits(size: int, device: torch.device) -> bool:
    """Whether ``size`` bytes may be held on ``device``."""
    return size <= allowance(device)


def allowance(device: torch.device) -> int:
    """Bytes that the features of a pool may take on ``device``.

    Raises
    ------
    UsageError
        Where :data:`VARIABLE` is set to anything but a number.
    """
    asked = os.environ.get(VARIABLE, "")
    if not asked:
        return int(SHARE * free(device))
    try:
        return int(float(asked) * 1e9)
    except (ValueError, OverflowError):
        raise UsageError(f"{VARIABLE} = {asked!r} is no number of gigabytes; try {VARIABLE}=4") from None


def free(device: torch.device) -> int:
    """Free bytes: a GPU's, with what torch keeps for reuse; else what the system says is available to this process."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        available = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # no Linux: what is built in
        available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(available, _container(available))


def _container(available: int, group: Path = Path("/sys/fs/cgroup")) -> int:
    """What the limit of a container leaves, where there is one (cgroup v2); its file pages can be dropped."""
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no limit reads "max"
        return available
    return max(0, limit - used + int(stat.get("inactive_file", 0)))
