"""The images that a network takes are those of training, wherever they come from."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import GREY, RGB, gradient, png, saved, tiff
from image_folders import load
from lrstudy.data.image_format import ImageFormat
from lrstudy.data.image_preprocessing import BrokenImageError


def write_class(folder: Path, *contents: bytes) -> None:
    folder.mkdir(parents=True)
    for number in range(8):
        (folder / f"{number}").write_bytes(contents[number % len(contents)])


def photo(tmp_path: Path, name: str, **options: object) -> bytes:
    return Path(saved(tmp_path / name, gradient(640, 430), **options)).read_bytes()


def test_files_and_their_contents_give_the_pixels_of_training(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated, webp = photo(tmp_path, "a.jpg", exif=exif), photo(tmp_path, "b.webp")
    deep = png(np.arange(600, dtype=np.uint16).reshape(10, 20, 3) * 100, 16, RGB)
    write_class(tmp_path / "set" / "one", rotated, deep)
    write_class(tmp_path / "set" / "two", webp, tiff(np.full((9, 7, 1), 0.3, np.float32), 1))
    data = load(tmp_path / "set", size=24)
    image_format = ImageFormat(24, 3, "pad", data.ranges)
    assert set(data.ranges) == {"whole-number", "floating-point"}
    for row, path in enumerate(sorted((tmp_path / "set").glob("*/*"))):
        assert (image_format.read_file(str(path)) == data.images[row]).all(), path
        assert (image_format.read_bytes(path.read_bytes()) == data.images[row]).all(), path


def test_the_range_of_values_is_that_of_the_training_set_also_from_the_cache(tmp_path: Path) -> None:
    dark, bright = (png(np.full((5, 5, 1), value, np.uint16), 16, GREY) for value in (300, 60_000))
    write_class(tmp_path / "set" / "dark", dark)
    write_class(tmp_path / "set" / "bright", bright)
    for data in (load(tmp_path / "set"), load(tmp_path / "set")):
        assert data.ranges == {"whole-number": (0.0, 65535.0)}
    image_format = ImageFormat(8, 1, "crop", data.ranges)
    assert image_format.read_bytes(dark).max() == round(300 * 255 / 65535)
    assert image_format.read_array(np.full((5, 5), 300, np.uint16)).max() == round(300 * 255 / 65535)


def test_a_set_of_greys_has_the_pixels_of_training_and_colours_become_grey(tmp_path: Path) -> None:
    grey = Path(saved(tmp_path / "grey.png", gradient().convert("L"))).read_bytes()
    write_class(tmp_path / "set" / "one", grey)
    write_class(tmp_path / "set" / "two", grey)
    data = load(tmp_path / "set")
    image_format = ImageFormat(8, 1, "pad")
    assert (image_format.read_bytes(grey) == data.images[0]).all()
    red = image_format.read_array(np.full((4, 4, 3), (255, 0, 0), np.uint8))
    assert red.shape == (8, 8, 1)
    assert (red == 76).all()  # 0.299 × 255


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_an_array_of_the_stored_size_stays_as_it_is(fit: str) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert (ImageFormat(9, 3, fit).read_array(stored) == stored).all()
    assert (ImageFormat(9, 1, fit).read_array(stored[..., :1]) == stored[..., :1]).all()


def test_an_array_becomes_the_image_that_a_lossless_file_of_it_becomes(tmp_path: Path) -> None:
    for image in (gradient(33, 20), gradient(20, 33).convert("L"), gradient().convert("RGBA")):
        path = saved(tmp_path / "image.png", image)
        image_format = ImageFormat(16, 3, "pad")
        assert (image_format.read_array(np.asarray(image)) == image_format.read_file(path)).all()
    shares = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert (ImageFormat(16, 1, "pad").read_array(shares)[..., 0].ravel() == np.arange(256)).all()


@pytest.mark.parametrize("shape", [(5,), (0, 4, 3), (3, 8, 9), (2, 2, 2, 2)])
def test_an_array_that_is_not_an_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BrokenImageError, match="is not an image; it must be numbers of the shape"):
        ImageFormat(8, 3, "pad").read_array(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"<!doctype html><p>", "an HTML page"), (b"x", "not an image")]
)
def test_a_content_that_is_not_an_image_is_refused_with_its_kind(content: bytes, reason: str) -> None:
    with pytest.raises(BrokenImageError, match=reason):
        ImageFormat(8, 3, "pad").read_bytes(content)
