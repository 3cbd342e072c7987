"""Image folders of any content: a data set that can be reported, or one line that names the file."""

from __future__ import annotations

import io
import logging
import os
import random
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from fuzzing import damaged, fuzz, told
from PIL import Image

from selbench.harness.datasets.fingerprint import fingerprint
from selbench.harness.datasets.sets.imagefolder import ImageFolder
from selbench.strategies import UsageError

NAMES = (
    b"x.png",
    b"-rf.png",
    b"a\nb.png",
    b"\x1b[31m.png",
    b"\xff\xfe.png",
    "\u202egnp.exe.png".encode(),
    b"<img src=x>.png",
    b"a" * 240 + b".png",
    b".hidden.png",
    b".png",
    b"x.PNG ",
    b"x.txt",
    b"x.svg",
    b"CON",
)
CLASSES = (b"ant", b"bee", b"c\nd", b"\xff\xfe", b"\x1b]0;x\x07", b"wasp", b".git", b"=1+1", b"a" * 250)


def images() -> list[bytes]:
    """Small sound images of many kinds."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    wide = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    kinds = [(colour, kind) for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")]
    kinds += [(colour.convert(mode), "PNG") for mode in ("1", "L", "P", "RGBA", "LA")]
    kinds += [(colour.convert("CMYK"), "JPEG"), (colour.convert("CMYK"), "TIFF"), (wide, "PNG"), (wide, "TIFF")]
    found = []
    for image, kind in kinds:
        stream = io.BytesIO()
        image.save(stream, kind)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    colour.save(stream, "GIF", save_all=True, append_images=[colour.rotate(180)])
    turned = io.BytesIO()
    exif = colour.getexif()
    exif[0x0112] = 6
    colour.save(turned, "JPEG", exif=exif)
    return [*found, stream.getvalue(), turned.getvalue()]


def spoil(numbers: random.Random, root: Path, kinds: list[bytes]) -> None:
    """One thing wrong with a folder."""
    part = root / numbers.choice(("train", "train", "test"))
    file = numbers.choice(sorted(part.glob("*/*")) or [part])
    folder = os.fsencode(file.parent)
    match numbers.randrange(12):
        case 0 | 1 | 2 if file.is_file():
            file.write_bytes(damaged(numbers, numbers.choice(kinds)))
        case 3 if file.is_file():
            file.write_bytes(numbers.choice((b"", numbers.randbytes(300), b"%!PS", b"<svg/>", b"\x89PNG\r\n\x1a\n")))
        case 4 | 5:
            name = numbers.choice(NAMES)
            with open(os.path.join(folder, name), "wb") as made:
                made.write(numbers.choice((*kinds, b"")))
        case 6:
            link = Path(os.fsdecode(os.path.join(folder, b"link" + numbers.choice((b"", b".png")))))
            if not link.is_symlink():
                link.symlink_to(numbers.choice((link, link.parent, root, file, root / "gone", Path("/dev/zero"))))
        case 7 if file.is_file():
            file.unlink()
        case 8:
            made = os.path.join(os.fsencode(part), numbers.choice(CLASSES))
            os.makedirs(made, exist_ok=True)
            if numbers.random() < 0.7:
                with open(os.path.join(made, b"0.png"), "wb") as sound:
                    sound.write(numbers.choice(kinds))
        case 9:
            (file.parent / "folder.png").mkdir(exist_ok=True)
        case 10:
            if not (file.parent / "pipe.png").exists():
                os.mkfifo(file.parent / "pipe.png")
        case _:
            link = part / "loop"
            if not link.is_symlink():
                link.symlink_to(numbers.choice((link, part, root)))


def test_image_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "selbench")
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # most of the time of a case, and no part of it
    kinds = images()
    root, cache = tmp_path / "mine", tmp_path / "cache"

    def case(numbers: random.Random) -> str:
        shutil.rmtree(root, ignore_errors=True)
        for folder, count in (("train/ant", 2), ("train/bee", 2), ("test/ant", 1), ("test/bee", 1)):
            (root / folder).mkdir(parents=True)
            for number in range(count):
                (root / folder / f"{number}.png").write_bytes(numbers.choice(kinds))
        for _ in range(numbers.choice((1, 1, 2, 3))):
            spoil(numbers, root, kinds)
        on_error = numbers.choice(("stop", "skip"))
        try:
            with warnings.catch_warnings(action="ignore"):
                found = ImageFolder(str(root), resolution=8, on_error=on_error).load(None, cache)
        except UsageError as error:
            told(error)
            return "refused"
        assert len(found.train) == len(found.train_labels) and len(found.test) == len(found.test_labels) > 0
        assert set(found.train_labels.tolist()) == set(range(len(found.classes)))
        assert len(fingerprint(found)) == 32
        assert tomli_w.dumps({"title": found.title, "note": found.note, "classes": list(found.classes)}).encode()
        assert found.skipped == 0 or (on_error == "skip" and "skipped" in found.note)
        return "read, with files skipped" if found.skipped else "read"

    shown = fuzz("image folders", case)
    assert len(shown) == 3


@pytest.mark.parametrize("kind", range(len(images())))
def test_what_is_damaged_is_sound_before(tmp_path: Path, kind: int) -> None:
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "0.png").write_bytes(images()[kind])
    assert len(ImageFolder(str(tmp_path), resolution=8).load(None, tmp_path / "cache").train) == 2
