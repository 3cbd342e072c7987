"""Publishing: a pack that reads as the folder did, and the report's text without figures."""

from __future__ import annotations

from pathlib import Path

from synthetic import write_results

from selbench.benchmarks.pages import published_sets, summary_of
from selbench.benchmarks.publish import publish
from selbench.reports.records.folder import Results
from selbench.reports.records.pack import opened


def test_a_published_folder_is_a_pack_and_a_text(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "mine", seeds=2)
    file = publish(folder, "mine", tmp_path / "published")
    assert published_sets(tmp_path / "published") == {"mine": file}
    assert sorted(path.name for path in file.parent.iterdir()) == ["mine.zip", "report.md"]
    assert len(Results.read(opened(file)).cells) == len(Results.read(folder).cells) > 0
    assert summary_of(file)["cells"]["done"] > 0
    text = (file.parent / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# ") and "](figures/" not in text
    assert not list((folder / "report" / "figures").iterdir()), "none is drawn for a text"
