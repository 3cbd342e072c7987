"""The SLURM recipe, rehearsed with stand-ins for SLURM and Ray that write down how they are called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "slurm" / "ray.sbatch"

SCONTROL = '#!/bin/sh\n[ "$1 $2 $3" = "show hostnames node[07-08]" ] && printf "node07\\nnode08\\n"\n'
SRUN = (
    '#!/bin/sh\necho "threads $OMP_NUM_THREADS, statistics $RAY_USAGE_STATS_ENABLED"\nfor word; do echo "$word"; done\n'
)


def rehearse(folder, *arguments, **environ):
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    given = {
        "PATH": path, "SLURM_JOB_ID": "1234567", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node[07-08]",
        "SLURM_CPUS_ON_NODE": "32", **environ,
    }  # fmt: skip
    return subprocess.run(["bash", SCRIPT, *arguments], env=given, text=True, capture_output=True)


@pytest.mark.parametrize(
    ("environ", "threads", "cpus", "gpus"),
    [
        ({}, 1, 32, 0),
        ({"SLURM_CPUS_PER_TASK": "16", "SLURM_GPUS_ON_NODE": "4"}, 4, 16, 4),
        ({"SLURM_GPUS_ON_NODE": "4", "OMP_NUM_THREADS": "2"}, 2, 32, 4),
    ],
)
def test_one_cluster_on_all_nodes_and_one_run_on_the_first(tmp_path, environ, threads, cpus, gpus):
    done = rehearse(tmp_path, "my matrix.toml", "--seeds", "3", **environ)
    assert done.returncode == 0, done.stderr
    said, *words = done.stdout.splitlines()
    assert said == f"threads {threads}, statistics 0"
    split = words.index("--")
    start, command = words[:split], words[split + 1 :]
    address = "node07:24567"
    assert start[:3] == ["--nodes=2", "--ntasks=2", f"--cpus-per-task={cpus}"]
    assert start[3:9] == ["ray", "symmetric-run", "--address", address, "--min-nodes", "2"]
    assert {f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--include-dashboard=false"} <= set(start)
    assert command == [
        *("selbench", "run", "my matrix.toml", "--seeds", "3"),
        *("--executor", "ray", "--ray-address", address),
    ]


def test_a_matrix_is_asked_for(tmp_path):
    done = rehearse(tmp_path)
    assert done.returncode == 2 and "usage: sbatch" in done.stderr and not done.stdout
