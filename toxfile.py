"""tox plugin: an environment for every matrix, and where it is asked for one for a matrix narrowed to one strategy.

None is listed by hand: matrices are the files in ``benchmarks/matrices``, strategies are the
entry points of ``pyproject.toml``. tox reads this file before it has brought what ``requires``
names, so nothing beyond tox itself may be imported.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tox.config.loader.memory import MemoryLoader
from tox.config.sets import ConfigSet
from tox.config.types import Command
from tox.plugin import impl
from tox.session.state import State

ROOT = Path(__file__).parent


def runs() -> dict[str, list[str]]:
    """Arguments of ``selbench run`` by environment name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    strategies = project["entry-points"]["selbench.strategies"]
    table = {}
    for matrix in sorted(path.stem for path in (ROOT / "benchmarks" / "matrices").glob("*.toml")):
        table[matrix] = [matrix]
        table.update({f"{matrix}-{strategy}": [matrix, "--strategy", strategy] for strategy in strategies})
    return table


@impl
def tox_extend_envs() -> Iterable[str]:
    """Name the environments: of the narrowed ones those that the command or ``$TOXENV`` names, by its factor too.

    tox configures every environment that it knows before it runs one, and thousands of them take half a minute.
    """
    words = set(re.split(r"[\s,=]+|^-e", "\n".join([*sys.argv[1:], os.environ.get("TOXENV", "")]), flags=re.MULTILINE))
    return [name for name, run in runs().items() if len(run) == 1 or words & {name, run[-1]}]


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:
    """Give each its command; what follows ``--`` is passed on to ``selbench run``."""
    extra = state.conf.pos_args(None) or ()
    for name, arguments in runs().items():
        command = Command(["selbench", "run", *arguments, *extra])
        description = f"selbench run {' '.join(arguments)}"
        state.conf.memory_seed_loaders[name].append(MemoryLoader(commands=[command], description=description))
