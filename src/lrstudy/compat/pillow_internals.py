"""Limits, tables and decoder settings of Pillow that the project changes."""

from __future__ import annotations

import re
import sys
from typing import Any, cast

from PIL import Image, PngImagePlugin, TiffImagePlugin

_LITTLE, _BIG = TiffImagePlugin.II, TiffImagePlugin.MM
# How TIFF stores greys of more than 8 bits, by byte order, kind of sample (1 unsigned, 2 signed, 3 float) and bits.
_WIDE_TIFFS = {
    (_LITTLE, 1, 12): ("I;16", "I;12"),
    (_BIG, 1, 12): ("I;16", "I;12"),
    (_LITTLE, 1, 16): ("I;16", "I;16"),
    (_BIG, 1, 16): ("I;16B", "I;16B"),
    (_LITTLE, 2, 16): ("I", "I;16S"),
    (_BIG, 2, 16): ("I", "I;16BS"),
    (_LITTLE, 1, 32): ("I", "I;32"),
    (_BIG, 1, 32): ("I", "I;32B"),
    (_LITTLE, 2, 32): ("I", "I;32S"),
    (_BIG, 2, 32): ("I", "I;32BS"),
    (_LITTLE, 3, 64): ("F", "F;64F"),
    (_BIG, 3, 64): ("F", "F;64BF"),
}
_MIN_IS_WHITE, _MIN_IS_BLACK = 0, 1
_PLANAR = 2
# Raw modes of which Pillow's decoders keep the high byte of each sample.
_HIGH_BYTES = re.compile(r"RGB[AX]?;16[BLN]")
# libtiff returns samples in this machine's byte order, which Pillow overlooks for these raw modes.
_NATIVE = {"I;16BS": "I;16S", "I;32B": "I;32", "I;32BS": "I;32S", "F;32BF": "F;32F", "F;64BF": "F;64F"}
# The raw modes of unsigned samples of 32 bits.
_UNSIGNED_32 = ("I;32", "I;32B", "I;32N")


def allow_long_png_texts() -> None:
    """Let one text of a PNG take the 64 MB that Pillow allows all of its texts together.

    Reason: a long description or colour profile does not make a PNG broken. Seen to work with Pillow 12. Without it,
    a PNG with more than 1 MB of text is reported as a broken image.
    """
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


def allow_wide_tiffs() -> None:
    """Let Pillow read grey TIFFs of 12 to 64 bits in both byte orders and of both polarities.

    Reason: Pillow's table has only some of these combinations. Seen to work with Pillow 13. Without it, the others are
    reported as broken images. Pillow does not invert images whose 0 is white: `zero_is_white` says which these are.
    """
    for (order, kind, bits), modes in _WIDE_TIFFS.items():
        for polarity in (_MIN_IS_WHITE, _MIN_IS_BLACK):
            TiffImagePlugin.OPEN_INFO.setdefault((order, polarity, (kind,), 1, (bits,), ()), modes)


def zero_is_white(image: Image.Image) -> bool:
    """Return whether the lowest value of a wide grey image is white, which Pillow ignores."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return bool(image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, _MIN_IS_WHITE) == _MIN_IS_WHITE)


def raw_mode(image: Image.Image) -> str:
    """Return how the samples of an image that is not loaded yet are stored, such as `RGB;16B`; empty if unknown."""
    return str(_arguments(image)[0])


def declared_white(image: Image.Image) -> float | None:
    """Return the highest possible value of a wide image's samples as decoded, if its file declares one.

    A maximum of 65535 declares nothing: files of 16 bits have it whatever they hold.
    """
    if raw_mode(image) == "I;12":
        return 4095.0
    declared = _ppm_maximum(image)
    return 65535.0 if 255 < declared < 65535 else None


def correct_raw_mode(image: Image.Image) -> None:
    """Correct the raw mode of a TIFF that is not loaded yet.

    Reason: of compressed files, Pillow takes signed and floating-point samples in the file's byte order although
    libtiff has changed it; of uncompressed files with separate planes, it takes 16-bit samples for 8-bit ones. Seen
    with Pillow 13. Without it, such images become noise.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or not image.tile:
        return
    if image.tile[0].codec_name == "libtiff":
        if sys.byteorder == "little" and (native := _NATIVE.get(raw_mode(image))):
            _set_raw_mode(image, native)
    elif has_wide_planes(image):
        whole = (0, 0, image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH])
        arguments = (f"{image.mode};16N", False, image.tag_v2.offset)
        image.tile = [image.tile[0]._replace(codec_name="libtiff", extents=whole, offset=0, args=arguments)]
        image.use_load_libtiff = True


