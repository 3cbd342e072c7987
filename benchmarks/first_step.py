"""Note the first optimizer step of every Python process below a command, and the modules that each has loaded.

Copied as ``sitecustomize.py`` to a folder on PYTHONPATH, so that the command under test is not changed. Each process
that trains writes ``<pid>.json`` to the folder that :data:`VARIABLE` names.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

VARIABLE = "SELBENCH_BENCH_STEPS"
WATCHED = "torch.optim.sgd"


def environment(folder: Path) -> dict[str, str]:
    """The environment of a command whose processes write to ``folder``, an empty one."""
    shutil.copy(__file__, folder / "sitecustomize.py")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), VARIABLE: str(folder)}


def read(folder: Path) -> list[dict[str, Any]]:
    """``first`` (seconds since the epoch) and ``modules`` of each process that has taken a step."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


class Steps:
    """What a process has to tell; written again whenever a step finds new modules."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.first, self.modules = folder, 0.0, 0

    def __call__(self) -> None:
        self.first = self.first or time.time()
        if len(sys.modules) == self.modules:
            return
        self.modules = len(sys.modules)
        path = self.folder / f"{os.getpid()}.json"
        path.with_suffix(".part").write_text(json.dumps({"first": self.first, "modules": sorted(sys.modules)}))
        path.with_suffix(".part").replace(path)


class Watch(importlib.abc.MetaPathFinder):
    """Hooks into torch's SGD step as soon as it is imported, and imports nothing itself."""

    def __init__(self, hook: Steps) -> None:
        self.hook = hook

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        """torch's own module, whose step calls the hook afterwards; None for every other."""
        if fullname != WATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            step = module.sgd

            def watched(*args: Any, **kwargs: Any) -> None:
                step(*args, **kwargs)
                self.hook()

            module.sgd = watched  # type: ignore[attr-defined]

        spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


if __name__ == "sitecustomize" and VARIABLE in os.environ:
    sys.meta_path.insert(0, Watch(Steps(Path(os.environ[VARIABLE]))))
