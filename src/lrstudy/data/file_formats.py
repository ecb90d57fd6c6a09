"""Detect file formats by their first bytes: images that Pillow reads, images that it does not, and other files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# The first bytes of common formats that Pillow reads, for files without an image's extension.
MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF
    b"MM\x00*",
    b"II+\x00",  # BigTIFF
    b"MM\x00+",
    b"\x00\x00\x00\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
    b"8BPS\x00\x01",  # Photoshop
    b"qoif",
)
# The possible sizes of a BMP's second header: many texts begin with "BM".
BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
# Enough for every signature below.
HEADER_BYTES = 512


@dataclass(frozen=True)
class UnsupportedFormat:
    """An image format that is not read: its name, its extensions, its first bytes, and a package that reads it.

    `signature` matches the first bytes of a file; None if the format has no signature of its own.
    """

    name: str
    extensions: tuple[str, ...]
    signature: re.Pattern[bytes] | None
    package: str | None = None

    @property
    def advice(self) -> str:
        """The reason why an image in this format is not used, and the way to make it usable."""
        example = f", for example with the package {self.package}" if self.package else ""
        return f"{self.name} images are not supported; convert it to PNG or JPEG{example}"


def _starts(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL | re.IGNORECASE)


# Most are TIFF files for Pillow, which would read the thumbnail in them.
CAMERA_RAW = UnsupportedFormat(
    "raw camera",
    (".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dng"),
    _starts(rb"FUJIFILMCCD-RAW|.{4}ftypcrx |II(?:RO|RS|U\x00)|MMOR|II\*\x00.{4}CR"),
    "rawpy",
)
# Files in these formats are reported like broken images: ignoring them silently would lose data.
UNSUPPORTED_FORMATS = (
    UnsupportedFormat(
        "HEIC",
        (".heic", ".heif", ".hif"),
        # `mif1` and `msf1` stand for any codec; one of the compatible brands then names it.
        _starts(rb".{4}ftyp(?:he[ivx][cmsx]|m[is]f1(?!.{4,60}avi[fs]).{0,60}he[iv][cmsx])"),
        "pillow-heif",
    ),
    UnsupportedFormat("JPEG XL", (".jxl",), _starts(rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n"), "pillow-jxl-plugin"),
    UnsupportedFormat("JPEG XR", (".jxr", ".wdp", ".hdp"), _starts(rb"II\xbc[\x00\x01]"), "imagecodecs"),
    UnsupportedFormat("JPEG-LS", (".jls",), _starts(rb"\xff\xd8\xff\xf7"), "pillow-jpls"),
    UnsupportedFormat("DICOM", (".dcm", ".dicom"), _starts(rb".{128}DICM"), "pydicom"),
    UnsupportedFormat("OpenEXR", (".exr",), _starts(rb"v/1\x01"), "OpenEXR"),
    UnsupportedFormat("Radiance HDR", (".hdr",), _starts(rb"#\?(?:RADIANCE|RGBE)"), "imageio"),
    UnsupportedFormat(
        "SVG", (".svg",), _starts(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg\b")
    ),
    UnsupportedFormat("PostScript", (".eps", ".ps", ".ai"), _starts(rb"%!PS|\xc5\xd0\xd3\xc6")),
    UnsupportedFormat("WMF or EMF", (".wmf", ".emf"), _starts(rb"\xd7\xcd\xc6\x9a|\x01\x00\x00\x00.{36} EMF")),
    UnsupportedFormat("DjVu", (".djvu", ".djv"), _starts(rb"AT&TFORM")),
    UnsupportedFormat("GIMP", (".xcf",), _starts(rb"gimp xcf")),
    CAMERA_RAW,
)
UNSUPPORTED = {extension for kind in UNSUPPORTED_FORMATS for extension in kind.extensions}
# Other kinds of files that often have an image's extension.
OTHER_FILES = {
    "a Git LFS pointer, not the image itself; run 'git lfs pull'": _starts(rb"version https://git-lfs"),
    "an HTML page, not an image": _starts(rb"\s*<(?:!doctype html|html)\b"),
    "a PDF file, not an image": _starts(rb"%PDF-"),
    "a ZIP archive, not an image": _starts(rb"PK\x03\x04"),
    "a gzip archive, not an image": _starts(rb"\x1f\x8b"),
    "a video, not an image": _starts(rb".{4}ftyp(?:isom|iso\d|mp4|avc|qt  |M4V|3gp)|RIFF.{4}AVI |\x1aE\xdf\xa3"),
}


@cache
def image_extensions() -> set[str]:
    """Return the extensions, such as `.png`, of files that should be images."""
    from PIL import Image

    from lrstudy.data.image_preprocessing import FORMATS

    return {extension for extension, kind in Image.registered_extensions().items() if kind in FORMATS} | UNSUPPORTED


def begins_like_image(path: str | Path) -> bool:
    """Return whether the first bytes of a file are those of an image, of a supported format or not."""
    begin = _header(path)
    is_bmp = begin[:2] == b"BM" and begin[6:10] == bytes(4) and int.from_bytes(begin[14:18], "little") in BMP_HEADERS
    is_read = begin.startswith(MAGIC) or begin[8:12] == b"WEBP" or begin[4:12] in (b"ftypavif", b"ftypavis")
    return is_bmp or is_read or _unsupported_by_content(begin) is not None


def unsupported_reason(path: str | Path) -> str | None:
    """Return the reason why Pillow cannot read a file: its format, by content or else by name; None if unknown."""
    extension = Path(path).suffix.lower()
    by_name = next((kind.advice for kind in UNSUPPORTED_FORMATS if extension in kind.extensions), None)
    return unsupported_content(_header(path)) or by_name


def unsupported_content(begin: bytes) -> str | None:
    """Return the reason why Pillow cannot read a file that begins with these bytes; None if unknown."""
    if kind := _unsupported_by_content(begin):
        return kind.advice
    other = next((name for name, signature in OTHER_FILES.items() if signature.match(begin)), None)
    return f"it is {other}" if other else None


def _unsupported_by_content(begin: bytes) -> UnsupportedFormat | None:
    return next((kind for kind in UNSUPPORTED_FORMATS if kind.signature and kind.signature.match(begin)), None)


def _header(path: str | Path) -> bytes:
    try:
        if not Path(path).is_file():
            return b""
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(HEADER_BYTES)
    except OSError:
        return b""