def has_wide_planes(image: Image.Image) -> bool:
    """Return whether an image is a TIFF of 16-bit colours with each channel stored apart.

    Reason: Pillow decodes no more than the high bytes of these. Seen with Pillow 13.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    return image.mode in ("RGB", "RGBA") and _is_planar(image) and _bits(image) == 16


def wraps_high_values(image: Image.Image) -> bool:
    """Return whether an image that is not loaded yet will have its values from 2³¹ on below 0.

    Reason: Pillow has no mode for unsigned samples of 32 bits. Seen with Pillow 13. Without it, bright becomes dark.
    """
    return raw_mode(image) in _UNSIGNED_32


def keeps_high_bytes(image: Image.Image) -> bool:
    """Return whether an image that is not loaded yet will be decoded to the high bytes of its 16-bit channels.

    Reason: Pillow has no mode for 16-bit colours. Seen to work with Pillow 13.
    """
    return bool(_HIGH_BYTES.fullmatch(raw_mode(image))) and not _is_planar(image)


def select_low_bytes(image: Image.Image) -> None:
    """Let an image of which Pillow `keeps_high_bytes` decode the low bytes instead."""
    channels, _, order = raw_mode(image).partition(";16")
    native = "L" if sys.byteorder == "little" else "B"
    _set_raw_mode(image, f"{channels};16{'B' if order.replace('N', native) == 'L' else 'L'}")


def select_all_bytes(image: Image.Image) -> bool:
    """Let a PNG of 16-bit grey and alpha decode the four bytes of a pixel as RGBA; return False if it is not one."""
    if raw_mode(image) != "LA;16B":
        return False
    _set_raw_mode(image, "RGBA")
    return True


def select_wide_greys(image: Image.Image) -> bool:
    """Let a colour PPM of 16 bits decode its channels side by side as 16-bit grey; return False if it is not one."""
    if image.mode != "RGB" or _ppm_maximum(image) <= 255:
        return False
    opened = cast(Any, image)
    opened._mode, opened._size = "I", (3 * image.width, image.height)
    opened.tile = [opened.tile[0]._replace(extents=(0, 0, *image.size))]
    return True


def _arguments(image: Image.Image) -> tuple[Any, ...]:
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ("",)
    arguments = tiles[0].args
    return arguments if isinstance(arguments, tuple) and arguments else (arguments or "",)


def _set_raw_mode(image: Image.Image, mode: str) -> None:
    opened = cast(Any, image)
    opened.tile = [
        tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:])) for tile in opened.tile
    ]


def _ppm_maximum(image: Image.Image) -> int:
    """Return the highest value that a PPM declares; 0 if it is another format, or Pillow reads it as it is."""
    tiles = getattr(image, "tile", None)
    return int(tiles[0].args[1]) if tiles and tiles[0].codec_name in ("ppm", "ppm_plain") and image.mode != "1" else 0


def _is_planar(image: Image.Image) -> bool:
    return (
        isinstance(image, TiffImagePlugin.TiffImageFile)
        and image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == _PLANAR
    )


def _bits(image: TiffImagePlugin.TiffImageFile) -> int:
    return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
