"""The stages of the check: each measures one thing and notes a row as soon as it knows it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...harness.environment import enter, pick_device
from ...harness.execution.prepared import RunRequest
from ...harness.execution.run import run
from ...harness.plan.matrix import narrowed, read
from ...harness.scale import operations
from ...harness.scale.command import ScaleRequest
from ...harness.scale.command import scale as predicted
from ...harness.store.folder import Store
from ...harness.training.trainer import Trainer
from ...harness.verify import verify
from ...strategies import UsageError, load
from ...strategies.interface import Traits
from ...strategies.registry import registry
from ...strategies.testing.pretended_cuda import PretendedCuda, Wait
from ..bench_tax import Setting
from .loop import STANDARD, TINY, Loop, Size

Row = dict[str, Any]
STEPPED = ("full", "uniform", "degree", "rho", "loss", "gstds", "jest", "divbs")
FEW = ("full", "gstds", "infobatch")
CHECKOUT = Path(__file__).parents[2]
GPU_TESTS = ("tests/strategies/test_no_sync.py", "tests/strategies/maths/test_spectral_launches.py")
CIFAR10 = 50_000


@dataclass(frozen=True)
class Check:
    """What a stage is given: where it may write, whether it is tried out, and where its rows go."""

    out: Path
    rehearse: bool
    note: Callable[[Row], None]

    @property
    def size(self) -> Size:
        return TINY if self.rehearse else STANDARD

    def device(self) -> torch.device:
        return enter(pick_device("cpu" if self.rehearse else "cuda"))


def noted(out: Path, stage: str) -> list[Row]:
    """The rows that a stage has noted; a line that its end cut off is left out."""
    file, rows = out / "stages" / f"{stage}.jsonl", list[Row]()
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


class Waited(AssertionError):
    """A step waits for the device."""


@contextmanager
def _strict() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@contextmanager
def _refused(machine: PretendedCuda) -> Iterator[None]:
    def refuse(wait: Wait) -> None:
        raise Waited(f"{wait.what} at {wait.place}")

    machine.on_wait = refuse
    try:
        yield
    finally:
        machine.on_wait = None


def waits(check: Check) -> str:
    """Waits inside a step, every rule: torch's own debug mode refuses them."""
    found = [name for name, entries in registry("strategies").found().items() if entries[0].builtin]
    bad = 0
    with ExitStack() as stack:
        refused: Callable[[], Any] = _strict
        if check.rehearse:
            machine = stack.enter_context(PretendedCuda())
            refused = lambda: _refused(machine)  # noqa: E731
        loop = Loop(enter(pick_device("cuda")), replace(check.size, steps=6))
        for name in FEW if check.rehearse else ["full", *(name for name in found if name != "full")]:
            row: Row = {"rule": name, "waits": "none"}
            try:
                if name != "full" and "picks" in Traits.of(load(name)).needs:
                    row["waits"] = "left out: it needs a proxy's recorded picks"
                else:
                    loop.watched(name, 0.25, refused)
            except UsageError as error:
                row["waits"] = f"left out: {error}"
            except Exception as error:
                bad += 1
                row["waits"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            check.note(row)
    if bad:
        raise RuntimeError(f"{bad} rules wait inside a step, or fail: see its rows")
    return "no rule waits inside a step"


def steps(check: Check) -> str:
    """Milliseconds a step by phase, the share of select, and kernels a step, at keep ratio 1/2 and 1/4."""
    loop = Loop(check.device(), check.size)
    shares, failed = dict[tuple[str, float], float](), 0
    for name in FEW if check.rehearse else STEPPED:
        for ratio in (1.0,) if name == "full" else (0.5, 0.25):
            try:
                loop.timed(name, ratio)  # kernels of every shape
                wall, phases = min((loop.timed(name, ratio) for _ in range(2)), key=lambda pair: pair[0])
                share = phases.get("select", 0.0) / wall
                shares[name, ratio] = share
                row: Row = {"rule": name, "keep": ratio, "step_ms": 1e3 * wall, "select_share": share}
                row |= {f"{phase}_ms": 1e3 * seconds for phase, seconds in phases.items()}
                check.note(row | _kernels(loop, name, ratio))
            except Exception as error:
                failed += 1
                check.note({"rule": name, "keep": ratio, "failed": f"{type(error).__name__}: {error}"[:200]})
    most = max(shares, key=lambda key: shares[key])
    if failed:
        raise RuntimeError(f"{failed} runs failed: see its rows")
    return f"select takes at most {shares[most]:.1%} of a step ({most[0]} at {most[1]:g})"


def _kernels(loop: Loop, name: str, ratio: float) -> Row:
    """Kernels a step and how long they keep the device busy; nothing on a CPU."""
    if loop.device.type != "cuda":
        return {}
    from torch.profiler import ProfilerActivity, profile

    one = loop.trainer(name, ratio)
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        one.run()
        loop.settle()
    kernels = [event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(event.time_range.elapsed_us() for event in kernels)
    return {"kernels": len(kernels) / one.count, "busy_ms": busy / one.count / 1e3}


def graph(check: Check) -> str:
    """A step replayed as a CUDA graph against the same step launched operator by operator."""
    if not any("graph" in name for name in inspect.signature(Trainer.__init__).parameters):
        return "no graph setting: the loop launches every operator by itself"
    return "not measured: this check does not know the setting yet"


def epoch(check: Check) -> str:
    """Seconds of an epoch of CIFAR-10's size."""
    size = check.size
    loop, said = Loop(check.device(), replace(size, steps=6 if check.rehearse else CIFAR10 // size.batch)), []
    for name, ratio in (("full", 1.0), ("gstds", 0.25)):
        seconds = loop.timed(name, ratio)[0] * loop.size.steps
        check.note({"rule": name, "keep": ratio, "epoch_s": seconds})
        said.append(f"{name} {seconds:.2f} s")
    return ", ".join(said)


def ceiling(check: Check) -> str:
    """Share of the possible speed-up that is realised at B = 2,048, keep ratio 1/4, cached scores."""
    device, size = check.device(), check.size
    batch, turns = (32, 1) if check.rehearse else (2048, 5)
    setting, said = Setting(size.width, size.side, batch, 2 if check.rehearse else 20, device), []
    for name in ("uniform", "gstds"):
        ways = [
            lambda: setting.bare(batch),
            lambda: setting.bare(batch // 4),
            lambda: setting.instrumented(name, 0.25),  # noqa: B023 - called in this turn
        ]
        best = [float("inf")] * len(ways)
        for turn in range(turns + 1):
            for i, make in enumerate(ways):
                call = make()
                begun = time.perf_counter()
                call()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                best[i] = min(best[i], time.perf_counter() - begun) if turn else best[i]
        full, least, ours = best
        check.note({"rule": name, "B": batch, "ceiling": full / least, "reached": full / ours, "share": least / ours})
        said.append(f"{name} {least / ours:.0%}")
    return f"share of the ceiling: {', '.join(said)}"


def tests(check: Check) -> str:
    """The tests that only a GPU runs."""
    missing = [file for file in GPU_TESTS if not (CHECKOUT / file).exists()]
    if missing:
        return "left out: the tests are in a checkout only"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "-k", "on_a_gpu or cuda_graph"]
    if check.rehearse:  # that they are found
        command += ["--collect-only", "-p", "no:randomly", GPU_TESTS[1]]
    else:
        command += GPU_TESTS
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    print(done.stdout[-5000:], done.stderr[-2000:])
    last = (done.stdout.strip().splitlines() or ["nothing was said"])[-1].strip("= ")
    if done.returncode:
        raise RuntimeError(last)
    return last


def _quick(check: Check, name: str, rules: list[str], executor: str, deterministic: bool, changes: Row) -> Store:
    """``quick``, narrowed to one seed and to ``rules``, in a folder of its own."""
    changes = {"analysis.primary": "[]", **changes}
    if check.rehearse:
        changes |= {"budget.passes": 1, "proxy.passes": 1, "references.0.options.passes": 1, "learner.width": 2}
        changes |= {"datasets.0.options.limit": 200, "datasets.0.options.test_limit": 50, "ladder": "[1.0]"}
    declared = read("quick", [f"{key}={value}" for key, value in changes.items()])
    request = RunRequest(
        check.out / name,
        cache_dir=check.out / "cache",
        device="cpu" if check.rehearse else "cuda",
        workers=2,
        executor="inline" if check.rehearse else executor,
        declared=declared,
        checkpoint=0.0,
        deterministic=deterministic,
    )
    done = run(narrowed(declared, rules, 1), request)
    if done.failed:
        raise RuntimeError(f"{len(done.failed)} tasks failed: see {done.out / 'failed'}")
    return Store(done.out)


def quick(check: Check) -> str:
    """The whole flow with two workers on the device: references, proxies, every arm, and verify."""
    store = _quick(check, "quick", ["gstds"] if check.rehearse else [], "local", False, {})
    verdict = verify(store.root)
    if not verdict.sound:
        raise RuntimeError("; ".join(verdict.lines()))
    return f"{len(list((store.root / 'cells').glob('*.json')))} cells, all sound"


def twice(check: Check, deterministic: bool = False) -> str:
    """Whether two runs give the same weights, and what an epoch of them takes."""
    name, found = "deterministic" if deterministic else "twice", []
    changes = {"ladder": "[1.0]"} | ({} if check.rehearse else {"budget.passes": 4})
    for turn in "12":
        store = _quick(check, f"{name}{turn}", ["gstds"], "inline", deterministic, changes)
        files = sorted((store.root / "cells").glob("*.json"))
        found.append({one["arm_label"]: one for one in (json.loads(file.read_text()) for file in files)})
    before = {row["arm"]: row["train_s"] for row in noted(check.out, "twice")} if deterministic else {}
    same = 0
    for label in found[0]:
        first, second = (one[label] for one in found)
        equal = first["result"]["weights_digest"] == second["result"]["weights_digest"]
        seconds = min(one["ledger"]["train"]["seconds"] for one in (first, second))
        price = {"price": seconds / before[label]} if before.get(label) else {}
        check.note({"arm": label, "equal": equal, "train_s": seconds, **price})
        same += equal
    return f"{same} of {len(found[0])} arms end with the same bits in two runs"


def deterministic(check: Check) -> str:
    """The same with --deterministic; its price is how many times as long training takes."""
    return twice(check, True)


def scale(check: Check) -> str:
    """The price list of this device, saved as profile.toml."""
    name, rules = ("quick", ["gstds"]) if check.rehearse else ("cifar10", [])
    overrides = []
    if check.rehearse:
        operations.EFFORT = operations.PATIENCE = 0.01
        overrides = ["batch=[16]", "learner.width=2"]
    device = "cpu" if check.rehearse else "cuda"
    request = ScaleRequest(name, device, None, check.out / "profile.toml", rules, None, overrides)
    table = predicted(request, lambda line: print("measuring", line, flush=True))
    for entry in table["batches"]:
        for arm in entry["arms"]:
            check.note(
                {
                    "B": entry["batch"],
                    "arm": arm["label"],
                    "seconds": arm["seconds"]["marginal"],
                    "speed_up": arm["speed_up"]["marginal"]["seconds"],
                }
            )
    return "profile.toml"
