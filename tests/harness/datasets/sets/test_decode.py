"""Files of every mode and every kind of damage."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from selbench.harness.datasets.sets.decode import decode_files, open_rgb, resize
from selbench.strategies import UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def array(path: Path) -> np.ndarray:
    image = open_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def test_modes_with_one_answer(tmp_path: Path) -> None:
    colour = Image.fromarray(PIXELS)
    grey = colour.convert("L")
    assert (array(save(tmp_path / "rgb.png", colour)) == PIXELS).all()
    assert (array(save(tmp_path / "l.png", grey)) == np.asarray(grey)[..., None]).all()
    bits = grey.point(lambda v: 255 * (v > 127)).convert("1")
    assert (array(save(tmp_path / "1.png", bits)) == np.asarray(bits)[..., None] * 255).all()
    palette = colour.quantize(16)
    assert (array(save(tmp_path / "p.png", palette)) == np.asarray(palette.convert("RGB"))).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "tRNS"])
def test_transparent_pixels_show_white(tmp_path: Path, mode: str) -> None:
    hidden = Image.new("RGBA", (8, 8), (10, 10, 10, 255))
    hidden.paste((10, 10, 10, 0), (0, 0, 4, 8))
    options = {}
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([0, 0, 0, 10, 10, 10])
        image.paste(0, (0, 0, 4, 8))
        options["transparency"] = 0
    elif mode == "tRNS":
        image = Image.new("RGB", (8, 8), (10, 10, 10))
        image.paste((1, 2, 3), (0, 0, 4, 8))
        options["transparency"] = (1, 2, 3)
    else:
        image = hidden.convert(mode)
    pixels = array(save(tmp_path / "x.png", image, **options))
    assert (pixels[:, :4] == 255).all() and (pixels[:, 4:] == 10).all()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 128, 257, 32768, 65535, 514]], dtype=np.uint16).repeat(6, 0)
    pixels = array(save(tmp_path / f"x{suffix}", Image.fromarray(values)))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 128, 255, 2]
    assert (pixels == pixels[..., :1]).all()


def test_cmyk(tmp_path: Path) -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = array(save(tmp_path / "x.jpg", red, quality=95))
    assert pixels[..., 0].min() > 240 and pixels[..., 1:].max() < 15


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    path = save(tmp_path / "x.gif", red, save_all=True, append_images=[blue, red])
    with Image.open(path) as image:
        assert image.n_frames > 1
    assert (array(path) == (255, 0, 0)).all()


def test_the_exif_of_a_stranger_may_be_damaged(tmp_path: Path) -> None:
    for exif in (b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"Exif\x00\x00" + b"\xff" * 60, b"Exif\x00\x00"):
        path = save(tmp_path / "x.jpg", Image.fromarray(PIXELS), exif=exif)
        try:
            assert array(path).shape == PIXELS.shape
        except UsageError as error:
            assert "x.jpg" in str(error)


def test_floating_point_pixels_are_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "depth.tif", Image.fromarray(np.ones((4, 4), np.float32)))
    with pytest.raises(UsageError, match=r"depth\.tif.*floating-point"):
        open_rgb(path)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    exif = image.getexif()
    exif[0x0112] = 6
    assert (array(save(tmp_path / "x.png", image, exif=exif)) == np.rot90(PIXELS, 3)).all()


@pytest.mark.parametrize("size", [(97, 64), (64, 97), (200, 200), (33, 50)])
def test_squares_agree_with_torchvision(tmp_path: Path, size: tuple[int, int]) -> None:
    yy, xx = np.mgrid[: size[1], : size[0]]
    smooth = np.stack([xx * 255 / size[0], yy * 255 / size[1], 127 + 120 * np.sin(xx / 9)], -1).astype(np.uint8)
    path = save(tmp_path / "x.png", Image.fromarray(smooth))
    ours, enlarged, *_ = decode_files([path], 40)
    whole = torch.from_numpy(smooth).permute(2, 0, 1)
    theirs = TF.center_crop(
        TF.resize(whole, [40], interpolation=TF.InterpolationMode.BICUBIC, antialias=True), [40, 40]
    )
    # Cropping after rounding to whole pixels shifts the grid by up to half a pixel.
    assert (ours[0].int() - theirs.int()).abs().float().mean() < 3
    assert enlarged == (min(size) < 40)


def test_a_square_of_the_right_size_is_untouched_and_order_is_kept(tmp_path: Path) -> None:
    paths = []
    for i in range(150):  # more than two tasks
        paths.append(save(tmp_path / f"{i}.png", Image.new("RGB", (8, 8), (i, 255 - i, 0))))
    out, enlarged, *_ = decode_files(paths, 8)
    assert out.dtype == torch.uint8 and enlarged == 0
    assert out[:, 0, 3, 3].tolist() == list(range(150)) and (out[:, 1] == 255 - out[:, 0]).all()


def test_resize_of_arrays_is_the_same_as_of_files(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", Image.fromarray(PIXELS[:20, :20]))
    decoded, *_ = decode_files([path], 20)
    assert torch.equal(resize(decoded, 13), decode_files([path], 13)[0])
    assert torch.equal(resize(decoded[:, :1], 13)[:, 0], resize(decoded, 13)[:, 0])
    assert resize(decoded, 20) is decoded


def broken() -> dict[str, bytes]:
    jpeg, png = io.BytesIO(), io.BytesIO()
    Image.fromarray(PIXELS).save(jpeg, "JPEG")
    Image.fromarray(PIXELS).save(png, "PNG")
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + size
    bomb = png.getvalue()[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + png.getvalue()[33:]
    large = b"IHDR" + struct.pack(">IIBBBBB", 8_001, 8_000, 8, 2, 0, 0, 0)
    return {
        "empty": b"",
        "text": b"not an image",
        "truncated-jpeg": jpeg.getvalue()[:-200],
        "truncated-png": png.getvalue()[: len(png.getvalue()) // 2],
        "header-only": jpeg.getvalue()[:20],
        "bomb": bomb,
        "just-too-large": png.getvalue()[:12] + large + struct.pack(">I", zlib.crc32(large)) + png.getvalue()[33:],
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }


@pytest.mark.parametrize("kind", broken())
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, kind: str) -> None:
    good = save(tmp_path / "good.png", Image.fromarray(PIXELS))
    bad = tmp_path / f"{kind}.jpg"
    bad.write_bytes(broken()[kind])
    with pytest.raises(UsageError, match=rf"{kind}\.jpg") as caught:
        decode_files([good, bad, good], 8)
    assert "\n" not in str(caught.value)
    assert ("over the limit" in str(caught.value)) == (kind in ("bomb", "just-too-large"))


def test_broken_files_are_left_out_where_that_was_asked_for(tmp_path: Path) -> None:
    paths = []
    for number, (kind, content) in enumerate(broken().items()):
        paths.append(save(tmp_path / f"{number}.png", Image.new("RGB", (8, 8), (number, 0, 0))))
        paths.append(tmp_path / f"{kind}.jpg")
        paths[-1].write_bytes(content)
    out, enlarged, reasons, _ = decode_files(paths, 8, skip=True)
    assert list(reasons) == list(range(1, len(paths), 2)) and enlarged == 0
    assert out[:, 0, 0, 0].tolist() == list(range(len(broken())))
    assert all(paths[place].name in reason for place, reason in reasons.items())


def foreign() -> dict[str, bytes]:
    colour, made = Image.fromarray(PIXELS), {}
    for kind in ("AVIF", "JPEG2000", "ICO", "DDS", "QOI", "SGI", "PDF"):
        stream = io.BytesIO()
        colour.save(stream, kind)
        made[kind.replace("JPEG2", "JPEG 2")] = stream.getvalue()
    for kind, values in (
        ("TIFF of floating-point", np.float32(PIXELS[..., 0])),
        ("TIFF of grey values", np.int32(PIXELS[..., 0]) * 9999),
    ):
        stream = io.BytesIO()
        Image.fromarray(values).save(stream, "TIFF")
        made[kind] = stream.getvalue()
    made |= {"JPEG XL": b"\xff\x0a" + bytes(30), "HEIC": b"\0\0\0\x18ftypheic", "OpenEXR": b"v/1\x01\2\0\0\0"}
    made |= {"DICOM": bytes(128) + b"DICM", "SVG": b"\xef\xbb\xbf <svg></svg>", "HTML page": b"<!DOCTYPE html><html>"}
    return made | {
        "BigTIFF": b"II+\x00\x08\x00\x00\x00",
        "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1",
    }


def test_sound_files_of_other_formats_are_called_by_them_in_one_message(tmp_path: Path) -> None:
    paths = []
    for number, (kind, content) in enumerate(foreign().items()):
        paths.append(tmp_path / f"{number:02}.png")
        paths[-1].write_bytes(content)
        with pytest.raises(UsageError, match=rf"{paths[-1].name}: {kind}.*, which is not decoded: convert it to PNG"):
            open_rgb(paths[-1])
    good = save(tmp_path / "good.png", Image.fromarray(PIXELS))
    (tmp_path / "damaged.png").write_bytes(good.read_bytes()[:99])
    with pytest.raises(UsageError) as caught:
        decode_files([good, *paths, tmp_path / "damaged.png", good], 8)
    said, wrong = str(caught.value), len(paths) + 1
    assert (
        said.startswith(f"{wrong} of {wrong + 2} images cannot be decoded: {paths[0]}: AVIF") and str(paths[2]) in said
    )
    assert said.endswith(f"; and {wrong - 3} more; the option on_error = 'skip' leaves them out") and "\n" not in said
    with pytest.raises(UsageError, match=r"AVIF.*the option on_error = 'skip' leaves it out"):
        decode_files([good, paths[0]], 8)


@pytest.mark.parametrize(("largest", "top"), [(200, 255), (1000, 1023), (4095, 4095), (9000, 16383), (16384, 65535)])
def test_greys_of_fewer_bits_in_files_of_sixteen_are_scaled_by_their_range(
    tmp_path: Path, largest: int, top: int
) -> None:
    paths = []
    for name, value in (("bright.png", largest), ("dark.tif", largest // 4)):
        paths.append(save(tmp_path / name, Image.fromarray(np.full((8, 8), value, np.uint16))))
    colour = save(tmp_path / "c.png", Image.fromarray(PIXELS[:8, :8]))
    made = decode_files([*paths, colour], 8)
    values = [largest, largest // 4]
    assert made.pixels[:2, 0, 0, 0].tolist() == [(value * 255 + top // 2) // top for value in values]
    assert torch.equal(made.pixels[2], decode_files([colour], 8).pixels[0])
    assert made.narrow == ((2, top) if top < 65535 else (0, 0)) and made.enlarged == 0


def test_more_than_fits_into_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    with pytest.raises(UsageError, match=r"10 images of 100x100 px take 0 GB.*resolution.*limit"):
        decode_files([Path("x")] * 10, 100)


def test_only_the_named_decoders_are_tried(tmp_path: Path) -> None:
    """The imaging library itself would open this one, and Encapsulated PostScript by an external program."""
    Image.fromarray(PIXELS).save(tmp_path / "x.pcx")
    (tmp_path / "x.pcx").rename(tmp_path / "x.png")
    Image.open(tmp_path / "x.png").load()
    with pytest.raises(UsageError, match="PCX, which is not decoded"):
        open_rgb(tmp_path / "x.png")


@pytest.mark.filterwarnings("ignore")
def test_flipped_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    numbers = np.random.default_rng(3)
    path = tmp_path / "x.jpg"
    for kind, options in (("JPEG", {}), ("PNG", {}), ("GIF", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {})):
        stream = io.BytesIO()
        Image.fromarray(PIXELS).save(stream, kind, **options)
        whole = bytearray(stream.getvalue())
        for _ in range(40):
            data = bytearray(whole)
            for place in numbers.integers(0, min(len(data), 200), 4):
                data[place] = numbers.integers(0, 256)
            path.write_bytes(data)
            try:
                open_rgb(path)
            except UsageError as error:
                assert str(path) in str(error)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.png"):
        open_rgb(tmp_path / "gone.png")
    assert not os.listdir(tmp_path)
