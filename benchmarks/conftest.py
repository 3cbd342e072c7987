"""Options and fixtures of the suites, and what a run writes down beside its timings."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info

from selbench.harness import environment

MOST_ROUNDS = 200
PAUSE = 0.05  # seconds before each case: threads of the library timed before it spin for some milliseconds yet
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "networkx", "pytest-benchmark")
Seen = dict[tuple[str, str, int], tuple[int, float]]
LEFT_OUT = pytest.StashKey[list[dict[str, Any]]]()
LOAD = pytest.StashKey[float | None]()
SEEN = pytest.StashKey[Seen]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("selbench", "selbench's timings")
    group.addoption("--device", default=None, help="cpu or cuda; a GPU where there is one")
    left_out = "seconds; a peer expected to take longer is left out, and said"
    group.addoption("--limit", type=float, default=10.0, help=left_out)
    group.addoption("--budget", type=float, default=0.5, help="seconds of rounds a case; 3 to 200 rounds")


def pytest_configure(config: pytest.Config) -> None:
    """Room for what is left out and for the seconds seen at smaller sizes; how busy the machine is before we are."""
    config.stash[LOAD] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    config.stash[LEFT_OUT] = []
    config.stash[SEEN] = {}


def _device(config: pytest.Config) -> torch.device:
    return environment.enter(environment.pick_device(config.getoption("--device")))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    return _device(request.config)


class Meter:
    """Times calls through pytest-benchmark, waiting for the device around each round."""

    def __init__(self, request: pytest.FixtureRequest, benchmark: Any, device: torch.device) -> None:
        self.config, self.name, self.benchmark, self.device = request.config, request.node.name, benchmark, device
        self.limit: float = request.config.getoption("--limit")
        self.budget: float = request.config.getoption("--budget")

    def __call__(
        self, call: Callable[[], Any], *, suite: str, case: str, size: int, width: int = 0, power: int = 0,
        once: bool = False, **info: Any,
    ) -> Any:  # fmt: skip
        """Time ``call`` and give its answer; its first call is not counted, unless it is called ``once`` alone.

        ``size`` is B, ``width`` d (0: does not matter). ``power`` is how a peer's seconds grow with the size: where
        those seen at a smaller size foretell more than the limit it is left out, and said so.
        """
        about = {"suite": suite, "case": case, "size": size, "width": width, **info}
        seen = self.config.stash[SEEN].get((suite, case, width))
        if power and seen is not None:
            expected = seen[1] * (size / seen[0]) ** power
            if expected > self.limit:
                self.leave_out(f"about {expected:.0f} s expected, {self.limit:g} s allowed", **about)
        self.benchmark.extra_info.update(about)
        if once or self.benchmark.disabled:
            return self.benchmark.pedantic(self._waiting(call), rounds=1)
        answer, taken = self._timed(call)
        if taken <= 2 * self.budget:  # a first call pays for what is loaded and allocated: the second tells the rounds
            _, taken = self._timed(call)
        rounds = 1 if taken > 2 * self.budget else max(3, min(MOST_ROUNDS, int(self.budget / max(taken, 1e-6))))
        time.sleep(PAUSE)
        self.benchmark.pedantic(self._waiting(call), rounds=rounds, warmup_rounds=int(rounds > 1))
        self.config.stash[SEEN][suite, case, width] = size, self.benchmark.stats.stats.median
        return answer

    def note(self, **info: Any) -> None:
        self.benchmark.extra_info.update(info)

    def leave_out(self, reason: str, **about: Any) -> None:
        self.config.stash[LEFT_OUT].append({**about, "reason": reason})
        pytest.skip(reason)

    def _timed(self, call: Callable[[], Any]) -> tuple[Any, float]:
        wait(self.device)
        start = time.perf_counter()
        return self._waiting(call)(), time.perf_counter() - start

    def _waiting(self, call: Callable[[], Any]) -> Callable[[], Any]:
        def waited() -> Any:
            answer = call()
            wait(self.device)
            return answer

        return call if self.device.type == "cpu" else waited


def wait(device: torch.device) -> None:
    """Let the device finish what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios within a turn: other work on the machine slows both down."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


@pytest.fixture
def meter(request: pytest.FixtureRequest, benchmark: Any, device: torch.device) -> Meter:
    return Meter(request, benchmark, device)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """The device, the threads and the versions; never the machine's name."""
    machine_info.pop("node", None)
    where = _device(config)
    machine_info["selbench"] = {
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        "cpu": machine_info.get("cpu", {}).get("brand_raw") or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "blas": sorted({f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()}),
        "versions": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "load": config.stash[LOAD],
    }


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    output_json["left_out"] = config.stash[LEFT_OUT]
