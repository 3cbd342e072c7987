"""What a file is by its first bytes, whatever it is called: for messages about files that are not decoded."""

from __future__ import annotations

from pathlib import Path

_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF"}
_BRANDS |= {b"crx ": "Canon raw", b"isom": "MP4 video", b"mp42": "MP4 video", b"qt  ": "QuickTime video"}

_STARTS = {
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x01\x00": "ICO",
    b"8BPS": "Photoshop",
    b"DDS ": "DDS",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"qoif": "QOI",
    b"\x0a\x05\x01": "PCX",
    b"\x01\xda": "SGI",
    b"SIMPLE  =": "FITS",
    b"PF\n": "PFM",
    b"Pf\n": "PFM",
    b"%!PS": "PostScript",
    b"%PDF": "PDF",
    b"\x89HDF": "HDF5",
    b"\x93NUMPY": "NumPy",
    b"PK\x03\x04": "ZIP",
    b"\x1f\x8b": "gzip",
    b"version https://git-lfs": "Git LFS pointer (run git lfs pull)",
    b"II*\x00": "TIFF (of unusual samples or compression, or cut off)",
    b"MM\x00*": "TIFF (of unusual samples or compression, or cut off)",
    b"II+\x00": "BigTIFF (of unusual samples or compression, or cut off)",
    b"MM\x00+": "BigTIFF (of unusual samples or compression, or cut off)",
}


def format_of(path: Path) -> str:
    """The name of a format that we do not decode, or not every kind of; empty where the bytes tell of none."""
    with path.open("rb") as file:
        head = file.read(256)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "ISO media")
    if head[128:132] == b"DICM":
        return "DICOM"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")):
        return "SVG" if b"<svg" in text or path.suffix.lower() == ".svg" else "XML"
    if text.startswith((b"<!doctype html", b"<html")):
        return "HTML page (a download that failed?)"
    return next((name for start, name in _STARTS.items() if head.startswith(start)), "")
