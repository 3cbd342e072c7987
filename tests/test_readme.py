"""What the README and the pages under docs/ show works as it stands."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer
from pydantic import BaseModel

from selbench.harness.cli.commands import app
from selbench.harness.cli.listing import GROUPS
from selbench.harness.plan import tables as entries
from selbench.harness.plan.matrix import Matrix, parse, shipped
from selbench.harness.toml import StrictModel
from selbench.reports.questions import ANALYSES
from selbench.reports.questions.claims.reading import parse as read_claim
from selbench.reports.questions.claims.reading import shipped as shipped_claims
from selbench.strategies import BatchLosses
from selbench.strategies.interface import Traits
from selbench.strategies.registry import registry

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "reports" / "published" / "README.md"]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]
ENTRIES = [kind for kind in vars(entries).values() if isinstance(kind, type)]
TABLES = [Matrix, *(kind for kind in ENTRIES if issubclass(kind, StrictModel))]
"""Every table that a matrix may hold."""
COMMANDS = typer.main.get_command(app)


def builtin(group: str) -> list[str]:
    return [name for name, found in registry(group).found().items() if found[0].builtin]


def blocks(language: str, name: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[name], re.DOTALL | re.MULTILINE)


def snippets(language: str) -> list[tuple[str, str]]:
    return [(name, source) for name in TEXTS for source in blocks(language, name)]


def calls() -> Iterator[tuple[str, str]]:
    """Page and arguments of every call of ``selbench`` in a shell block or in code within a sentence."""
    for name, text in TEXTS.items():
        lines = [line for block in blocks("sh", name) for line in block.splitlines()]
        for line in (*lines, *re.findall(r"`(selbench [^`|]+)`", text)):
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words[:1] == ["selbench"]:
                    yield name, shlex.join(words[1:])
                elif words[:3] == ["tox", "run", "-e"] and "--" in words and words[3].split("-")[0] in shipped():
                    yield name, shlex.join(["run", words[3], *words[words.index("--") + 1 :]])


QUICK = ("doctor", "list", "new-strategy", "show", "verify")
"""Commands that end in seconds."""


def quick_calls() -> list[str]:
    """Calls in shell blocks that need nothing but what ships."""
    lines = (line for name in TEXTS for block in blocks("sh", name) for line in block.splitlines())
    found = (shlex.split(line, comments=True) for line in lines)
    called = (words[1:] for words in found if words[:1] == ["selbench"] and words[1] in QUICK)
    return sorted({shlex.join(words) for words in called if not any(word.startswith("results/") for word in words)})


@pytest.mark.parametrize("arguments", quick_calls())
def test_every_quick_call_of_the_command_works(arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").symlink_to(ROOT / "reports")
    monkeypatch.setenv("SELBENCH_CACHE_DIR", str(tmp_path / "cache"))
    app(shlex.split(arguments), standalone_mode=False)


def heading_anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 1000


def test_the_readme_counts_what_there_is() -> None:
    counts = {"rules": len(builtin("strategies")), "schedules": len(builtin("schedules"))}
    counts |= {"matrices": len(shipped()), "claims": len(shipped_claims())}
    for what, count in counts.items():
        assert f"**{count} {what}**" in README


@pytest.mark.parametrize(("name", "source"), snippets("python"), ids=lambda text: text if len(text) < 30 else "")
def test_every_python_snippet_runs(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    space: dict[str, object] = {}
    if name == "README.md" and "optimizer" in source:  # a loop around a net, data and optimizer of the reader's own
        exec(compile(blocks("python", "docs/own-loop.md")[0], "docs/own-loop.md", "exec"), space)
    exec(compile(source, name, "exec"), space)


def test_the_rule_of_fifteen_lines_selects() -> None:
    source = blocks("python", "README.md")[0]
    assert len([line for line in source.splitlines() if line.strip()]) <= 15
    space: dict[str, type] = {}
    exec(compile(source, "README.md", "exec"), space)
    rule = space["MarginRule"]()
    assert Traits.of(rule).needs == {"learner_probs"}
    probs = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.7, 0.2, 0.1]])
    assert rule.select(None, BatchLosses(learner_probs=probs, k=2), 0.5).tolist() == [2, 1]


def test_the_matrix_is_a_matrix() -> None:
    (table,) = [table for _, text in snippets("toml") if "seeds" in (table := tomllib.loads(text))]
    assert parse(table).seed_list() == list(range(8))


def test_the_claim_is_a_claim() -> None:
    (table,) = [table for _, text in snippets("toml") if "statement" in (table := tomllib.loads(text))]
    claim = read_claim(table)
    assert claim.cases == ((0, 1),) and claim.matrix in shipped()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"tox run -e ([\w-]+)", "".join(TEXTS.values())))))
def test_every_environment_they_name_exists(name: str) -> None:
    matrices, strategies = set(shipped()), set(builtin("strategies"))
    by_hand = set(re.findall(r"^\[testenv:([\w-]+)\]", (ROOT / "tox.ini").read_text(encoding="utf-8"), re.MULTILINE))
    assert name in matrices | by_hand | {f"{m}-{s}" for m in matrices for s in strategies}


@pytest.mark.parametrize(("page", "arguments"), sorted(set(calls())))
def test_every_call_of_the_command_parses(page: str, arguments: str) -> None:
    name, *rest = shlex.split(arguments)
    command = COMMANDS.commands[name]
    if rest:  # else a sentence that only names the command
        command.make_context(name, rest)


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        assert not anchor or anchor in heading_anchors(found.read_text(encoding="utf-8")), target


def test_every_page_is_in_the_index() -> None:
    assert "](docs/README.md)" in README
    for name in TEXTS:
        if name.startswith("docs/") and name != "docs/README.md":
            assert f"]({name.removeprefix('docs/')})" in TEXTS["docs/README.md"]


def test_usage_has_every_option_and_command() -> None:
    usage = TEXTS["docs/usage.md"]
    for option in COMMANDS.commands["run"].params:
        assert option.param_type_name == "argument" or any(re.search(rf"[`[]{name}\b", usage) for name in option.opts)
    for name in COMMANDS.commands:
        assert re.search(rf"^selbench {name}( |$)", usage, re.MULTILINE)
    for group in GROUPS:
        assert group in usage


@pytest.mark.parametrize("table", TABLES)
def test_the_matrix_page_has_every_key(table: type[BaseModel]) -> None:
    told = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]+)`", TEXTS["docs/matrix.md"]))))
    assert set(table.model_fields) <= told


def test_the_pages_name_everything_that_is_registered() -> None:
    rules, matrix = TEXTS["docs/rules.md"], TEXTS["docs/matrix.md"]
    for group in ("strategies", "schedules", "datasets", "references"):
        for name in builtin(group):
            assert re.search(rf"`{re.escape(name)}[`:]", rules), name
    for name in ANALYSES:
        assert f"`{name}`" in matrix
