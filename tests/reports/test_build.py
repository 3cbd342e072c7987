"""The report folder as a whole: what is in it, that it is whole, and that equal results give equal bytes."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from synthetic import write_results

from selbench.reports.build import build
from selbench.reports.records import sealing
from selbench.reports.records.folder import ResultsError
from selbench.reports.records.sealing import write_bytes

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Balanced(HTMLParser):
    """Fails on a tag that is closed out of turn or never, and on an id that is there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert found.get("id") not in self.ids, f"two elements have the id {found['id']}"
        if "id" in found:
            self.ids.add(str(found["id"]))
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def parse(page: Path) -> Balanced:
    parser = Balanced()
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_results(tmp_path_factory.mktemp("results"), seeds=8)
    page = build(root)
    assert page == root / "report" / "index.html"
    return page.parent


def test_folder_holds_what_the_contract_names(folder: Path) -> None:
    for name in ("index.html", "report.md", "report.tex", "summary.json", "cells.csv", "contrasts.csv"):
        assert (folder / name).stat().st_size > 100, name
    svg = {file.stem for file in (folder / "figures").glob("*.svg")}
    for kind in ("accuracy", "picking", "pays", "cost-flops", "cost-seconds", "phases-flops", "phases-seconds"):
        assert any(name.startswith(kind) for name in svg), kind
    assert not list(folder.rglob("*.tmp")) and not list(folder.glob(".*"))


def test_figures_are_sound_files(folder: Path) -> None:
    for file in (folder / "figures").glob("*.svg"):
        assert ElementTree.parse(file).getroot().tag.endswith("svg")
        assert b"<dc:date>" not in file.read_bytes()


def test_summary_is_strict_json_and_agrees_with_the_page(folder: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    page = (folder / "index.html").read_text(encoding="utf-8")
    for arm in summary["arms"]:
        assert f"<b>{arm['accuracy']['mean']:.2f}</b>" in page


def test_page_is_balanced_and_asks_for_nothing(folder: Path) -> None:
    page = parse(folder / "index.html")
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed")
        assert not (tag == "script" and "src" in attributes)
        assert not (tag == "link" and attributes.get("href") != "data:,")
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            assert not re.match(r"(?i)\s*(https?:|//|javascript:)", attributes.get(key) or ""), attributes
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "@import" not in text and not re.search(r"url\(\s*['\"]?(?!#)", text)


def test_every_link_within_the_page_has_its_target(folder: Path) -> None:
    page = parse(folder / "index.html")
    for tag, attributes in page.tags:
        target = attributes.get("href") or ""
        if target.startswith("#"):
            assert target[1:] in page.ids, f"{tag} points to {target}"
        for found in re.findall(r"url\(#([^)]+)\)", " ".join(filter(None, attributes.values()))):
            assert found in page.ids
        for key in ("aria-labelledby",):
            for id in (attributes.get(key) or "").split():
                assert id in page.ids
        if target.startswith("figures/"):
            assert (folder / target).is_file()


def test_two_builds_are_equal_byte_for_byte_and_figures_of_an_earlier_one_go(folder: Path) -> None:
    def content() -> dict[str, bytes]:
        files = (file for file in folder.rglob("*") if file.is_file())
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    first = content()
    (folder / "figures" / "gone-9z.png").write_bytes(b"")
    build(folder.parent)
    second = content()
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.parametrize("kept", [0, 7])
def test_partial_results_are_told_not_hidden(tmp_path: Path, kept: int) -> None:
    root = write_results(tmp_path, seeds=3, effects={"gstds": 0.0, "rho": 0.5}, failed=[("rho", 2)])
    for record in sorted((root / "cells").glob("*.json"))[kept:]:
        record.unlink()
    page = build(root).read_text(encoding="utf-8")
    parse(root / "report" / "index.html")
    planned = json.loads((root / "report" / "summary.json").read_text(encoding="utf-8"))["cells"]["planned"]
    assert f"{kept} of {planned} planned runs" in page
    assert "seeds without a result" in page and "returned 3 indices" in page
    assert ("No run has finished yet" in page) == (kept == 0)
    assert ("No run has finished yet" in (root / "report" / "report.md").read_text(encoding="utf-8")) == (kept == 0)


def test_damaged_record_is_named(tmp_path: Path) -> None:
    root = write_results(tmp_path, seeds=2, effects={"gstds": 0.0})
    record = sorted((root / "cells").glob("*.json"))[0]
    record.write_bytes(record.read_bytes()[:-40])
    page = build(root, figures=False).read_text(encoding="utf-8")
    assert f"cells/{record.name}" in page and "Records that were left out" in page


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index.html"
    file.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealing.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(file, b"new")
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_folder_without_a_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"matrix\.toml"):
        build(tmp_path)
