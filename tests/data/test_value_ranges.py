"""Black and white of samples of more than 8 bits."""

import numpy as np
import pytest

from lrstudy.data.value_ranges import FLOATS, INTEGERS, Extent, measure, merge, to_8_bit


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 5, dtype=np.float32), [0, 64, 128, 191, 255]),
        (np.array([0, 10, 255], np.float32), [0, 10, 255]),
        (np.array([0, 0.5, 1.2], np.float32), [0, 106, 255]),
        (np.array([0, 2048, 4095], np.uint16), [0, 128, 255]),
        (np.array([0, 2048, 4095], ">u2"), [0, 128, 255]),
        (np.array([0, 100, 255], np.uint16), [0, 100, 255]),
        (np.array([0, 4096, 30000], np.uint16), [0, 16, 117]),
        (np.array([-1, 0, 1], np.float32), [0, 128, 255]),
        (np.array([0, 1000, 2000], np.float32), [0, 128, 255]),
        (np.array([np.nan, 0.0, 0.5, np.inf, -np.inf], np.float32), [0, 0, 128, 255, 0]),
        (np.array([0, 65535], np.int32), [0, 255]),
        (np.array([0, 128, 200], np.int32), [0, 128, 200]),
        (np.array([-100, 0, 100], np.int32), [0, 128, 255]),
        (np.array([0, 10**6], np.int32), [0, 255]),
        (np.array([7.5e8, 7.5e8], np.float32), [0, 0]),
    ],
)
def test_an_image_alone_is_brought_to_8_bits_without_clipping(values: np.ndarray, expected: list[int]) -> None:
    assert to_8_bit(values, *measure(values, None).black_and_white).tolist() == expected


@pytest.mark.parametrize(
    ("extents", "black", "white"),
    [
        ([Extent(INTEGERS, 0, 255), Extent(INTEGERS, 3, 200)], 0, 255),
        ([Extent(INTEGERS, 0, 255), Extent(INTEGERS, 0, 256)], 0, 4095),
        ([Extent(INTEGERS, 0, 255), Extent(INTEGERS, 0, 4096), Extent(INTEGERS, 0, 3000)], 0, 65535),
        ([Extent(INTEGERS, -1000, 500), Extent(INTEGERS, 0, 3000)], -1000, 3000),
        ([Extent(FLOATS, 0, 0.2), Extent(FLOATS, 0, 0.9)], 0, 1),
        ([Extent(FLOATS, 0, 0.2), Extent(FLOATS, 0, 12)], 0, 12),
    ],
)
def test_the_images_of_a_set_have_the_range_that_any_of_them_needs(
    extents: list[Extent], black: float, white: float
) -> None:
    (merged,) = merge(extents).values()
    assert merged.black_and_white == (black, white)


def test_whole_numbers_and_floating_point_numbers_have_ranges_of_their_own() -> None:
    merged = merge([Extent(INTEGERS, 0, 40000), Extent(FLOATS, 0, 0.5)])
    assert {kind: extent.black_and_white for kind, extent in merged.items()} == {INTEGERS: (0, 65535), FLOATS: (0, 1)}


def test_a_white_that_the_file_declares_counts_as_its_highest_value() -> None:
    assert measure(np.array([0, 100]), 4095.0).black_and_white == (0, 4095)
