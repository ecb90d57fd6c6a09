"""The planes of a TIFF that stores each channel apart, as grey TIFFs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CLASSIC = {b"II*\0": "<", b"MM\0*": ">"}
SHORT, LONG = 3, 4
WIDTHS = {SHORT: "H", LONG: "I"}
BITS, PHOTOMETRIC, CHANNELS, PLANAR, EXTRA, KIND = 258, 262, 277, 284, 338, 339
# The offsets and lengths of strips, and those of tiles: of all planes, one plane after the other.
BLOCKS = (273, 279, 324, 325)


@dataclass(frozen=True)
class _Entry:
    """An entry of the directory: its tag, the type and number of its values, and 4 bytes, which hold or find them."""

    tag: int
    kind: int
    count: int
    field: bytes


def grey_planes(content: bytes) -> Iterator[bytes]:
    """Yield a grey TIFF for each channel of a TIFF with separate planes: its content, with a new directory behind.

    Nothing is yielded for a BigTIFF, whose directory has another form.
    """
    if (order := CLASSIC.get(content[:4])) is None:
        return
    entries = list(_entries(content, order))
    (channels,) = next(_values(content, order, entry) for entry in entries if entry.tag == CHANNELS)
    for plane in range(channels):
        directory = [_of_plane(content, order, entry, plane, channels) for entry in entries if entry.tag != EXTRA]
        yield _with_directory(content, order, directory)


def _entries(content: bytes, order: str) -> Iterator[_Entry]:
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    for number in range(count):
        yield _Entry(*struct.unpack_from(f"{order}HHI4s", content, start + 2 + 12 * number))


def _values(content: bytes, order: str, entry: _Entry) -> tuple[int, ...]:
    form = f"{order}{entry.count}{WIDTHS[entry.kind]}"
    if struct.calcsize(form) <= len(entry.field):
        return struct.unpack_from(form, entry.field)
    return struct.unpack_from(form, content, struct.unpack(f"{order}I", entry.field)[0])


def _of_plane(
    content: bytes, order: str, entry: _Entry, plane: int, channels: int
) -> tuple[_Entry, tuple[int, ...] | None]:
    """Return an entry with its new values; None for those that it has."""
    if entry.tag in (CHANNELS, PLANAR, PHOTOMETRIC):
        return entry, (1,)
    if entry.tag in (BITS, KIND):
        return entry, _values(content, order, entry)[:1]
    if entry.tag in BLOCKS:
        count = entry.count // channels
        return entry, _values(content, order, entry)[plane * count : (plane + 1) * count]
    return entry, None


def _with_directory(content: bytes, order: str, directory: list[tuple[_Entry, tuple[int, ...] | None]]) -> bytes:
    """Return the content with another directory at its end, where longer values follow it."""
    start = len(content) + len(content) % 2
    behind = start + 2 + 12 * len(directory) + 4
    packed, values_behind = struct.pack(f"{order}H", len(directory)), b""
    for entry, values in directory:
        count, field = entry.count, entry.field
        if values is not None:
            count, field = len(values), struct.pack(f"{order}{len(values)}{WIDTHS[entry.kind]}", *values)
            if len(field) > len(entry.field):
                field, longer = struct.pack(f"{order}I", behind + len(values_behind)), field
                values_behind += longer + bytes(len(longer) % 2)
        packed += struct.pack(f"{order}HHI4s", entry.tag, entry.kind, count, field)
    header = content[:4] + struct.pack(f"{order}I", start)
    return header + content[8:].ljust(start - 8, b"\0") + packed + bytes(4) + values_behind
