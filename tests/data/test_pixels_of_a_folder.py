"""The pixels of a whole folder: one range of values, and remarks on how they were read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_files import RGB, png
from image_folders import cache_files, load
from lrstudy.data import loading

RANDOM = np.random.default_rng(0)


def test_dark_and_bright_images_of_16_bits_stay_apart(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, factor in (("dark", 1), ("bright", 257)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(8):
            values = RANDOM.integers(0, 256, (8, 8)).astype(np.uint16) * factor
            values[0, 0] = 255 * factor
            Image.fromarray(values).save(tmp_path / "set" / name / f"{number}.png")
    data = load(tmp_path / "set")
    dark, bright = (data.images[data.labels == data.classes.index(name)] for name in ("dark", "bright"))
    assert dark.max() == 1
    assert bright.max() == 255
    sentence = "16 images have whole-number samples of more than 8 bits: 0 is black and 65535 is white"
    assert data.remarks == (sentence,)
    assert "decoding again, with one range of values: 8 images" in capfd.readouterr().err
    assert load(tmp_path / "set").remarks == (sentence,)
    assert "decoding" not in capfd.readouterr().err


def test_grey_and_colour_of_12_bits_have_one_range_and_broken_profiles_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            values = RANDOM.integers(0, 256, (8, 8, 3))
            values[0, 0, 0] = 4095 if number == 5 else 255
            (tmp_path / "set" / name / f"{number}.png").write_bytes(png(values, 16, RGB))
    grey = np.full((8, 8), 2048, np.uint16)
    Image.fromarray(grey).save(tmp_path / "set" / "a" / "grey.png")
    for number in range(5):
        Image.new("RGB", (8, 8), (9, 8, 7)).save(
            tmp_path / "set" / "b" / f"odd {number}.png", icc_profile=b"no profile"
        )
    data = load(tmp_path / "set")
    assert (data.images[6] == 128).all()
    assert data.images[:5].max() == 16
    assert (data.images[-1] == (9, 8, 7)).all()
    assert data.remarks == (
        "13 images have whole-number samples of more than 8 bits: 0 is black and 4095 is white",
        "5 images have a colour profile that cannot be used and is ignored: "
        "b/odd 0.png, b/odd 1.png, b/odd 2.png and 2 more",
    )


def test_pixels_of_another_version_are_read_again(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(pets)
    (old,) = cache_files()
    monkeypatch.setattr(loading, "PREPROCESSING_VERSION", 99)
    second = load(pets)
    assert cache_files() != [old]
    assert (first.preprocessing, second.preprocessing) == (4, 99)
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("size", "digest"), [(0, "c16fea7a45583558e64b1590258708ee"), (12, "9db2740c1c13774ff1b870789721cf64")]
)
def test_the_digest_of_the_digits_is_that_of_earlier_versions(size: int, digest: str) -> None:
    assert load("digits", size=size).digest == digest
