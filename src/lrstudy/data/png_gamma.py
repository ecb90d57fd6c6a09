"""Colour profiles of PNGs that declare a gamma and primaries instead of having a profile."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

# From the PNG specification: the gamma of a file in sRGB, and x and y of white, red, green and blue.
SRGB_GAMMA = 0.45455
SRGB_PRIMARIES = (0.3127, 0.3290, 0.6400, 0.3300, 0.3000, 0.6000, 0.1500, 0.0600)
# Values within these tolerances count as sRGB: libpng's threshold for the gamma, and the rounding of primaries.
GAMMA_TOLERANCE, PRIMARIES_TOLERANCE = 0.05, 0.005
MIN_GAMMA, MAX_GAMMA = 0.05, 20.0
# From the ICC specification: the white of profiles, and the matrix of the Bradford adaptation to it.
PROFILE_WHITE = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
# The parameters of its curve type 3 for sRGB: exponent, slope and offset, linear slope, and where that ends.
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
HEADER_SIZE = 128
MAX_IN_MATRIX = 16  # real primaries give about 1; a profile's numbers are below 32768


def profile_of_gamma(gamma: float, primaries: Sequence[float] | None) -> bytes | None:
    """Return the colour profile of images with a gamma; None if the values mean sRGB or are impossible.

    Args:
        gamma: of the file, as in PNG's chunk `gAMA`: 0.45455 for sRGB.
        primaries: x and y of white, red, green and blue, as in PNG's chunk `cHRM`; None for those of sRGB.
    """
    if not MIN_GAMMA < gamma < MAX_GAMMA:
        return None
    matrix = _matrix(primaries or SRGB_PRIMARIES)
    curve = () if abs(gamma / SRGB_GAMMA - 1) <= GAMMA_TOLERANCE else (1 / gamma,)
    is_srgb = np.allclose(primaries or SRGB_PRIMARIES, SRGB_PRIMARIES, rtol=0, atol=PRIMARIES_TOLERANCE)
    return None if matrix is None or (is_srgb and not curve) else rgb_profile(matrix, curve or SRGB_CURVE)


def rgb_profile(matrix: np.ndarray, curve: Sequence[float]) -> bytes:
    """Return an ICC profile, of version 4.

    Args:
        matrix: the columns are X, Y, Z of red, green and blue, adapted to the profile's white.
        curve: the parameters of a curve of type 0 (an exponent) or 3.
    """
    coded_curve = b"para" + struct.pack(">IHH", 0, 0 if len(curve) == 1 else 3, 0) + _numbers(curve)
    tags = {f"{colour}XYZ": b"XYZ \0\0\0\0" + _numbers(matrix[:, row]) for row, colour in enumerate("rgb")}
    tags |= {f"{colour}TRC": coded_curve for colour in "rgb"}
    tags["wtpt"] = b"XYZ \0\0\0\0" + _numbers(PROFILE_WHITE)
    start = HEADER_SIZE + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name.encode() + struct.pack(">II", start + len(content), len(value))
        content += value
    header = struct.pack(">II", start + len(content), 0) + bytes.fromhex("04000000") + b"mntrRGB XYZ " + bytes(12)
    header += b"acsp" + bytes(28) + _numbers(PROFILE_WHITE)
    return header.ljust(HEADER_SIZE, b"\0") + table + content


def _matrix(primaries: Sequence[float]) -> np.ndarray | None:
    """Return the columns X, Y, Z of red, green and blue, adapted to the profile's white; None if there are none."""
    if min(primaries[1::2]) <= 0 or not all(map(math.isfinite, primaries)):
        return None
    white, *colours = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(*[iter(primaries)] * 2, strict=True))
    columns = np.stack(colours, axis=1)
    if abs(np.linalg.det(columns)) < PRIMARIES_TOLERANCE:
        return None
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ PROFILE_WHITE / (BRADFORD @ white)) @ BRADFORD
    matrix: np.ndarray = adaptation @ columns * np.linalg.solve(columns, white)
    return matrix if (abs(matrix) < MAX_IN_MATRIX).all() else None


def _numbers(values: Sequence[float] | np.ndarray) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 2**16) for value in values))
