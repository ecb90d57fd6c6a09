"""Folders of made-up images, and how tests load them."""

import os
from pathlib import Path

from PIL import Image

from lrstudy.data import ImageData
from lrstudy.data import load as load_data


def load(
    folder: Path | str, bad_images: str = "error", size: int = 8, seed: int = 0, root: Path | None = None
) -> ImageData:
    return load_data(str(folder), data_root=root, image_size=size, fit="pad", bad_images=bad_images, split_seed=seed)


def fill(folder: Path, count: int = 10, colour: tuple[int, int, int] = (200, 10, 10)) -> None:
    """Write `count` images of almost one colour into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (10 + number, 9), (colour[0], colour[1], number)).save(folder / f"{number}.png")


def cache_files() -> list[Path]:
    """Return the files of pixels in the cache."""
    return sorted(Path(os.environ["XDG_CACHE_HOME"]).rglob("pixels"))
