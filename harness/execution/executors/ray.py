"""Tasks on the machines of a Ray cluster, which moves them and bytes, and restarts those of a machine that is lost."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from ....strategies import UsageError
from ...plan.tasks import Task
from ...store.folder import Store
from ...tasks.worker import Context
from .local import Local
from .queue import Outcome, Queue, report_end
from .ray_node import Files, MachineFacts, RemoteTask, inputs, machine_facts, pack, run_remote_task, unpack, versions

RETRIES = 3  # restarts of a task whose machine or process was lost
LOOK = 120.0  # seconds that a machine has to report its versions and folders
POLL = 30.0  # seconds between checks for living machines while no task ends


class Ray:
    """The machines of a Ray cluster, or this one alone where no address is given; needs the extra ``selbench[ray]``.

    Every machine has selbench installed, the plugins that the matrix names included, and the data sets in a folder
    of its own. The results folder may be shared; what a machine that does not see it makes is fetched.

    Parameters
    ----------
    workers : int or None
        Tasks at a time at most, on all machines together; None for as many as they have room for.
    address : str or None
        ``HOST:PORT`` of the cluster; ``$RAY_ADDRESS`` where it is None.
    cell_limit, memory_limit : float, optional
        As of :class:`selbench.harness.execution.executors.Local`.

    Raises
    ------
    UsageError
        Where Ray is not installed.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        cell_limit: float | None = None,
        memory_limit: float | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: at least one is needed")
        limits = {"cell_limit": cell_limit, "memory_limit": memory_limit}
        Local(1, **limits)  # refuses what no machine can do
        self.workers, self.limits, self.address = workers, limits, address or os.environ.get("RAY_ADDRESS") or None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: nothing is sent anywhere
        # Else a task that its machine has no memory for would be restarted forever.
        os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))
        try:
            import ray
        except ImportError:
            raise UsageError("--executor ray needs Ray: pip install 'selbench[ray]'") from None
        self.ray: Any = ray

    def run(self, context: Context, tasks: Iterable[Task], report: Callable[[Task, Outcome], None]) -> None:
        """Run every task; where there is no cluster or a machine cannot do them, raise before any task starts."""
        queue = Queue(tasks)
        if not queue:
            return
        planned = {task.dataset: task.arm.shared["data"][0] for task in queue if task.arm}
        context = replace(context, fingerprints=planned)
        with self._connected(), tempfile.NamedTemporaryFile(dir=context.out, prefix=".seen-") as file:
            Run(self, context, os.path.basename(file.name)).all(queue, report)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        ray = self.ray
        if ray.is_initialized():  # by the caller, who leaves it as well
            yield
            return
        # What tasks print stays in Ray's log files, as there may be a lot of it.
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self.address is None:
            options["include_dashboard"] = False
        try:
            ray.init(address=self.address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            line = " ".join(str(error).split())
            raise UsageError(
                f"--ray-address {self.address}: no cluster to be used there ({line}); `ray start --head` starts one"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()  # ends what is still running


class Run:
    """One list of tasks on a cluster that ``executor`` is connected to; ``token`` as of :class:`RemoteTask`."""

    def __init__(self, executor: Ray, context: Context, token: str) -> None:
        self.ray, self.workers, self.limits = executor.ray, executor.workers, executor.limits
        self.context, self.token = context, token
        self.store = Store(context.out)
        if torch.device(context.device).index is not None:
            raise UsageError(f"--device {context.device}: Ray gives each task a GPU of its own; use --device cuda")
        self.needs = {"CPU": context.threads, "GPU": int(context.device == "cuda")}
        self.parcel = cache(lambda kind, id: self.ray.put(pack(self.store, kind, id)))  # once for all that read it
        self.shared = self._introduced()
        self.remote = self.ray.remote(
            num_cpus=context.threads, num_gpus=self.needs["GPU"], max_retries=RETRIES, retry_exceptions=False
        )(carry_out)

    def all(self, queue: Queue, report: Callable[[Task, Outcome], None]) -> None:
        running, left = dict[Any, Task](), True
        while True:
            room = self._room()
            while len(running) < room and (task := queue.take()) is not None:
                running[self._send(task)] = task
            if left and not room:
                _tell("no machine of the cluster is left that has room for a task: waiting for one")
            left = bool(room)
            if running:
                finished, _ = self.ray.wait(list(running), num_returns=1, timeout=POLL)
                for reference in finished:
                    task = running.pop(reference)
                    report_end(queue, task, self._outcome(task, reference), report)
            elif room:
                return
            else:
                time.sleep(1.0)

    def _machines(self) -> list[dict[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"] and self._slots(node)]

    def _slots(self, node: dict[str, Any]) -> int:
        return min(int(node["Resources"].get(name, 0) // count) for name, count in self.needs.items() if count)

    def _room(self) -> int:
        room = sum(self._slots(node) for node in self._machines())
        return room if self.workers is None else min(room, self.workers)

    def _introduced(self) -> bool:
        """Check every machine; returns whether all of them see the results folder."""
        machines = self._machines()
        if not machines:
            need = f"{self.needs['CPU']} CPUs" + (" and a GPU" if self.needs["GPU"] else "")
            raise UsageError(
                f"no machine of the Ray cluster has the {need} of one task: add one, or set $OMP_NUM_THREADS to less"
            )
        seen = {node["NodeManagerAddress"]: self._look(node) for node in machines}
        apart = sorted({name for name, of in seen.items() if not of.shared})
        how = "written to the results folder by each"
        if apart:
            how = f"fetched from {', '.join(apart)}, where {self.context.out} is not seen"
        _tell(f"Ray: {len(machines)} machines, {self._room()} tasks at a time; results are {how}")
        return not apart

    def _look(self, node: dict[str, Any]) -> MachineFacts:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        name = node["NodeManagerAddress"]
        there = self.ray.remote(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        )
        try:
            seen: MachineFacts = self.ray.get(there(machine_facts).remote(self.context, self.token), timeout=LOOK)
        except self.ray.exceptions.RayError as error:
            raise UsageError(f"machine {name} of the Ray cluster cannot run selbench: {_line(error)}") from None
        if seen.versions != versions():
            raise UsageError(f"machine {name} of the Ray cluster has {seen.versions}, and this one {versions()}")
        if seen.lacks:
            raise UsageError(f"machine {name} of the Ray cluster: {seen.lacks}")
        return seen

    def _send(self, task: Task) -> Any:
        needed = None if self.shared else [(kind, id, self.parcel(kind, id)) for kind, id in inputs(self.store, task)]
        return self.remote.remote(RemoteTask(self.context, task, self.token, needed, self.limits))

    def _outcome(self, task: Task, reference: Any) -> Outcome:
        ray = self.ray
        try:
            outcome, parcel = ray.get(reference)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError):
            return Outcome(f"its machine, or its process there, was lost {RETRIES + 1} times")
        except ray.exceptions.RayError as error:
            return Outcome(f"Ray: {_line(error)}")
        if parcel:
            unpack(self.store, "log" if outcome.error else task.kind, task.id, parcel)
        return outcome


def carry_out(errand: RemoteTask) -> tuple[Outcome, Files]:
    import ray

    return run_remote_task(errand, ray.get)


def _line(error: Exception) -> str:
    """The last line of what Ray says: with tasks that is what was raised."""
    return str(error).strip().splitlines()[-1].strip()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
