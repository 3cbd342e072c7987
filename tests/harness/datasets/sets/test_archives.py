"""Archives that a download unpacks: members that lead out of the target are refused, and nothing is written there."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import torchvision

from selbench.harness.datasets.sets.cifar10 import CIFAR10
from selbench.harness.datasets.sets.files import contained
from selbench.strategies import UsageError


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    content = b"planted" if kind == tarfile.REGTYPE else b""
    info.size = len(content)
    return info, content


EVIL = {
    "up": [member("../planted")],
    "deep": [member("a/../../planted")],
    "symlink": [member("out", tarfile.SYMTYPE, "../")],
    "through a symlink": [member("out", tarfile.SYMTYPE, ".."), member("out/planted")],
    "absolute symlink": [member("out", tarfile.SYMTYPE, "/etc")],
    "hard link": [member("out", tarfile.LNKTYPE, "../secret")],
    "device": [member("null", tarfile.CHRTYPE)],
    "pipe": [member("pipe", tarfile.FIFOTYPE)],
}


def archive(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for info, content in members:
            made.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", EVIL)
def test_members_outside_the_target_are_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By way of the download itself: the file lies there with the sum that is asked for, so nothing is fetched."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "secret").write_text("x")
    cifar = torchvision.datasets.CIFAR10
    made = archive(data / cifar.filename, EVIL[kind])
    monkeypatch.setattr(cifar, "tgz_md5", hashlib.md5(made.read_bytes()).hexdigest())
    with pytest.raises(UsageError, match=r"the download into .* failed") as caught:
        CIFAR10().load(data, tmp_path / "cache", download=True)
    assert isinstance(caught.value.__cause__, tarfile.FilterError)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"data", "secret"}


def test_an_absolute_name_is_unpacked_below_the_target(tmp_path: Path) -> None:
    made = archive(tmp_path / "x.tgz", [member(f"{tmp_path}/planted")])
    with contained("set", tmp_path, "files", download=True), tarfile.open(made) as opened:
        opened.extractall(tmp_path / "target")
    assert not (tmp_path / "planted").exists()
    assert (tmp_path / "target").joinpath(*tmp_path.parts[1:], "planted").read_bytes() == b"planted"


def test_what_was_set_before_is_set_again() -> None:
    before = vars(tarfile.TarFile).get("extraction_filter")
    with contained("set", Path(), "files", download=True):
        assert tarfile.TarFile.extraction_filter is tarfile.data_filter
    assert vars(tarfile.TarFile).get("extraction_filter") is before
