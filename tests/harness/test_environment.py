"""What a process may use of its machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selbench.harness import environment


@pytest.mark.parametrize(
    ("allowed", "quota", "slurm", "cores"),
    [
        (8, 1e9, {}, 8),
        (1, 1e9, {}, 1),  # taskset, --cpuset-cpus
        (8, 2.5, {}, 2),
        (8, 0.5, {}, 1),
        (8, 1e9, {"SLURM_CPUS_ON_NODE": "6"}, 6),
        (8, 1e9, {"SLURM_CPUS_ON_NODE": "6", "SLURM_CPUS_PER_TASK": "3"}, 3),
        (2, 1e9, {"SLURM_CPUS_PER_TASK": "64"}, 2),
        (8, 1e9, {"SLURM_CPUS_PER_TASK": "", "SLURM_CPUS_ON_NODE": "8(x2)"}, 8),
    ],
)
def test_cores_are_those_that_may_be_used(monkeypatch, allowed, quota, slurm, cores):
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)))
    monkeypatch.setattr(environment, "cpu_quota", lambda: quota)
    assert environment.usable_cores() == cores


@pytest.mark.parametrize(
    ("group", "files", "quota"),
    [
        ("0::/", {}, 1e9),
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),  # a container's own name space
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2.0),
        ("3:cpuset:/x\n2:cpu,cpuacct:/a", {"cpu,cpuacct/a/cpu.cfs_": ("400000", "100000")}, 4.0),
        ("2:cpu:/docker/0", {"cpu/cpu.cfs_": ("50000", "100000")}, 0.5),  # the path is of outside the container
        ("2:cpu:/a", {"cpu/a/cpu.cfs_": ("-1", "100000")}, 1e9),
        ("nonsense", {"cpu.max": "1 1"}, 1e9),
    ],
)
def test_the_quota_of_a_control_group_counts(tmp_path: Path, group, files, quota):
    (tmp_path / "proc").write_text(group)
    for name, content in files.items():
        parts = (
            {name: content}
            if isinstance(content, str)
            else {f"{name}quota_us": content[0], f"{name}period_us": content[1]}
        )
        for part, text in parts.items():
            (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / part).write_text(f"{text}\n")
    assert environment.cpu_quota(tmp_path / "proc", tmp_path) == quota


def test_without_control_groups_there_is_no_quota(tmp_path: Path):
    assert environment.cpu_quota(tmp_path / "none", tmp_path) == 1e9
