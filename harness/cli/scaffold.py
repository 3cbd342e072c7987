"""``selbench new-strategy``: a plugin package to start from."""

from __future__ import annotations

import json
import keyword
import re
import shlex
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ...strategies import UsageError
from ...strategies.registry import registry


def new_strategy(name: str, out: Path) -> Path:
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(module):
        raise UsageError(f"{name!r} cannot name a package: use lower-case words joined by '-', such as my-rule")
    if name in registry("strategies").found():
        raise UsageError(f"a strategy {name!r} is registered already: choose another name")
    folder = out / name
    if folder.exists():
        raise UsageError(f"{folder} exists: choose another name or --out")
    kind = "".join(part.capitalize() for part in name.split("-"))
    names = {"name": name, "module": module, "kind": kind, "source": source()}
    names["commands"] = "\n".join(commands(name, "."))
    written = {
        "pyproject.toml": "pyproject.toml.txt",
        f"{module}.py": "strategy.py.txt",
        f"tests/test_{module}.py": "test_strategy.py.txt",
        "tox.ini": "tox.ini.txt",
        "README.md": "README.md.txt",
    }
    templates = files("selbench") / "harness" / "cli" / "templates"
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}-", dir=out) as drafts:  # whole or not at all
        draft = Path(drafts) / name
        for path, template in written.items():
            text = Template((templates / template).read_text(encoding="utf-8")).substitute(names)
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, encoding="utf-8")
        draft.rename(folder)
    return folder


def commands(name: str, folder: str) -> list[str]:
    """What installs the package in ``folder`` so that edits count, checks its rule, and runs it."""
    return [
        f"python3 -m pip install -e {shlex.quote(folder)}",
        f"selbench check {name}",
        f"selbench run quick --set 'strategies=[{{name=\"{name}\"}}]' --set 'analysis.primary=[]' --out results/{name}",
    ]


def source() -> str:
    """What installs this suite elsewhere: the folder or file that it was installed from, else its name."""
    recorded = json.loads(distribution("selbench").read_text("direct_url.json") or "{}")  # PEP 610
    url = urlsplit(recorded.get("url", ""))
    path = Path(url2pathname(url.path))
    return str(path) if url.scheme == "file" and path.exists() else "selbench"
